/* lido/alert.h: rules over a manager's samples, and who is told when one of them begins or ends to hold.
 *
 *     lido_alert_add(manager, &(lido_alert_rule){ .name = "memory", .field = LIDO_SAMPLE_budget_used, .above = true,
 *                                                 .threshold = 60e6, .clear = 50e6, .for_ns = 5000000000,
 *                                                 .on_change = log_it });
 *
 * A rule is looked at in each tick. When its value has been beyond the threshold at every tick for for_ns, it fires:
 * on_change is called once, with FIRING. When the value is back at `clear`, or on its other side, it is resolved: once,
 * with RESOLVED. Between threshold and clear nothing changes, so that a value that hovers does not ring twice.
 *
 * Threads: any. on_change runs on a thread that ticks, without locks. It may use the manager and add and remove rules,
 * its own too. Calls of one manager never overlap: a tick that finds another thread making them leaves its own to that.
 * While a rule's call waits or runs, the rule neither fires nor is resolved; so its edges alternate, however long a
 * call takes.
 * Cost: some ten nanoseconds for each rule and tick; for one of a single pool, that pool's statistics. A tick allocates
 * nothing.
 */
#ifndef LIDO_ALERT_H
#define LIDO_ALERT_H

#include "lido/monitor.h"

LIDO_BEGIN

/* A value that names one rule of one manager, for ever; 0 is none. */
typedef uint64_t lido_alert;

typedef enum lido_alert_state {
  LIDO_ALERT_NONE,    /* there is no such rule */
  LIDO_ALERT_QUIET,   /* not beyond the threshold */
  LIDO_ALERT_PENDING, /* beyond it, but not for so long */
  LIDO_ALERT_FIRING,
  LIDO_ALERT_RESOLVED, /* only in on_change: no longer firing; the state is QUIET then */
} lido_alert_state;

typedef struct lido_alert_event {
  lido_alert alert;
  const char *name;      /* of the rule; good during the call */
  lido_alert_state edge; /* FIRING or RESOLVED; in for_each the last one, or NONE */
  double value;          /* NAN: there is none, since the pool is not there */
  double threshold;
  uint64_t now_ns;   /* of the sample */
  uint64_t since_ns; /* when the value went beyond the threshold */
} lido_alert_event;

typedef struct lido_alert_rule {
  const char *name; /* copied, at most 63 bytes; needed */
  /* Of one pool instead of the manager: its name, copied; `pool_field` then counts. A pool that is not there has no
   * value: a rule that waits starts again, and one that fires is resolved. */
  const char *pool;
  lido_sample_field field; /* if `pool` is NULL */
  const char *pool_field;  /* a name of LIDO_POOL_STATISTICS */
  /* What the field has grown by since the tick before, a second, instead of the field itself. At the first tick there
   * is no such value; at one for which no time has passed the rule is left as it is. A counter that fell, since a pool
   * has ended, has not grown. */
  bool rate;
  /* The value divided by that of another field, which is a rate too if this one is; 0 if that is 0: misses by allocs,
   * say. */
  bool ratio;
  lido_sample_field of; /* the other field, if `pool` is NULL */
  const char *pool_of;  /* the other field of the same pool */
  bool above;           /* fires above the threshold; else below it */
  double threshold;
  /* Resolved at this value or on its other side; 0 = the threshold, and NAN too. On the quiet side of the threshold, or
   * EINVAL. */
  double clear;
  uint64_t for_ns;                                                 /* 0: fires at the first tick */
  void (*on_change)(const lido_alert_event *event, void *context); /* needed */
  void *context;
} lido_alert_rule;

/* 0: EINVAL (what is needed is missing, a field that is none, a threshold that is no number, `clear` on the wrong
 * side), ENOMEM. */
LIDO_API lido_alert lido_alert_add(lido_manager *manager, const lido_alert_rule *rule);

/* Without RESOLVED. Once it has returned, on_change is not called any more: if a thread is just in it, its end is
 * waited for. Only from inside an on_change, or any other function of the program that a manager calls, nobody is
 * waited for; then a call may still be under way in another thread. Blocks: not with a lock held that on_change takes.
 * -> whether there was such a rule. */
LIDO_API bool lido_alert_remove(lido_manager *manager, lido_alert alert);

/* Never RESOLVED. */
LIDO_API lido_alert_state lido_alert_state_get(lido_manager *manager, lido_alert alert);

/* Call `visit` for each rule, in the order in which they came, on a copy, until it returns false. `last` is as of the
 * last tick. 0, or ENOMEM. */
LIDO_API int lido_alert_for_each(lido_manager *manager,
                                 bool (*visit)(const lido_alert_event *last, lido_alert_state state, void *arg),
                                 void *arg);

LIDO_END

#endif
