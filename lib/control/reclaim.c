/* reclaim.c: giving memory back: when the program asks, when a limit is met, when a tick finds too much of it free.
 *
 * A pass goes from what costs nothing to what costs work later: pending cleanups run (they free objects), pools and this thread's idle arenas give back
 * what is free, pages that were kept back are purged; then, only while more than the soft limit is used, caches let go of values, an eighth of what they keep at a
 * time, and what that freed is given back. What it costs is what it frees, and for each member a look at counts under its locks.
 * A pool of one thread (LIDO_POOL_SINGLE_THREAD) is trimmed only by that thread: the others leave it alone.
 * Threads: any, several at once: every step is one that any thread may take at any time. Only for the soft limit one pass at a time is
 * enough, and who finds one under way goes on.
 */
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

/* May this thread trim the pool? */
static bool may_trim(lido_pool *pool) {
  lido_pool_core *core = lido_core_of(pool);
  return !core->one_thread || !lido_core_is_second_thread(core);
}

static void trim_pools(lido_manager *manager, lido_reclaim_report *report) {
  for (lido_member *m = NULL; (m = lido_members_next(manager, LIDO_KIND_POOL, m)) != NULL;) {
    if (may_trim(m->object)) report->freed_bytes += lido_pool_trim(m->object);
  }
}

static void trim_caches(lido_manager *manager, lido_reclaim_report *report) {
  for (lido_member *m = NULL; (m = lido_members_next(manager, LIDO_KIND_CACHE, m)) != NULL;) {
    report->freed_bytes += lido_managed_cache_trim(m->object);
  }
}

static void trim_all(lido_manager *manager, lido_reclaim_report *report) {
  trim_pools(manager, report);
  trim_caches(manager, report);
  report->freed_bytes += lido_arena_trim();
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

void lido_manager_pass(lido_manager *manager, lido_reclaim_reason reason, lido_reclaim_report *report) {
  uint64_t begun = lido_os_now_ns(); /* the system's: the program's clock may stand still */
  *report = (lido_reclaim_report){.reason = reason, .used_before = lido_budget_used(manager->budget)};
  run_cleanups(manager, report);
  trim_all(manager, report);
  evict_until_below(manager, report);
  report->used_after = lido_budget_used(manager->budget);
  report->ns = lido_os_now_ns() - begun;
  note(manager, report);
  if (is_above_soft(manager) && manager->options.on_pressure != NULL) {
    manager->options.on_pressure(manager, report, manager->options.context);
  }
}

size_t lido_manager_reclaim(lido_manager *manager, lido_reclaim_report *report) {
  lido_reclaim_report own;
  if (report == NULL) report = &own;
  lido_manager_pass(manager, LIDO_RECLAIM_ASKED, report);
  return report->freed_bytes;
}

void lido_manager_on_soft(lido_budget *budget, size_t used, void *context) {
  (void)budget;
  (void)used;
  lido_manager *manager = context;
  bool busy = false;
  /* RELAXED: it only keeps others from doing the same work. */
  if (!lido_cas_relaxed(&manager->is_reclaiming, &busy, true)) return;
  lido_reclaim_report report;
  lido_manager_pass(manager, LIDO_RECLAIM_SOFT, &report);
  lido_store_relaxed(&manager->is_reclaiming, false); /* RELAXED: as above */
}

void lido_manager_on_hard(lido_budget *budget, size_t wanted, void *context) {
  (void)budget;
  (void)wanted;
  lido_reclaim_report report;
  lido_manager_pass(context, LIDO_RECLAIM_HARD, &report);
}
