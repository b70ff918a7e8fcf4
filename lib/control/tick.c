/* tick.c: what a manager does now and then. */
#include "lib/control/monitor_core.h"

void lido_manager_tick(lido_manager *manager) {
  lido_lock_take(&manager->lock);
  manager->totals.ticks++;
  lido_lock_give(&manager->lock);
  lido_monitor_sample(manager);
}
