/* reclaim.c: giving memory back: when the program asks, when a limit is met, when a tick finds too much of it free.
 *
 * A pass goes from what costs nothing to what costs work later: pending cleanups run (they free objects), pools and classes of arenas give back
 * what is free, pages that were kept back are purged; then, only while more than the soft limit is used, caches let go of values, an eighth of what they keep at a
 * time, and what that freed is given back. What it costs is what it frees, and for each member a look at counts under its locks.
 * A pool of one thread (LIDO_POOL_SINGLE_THREAD) is trimmed only by that thread: the others leave it alone.
 * With LIDO_MANAGER_RECLAIM_AT_TICKS a pass inside an alloc calls nothing of the program's: for the soft limit it is put off to a tick, for the hard one it is
 * the trim alone.
 * Threads: any, several at once: every step is one that any thread may take at any time. Only for the soft limit one pass at a time is
 * enough, and who finds one under way goes on.
 */
#include <errno.h>

#include "lib/base/atomic.h"
#include "lib/base/bits.h"
#include "lib/control/manager_core.h"
#include "pools/pool_core.h"

enum { EVICTION_ROUNDS = 8 };

/* ---- Steps ---- */

static void run_cleanups(lido_manager *manager, lido_reclaim_report *report) {
  for (lido_member *m = NULL; (m = lido_members_next(manager, LIDO_KIND_CLEANUP_QUEUE, m)) != NULL;) {
    report->cleanups += lido_cleanup_queue_drain(m->object, 0, 0);
  }
}

bool lido_pool_is_trimmable(const lido_pool *pool) {
  const lido_pool_core *core = lido_core_of(pool);
  return !core->one_thread || lido_core_is_only_thread(core);
}

static void trim_pools(lido_manager *manager, lido_reclaim_report *report) {
  for (lido_member *m = NULL; (m = lido_members_next(manager, LIDO_KIND_POOL, m)) != NULL;) {
    if (lido_pool_is_trimmable(m->object)) report->freed_bytes += lido_pool_trim(m->object);
  }
}

static void trim_caches(lido_manager *manager, lido_reclaim_report *report) {
  for (lido_member *m = NULL; (m = lido_members_next(manager, LIDO_KIND_CACHE, m)) != NULL;) {
    report->freed_bytes += lido_managed_cache_trim(m->object);
  }
}

static void trim_arenas(lido_manager *manager, lido_reclaim_report *report) {
  for (lido_member *m = NULL; (m = lido_members_next(manager, LIDO_KIND_ARENA_CLASS, m)) != NULL;) {
    report->freed_bytes += lido_arena_class_trim(m->object);
  }
}

static void trim_all(lido_manager *manager, lido_reclaim_report *report) {
  trim_pools(manager, report);
  trim_caches(manager, report);
  trim_arenas(manager, report);
}

/* -> how many values were let go. */
static uint64_t evict_some(lido_manager *manager) {
  uint64_t evicted = 0;
  for (lido_member *m = NULL; (m = lido_members_next(manager, LIDO_KIND_CACHE, m)) != NULL;) {
    lido_cache_stats stats;
    lido_managed_cache_stats(m->object, &stats);
    if (stats.kept != 0) evicted += lido_managed_cache_evict(m->object, lido_max(stats.kept / EVICTION_ROUNDS, 1));
  }
  return evicted;
}

static bool is_above_soft(const lido_manager *manager) {
  lido_budget_stats stats;
  lido_budget_stats_get(manager->budget, &stats);
  return stats.soft != 0 && stats.used > stats.soft;
}

static void evict_until_below(lido_manager *manager, lido_reclaim_report *report) {
  while (is_above_soft(manager)) {
    uint64_t evicted = evict_some(manager);
    if (evicted == 0) break;
    report->evicted += evicted;
    run_cleanups(manager, report);
    trim_all(manager, report);
  }
}

/* ---- The pass ---- */

static bool puts_off(const lido_manager *manager) {
  return (manager->options.flags & LIDO_MANAGER_RECLAIM_AT_TICKS) != 0;
}

static void note(lido_manager *manager, const lido_reclaim_report *report) {
  lido_lock_take(&manager->lock);
  lido_totals *totals = &manager->totals;
  totals->passes[report->reason]++;
  totals->freed_bytes += report->freed_bytes;
  totals->purged_bytes += report->purged_bytes;
  totals->cleanups_run += report->cleanups;
  totals->evicted += report->evicted;
  lido_durations_add(&totals->durations, report->ns);
  lido_lock_give(&manager->lock);
}

static void tell_of_pressure(lido_manager *manager, const lido_reclaim_report *report) {
  if (manager->options.on_pressure == NULL || !is_above_soft(manager)) return;
  manager->options.on_pressure(manager, report, manager->options.context);
}

void lido_manager_pass(lido_manager *manager, lido_reclaim_reason reason, lido_reclaim_report *report) {
  uint64_t begun = lido_os_now_ns(); /* the system's: the program's clock may stand still */
  bool calls = reason != LIDO_RECLAIM_HARD || !puts_off(manager);
  *report = (lido_reclaim_report){.reason = reason, .used_before = lido_budget_used(manager->budget)};
  if (calls) run_cleanups(manager, report);
  trim_all(manager, report);
  if (calls) evict_until_below(manager, report);
  report->used_after = lido_budget_used(manager->budget);
  report->ns = lido_os_now_ns() - begun;
  note(manager, report);
  if (calls) tell_of_pressure(manager, report);
}

size_t lido_manager_reclaim(lido_manager *manager, lido_reclaim_report *report) {
  int saved_errno = errno;
  lido_reclaim_report own;
  if (report == NULL) report = &own;
  lido_manager_pass(manager, LIDO_RECLAIM_ASKED, report);
  errno = saved_errno;
  return report->freed_bytes;
}

/* ---- The limits ---- */

static void pass_for_soft(lido_manager *manager) {
  bool busy = false;
  /* RELAXED: it only keeps others from doing the same work. */
  if (!lido_cas_relaxed(&manager->is_reclaiming, &busy, true)) return;
  lido_reclaim_report report;
  lido_manager_pass(manager, LIDO_RECLAIM_SOFT, &report);
  lido_store_relaxed(&manager->is_reclaiming, false); /* RELAXED: as above */
}

void lido_manager_on_soft(lido_budget *budget, size_t used, void *context) {
  (void)budget;
  (void)used;
  lido_manager *manager = context;
  if (puts_off(manager)) {
    lido_store_relaxed(&manager->is_due, true); /* RELAXED: a tick that sees it late runs the pass late */
  } else {
    pass_for_soft(manager);
  }
}

/* What was used may have gone again meanwhile: then there is nothing to do. */
void lido_manager_pass_if_due(lido_manager *manager) {
  bool due = true;
  /* RELAXED: as in on_soft; of several ticks one takes it. */
  if (!lido_cas_relaxed(&manager->is_due, &due, false)) return;
  if (is_above_soft(manager)) pass_for_soft(manager);
}

void lido_manager_on_hard(lido_budget *budget, size_t wanted, void *context) {
  (void)budget;
  (void)wanted;
  lido_reclaim_report report;
  lido_manager_pass(context, LIDO_RECLAIM_HARD, &report);
}
