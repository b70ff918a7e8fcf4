/* policy.c: what each policy sets, and which one a manager has. See policy_core.h. */
#include "lido/policy.h"

#include <errno.h>
#include <string.h>

#include "lib/base/bits.h"
#include "lib/control/monitor_core.h"
#include "pools/pool_core.h"

/* ---- Names ---- */

#define NAME(constant, name, text) #name,
static const char *const names[LIDO_POLICY_COUNT] = {LIDO_POLICIES(NAME)};
#undef NAME

const char *lido_policy_name(lido_policy policy) { return (unsigned)policy < LIDO_POLICY_COUNT ? names[policy] : ""; }

lido_policy lido_policy_by_name(const char *name) {
  unsigned policy = 0;
  while (policy < LIDO_POLICY_COUNT && strcmp(names[policy], name) != 0) policy++;
  return (lido_policy)policy;
}

/* ---- The table ---- */

/* What is nothing, where 0 would be the default. */
enum { NEXT_TO_NOTHING = 1 };

static const lido_policy_settings table[LIDO_POLICY_COUNT] = {
    [LIDO_POLICY_LOW_LATENCY] = {.tuning = {.batch_objects = 32, /* the bound of what one alloc does */
                                            .retain_bytes = SIZE_MAX,
                                            .purge = LIDO_PURGE_LAZY,
                                            .purge_delay_ns = UINT64_C(10000000000)},
                                 .ready_percent = 25,
                                 .ready_most = (size_t)4 << 20,
                                 .drain_ns = 200000,
                                 .forget_ns = UINT64_MAX},
    [LIDO_POLICY_HIGH_THROUGHPUT] = {.tuning = {.magazine_objects = 252, /* the largest; cache_bytes bounds it */
                                                .retain_bytes = SIZE_MAX,
                                                .purge = LIDO_PURGE_NOW,
                                                .purge_delay_ns = UINT64_C(10000000000)},
                                     .drain_ns = UINT64_MAX,
                                     .forget_ns = UINT64_C(10000000000)},
    [LIDO_POLICY_MEMORY_EFFICIENT] = {.tuning = {.magazine_objects = 12,
                                                 .batch_objects = 12,
                                                 .retain_bytes = NEXT_TO_NOTHING,
                                                 .retain_percent = LIDO_RETAIN_NONE,
                                                 .purge = LIDO_PURGE_NOW},
                                      .drain_ns = UINT64_MAX},
};

int lido_policy_settings_get(lido_policy policy, lido_policy_settings *out) {
  if ((unsigned)policy >= LIDO_POLICY_COUNT || policy == LIDO_POLICY_NONE || policy == LIDO_POLICY_ADAPTIVE) {
    return EINVAL;
  }
  *out = table[policy];
  return 0;
}

/* ---- Applying it ---- */

/* As the manager's options say it: a share of its own instead of the policy's bounds. */
static lido_policy_settings settings_for(const lido_manager *manager, lido_policy chosen) {
  lido_policy_settings settings = table[chosen];
  if (manager->options.retain_percent == 0) return settings;
  settings.tuning.retain_percent = manager->options.retain_percent;
  if (chosen != LIDO_POLICY_NONE) settings.tuning.retain_bytes = NEXT_TO_NOTHING;
  return settings;
}

static lido_policy chosen_of(lido_manager *manager) {
  lido_lock_take(&manager->lock);
  lido_policy chosen = manager->chosen;
  lido_lock_give(&manager->lock);
  return chosen;
}

static void tune(const lido_policy_settings *settings, lido_pool *pool) {
  lido_pool_tune(pool, &settings->tuning); /* the table's values are in range, and so is what the options allow */
}

void lido_policy_apply(lido_manager *manager, lido_pool *pool) {
  lido_policy chosen = chosen_of(manager);
  if (chosen == LIDO_POLICY_NONE && manager->options.retain_percent == 0) return; /* as its own options say */
  lido_policy_settings settings = settings_for(manager, chosen);
  tune(&settings, pool);
}

static void apply_to_all(lido_manager *manager, lido_policy chosen) {
  lido_policy_settings settings = settings_for(manager, chosen);
  for (lido_member *m = NULL; (m = lido_members_next(manager, LIDO_KIND_POOL, m)) != NULL;) tune(&settings, m->object);
}

/* ---- Choosing ---- */

static void tell(lido_manager *manager, lido_policy from, lido_policy to) {
  if (from == to) return;
  apply_to_all(manager, to);
  if (manager->options.on_policy != NULL) manager->options.on_policy(manager, from, to, manager->options.context);
}

void lido_policy_begin(lido_manager *manager) {
  manager->policy = manager->chosen = manager->options.policy;
  if (manager->policy != LIDO_POLICY_ADAPTIVE) return;
  manager->chosen = lido_adaptive_begin(&manager->adaptive, lido_manager_now(manager));
}

void lido_manager_policy_set(lido_manager *manager, lido_policy policy) {
  if ((unsigned)policy >= LIDO_POLICY_COUNT) return;
  uint64_t now = lido_manager_now(manager);
  lido_lock_take(&manager->lock);
  lido_policy before = manager->chosen;
  bool changes = manager->policy != policy;
  if (changes) {
    manager->policy = policy;
    manager->chosen = policy == LIDO_POLICY_ADAPTIVE ? lido_adaptive_begin(&manager->adaptive, now) : policy;
    manager->totals.policy_changes++;
  }
  lido_policy after = manager->chosen;
  lido_lock_give(&manager->lock);
  if (changes) tell(manager, before, after);
}

static lido_manager *unlocked(const lido_manager *manager) {
  return (lido_manager *)(uintptr_t)manager; /* managers are never const */
}

lido_policy lido_manager_policy(const lido_manager *manager, lido_policy *chosen) {
  lido_lock_take(&unlocked(manager)->lock);
  lido_policy policy = manager->policy;
  if (chosen != NULL) *chosen = manager->chosen;
  lido_lock_give(&unlocked(manager)->lock);
  return policy;
}

void lido_manager_policy_scores(const lido_manager *manager, lido_policy_score out[LIDO_POLICY_CHOICES]) {
  lido_lock_take(&unlocked(manager)->lock);
  memcpy(out, manager->adaptive.scores, sizeof manager->adaptive.scores);
  lido_lock_give(&unlocked(manager)->lock);
}

int lido_pressure_read(lido_pressure *out) {
  lido_os_memory memory;
  int error = lido_os_memory_read("", &memory);
  *out = (lido_pressure){.stalled = memory.stalled, .bytes = memory.bytes, .bytes_most = memory.bytes_most};
  return error;
}

/* ---- A tick ---- */

/* What the last two samples say. false: there are no two, or no time has passed. */
static bool load_of(lido_manager *manager, lido_load *load, uint64_t *now) {
  lido_sample samples[2];
  if (lido_samples_get(manager, samples, 2) < 2 || samples[0].now_ns <= samples[1].now_ns) return false;
  load->misses = lido_sample_rate(&samples[1], &samples[0], LIDO_SAMPLE_misses);
  load->slabs = lido_sample_rate(&samples[1], &samples[0], LIDO_SAMPLE_slabs_made);
  const uint64_t *v = samples[0].values;
  load->free_bytes =
      (double)v[LIDO_SAMPLE_bytes_reserved] - (double)v[LIDO_SAMPLE_bytes_live] + (double)v[LIDO_SAMPLE_bytes_idle];
  if (load->misses < 0) load->misses = 0; /* a pool was ended, and its counts with it */
  if (load->slabs < 0) load->slabs = 0;
  *now = samples[0].now_ns;
  return true;
}

static void read_pressure(const lido_manager *manager, lido_pressure *out) {
  const lido_manager_options *o = &manager->options;
  int error = o->pressure != NULL ? o->pressure(out, o->context) : lido_pressure_read(out);
  if (error != 0) *out = (lido_pressure){0}; /* nothing is known: nothing is pressing */
}

static void decide(lido_manager *manager) {
  lido_load load;
  lido_pressure pressure = {0};
  uint64_t now = 0;
  if (lido_manager_policy(manager, NULL) != LIDO_POLICY_ADAPTIVE || !load_of(manager, &load, &now)) return;
  read_pressure(manager, &pressure);
  lido_lock_take(&manager->lock);
  lido_policy before = manager->chosen;
  if (manager->policy == LIDO_POLICY_ADAPTIVE) {
    manager->chosen = lido_adaptive_step(&manager->adaptive, before, &load, &pressure, now);
    manager->totals.policy_changes += manager->chosen != before;
  }
  lido_policy after = manager->chosen;
  lido_lock_give(&manager->lock);
  tell(manager, before, after);
}

/* How much more may be used before a pass takes it back. */
static uint64_t room_below_soft(const lido_manager *manager) {
  lido_budget_stats stats;
  lido_budget_stats_get(manager->budget, &stats);
  if (stats.soft == 0) return UINT64_MAX;
  return stats.soft > stats.used ? stats.soft - stats.used : 0;
}

/* Slabs made ready in advance, by how many are in use. */
static void make_ready(const lido_manager *manager, const lido_policy_settings *settings, lido_pool *pool,
                       const lido_pool_stats *stats) {
  size_t slab_bytes = lido_core_of(pool)->geometry.slab_bytes;
  size_t in_use = (stats->slabs - stats->slabs_empty) * slab_bytes;
  if (settings->ready_percent == 0 || in_use == 0) return;
  lido_pool_tuning tuning = settings->tuning;
  tuning.ready_bytes = lido_max(lido_min(in_use / 100 * settings->ready_percent, settings->ready_most), slab_bytes);
  lido_pool_tune(pool, &tuning);
  uint64_t missing = tuning.ready_bytes - lido_min(tuning.ready_bytes, stats->slabs_ready * slab_bytes);
  if (missing + slab_bytes <= room_below_soft(manager)) lido_pool_prepare(pool);
}

/* What is left of it after some time: half after each forget_ns, and in between on a straight line. */
static uint64_t faded(uint64_t bytes, uint64_t passed_ns, uint64_t forget_ns) {
  uint64_t halvings = passed_ns / forget_ns;
  if (halvings >= 64) return 0;
  double left = (double)(bytes >> halvings);
  return (uint64_t)(left - left / 2 * (double)(passed_ns % forget_ns) / (double)forget_ns);
}

/* The most bytes of objects that were in use, of late. What caches and depot hold counts as used while slow paths are taken, for they may need it; in a pool where nothing has happened
 * since the tick before, only live objects count. */
static uint64_t remember(lido_manager *manager, lido_member *member, const lido_pool_stats *stats, uint64_t forget_ns,
                         uint64_t now) {
  size_t stride = lido_core_of(member->object)->geometry.stride;
  uint64_t recent = lido_pool_recent_peak(member->object) * stride;
  lido_lock_take(&manager->lock);
  uint64_t in_use = stats->misses == member->misses_seen ? stats->bytes_live : recent;
  uint64_t passed = now > member->remembered_ns ? now - member->remembered_ns : 0;
  member->remembered = lido_max(faded(member->remembered, passed, forget_ns), in_use);
  member->remembered_ns = now;
  member->misses_seen = stats->misses;
  uint64_t remembered = member->remembered;
  lido_lock_give(&manager->lock);
  return remembered;
}

/* -> bytes that went back. */
static size_t give_back(lido_manager *manager, const lido_policy_settings *settings, lido_member *member,
                        const lido_pool_stats *stats, uint64_t now) {
  lido_pool *pool = member->object;
  size_t slab_bytes = lido_core_of(pool)->geometry.slab_bytes;
  bool has_free = stats->bytes_cached != 0 || stats->slabs_empty != 0;
  if (settings->forget_ns == UINT64_MAX || !has_free) return 0;
  if (settings->forget_ns == 0) return lido_pool_trim(pool);
  uint64_t wanted = remember(manager, member, stats, settings->forget_ns, now);
  if (stats->slabs * slab_bytes <= wanted + slab_bytes) return 0;
  return lido_pool_trim_to(pool, wanted > stats->bytes_live ? wanted - stats->bytes_live : 0);
}

/* -> bytes that went back. */
static size_t tend_pool(lido_manager *manager, const lido_policy_settings *settings, lido_member *member,
                        uint64_t now) {
  lido_pool *pool = member->object;
  lido_pool_stats stats;
  if (!lido_pool_is_trimmable(pool)) return 0;
  lido_pool_stats_get(pool, &stats);
  make_ready(manager, settings, pool, &stats);
  return give_back(manager, settings, member, &stats, now);
}

static size_t tend_pools(lido_manager *manager, const lido_policy_settings *settings, uint64_t now) {
  size_t bytes = 0;
  for (lido_member *m = NULL; (m = lido_members_next(manager, LIDO_KIND_POOL, m)) != NULL;) {
    bytes += tend_pool(manager, settings, m, now);
  }
  return bytes;
}

static size_t tend_classes(lido_manager *manager) {
  size_t bytes = 0;
  for (lido_member *m = NULL; (m = lido_members_next(manager, LIDO_KIND_ARENA_CLASS, m)) != NULL;) {
    lido_arena_class_stats stats;
    lido_arena_class_stats_get(m->object, &stats);
    if (stats.idle != 0 && stats.live == 0) bytes += lido_arena_class_trim(m->object);
  }
  return bytes;
}

static uint64_t drain(lido_manager *manager, uint64_t budget_ns) {
  uint64_t ran = 0;
  uint64_t begun = lido_os_now_ns();
  for (lido_member *m = NULL; (m = lido_members_next(manager, LIDO_KIND_CLEANUP_QUEUE, m)) != NULL;) {
    uint64_t spent = lido_os_now_ns() - begun;
    if (spent >= budget_ns) continue;
    ran += lido_cleanup_queue_drain(m->object, 0, budget_ns == UINT64_MAX ? 0 : budget_ns - spent);
  }
  return ran;
}

/* A trim of a tick is a pass, too, if it found something. */
static void note(lido_manager *manager, uint64_t begun, lido_reclaim_report *report) {
  report->ns = lido_os_now_ns() - begun;
  lido_lock_take(&manager->lock);
  manager->totals.cleanups_run += report->cleanups;
  manager->totals.purged_bytes += report->purged_bytes;
  manager->totals.freed_bytes += report->freed_bytes;
  if (report->freed_bytes != 0) {
    manager->totals.passes[LIDO_RECLAIM_IDLE]++;
    lido_durations_add(&manager->totals.durations, report->ns);
  }
  lido_lock_give(&manager->lock);
}

void lido_policy_tick(lido_manager *manager) {
  decide(manager);
  uint64_t begun = lido_os_now_ns();
  lido_sample newest = {0};
  lido_samples_get(manager, &newest, 1);
  lido_policy chosen = chosen_of(manager);
  lido_reclaim_report report = {.reason = LIDO_RECLAIM_IDLE};
  if (chosen != LIDO_POLICY_NONE) {
    lido_policy_settings settings = settings_for(manager, chosen);
    report.cleanups = drain(manager, settings.drain_ns);
    report.freed_bytes = tend_pools(manager, &settings, newest.now_ns);
    if (settings.forget_ns == 0) report.freed_bytes += tend_classes(manager);
  }
  report.purged_bytes = lido_backing_purge(manager->backing, newest.now_ns);
  note(manager, begun, &report);
}
