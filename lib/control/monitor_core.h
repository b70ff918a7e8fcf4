/* monitor_core.h: a manager's samples, and the thread that has them taken.
 *
 * Idea: a ring of samples that is allocated once, with the manager. A tick reads all numbers and stores them under one
 * lock, so that of two ticks at once the later sample also has the later numbers. The thread is a loop of waits and
 * ticks; it holds no reference, for the end of a manager stops it first.
 * Invariants
 *   X4  (manager_core.h) samples have rising numbers and times that do not fall: a clock that goes back is taken to
 *       stand still.
 *   X5  a monitor has one thread at most; it is joined by the stop that found it running. Told to stop, it begins no
 *       more ticks; nor does what was the thread in the parent of a fork, once its tick in the child is over.
 * Threads: any. Lock: MONITOR, one per manager; the manager's is taken inside it. The thread is made under it, so that
 * who finds it running finds its handle.
 * Failure: ENOMEM at birth; start: ENOMEM, EAGAIN; nothing later.
 * Fork: the child has the samples and no thread.
 * Not done: a tick that is late is not made up for. What happened meanwhile is in the next sample.
 */
#ifndef LIDO_LIB_CONTROL_MONITOR_CORE_H
#define LIDO_LIB_CONTROL_MONITOR_CORE_H

#include "lib/control/alert_core.h"
#include "lib/control/manager_core.h"
#include "lido/monitor.h"

typedef enum lido_monitor_state { LIDO_MONITOR_NONE, LIDO_MONITOR_RUNS, LIDO_MONITOR_STOPS } lido_monitor_state;

struct lido_monitor {
  lido_lock lock;
  lido_os_condition changed; /* the state has */
  /* under the lock */
  lido_alerts alerts;
  lido_monitor_state state;
  lido_os_thread thread;  /* unless NONE: X5 */
  uint64_t thread_number; /* of the last thread that was made: 1, 2, ... */
  uint64_t interval_ns;
  uint64_t taken; /* samples ever; the newest lies at (taken - 1) % room */
  size_t room;    /* fixed at birth */
  lido_sample ring[];
};

/* With a ring for so many samples. NULL: ENOMEM. */
lido_monitor *lido_monitor_create(size_t samples);
/* The thread was stopped. NULL is ignored. */
void lido_monitor_destroy(lido_monitor *monitor);

/* One sample more, and a look at the rules. */
void lido_monitor_sample(lido_manager *manager);

/* The newest sample, or NULL. Called with the lock held. */
const lido_sample *lido_monitor_newest_locked(const lido_monitor *monitor);

/* When the tick after the one that was due at `due` is: a whole number of intervals later, and after `now`. */
uint64_t lido_monitor_next_due(uint64_t due, uint64_t interval_ns, uint64_t now);

/* NULL, or X4, X5, R1 to R3. */
const char *lido_monitor_check(lido_monitor *monitor);

void lido_monitor_lock_for_fork(lido_monitor *monitor);
void lido_monitor_unlock_after_fork(lido_monitor *monitor);
void lido_monitor_in_child(lido_monitor *monitor);

#endif
