/* monitor_thread.c: a thread that ticks, until it is stopped. See monitor_core.h. */
#include <errno.h>

#include "lib/control/monitor_core.h"

#define INTERVAL_LEAST_NS UINT64_C(1000000)

/* ---- The thread ---- */

uint64_t lido_monitor_next_due(uint64_t due, uint64_t interval_ns, uint64_t now) {
  uint64_t late = now > due ? now - due : 0;
  uint64_t whole = late - late % interval_ns; /* intervals that are over are skipped */
  uint64_t step = whole <= UINT64_MAX - interval_ns ? whole + interval_ns : UINT64_MAX;
  return due <= UINT64_MAX - step ? due + step : UINT64_MAX;
}

static bool goes_on_locked(const lido_monitor *monitor, uint64_t thread_number) {
  return monitor->state == LIDO_MONITOR_RUNS && monitor->thread_number == thread_number;
}

/* false: it is to end. */
static bool wait_until(lido_monitor *monitor, uint64_t thread_number, uint64_t due) {
  lido_lock_take(&monitor->lock);
  while (goes_on_locked(monitor, thread_number) && lido_os_now_ns() < due) {
    lido_os_condition_wait(&monitor->changed, &monitor->lock, due);
  }
  bool goes_on = goes_on_locked(monitor, thread_number);
  lido_lock_give(&monitor->lock);
  return goes_on;
}

/* Of this thread: it was made under the lock, and no other one comes before it was joined. */
static uint64_t number_of(lido_monitor *monitor) {
  lido_lock_take(&monitor->lock);
  uint64_t number = monitor->thread_number;
  lido_lock_give(&monitor->lock);
  return number;
}

/* By the system's clock: the manager's may stand still. `interval_ns` does not change while there is a thread. */
static void *work(void *argument) {
  lido_manager *manager = argument;
  lido_monitor *monitor = manager->monitor;
  uint64_t number = number_of(monitor);
  for (uint64_t due = lido_os_now_ns(); wait_until(monitor, number, due);) {
    lido_manager_tick(manager);
    due = lido_monitor_next_due(due, monitor->interval_ns, lido_os_now_ns());
  }
  return NULL;
}

/* ---- Start and stop ---- */

static int start_locked(lido_manager *manager, uint64_t interval_ns) {
  lido_monitor *monitor = manager->monitor;
  if (monitor->state != LIDO_MONITOR_NONE) return EALREADY;
  monitor->interval_ns = interval_ns;
  int error = lido_os_thread_start(&monitor->thread, work, manager);
  if (error != 0) return error;
  monitor->state = LIDO_MONITOR_RUNS;
  monitor->thread_number++;
  return 0;
}

int lido_monitor_start(lido_manager *manager, uint64_t interval_ns) {
  if (interval_ns < INTERVAL_LEAST_NS) return EINVAL;
  lido_lock_take(&manager->monitor->lock);
  int error = start_locked(manager, interval_ns);
  lido_lock_give(&manager->monitor->lock);
  return error;
}

/* 0: this thread has to wait for its end. Who finds another one at that waits with it. */
static int tell_to_stop_locked(lido_monitor *monitor) {
  if (monitor->state != LIDO_MONITOR_NONE && lido_os_thread_is_this(monitor->thread)) return EDEADLK;
  if (monitor->state == LIDO_MONITOR_RUNS) {
    monitor->state = LIDO_MONITOR_STOPS;
    lido_os_condition_wake_all(&monitor->changed);
    return 0;
  }
  while (monitor->state == LIDO_MONITOR_STOPS) {
    lido_os_condition_wait(&monitor->changed, &monitor->lock, UINT64_MAX);
  }
  return ESRCH;
}

static void wait_for_end(lido_monitor *monitor) {
  lido_os_thread_join(monitor->thread);
  lido_lock_take(&monitor->lock);
  monitor->state = LIDO_MONITOR_NONE;
  lido_os_condition_wake_all(&monitor->changed);
  lido_lock_give(&monitor->lock);
}

int lido_monitor_stop(lido_manager *manager) {
  lido_monitor *monitor = manager->monitor;
  lido_lock_take(&monitor->lock);
  int error = tell_to_stop_locked(monitor);
  lido_lock_give(&monitor->lock);
  if (error == 0) wait_for_end(monitor);
  return error;
}

/* ---- Fork ---- */

void lido_monitor_lock_for_fork(lido_monitor *monitor) { lido_lock_take_for_fork(&monitor->lock); }
void lido_monitor_unlock_after_fork(lido_monitor *monitor) { lido_lock_give_after_fork(&monitor->lock); }

/* The threads that waited are gone, and the conditions would remember them. */
void lido_monitor_in_child(lido_monitor *monitor) {
  monitor->state = LIDO_MONITOR_NONE;
  lido_os_condition_init(&monitor->changed);
  lido_alerts_in_child(&monitor->alerts);
}
