/* reclaim.c: giving memory back: when the program asks, when a limit is met, when a tick finds too much of it free.
 *
 * A pass goes from what costs nothing to what costs work later: pending cleanups run (they free objects), pools and
 * classes of arenas give back what is free, pages that were kept back are purged; then, only while more than the soft
 * limit is used, or what is wanted does not fit below the hard one, caches let go of values, an eighth of what they
 * keep at a time, and what that freed is given back. What it costs is what it frees, and for each member a look at
 * counts under its locks. A pool of one thread (LIDO_POOL_SINGLE_THREAD) is trimmed only by that thread: the others
 * leave it alone. With LIDO_MANAGER_RECLAIM_AT_TICKS a pass inside an alloc calls nothing of the program's: for the
 * soft limit it is put off to a tick, for the hard one it is the trim alone.
 * A pass inside a pass of the same manager on the same thread, in a callback, does nothing: what it could do is being
 * done.
 * Threads: any, several at once: every step is one that any thread may take at any time. Only for the soft limit one
 * pass at a time is enough, and who finds one under way goes on.
 */
#include <errno.h>

#include "lib/base/atomic.h"
#include "lib/base/bits.h"
#include "lib/control/manager_core.h"
#include "pools/pool_core.h"

enum { EVICTION_ROUNDS = 8 };

/* A pass under way lies on its thread's stack. */
typedef struct reclaim_pass {
  lido_manager *manager;
  lido_reclaim_report report;
  size_t wanted; /* bytes that shall fit below the hard limit */
  bool calls;    /* functions of the program's */
  struct reclaim_pass *outer;
} reclaim_pass;

static __thread reclaim_pass *passes_of_thread;

/* ---- Steps ---- */

static void run_cleanups(reclaim_pass *pass) {
  lido_manager *manager = pass->manager;
  for (lido_member *m = NULL; (m = lido_members_next(manager, LIDO_KIND_CLEANUP_QUEUE, m)) != NULL;) {
    pass->report.cleanups += lido_cleanup_queue_drain(m->object, 0, 0);
  }
}

bool lido_pool_is_trimmable(const lido_pool *pool) {
  const lido_pool_core *core = lido_core_of(pool);
  return !core->one_thread || lido_core_is_only_thread(core);
}

static void trim_backing(reclaim_pass *pass, lido_backing *backing) {
  size_t purged = 0;
  lido_backing_trim(backing, &purged);
  pass->report.purged_bytes += purged;
}

/* The manager's backing is that of most pools: it is trimmed once, at the end. */
static void trim_pools(reclaim_pass *pass) {
  lido_manager *manager = pass->manager;
  for (lido_member *m = NULL; (m = lido_members_next(manager, LIDO_KIND_POOL, m)) != NULL;) {
    lido_pool_core *core = lido_core_of(m->object);
    if (!lido_pool_is_trimmable(m->object)) continue;
    pass->report.freed_bytes += lido_core_trim(core, pass->calls);
    if (core->backing != manager->backing) trim_backing(pass, core->backing);
  }
}

static void trim_caches(reclaim_pass *pass) {
  for (lido_member *m = NULL; (m = lido_members_next(pass->manager, LIDO_KIND_CACHE, m)) != NULL;) {
    pass->report.freed_bytes += lido_managed_cache_trim(m->object);
  }
}

static void trim_arenas(reclaim_pass *pass) {
  for (lido_member *m = NULL; (m = lido_members_next(pass->manager, LIDO_KIND_ARENA_CLASS, m)) != NULL;) {
    pass->report.freed_bytes += lido_arena_class_trim(m->object);
  }
}

static void trim_all(reclaim_pass *pass) {
  trim_pools(pass);
  if (pass->calls) trim_caches(pass);
  trim_arenas(pass);
  trim_backing(pass, pass->manager->backing);
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

static bool is_too_much(const reclaim_pass *pass) {
  lido_budget_stats stats;
  lido_budget_stats_get(pass->manager->budget, &stats);
  bool beyond_hard = stats.hard != 0 && (pass->wanted > stats.hard || stats.used > stats.hard - pass->wanted);
  return (pass->wanted != 0 && beyond_hard) || (stats.soft != 0 && stats.used > stats.soft);
}

static void evict_while_too_much(reclaim_pass *pass) {
  while (is_too_much(pass)) {
    uint64_t evicted = evict_some(pass->manager);
    if (evicted == 0) break;
    pass->report.evicted += evicted;
    run_cleanups(pass);
    trim_all(pass);
  }
}

/* ---- The pass ---- */

static bool puts_off(const lido_manager *manager) {
  return (manager->options.flags & LIDO_MANAGER_RECLAIM_AT_TICKS) != 0;
}

void lido_totals_add(lido_manager *manager, const lido_reclaim_report *report, bool is_pass) {
  lido_lock_take(&manager->lock);
  lido_totals *totals = &manager->totals;
  totals->freed_bytes += report->freed_bytes;
  totals->purged_bytes += report->purged_bytes;
  totals->cleanups_run += report->cleanups;
  totals->evicted += report->evicted;
  if (is_pass) {
    totals->passes[report->reason]++;
    lido_durations_add(&totals->durations, report->ns);
  }
  lido_lock_give(&manager->lock);
}

static void tell_of_pressure(lido_manager *manager, const lido_reclaim_report *report) {
  if (manager->options.on_pressure == NULL || !is_above_soft(manager)) return;
  manager->options.on_pressure(manager, report, manager->options.context);
}

static void run_pass(void *argument) {
  reclaim_pass *pass = argument;
  lido_manager *manager = pass->manager;
  lido_reclaim_report *report = &pass->report;
  uint64_t begun = lido_os_now_ns(); /* the system's: the program's clock may stand still */
  report->used_before = lido_budget_used(manager->budget);
  if (pass->calls) run_cleanups(pass);
  trim_all(pass);
  if (pass->calls) evict_while_too_much(pass);
  report->used_after = lido_budget_used(manager->budget);
  report->ns = lido_os_now_ns() - begun;
  lido_totals_add(manager, report, true);
  if (pass->calls) tell_of_pressure(manager, report);
}

/* Its thread ends in there, or it has come to its end. */
static void end_pass(void *argument) {
  const reclaim_pass *pass = argument;
  passes_of_thread = pass->outer;
  /* RELAXED: it only keeps others from doing the same work. */
  if (pass->report.reason == LIDO_RECLAIM_SOFT) lido_store_relaxed(&pass->manager->is_reclaiming, false);
}

static bool is_inside(const lido_manager *manager) {
  const reclaim_pass *pass = passes_of_thread;
  while (pass != NULL && pass->manager != manager) pass = pass->outer;
  return pass != NULL;
}

/* `report` may be NULL. */
static void begin_pass(lido_manager *manager, lido_reclaim_reason reason, size_t wanted, lido_reclaim_report *report) {
  reclaim_pass pass = {.manager = manager,
                       .report = {.reason = reason},
                       .wanted = wanted,
                       .calls = reason != LIDO_RECLAIM_HARD || !puts_off(manager),
                       .outer = passes_of_thread};
  passes_of_thread = &pass;
  lido_members_call(manager, run_pass, end_pass, &pass);
  end_pass(&pass);
  if (report != NULL) *report = pass.report;
}

size_t lido_manager_reclaim(lido_manager *manager, lido_reclaim_report *report) {
  int saved_errno = errno;
  lido_reclaim_report own;
  if (report == NULL) report = &own;
  *report = (lido_reclaim_report){.reason = LIDO_RECLAIM_ASKED};
  if (!is_inside(manager)) begin_pass(manager, LIDO_RECLAIM_ASKED, 0, report);
  errno = saved_errno;
  return report->freed_bytes;
}

/* ---- The limits ---- */

static void pass_for_soft(lido_manager *manager) {
  bool busy = false;
  if (is_inside(manager)) return;
  /* RELAXED: as in end_pass. */
  if (lido_cas_relaxed(&manager->is_reclaiming, &busy, true)) begin_pass(manager, LIDO_RECLAIM_SOFT, 0, NULL);
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

int lido_manager_limits_set(lido_manager *manager, size_t soft_bytes, size_t hard_bytes) {
  int error = lido_budget_limits_set(manager->budget, soft_bytes, hard_bytes);
  if (error != 0 || !is_above_soft(manager)) return error;
  int saved_errno = errno;
  lido_manager_on_soft(manager->budget, lido_budget_used(manager->budget), manager);
  errno = saved_errno;
  return 0;
}

void lido_manager_on_hard(lido_budget *budget, size_t wanted, void *context) {
  (void)budget;
  if (!is_inside(context)) begin_pass(context, LIDO_RECLAIM_HARD, wanted, NULL);
}
