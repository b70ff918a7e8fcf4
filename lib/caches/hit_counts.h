/* hit_counts.h: a count that many threads add to without slowing each other down; and the copy of counts that are
 * rarer.
 *
 * Each thread that has a number (lib/refs/grace_period.h) adds in a place of its own, on a line of its own, by a plain
 * addition. The first place is for all others.
 * Threads: any. Cost: 4 KiB.
 */
#ifndef LIDO_LIB_CACHES_HIT_COUNTS_H
#define LIDO_LIB_CACHES_HIT_COUNTS_H

#include "lib/base/atomic.h"
#include "lib/refs/grace_period.h"

typedef struct lido_hit_count {
  _Alignas(64) uint64_t count; /* atomic */
} lido_hit_count;

typedef struct lido_hit_counts {
  lido_hit_count of[1 + LIDO_GUARD_NUMBERS];
} lido_hit_counts;

/* `record` is this thread's, or NULL. */
static inline void lido_hit_count_add(lido_hit_counts *hits, const lido_guard_record *record) {
  if (LIDO_LIKELY(record != NULL && record->number != 0)) {
    lido_count_owned(&hits->of[record->number].count);
  } else {
    lido_add_relaxed(&hits->of[0].count, 1); /* RELAXED: a statistic, here and below */
  }
}

static inline uint64_t lido_hit_counts_sum(const lido_hit_counts *hits) {
  uint64_t sum = 0;
  for (size_t i = 0; i <= LIDO_GUARD_NUMBERS; i++) sum += lido_load_relaxed(&hits->of[i].count); /* RELAXED: as above */
  return sum;
}

/* A struct of numbers, all uint64_t, that others add to meanwhile. */
static inline void lido_counts_copy(void *to, const void *from, size_t bytes) {
  uint64_t *target = to;
  const uint64_t *source = from;
  for (size_t i = 0; i < bytes / sizeof *target; i++) target[i] = lido_load_relaxed(&source[i]); /* RELAXED: as above */
}

#endif
