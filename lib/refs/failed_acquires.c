/* failed_acquires.c: see failed_acquires.h. */
#include "lib/refs/failed_acquires.h"

#include "lib/base/assertion.h"
#include "lib/base/atomic.h"

enum { STRIPES_LOG2 = 3, STRIPES = 1 << STRIPES_LOG2, OUTCOMES = 8 };

typedef struct stripe {
  _Alignas(64) uint64_t counts[OUTCOMES]; /* by state */
} stripe;

LIDO_STATIC_ASSERT(sizeof(stripe) == 64 && (int)LIDO_WEAK_UNPUBLISHED < (int)OUTCOMES, "a line for each stripe");

static stripe stripes[STRIPES];

static __thread char here __attribute__((tls_model("initial-exec")));

/* By where the thread's own memory lies. */
static stripe *stripe_of_thread(void) {
  uint64_t page = (uint64_t)(uintptr_t)&here >> 12;
  return &stripes[page * UINT64_C(0x9e3779b97f4a7c15) >> (64 - STRIPES_LOG2)];
}

/* RELAXED: a statistic, here and below. */
void *lido_acquire_failed(lido_weak_state why) {
  lido_add_relaxed(&stripe_of_thread()->counts[why], 1);
  return NULL;
}

static uint64_t sum_of(lido_weak_state why) {
  uint64_t sum = 0;
  for (size_t i = 0; i < STRIPES; i++) sum += lido_load_relaxed(&stripes[i].counts[why]); /* RELAXED: as above */
  return sum;
}

void lido_failed_acquires_count(lido_weak_stats *stats) {
  stats->failed_null = sum_of(LIDO_WEAK_NULL);
  stats->failed_never_issued = sum_of(LIDO_WEAK_NEVER_ISSUED);
  stats->failed_unpublished = sum_of(LIDO_WEAK_UNPUBLISHED);
  stats->failed_killed = sum_of(LIDO_WEAK_KILLED);
  stats->failed_stale = sum_of(LIDO_WEAK_STALE);
}
