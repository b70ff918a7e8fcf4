/* policy_tick.c: what a tick does for the policy: run some cleanups, make slabs ready, give back what recent use does
 * not need, purge pages whose delay is over. See policy_core.h.
 */
#include "lib/base/bits.h"
#include "lib/control/monitor_core.h"
#include "pools/pool_core.h"

typedef struct tending {
  lido_manager *manager;
  lido_policy chosen; /* when the tick began; a pool is tuned only as long as it is that */
  lido_policy_settings settings;
  uint64_t now;       /* the manager's clock */
  uint64_t purge_now; /* the system's clock, moved on as the manager's has */
  lido_reclaim_report report;
} tending;

/* ---- Ahead of need ---- */

static uint64_t room_below_soft(const lido_manager *manager) {
  lido_budget_stats stats;
  lido_budget_stats_get(manager->budget, &stats);
  if (stats.soft == 0) return UINT64_MAX;
  return stats.soft > stats.used ? stats.soft - stats.used : 0;
}

/* Y2. */
static bool tune(const tending *t, lido_pool *pool, size_t ready_bytes) {
  lido_pool_tuning tuning = t->settings.tuning;
  tuning.ready_bytes = ready_bytes;
  lido_lock_take(&t->manager->lock);
  bool still = t->manager->chosen == t->chosen;
  if (still) lido_pool_tune(pool, &tuning);
  lido_lock_give(&t->manager->lock);
  return still;
}

/* By how many slabs are in use. Not into the soft limit: a pass would give them back. */
static void make_ready(const tending *t, lido_pool *pool, const lido_pool_stats *stats) {
  size_t slab_bytes = lido_core_of(pool)->geometry.slab_bytes;
  size_t in_use = (stats->slabs - stats->slabs_empty) * slab_bytes;
  if (t->settings.ready_percent == 0 || in_use == 0) return;
  size_t wanted = lido_max(lido_min(in_use / 100 * t->settings.ready_percent, t->settings.ready_most), slab_bytes);
  uint64_t missing = wanted - lido_min(wanted, stats->slabs_ready * slab_bytes);
  if (tune(t, pool, wanted) && missing + slab_bytes <= room_below_soft(t->manager)) lido_pool_prepare(pool);
}

/* ---- Giving back ---- */

/* What is left of it after some time: half after each forget_ns, and in between on a straight line. */
static uint64_t faded(uint64_t bytes, uint64_t passed_ns, uint64_t forget_ns) {
  uint64_t halvings = passed_ns / forget_ns;
  if (halvings >= 64) return 0;
  double left = (double)(bytes >> halvings);
  return (uint64_t)(left - left / 2 * (double)(passed_ns % forget_ns) / (double)forget_ns);
}

/* The most bytes of objects that were in use, of late. What caches and depot hold counts as used while slow paths are
 * taken, for they may need it; in a pool where nothing has happened since the tick before, only live objects count. */
static uint64_t remember(const tending *t, lido_member *member, const lido_pool_stats *stats) {
  size_t stride = lido_core_of(member->object)->geometry.stride;
  uint64_t recent = lido_pool_recent_peak(member->object) * stride;
  lido_lock_take(&t->manager->lock);
  uint64_t in_use = stats->misses == member->misses_seen ? stats->bytes_live : recent;
  uint64_t passed = t->now > member->remembered_ns ? t->now - member->remembered_ns : 0;
  member->remembered = lido_max(faded(member->remembered, passed, t->settings.forget_ns), in_use);
  member->remembered_ns = t->now;
  member->misses_seen = stats->misses;
  uint64_t remembered = member->remembered;
  lido_lock_give(&t->manager->lock);
  return remembered;
}

/* -> bytes. */
static size_t give_back(const tending *t, lido_member *member, const lido_pool_stats *stats) {
  lido_pool *pool = member->object;
  size_t slab_bytes = lido_core_of(pool)->geometry.slab_bytes;
  bool has_free = stats->bytes_cached != 0 || stats->slabs_empty != 0;
  if (t->settings.forget_ns == UINT64_MAX || !has_free) return 0;
  if (t->settings.forget_ns == 0) return lido_pool_trim(pool);
  uint64_t wanted = remember(t, member, stats);
  if (stats->slabs * slab_bytes <= wanted + slab_bytes) return 0;
  return lido_pool_trim_to(pool, wanted > stats->bytes_live ? wanted - stats->bytes_live : 0);
}

/* ---- Each kind ---- */

static void tend_pool(tending *t, lido_member *member) {
  lido_pool *pool = member->object;
  lido_pool_stats stats;
  if (!lido_pool_is_trimmable(pool)) return;
  lido_pool_stats_get(pool, &stats);
  make_ready(t, pool, &stats);
  t->report.freed_bytes += give_back(t, member, &stats);
}

/* Delays are the pools', whatever the policy; pools that stand on another backing have its pages purged. */
static void tend_pools(tending *t) {
  for (lido_member *m = NULL; (m = lido_members_next(t->manager, LIDO_KIND_POOL, m)) != NULL;) {
    lido_backing *backing = lido_core_of(m->object)->backing;
    if (t->chosen != LIDO_POLICY_NONE) tend_pool(t, m);
    if (backing != t->manager->backing) t->report.purged_bytes += lido_backing_purge(backing, t->purge_now);
  }
}

static void tend_classes(tending *t) {
  for (lido_member *m = NULL; (m = lido_members_next(t->manager, LIDO_KIND_ARENA_CLASS, m)) != NULL;) {
    lido_arena_class_stats stats;
    lido_arena_class_stats_get(m->object, &stats);
    if (stats.idle != 0 && stats.live == 0) t->report.freed_bytes += lido_arena_class_trim(m->object);
  }
}

static void drain(tending *t) {
  uint64_t budget_ns = t->settings.drain_ns;
  uint64_t begun = lido_os_now_ns();
  for (lido_member *m = NULL; (m = lido_members_next(t->manager, LIDO_KIND_CLEANUP_QUEUE, m)) != NULL;) {
    uint64_t spent = lido_os_now_ns() - begun;
    if (spent >= budget_ns) continue;
    t->report.cleanups += lido_cleanup_queue_drain(m->object, 0, budget_ns == UINT64_MAX ? 0 : budget_ns - spent);
  }
}

/* ---- The tick ---- */

/* The system's clock, moved on since the first tick as the manager's has: the times of purges are the system's. */
static uint64_t system_time_of(lido_manager *manager, uint64_t now) {
  lido_lock_take(&manager->lock);
  if (manager->first_tick_system_ns == 0) {
    manager->first_tick_system_ns = lido_os_now_ns();
    manager->first_tick_ns = now;
  }
  uint64_t passed = now > manager->first_tick_ns ? now - manager->first_tick_ns : 0;
  uint64_t time = manager->first_tick_system_ns + passed;
  lido_lock_give(&manager->lock);
  return time;
}

static tending begin(lido_manager *manager) {
  lido_sample newest = {0};
  lido_samples_get(manager, &newest, 1);
  tending t = {.manager = manager, .now = newest.now_ns, .report = {.reason = LIDO_RECLAIM_IDLE}};
  lido_manager_policy(manager, &t.chosen);
  t.settings = lido_policy_settings_for(manager, t.chosen);
  t.purge_now = system_time_of(manager, t.now);
  return t;
}

void lido_policy_tick(lido_manager *manager) {
  lido_policy_decide(manager);
  uint64_t begun = lido_os_now_ns();
  tending t = begin(manager);
  bool has_policy = t.chosen != LIDO_POLICY_NONE;
  if (has_policy) drain(&t);
  tend_pools(&t);
  if (has_policy && t.settings.forget_ns == 0) tend_classes(&t);
  t.report.purged_bytes += lido_backing_purge(manager->backing, t.purge_now);
  t.report.ns = lido_os_now_ns() - begun;
  lido_totals_add(manager, &t.report, t.report.freed_bytes != 0); /* what was given back makes it a pass, too */
}
