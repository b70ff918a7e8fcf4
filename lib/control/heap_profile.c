/* heap_profile.c: the calls of lido/heap_profile.h but for reports (lib/report/heap_leaks.c). */
#include "lib/control/heap_sites.h"

#include <errno.h>

#include "lib/mem/heap_samples.h"
#include "lib/mem/mem_fork.h"
#include "pools/pool_samples.h"

/* ---- On and off ---- */

int lido_heap_profile_start(const lido_heap_profile_options *options) {
  if (LIDO_CHECKS == LIDO_CHECKS_NONE) return ENOTSUP;
  int saved_errno = errno;
  int error = lido_mem_fork_join();
  if (error == 0) error = lido_heap_samples_start(options);
  if (error == 0) lido_pools_nudge(true); /* so that each cache begins to count soon */
  errno = saved_errno;
  return error;
}

void lido_heap_profile_stop(void) { lido_heap_samples_stop(); }

bool lido_heap_profile_is_on(void) { return lido_heap_run_now() != 0; }

size_t lido_heap_profile_nudge(void) {
  size_t nudged = lido_pools_nudge(false);
  if (nudged != 0) lido_heap_count_nudges(nudged);
  return nudged;
}

void lido_heap_profile_stats_get(lido_heap_profile_stats *out) { lido_heap_stats(out); }

const char *lido_heap_profile_check(void) { return lido_heap_check(); }

int lido_heap_profile_read(bool (*visit)(const lido_heap_site *site, void *arg), void *arg) {
  lido_heap_sites sites;
  lido_heap_profile_nudge();
  int error = lido_heap_sites_copy(&sites);
  if (error != 0) return error;
  bool goes_on = true;
  for (size_t i = 0; i < sites.records.count && goes_on; i++) {
    lido_heap_site site = lido_heap_site_of(&sites.records.items[i]);
    goes_on = visit(&site, arg);
  }
  lido_heap_sites_free(&sites);
  return 0;
}
