/* durations.c: how long something took, in buckets that quadruple. */
#include "lib/control/manager_core.h"

enum { FIRST_END_LOG2 = 10, STEP_LOG2 = 2 };

uint64_t lido_duration_bucket_end(size_t bucket) {
  if (bucket >= LIDO_DURATION_BUCKETS - 1) return UINT64_MAX;
  return UINT64_C(1) << (FIRST_END_LOG2 + STEP_LOG2 * bucket);
}

static size_t bucket_of(uint64_t ns) {
  size_t bucket = 0;
  while (ns >= lido_duration_bucket_end(bucket) && bucket < LIDO_DURATION_BUCKETS - 1) bucket++;
  return bucket;
}

void lido_durations_add(lido_durations *durations, uint64_t ns) {
  durations->buckets[bucket_of(ns)]++;
  durations->count++;
  durations->sum_ns += ns;
}
