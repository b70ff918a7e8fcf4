/* 19_contiguous.c: an array that grows a thousandfold and never moves: address space is reserved once, and memory is
 * taken as the array grows into it. So numbers and pointers into it stay good. */
#include <lido/arena.h>
#include <stdio.h>

enum { FIRST = 1000, LAST = 1000000, RESERVED = 64 << 20 };

int main(void) {
  lido_arena *arena = lido_arena_create(&(lido_arena_options){.name = "samples", .reserve_bytes = RESERVED});
  if (arena == NULL) return 1;
  double *samples = lido_arena_alloc_array(arena, FIRST, sizeof *samples);
  if (samples == NULL) return 1;
  double *first = &samples[0];
  *first = 0.5;

  size_t room = FIRST;
  while (room < LAST) {
    double *grown = lido_arena_realloc(arena, samples, room * sizeof *samples, 2 * room * sizeof *samples);
    if (grown != samples) return 1; /* moved, or no memory */
    room *= 2;
    samples[room - 1] = (double)room;
  }
  if (*first != 0.5 || !lido_arena_owns(arena, &samples[room - 1])) return 1;

  lido_arena_stats stats;
  lido_arena_stats_get(arena, &stats);
  printf("%zu samples at one address, %llu of %d bytes used\n", room, (unsigned long long)stats.used, RESERVED);
  lido_arena_destroy(arena);
  return 0;
}
