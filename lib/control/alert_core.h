/* alert_core.h: rules over samples, and the calls that their edges bring.
 *
 * Idea: a tick looks at all rules under the monitor's lock. A rule that begins or ends to fire is put on a list of
 * calls; what is to be told lies in the rule itself, so a tick allocates nothing. Then one thread at a time makes the
 * calls, the oldest first and without locks. A tick that finds another thread, or its own caller, at that leaves its
 * calls to it.
 * Invariants
 *   R1  a rule waits on `calls`, or is the one that is being called, exactly if `edge_waits`: it has an edge that was
 *       not told to its end. As long as it has, it neither fires nor is resolved. So edges alternate, and each is told
 *       once.
 *   R2  a rule that was removed is in no list. It is freed at once, or, if it is being called, by the thread that calls
 *       it: who waits for the end of a call touches the rule no more, and so loses nothing in the child of a fork.
 *   R3  a rule fires exactly if its last edge was FIRING.
 * Threads: any. Lock: the monitor's; values of single pools are read with the manager's inside.
 * Who removes a rule that is just called waits for the end of the call. In an on_change it does not: with one thread at
 * a time, the call is its own; or it is of another manager, and two that waited for each other would wait for ever.
 * Failure: ENOMEM when a rule is added; nothing later.
 * Fork: in the child, calls of other threads are over, also one that was just to begin (the parent makes it); those
 * that wait are made by its next tick.
 * Not done: rules ordered by pool (each reads its pool's statistics once a tick, unless the rule before it just has).
 */
#ifndef LIDO_LIB_CONTROL_ALERT_CORE_H
#define LIDO_LIB_CONTROL_ALERT_CORE_H

#include "lib/control/manager_core.h"
#include "lido/alert.h"

typedef struct lido_alerts {
  lido_link rules; /* in the order in which they came */
  lido_link calls; /* R1, the oldest first */
  struct lido_rule *called;
  bool is_calling;          /* some thread makes calls */
  uint64_t calls_over;      /* ever */
  lido_os_condition let_go; /* a call is over */
} lido_alerts;

void lido_alerts_init(lido_alerts *alerts);
/* Nobody calls any more. Frees all rules. */
void lido_alerts_end(lido_alerts *alerts);

/* Read the values of rules over single pools. Both locks are held. */
void lido_alerts_read_locked(lido_manager *manager, lido_alerts *alerts);

/* Look at all rules; edges go to `calls`. The monitor's lock is held. */
void lido_alerts_look_locked(lido_alerts *alerts, const lido_sample *sample);

/* Make the calls that wait, unless another thread is at it. Without locks. */
void lido_alerts_call(lido_monitor *monitor);

/* NULL, or R1 to R3. The monitor's lock is held. */
const char *lido_alerts_check_locked(const lido_alerts *alerts);

void lido_alerts_in_child(lido_alerts *alerts);

#endif
