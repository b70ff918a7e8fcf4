/* monitor_core.h: a manager's samples, and the thread that has them taken.
 *
 * Idea: a ring of samples that is allocated once, with the manager.
 * Invariants: X4 (manager_core.h).
 * Threads: any. Lock: MONITOR, one per manager.
 * Failure: ENOMEM at birth; nothing later.
 */
#ifndef LIDO_LIB_CONTROL_MONITOR_CORE_H
#define LIDO_LIB_CONTROL_MONITOR_CORE_H

#include "lib/control/manager_core.h"
#include "lido/monitor.h"

/* With a ring for so many samples. NULL: ENOMEM. */
lido_monitor *lido_monitor_create(size_t samples);
void lido_monitor_destroy(lido_monitor *monitor);

/* One sample more. */
void lido_monitor_sample(lido_manager *manager);

/* NULL, or X4. */
const char *lido_monitor_check(lido_monitor *monitor);

void lido_monitor_lock_for_fork(lido_monitor *monitor);
void lido_monitor_unlock_after_fork(lido_monitor *monitor);
void lido_monitor_in_child(lido_monitor *monitor);

#endif
