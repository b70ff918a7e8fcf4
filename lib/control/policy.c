/* policy.c: what each policy sets, and which one a manager has. See policy_core.h. */
#include "lido/policy.h"

#include <errno.h>
#include <string.h>

#include "lib/control/monitor_core.h"

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
lido_policy_settings lido_policy_settings_for(const lido_manager *manager, lido_policy chosen) {
  lido_policy_settings settings = table[chosen];
  if (manager->options.retain_percent == 0) return settings;
  settings.tuning.retain_percent = manager->options.retain_percent;
  if (chosen != LIDO_POLICY_NONE) settings.tuning.retain_bytes = NEXT_TO_NOTHING;
  return settings;
}

/* Pools are tuned under the manager's lock (Y2), which lido_pool_tune allows: it calls nothing of the program's. The
 * table's values are in range, and so is what the options allow. */
static void tune_locked(const lido_manager *manager, lido_pool *pool) {
  lido_policy_settings settings = lido_policy_settings_for(manager, manager->chosen);
  lido_pool_tune(pool, &settings.tuning);
}

void lido_policy_apply_locked(lido_manager *manager, lido_pool *pool) {
  bool as_it_is = manager->chosen == LIDO_POLICY_NONE && manager->options.retain_percent == 0;
  if (!as_it_is) tune_locked(manager, pool);
}

static void choose_locked(lido_manager *manager, lido_policy chosen) {
  if (manager->chosen == chosen) return;
  manager->chosen = chosen;
  const lido_member_list *pools = &manager->members[LIDO_KIND_POOL];
  for (size_t i = 0; i < pools->count; i++) tune_locked(manager, pools->items[i]->object);
}

/* ---- Choosing ---- */

static void tell(lido_manager *manager, lido_policy from, lido_policy to) {
  if (from == to || manager->options.on_policy == NULL) return;
  manager->options.on_policy(manager, from, to, manager->options.context);
}

void lido_policy_begin(lido_manager *manager) {
  manager->policy = manager->chosen = manager->options.policy;
  if (manager->policy != LIDO_POLICY_ADAPTIVE) return;
  manager->chosen = lido_adaptive_begin(&manager->adaptive, lido_manager_now(manager));
}

/* The time of the newest sample, which never goes back; before the first one, the clock's. */
static uint64_t time_of_ticks(lido_manager *manager) {
  lido_sample newest;
  return lido_samples_get(manager, &newest, 1) != 0 ? newest.now_ns : 0;
}

void lido_manager_policy_set(lido_manager *manager, lido_policy policy) {
  if ((unsigned)policy >= LIDO_POLICY_COUNT) return;
  int saved_errno = errno;
  uint64_t now = time_of_ticks(manager);
  lido_lock_take(&manager->lock);
  lido_policy before = manager->policy;
  if (before != policy) {
    manager->policy = policy;
    lido_policy first = lido_adaptive_begin(&manager->adaptive, now); /* what it saw last time is nobody's any more */
    choose_locked(manager, policy == LIDO_POLICY_ADAPTIVE ? first : policy);
    manager->totals.policy_changes++;
  }
  lido_lock_give(&manager->lock);
  tell(manager, before, policy);
  errno = saved_errno;
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
  *out = (lido_pressure){.stalled = memory.stalled,
                         .bytes = memory.bytes,
                         .bytes_most = memory.bytes_most,
                         .stalled_is_unknown = !memory.knows_stalled};
  return error;
}

const char *lido_policy_check(lido_manager *manager) {
  lido_policy_settings unused;
  lido_policy chosen;
  lido_policy policy = lido_manager_policy(manager, &chosen);
  bool fits = policy == LIDO_POLICY_ADAPTIVE ? lido_policy_settings_get(chosen, &unused) == 0 : chosen == policy;
  return fits ? NULL : "Y1: what is chosen is not what is set, or none of the three";
}

/* ---- ADAPTIVE ---- */

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
  if (load->free_bytes < 0) load->free_bytes = 0; /* objects of passthrough pools live in no slab */
  *now = samples[0].now_ns;
  return true;
}

static void read_pressure(const lido_manager *manager, lido_pressure *out) {
  const lido_manager_options *o = &manager->options;
  int error = o->pressure != NULL ? o->pressure(out, o->context) : lido_pressure_read(out);
  if (error != 0) *out = (lido_pressure){.stalled_is_unknown = true}; /* then nothing is pressing */
  if (!(out->stalled > 0)) out->stalled = 0;                          /* no number is that, too */
  if (out->stalled > 1) out->stalled = 1;
}

void lido_policy_decide(lido_manager *manager) {
  lido_load load;
  lido_pressure pressure = {0};
  uint64_t now = 0;
  if (lido_manager_policy(manager, NULL) != LIDO_POLICY_ADAPTIVE || !load_of(manager, &load, &now)) return;
  read_pressure(manager, &pressure);
  lido_lock_take(&manager->lock);
  lido_policy before = manager->chosen;
  /* Two ticks at once may have read the same samples; the time of one may be over when it comes here. */
  if (manager->policy == LIDO_POLICY_ADAPTIVE && now > manager->adaptive.stepped_ns) {
    choose_locked(manager, lido_adaptive_step(&manager->adaptive, before, &load, &pressure, now));
    manager->totals.policy_changes += manager->chosen != before;
  }
  lido_policy after = manager->chosen;
  lido_lock_give(&manager->lock);
  tell(manager, before, after);
}
