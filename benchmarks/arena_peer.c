/* arena_peer.c: the arena rows on one peer.
 *
 * Compiled once for each file peers/arena_*.h, with PEER_FILE naming it: a process for each, because some take over
 * malloc wherever they are linked. A peer's file defines
 *
 *     PEER_NAME                as the figures name it
 *     void peer_begin(void)    ends the program if not this peer serves the calls
 *     PEER_SUBJECTS            its subjects, made with arena_loops.h
 */
#include "arena_floor.h"

#include PEER_FILE

int main(int argc, char **argv) {
  bench_options options = arena_begin(argc, argv);
  arena_floor_begin();
  peer_begin();
  bench_fact("peer", PEER_NAME);
  const arena_subject subjects[] = {arena_floor_subject(), PEER_SUBJECTS};
  arena_run(&options, subjects, sizeof subjects / sizeof *subjects, NULL);
  return 0;
}
