/* cleanup_trace.h: for tests of cleanups: letters that note who ran in which order, and the end of a pool after which
 * nothing is registered any more. */
#ifndef LIDO_TESTS_SUPPORT_CLEANUP_TRACE_H
#define LIDO_TESTS_SUPPORT_CLEANUP_TRACE_H

#include "tests/support/objects.h"

#define CHECK_REFS()                                          \
  do {                                                        \
    const char *refs_broken = lido_weak_check();              \
    if (refs_broken != NULL) TESTING_FAIL("%s", refs_broken); \
  } while (0)

static inline lido_weak_stats numbers(void) {
  lido_weak_stats stats;
  lido_weak_stats_get(&stats);
  return stats;
}

static inline void end(lido_pool *pool) {
  CHECK_SOUND(pool);
  CHECK_REFS();
  CHECK_EQ(lido_pool_destroy(pool), 0);
  CHECK_EQ(numbers().cleanups, 0);
  CHECK_REFS();
}

static struct {
  char text[64];
  size_t count;
} trace;

static inline void trace_begin(void) { memset(&trace, 0, sizeof trace); }

static inline void note_letter(void *arg) {
  if (trace.count < sizeof trace.text - 1) trace.text[trace.count] = *(const char *)arg;
  trace.count++;
}

#endif
