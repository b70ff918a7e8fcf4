/* drill.h: run the same calls again and again, and let the first request for memory fail, the second, ...
 *
 * A scenario is a function that makes, uses and ends pools, with the calls that may fail wrapped in TRY. With
 * LIDO_FAULT_INJECTION every request for memory asks lib/base/fault.h first. drill() runs a scenario
 *
 *     calm, three times: nothing fails; then what Lido holds is the baseline
 *     with the nth request failing, for n = 1, 2, ... until no request is left to fail
 *     with the nth request and all later ones failing, for the same n
 *
 * and wants, each time: a call that fails gives NULL and ENOMEM, and succeeds when repeated with memory; a
 * call that succeeds, however slowly, leaves errno alone; the pools are sound; at the end Lido holds the
 * baseline, to the byte (but see drill_slack).
 */
#ifndef LIDO_TESTS_FAULTS_DRILL_H
#define LIDO_TESTS_FAULTS_DRILL_H

#include "lib/base/fault.h"
#include "tests/support/objects.h"

enum { UNTOUCHED_ERRNO = 9999 };

typedef struct drill_round {
  bool for_ever;
  uint64_t failures;   /* requests that failed */
  size_t failed_calls; /* calls of the scenario that said so */
} drill_round;

/* With memory from here on. */
static inline void drill_relief(drill_round *round) { round->failures += lido_fault_disarm(); }

/* Without any, if this is a round in which all requests fail from some point on, and that was reached. */
static inline void drill_go_on(drill_round *round) {
  if (round->for_ever && round->failures != 0) lido_fault_arm(1, true);
}

/* One call that may fail, and says so by a result for which `failed` is true. */
#define TRY_UNTIL(round, result, call, failed)                                  \
  do {                                                                          \
    errno = UNTOUCHED_ERRNO;                                                    \
    result = (call);                                                            \
    if (failed) {                                                               \
      CHECK_EQ(errno, ENOMEM);                                                  \
      (round)->failed_calls++;                                                  \
      drill_relief(round);                                                      \
      CHECK_GT((round)->failures, 0);                                           \
      errno = UNTOUCHED_ERRNO;                                                  \
      result = (call);                                                          \
      if (failed) TESTING_FAIL("%s fails with memory, errno %d", #call, errno); \
      drill_go_on(round);                                                       \
    }                                                                           \
    CHECK_EQ(errno, UNTOUCHED_ERRNO);                                           \
  } while (0)

/* A call that returns a pointer. */
#define TRY(round, result, call) TRY_UNTIL(round, result, call, (result) == NULL)

/* A call that can't fail. */
#define CALM(call)                    \
  do {                                \
    errno = UNTOUCHED_ERRNO;          \
    call;                             \
    CHECK_EQ(errno, UNTOUCHED_ERRNO); \
  } while (0)

typedef void (*drill_scenario)(drill_round *round);

/* What may be held beyond the baseline: 0, or what pools that outlive the scenario keep. */
static int64_t drill_slack;

static inline bool drill_is_at(int64_t held, int64_t baseline) {
  return held >= baseline - drill_slack && held <= baseline + drill_slack;
}

static inline uint64_t drill_once(drill_scenario scenario, uint64_t nth, bool for_ever, int64_t baseline) {
  drill_round round = {.for_ever = for_ever};
  lido_fault_arm(nth, for_ever);
  scenario(&round);
  drill_relief(&round);
  int64_t held = objects_bytes_held();
  if (!drill_is_at(held, baseline)) {
    TESTING_FAIL("request %llu%s failed: %lld bytes more are held than before", (unsigned long long)nth,
                 for_ever ? " and all later ones" : "", (long long)(held - baseline));
  }
  if (nth == 1 && for_ever) CHECK_GT(round.failed_calls, 0);
  return round.failures;
}

/* `requests`: so many, at least, the scenario must make. */
static inline void drill(drill_scenario scenario, uint64_t requests) {
  lido_fault_disarm(); /* of a test that ended early */
  int64_t baseline = 0;
  for (int calm = 0; calm < 3; calm++) {
    drill_round round = {0};
    scenario(&round);
    CHECK_EQ(round.failed_calls, 0);
    if (calm == 2) CHECK(drill_is_at(objects_bytes_held(), baseline));
    baseline = objects_bytes_held();
  }
  for (int for_ever = 0; for_ever < 2; for_ever++) {
    uint64_t nth = 1;
    while (drill_once(scenario, nth, for_ever != 0, baseline) != 0) nth++;
    CHECK_GT(nth, requests);
  }
}

/* ---- What scenarios have in common ---- */

static inline lido_pool *drill_pool(drill_round *round, const lido_pool_options *options) {
  lido_pool *pool = NULL;
  TRY(round, pool, lido_pool_create(options));
  return pool;
}

/* `count` objects, the first `bytes` of each filled. */
static inline void drill_alloc(drill_round *r, lido_pool *pool, size_t bytes, void **objects, size_t count) {
  for (size_t i = 0; i < count; i++) {
    TRY(r, objects[i], lido_pool_alloc(pool));
    objects_fill(objects[i], bytes, i);
  }
  CHECK_EQ(objects_stats(pool).live, count);
}

/* All of them go, and each is as it was filled. */
static inline void drill_free(lido_pool *pool, size_t bytes, void **objects, size_t count) {
  for (size_t i = 0; i < count; i++) {
    CHECK(objects_hold(objects[i], bytes, i));
    CALM(lido_pool_free(pool, objects[i]));
  }
  CHECK_EQ(objects_stats(pool).live, 0);
}

/* The end of a pool without live objects. */
static inline void drill_end(lido_pool *pool) {
  CHECK_SOUND(pool);
  size_t live = 1;
  CALM(live = lido_pool_destroy(pool));
  CHECK_EQ(live, 0);
}

#endif
