/* refs_stats.c: numbers and invariants of the whole room. */
#include "lib/refs/cleanups.h"
#include "lib/refs/counts.h"
#include "lib/refs/death.h"
#include "lib/refs/failed_acquires.h"
#include "lib/refs/grace_period.h"

void lido_weak_stats_get(lido_weak_stats *out) {
  *out = (lido_weak_stats){0};
  lido_slots_count(out);
  lido_deaths_count(out);
  lido_counts_count(out);
  lido_cleanups_count(out);
  lido_failed_acquires_count(out);
}

const char *lido_weak_check(void) {
  const char *broken = lido_slots_check();
  if (broken == NULL) broken = lido_guard_check();
  return broken != NULL ? broken : lido_cleanups_check();
}
