/* monitor.c: the ring of samples. See monitor_core.h. */
#include "lido/monitor.h"

#include <string.h>

#include "lib/base/bits.h"
#include "lib/control/monitor_core.h"
#include "lib/mem/metadata.h"

/* ---- Life ---- */

static size_t bytes_for(size_t samples) { return sizeof(lido_monitor) + samples * sizeof(lido_sample); }

lido_monitor *lido_monitor_create(size_t samples) {
  lido_monitor *monitor = lido_metadata_take(lido_metadata_system(), bytes_for(samples));
  if (monitor == NULL) return NULL;
  memset(monitor, 0, sizeof *monitor); /* the ring stays untouched, and so without pages, until samples come */
  monitor->room = samples;
  lido_lock_init(&monitor->lock, LIDO_RANK_MONITOR);
  lido_os_condition_init(&monitor->changed);
  lido_alerts_init(&monitor->alerts);
  return monitor;
}

void lido_monitor_destroy(lido_monitor *monitor) {
  if (monitor == NULL) return;
  lido_alerts_end(&monitor->alerts);
  lido_os_condition_end(&monitor->changed);
  lido_lock_end(&monitor->lock);
  lido_metadata_free(lido_metadata_system(), monitor, bytes_for(monitor->room));
}

/* ---- Samples ---- */

static lido_sample *sample_at(lido_monitor *monitor, uint64_t number) {
  return &monitor->ring[(number - 1) % monitor->room];
}

const lido_sample *lido_monitor_newest_locked(const lido_monitor *monitor) {
  return monitor->taken != 0 ? &monitor->ring[(monitor->taken - 1) % monitor->room] : NULL;
}

static bool wants_resident_bytes(lido_manager *manager) {
  lido_monitor *monitor = manager->monitor;
  lido_lock_take(&monitor->lock);
  bool has_thread = monitor->state != LIDO_MONITOR_NONE;
  lido_lock_give(&monitor->lock);
  return has_thread || (manager->options.flags & LIDO_MANAGER_RESIDENT_BYTES) != 0;
}

static void fill_locked(lido_manager *manager, lido_sample *sample) {
  lido_manager_stats stats;
  lido_budget_stats budget;
  lido_lock_take(&manager->lock);
  lido_manager_stats_locked(manager, &stats);
  lido_alerts_read_locked(manager, &manager->monitor->alerts);
  double stalled = manager->adaptive.pressure.stalled;
  lido_lock_give(&manager->lock);
  lido_budget_stats_get(manager->budget, &budget);
#define COPY(name, kind, unit, text) sample->values[LIDO_SAMPLE_##name] = stats.name;
  LIDO_MANAGER_STATISTICS(COPY)
#undef COPY
  sample->values[LIDO_SAMPLE_budget_used] = budget.used;
  sample->values[LIDO_SAMPLE_budget_refusals] = budget.refusals;
  sample->values[LIDO_SAMPLE_pressure_stalled_ppm] = (uint64_t)(stalled * 1e6 + 0.5);
}

/* X4. */
static void number_locked(lido_monitor *monitor, lido_sample *sample) {
  const lido_sample *before = lido_monitor_newest_locked(monitor);
  if (before != NULL) sample->now_ns = lido_max(sample->now_ns, before->now_ns);
  sample->number = ++monitor->taken;
  *sample_at(monitor, sample->number) = *sample;
}

/* The clock is the program's, hence read before the lock is taken. */
void lido_monitor_sample(lido_manager *manager) {
  lido_monitor *monitor = manager->monitor;
  lido_sample sample = {.now_ns = lido_manager_now(manager), .wall_ns = lido_os_wall_ns()};
  if (wants_resident_bytes(manager)) sample.values[LIDO_SAMPLE_resident_bytes] = lido_os_resident_bytes();
  lido_lock_take(&monitor->lock);
  fill_locked(manager, &sample);
  number_locked(monitor, &sample);
  lido_alerts_look_locked(&monitor->alerts, &sample);
  lido_lock_give(&monitor->lock);
}

size_t lido_samples_get(lido_manager *manager, lido_sample *out, size_t count) {
  lido_monitor *monitor = manager->monitor;
  lido_lock_take(&monitor->lock);
  size_t there = lido_min(monitor->room, monitor->taken);
  if (count > there) count = there;
  for (size_t i = 0; i < count; i++) out[i] = *sample_at(monitor, monitor->taken - i);
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

/* ---- Check ---- */

static const char *check_ring_locked(lido_monitor *monitor) {
  size_t there = lido_min(monitor->room, monitor->taken);
  for (size_t i = 0; i + 1 < there; i++) {
    const lido_sample *newer = sample_at(monitor, monitor->taken - i);
    const lido_sample *older = sample_at(monitor, monitor->taken - i - 1);
    if (newer->number != older->number + 1) return "X4: samples are not in order";
    if (newer->now_ns < older->now_ns) return "X4: time went back";
  }
  return NULL;
}

const char *lido_monitor_check(lido_monitor *monitor) {
  lido_lock_take(&monitor->lock);
  const char *broken = check_ring_locked(monitor);
  bool was_made = monitor->thread_number != 0;
  if (broken == NULL && monitor->state != LIDO_MONITOR_NONE && !was_made) broken = "X5: a thread that was never made";
  if (broken == NULL) broken = lido_alerts_check_locked(&monitor->alerts);
  lido_lock_give(&monitor->lock);
  return broken;
}
