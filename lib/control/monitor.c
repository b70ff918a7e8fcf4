/* monitor.c: see monitor_core.h. */
#include "lido/monitor.h"

#include <errno.h>
#include <string.h>

#include "lib/base/bits.h"
#include "lib/control/monitor_core.h"
#include "lib/mem/metadata.h"

struct lido_monitor {
  lido_lock lock;
  /* under the lock */
  uint64_t taken; /* samples ever; the newest lies at (taken - 1) % room */
  size_t room;    /* fixed at birth */
  lido_sample ring[];
};

/* ---- Life ---- */

static size_t bytes_for(size_t samples) { return sizeof(lido_monitor) + samples * sizeof(lido_sample); }

lido_monitor *lido_monitor_create(size_t samples) {
  lido_monitor *monitor = lido_metadata_alloc(lido_metadata_system(), bytes_for(samples));
  if (monitor == NULL) return NULL;
  monitor->room = samples;
  lido_lock_init(&monitor->lock, LIDO_RANK_MONITOR);
  return monitor;
}

void lido_monitor_destroy(lido_monitor *monitor) {
  if (monitor == NULL) return;
  lido_lock_end(&monitor->lock);
  lido_metadata_free(lido_metadata_system(), monitor, bytes_for(monitor->room));
}

/* ---- Samples ---- */

static void fill(lido_manager *manager, lido_sample *sample) {
  lido_manager_stats stats;
  lido_budget_stats budget;
  lido_lock_take(&manager->lock);
  lido_manager_stats_locked(manager, &stats);
  lido_lock_give(&manager->lock);
  lido_budget_stats_get(manager->budget, &budget);
#define COPY(name, kind, unit, text) sample->values[LIDO_SAMPLE_##name] = stats.name;
  LIDO_MANAGER_STATISTICS(COPY)
#undef COPY
  sample->values[LIDO_SAMPLE_budget_used] = budget.used;
  sample->values[LIDO_SAMPLE_budget_refusals] = budget.refusals;
}

void lido_monitor_sample(lido_manager *manager) {
  lido_monitor *monitor = manager->monitor;
  lido_sample sample = {.now_ns = lido_manager_now(manager), .wall_ns = lido_os_wall_ns()};
  fill(manager, &sample);
  lido_lock_take(&monitor->lock);
  sample.number = ++monitor->taken;
  monitor->ring[(sample.number - 1) % monitor->room] = sample;
  lido_lock_give(&monitor->lock);
}

size_t lido_samples_get(lido_manager *manager, lido_sample *out, size_t count) {
  lido_monitor *monitor = manager->monitor;
  lido_lock_take(&monitor->lock);
  size_t there = lido_min(monitor->room, monitor->taken);
  if (count > there) count = there;
  for (size_t i = 0; i < count; i++) out[i] = monitor->ring[(monitor->taken - 1 - i) % monitor->room];
  lido_lock_give(&monitor->lock);
  return count;
}

double lido_sample_rate(const lido_sample *older, const lido_sample *newer, lido_sample_field field) {
  if (newer->now_ns <= older->now_ns || (unsigned)field >= LIDO_SAMPLE_FIELDS) return 0;
  double seconds = (double)(newer->now_ns - older->now_ns) / 1e9;
  return ((double)newer->values[field] - (double)older->values[field]) / seconds;
}

/* ---- Fields ---- */

typedef struct field {
  const char *name;
  bool is_counter;
} field;

enum { IS_counter = true, IS_gauge = false };

#define FIELD(name, kind, unit, text) {#name, IS_##kind},
static const field fields[LIDO_SAMPLE_FIELDS] = {LIDO_SAMPLE_STATISTICS(FIELD)};
#undef FIELD

const char *lido_sample_field_name(lido_sample_field number) {
  return (unsigned)number < LIDO_SAMPLE_FIELDS ? fields[number].name : "";
}

bool lido_sample_field_is_counter(lido_sample_field number) {
  return (unsigned)number < LIDO_SAMPLE_FIELDS && fields[number].is_counter;
}

lido_sample_field lido_sample_field_by_name(const char *name) {
  unsigned number = 0;
  while (number < LIDO_SAMPLE_FIELDS && strcmp(fields[number].name, name) != 0) number++;
  return (lido_sample_field)number;
}

/* ---- The thread ---- */

int lido_monitor_start(lido_manager *manager, uint64_t interval_ns) {
  (void)manager;
  (void)interval_ns;
  return ENOTSUP;
}

int lido_monitor_stop(lido_manager *manager) {
  (void)manager;
  return ESRCH;
}

/* ---- Check and fork ---- */

static const char *check_locked(const lido_monitor *monitor) {
  size_t there = lido_min(monitor->room, monitor->taken);
  for (size_t i = 0; i + 1 < there; i++) {
    const lido_sample *newer = &monitor->ring[(monitor->taken - 1 - i) % monitor->room];
    const lido_sample *older = &monitor->ring[(monitor->taken - 2 - i) % monitor->room];
    if (newer->number != older->number + 1) return "X4: samples are not in order";
    if (newer->now_ns < older->now_ns) return "X4: time went back";
  }
  return NULL;
}

const char *lido_monitor_check(lido_monitor *monitor) {
  lido_lock_take(&monitor->lock);
  const char *broken = check_locked(monitor);
  lido_lock_give(&monitor->lock);
  return broken;
}

void lido_monitor_lock_for_fork(lido_monitor *monitor) { lido_lock_take_for_fork(&monitor->lock); }
void lido_monitor_unlock_after_fork(lido_monitor *monitor) { lido_lock_give_after_fork(&monitor->lock); }
void lido_monitor_in_child(lido_monitor *monitor) { (void)monitor; }
