/* floor.h: the least that an allocator of one size can do, as the unit that ratios are given in.
 *
 * An unchecked list through the free objects themselves, one per thread, inlined. It knows no
 * limits, no statistics, no return of memory, no other threads: an object freed by another thread stays
 * with that thread. Nobody can use it for anything but this.
 */
#ifndef LIDO_BENCHMARKS_FLOOR_H
#define LIDO_BENCHMARKS_FLOOR_H

#include <pthread.h>
#include <stdlib.h>

#include "harness.h"

enum { FLOOR_OBJECT = 64, FLOOR_REFILL = 1024, FLOOR_BLOCKS_MAX = 1 << 16 };

static _Thread_local void *floor_head;

static pthread_mutex_t floor_mutex = PTHREAD_MUTEX_INITIALIZER;
static void *floor_blocks[FLOOR_BLOCKS_MAX];
static size_t floor_block_count;

static inline void floor_free(void *object) {
  *(void **)object = floor_head;
  floor_head = object;
}

static __attribute__((noinline, cold)) void *floor_refill(void) {
  char *block = aligned_alloc(64, (size_t)FLOOR_OBJECT * FLOOR_REFILL);
  if (block == NULL) bench_die("floor: no memory");
  pthread_mutex_lock(&floor_mutex);
  if (floor_block_count == FLOOR_BLOCKS_MAX) bench_die("floor: too many blocks");
  floor_blocks[floor_block_count++] = block;
  pthread_mutex_unlock(&floor_mutex);
  for (size_t i = FLOOR_REFILL; i-- > 1;) floor_free(block + i * FLOOR_OBJECT);
  return block;
}

static inline void *floor_alloc(void) {
  void *object = floor_head;
  if (__builtin_expect(object == NULL, 0)) return floor_refill();
  floor_head = *(void **)object;
  return object;
}

/* Forget this thread's list. Every thread that used the floor must do so before the blocks go. */
static inline void floor_forget(void *unused) {
  (void)unused;
  floor_head = NULL;
}

static inline void floor_release_blocks(void) {
  while (floor_block_count > 0) free(floor_blocks[--floor_block_count]);
}

#endif
