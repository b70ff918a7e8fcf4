/* tick.c: what a manager does now and then. */
#include <errno.h>

#include "lib/control/monitor_core.h"
#include "lido/heap_profile.h"

static void count(lido_manager *manager) {
  lido_lock_take(&manager->lock);
  manager->totals.ticks++;
  lido_lock_give(&manager->lock);
}

static void tick(void *argument) {
  lido_manager *manager = argument;
  count(manager);
  lido_monitor_sample(manager);
  lido_policy_tick(manager);
  lido_manager_pass_if_due(manager);
  lido_alerts_call(manager->monitor);
  lido_heap_profile_nudge();
}

/* The thread may end in there, in on_change say (docs/manager.md): then what it holds is let go. */
void lido_manager_tick(lido_manager *manager) {
  int saved_errno = errno;
  lido_members_call(manager, tick, NULL, manager);
  errno = saved_errno;
}
