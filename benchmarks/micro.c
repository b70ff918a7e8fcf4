/* micro.c: the micro benchmarks on one peer: an allocator that people use today.
 *
 * Compiled once for each file in peers/, with PEER_FILE naming it. Each peer has a process of its own,
 * because three of them take over malloc wherever they are linked. A peer's file defines
 *
 *     PEER_ALLOC(), PEER_FREE(object)           its natural call for 64 bytes
 *     PEER_NAME                                 as the figures name it
 *     void peer_begin(void)                     ends the program if not this peer serves the calls
 *     PEER_ALIGNED_ALLOC(), PEER_ALIGNED_FREE   optional: the same aligned to a cache line, as Lido's are
 *     PEER_SMALL_ALLOC(), PEER_SMALL_FREE       optional: a faster call that the peer has for small sizes
 *     PEER_ENTER()                              optional: at the start of each loop
 */
#include "micro_floor.h"

#include PEER_FILE

#ifndef PEER_ENTER
#define PEER_ENTER()
#endif

#define SUBJECT peer
#define SUBJECT_BEGIN PEER_ENTER()
#define SUBJECT_ALLOC() PEER_ALLOC()
#define SUBJECT_FREE(object) PEER_FREE(object)
#include "micro_loops.h"

#ifdef PEER_ALIGNED_ALLOC
#define SUBJECT peer_aligned
#define SUBJECT_BEGIN PEER_ENTER()
#define SUBJECT_ALLOC() PEER_ALIGNED_ALLOC()
#define SUBJECT_FREE(object) PEER_ALIGNED_FREE(object)
#include "micro_loops.h"
#endif

#ifdef PEER_SMALL_ALLOC
#define SUBJECT peer_small
#define SUBJECT_BEGIN PEER_ENTER()
#define SUBJECT_ALLOC() PEER_SMALL_ALLOC()
#define SUBJECT_FREE(object) PEER_SMALL_FREE(object)
#include "micro_loops.h"
#endif

static const micro_subject subjects[] = {
    MICRO_FLOOR,
    {.name = PEER_NAME, SUBJECT_LOOPS(peer)},
#ifdef PEER_ALIGNED_ALLOC
    {.name = PEER_NAME "_aligned", SUBJECT_LOOPS(peer_aligned)},
#endif
#ifdef PEER_SMALL_ALLOC
    {.name = PEER_NAME "_small", SUBJECT_LOOPS(peer_small)},
#endif
};

int main(int argc, char **argv) {
  bench_options options = bench_begin(argc, argv);
  peer_begin();
  bench_fact("peer", PEER_NAME);
  bench_fact("compiler", __VERSION__);
  micro_run(&options, subjects, sizeof subjects / sizeof *subjects);
  return 0;
}
