/* micro.h: a subject (an allocator under test) and the rows it is measured in.
 *
 * A sample is one slice of some tens of milliseconds; the subjects of a program take turns slice by
 * slice, so that what else happens on the machine hits all alike.
 */
#ifndef LIDO_BENCHMARKS_MICRO_H
#define LIDO_BENCHMARKS_MICRO_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "harness.h"

enum { MICRO_OBJECT = 64, MICRO_BATCH = 128, MICRO_RING = 4096, MICRO_WOVEN_MAX = 1 << 16, MICRO_WOVEN = 1024 };

/* ---- The ring between producer and consumer ---- */

/* One writer, one reader. Each keeps a copy of the other's index and looks again only when the copy says full or empty,
 * and tells of its own index every MICRO_RING_STEP objects only (as MCRingBuffer does: Lee, Bu, Chandranmenon 2010). A
 * ring that tells of each object makes a fast consumer pay a cache line's journey for every one, and so measures
 * itself: 27 ns an object with no allocator at all, against 16 so. Counts are multiples of the step. */
enum { MICRO_RING_STEP = 64 };

typedef struct micro_ring {
  _Alignas(128) _Atomic size_t tail; /* producer: objects put in, as told */
  size_t tail_own;                   /* and as it is */
  size_t head_seen;
  _Alignas(128) _Atomic size_t head; /* consumer: objects taken out, as told */
  size_t head_own;
  size_t tail_seen;
  _Alignas(128) void *slots[MICRO_RING];
} micro_ring;

static inline void micro_ring_push(micro_ring *ring, void *object) {
  size_t tail = ring->tail_own;
  for (unsigned turn = 0; tail - ring->head_seen == MICRO_RING; turn++) {
    if (turn > 0) bench_wait(turn);
    ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
  }
  ring->slots[tail % MICRO_RING] = object;
  ring->tail_own = tail + 1;
  if ((tail + 1) % MICRO_RING_STEP == 0) atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
}

static inline void *micro_ring_pop(micro_ring *ring) {
  size_t head = ring->head_own;
  for (unsigned turn = 0; head == ring->tail_seen; turn++) {
    if (turn > 0) bench_wait(turn);
    ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
  }
  void *object = ring->slots[head % MICRO_RING];
  ring->head_own = head + 1;
  if ((head + 1) % MICRO_RING_STEP == 0) atomic_store_explicit(&ring->head, head + 1, memory_order_release);
  return object;
}

/* The one write that each object gets; after it the compiler must take it for used. */
static inline void micro_touch(void *object, uint64_t value) {
  *(uint64_t *)object = value;
  __asm__ volatile("" : : "r"(object) : "memory");
}

/* Here the compiler has to have everything in memory. */
static inline void micro_barrier(void) { __asm__ volatile("" : : : "memory"); }

/* ---- Subjects ---- */

enum {
  MICRO_IN_PLAIN = 1, /* pair, batch, fresh or aged, by one thread or two */
  MICRO_IN_RANDOM = 2,
  MICRO_IN_EXCHANGE = 4,
  MICRO_IN_WOVEN = 8,
};

typedef struct micro_subject {
  const char *name;
  void (*pair)(size_t count);
  void (*batch)(size_t count);
  void (*random)(void **objects, size_t live, size_t count, uint64_t seed);
  void (*walk)(void **objects, size_t live, size_t count);
  void (*produce)(micro_ring *ring, size_t count);
  void (*consume)(micro_ring *ring, size_t count);
  void (*fill)(void **objects, size_t count);
  void (*drain)(void **objects, size_t count);
  /* Optional: all objects of one slab into `objects`; -> how many. Else MICRO_WOVEN of fill's. */
  size_t (*fill_slab)(void **objects, size_t capacity);
  void (*forget)(void *unused); /* optional: after an exchange between threads, in each of them */
  void (*settle)(void);         /* optional: after that */
  unsigned rows;                /* MICRO_IN_... that it stands in; 0 = all */
} micro_subject;

#define SUBJECT_LOOPS(subject)                                                                          \
  .pair = subject##_pair, .batch = subject##_batch, .random = subject##_random, .walk = subject##_walk, \
  .produce = subject##_produce, .consume = subject##_consume, .fill = subject##_fill, .drain = subject##_drain

/* Measure `subjects` in the rows that `options` want. */
void micro_run(const bench_options *options, const micro_subject *subjects, size_t count);

#endif
