/* arena_floor.h: the least that an arena can do, as the unit that ratios are given in: a pointer that moves through
 * one big block, unchecked, and back. It stands in every program, so that ratios can be compared across
 * processes. Nobody can use it: what does not fit runs over the end.
 */
#ifndef LIDO_BENCHMARKS_ARENA_FLOOR_H
#define LIDO_BENCHMARKS_ARENA_FLOOR_H

#include "arena_rows.h"
#include "harness.h"

enum { ARENA_FLOOR_BYTES = ARENA_PIECES * 512 };

static struct {
  char *at;
  char *block;
} arena_floor;

static inline void *arena_floor_alloc(size_t bytes) {
  char *piece = arena_floor.at;
  arena_floor.at = piece + ((bytes + 15) & ~(size_t)15);
  return piece;
}

static inline void arena_floor_reset(void) { arena_floor.at = arena_floor.block; }

static inline void arena_floor_begin(void) { arena_floor.at = arena_floor.block = bench_pages(ARENA_FLOOR_BYTES); }

#define SUBJECT floor
#define SUBJECT_BEGIN
#define SUBJECT_OPEN
#define SUBJECT_ALLOC(bytes) arena_floor_alloc(bytes)
#define SUBJECT_KEEP(index, piece)
#define SUBJECT_CLOSE(count) arena_floor_reset()
#include "arena_loops.h"

/* It has no room for a huge request. */
static inline arena_subject arena_floor_subject(void) {
  (void)floor_one;
  return (arena_subject){.name = "floor", .requests = floor_requests, .parts = ARENA_PIECES};
}

#define ARENA_SUBJECT(subject) \
  { .name = #subject, .requests = subject##_requests, .parts = ARENA_PIECES, .one = subject##_one }

#endif
