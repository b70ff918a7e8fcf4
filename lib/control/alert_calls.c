/* alert_calls.c: telling of edges, one after the other, without locks. See alert_core.h. */
#include "lib/control/alert_rule.h"
#include "lib/control/monitor_core.h"

typedef struct edge_call {
  lido_monitor *monitor;
  lido_rule *rule;
} edge_call;

static __thread unsigned calls_of_thread; /* one inside the other, of several managers */
/* The outermost managers of which this thread makes calls; only the child of a fork asks. */
enum { CALLING_MOST = 8 };
static __thread const lido_alerts *calling[CALLING_MOST];

bool lido_alerts_is_inside(void) { return calls_of_thread != 0; }

/* ---- One call ---- */

static lido_rule *begin_locked(lido_alerts *alerts) {
  if (lido_list_is_empty(&alerts->calls)) return NULL;
  alerts->called = LIDO_LIST_ITEM(lido_list_take_first(&alerts->calls), lido_rule, call);
  return alerts->called;
}

static void end_locked(lido_alerts *alerts) {
  lido_rule *rule = alerts->called;
  alerts->called = NULL;
  alerts->calls_over++;
  rule->edge_waits = false;
  lido_os_condition_wake_all(&alerts->let_go);
  if (rule->is_removed) lido_rule_free(rule);
}

static void tell(void *argument) {
  const lido_rule *rule = ((const edge_call *)argument)->rule;
  rule->options.on_change(&rule->told, rule->options.context);
}

/* The thread ends in there: the calls that wait are made by the next tick. */
static void abandon(void *argument) {
  lido_monitor *monitor = ((const edge_call *)argument)->monitor;
  calls_of_thread--;
  lido_lock_take(&monitor->lock);
  end_locked(&monitor->alerts);
  monitor->alerts.is_calling = false;
  lido_lock_give(&monitor->lock);
}

/* ---- All that wait ---- */

static bool begin_calling(lido_monitor *monitor) {
  lido_alerts *alerts = &monitor->alerts;
  lido_lock_take(&monitor->lock);
  bool begins = !alerts->is_calling && !lido_list_is_empty(&alerts->calls);
  if (begins) alerts->is_calling = true;
  lido_lock_give(&monitor->lock);
  return begins;
}

/* The next one, the last being over; NULL when there is none, and then another thread may begin. */
static lido_rule *turn_to_next(lido_monitor *monitor) {
  lido_alerts *alerts = &monitor->alerts;
  lido_lock_take(&monitor->lock);
  if (alerts->called != NULL) end_locked(alerts);
  lido_rule *rule = begin_locked(alerts);
  if (rule == NULL) alerts->is_calling = false;
  lido_lock_give(&monitor->lock);
  return rule;
}

void lido_alerts_call(lido_monitor *monitor) {
  if (!begin_calling(monitor)) return;
  unsigned depth = calls_of_thread++;
  if (depth < CALLING_MOST) calling[depth] = &monitor->alerts;
  edge_call call = {.monitor = monitor};
  while ((call.rule = turn_to_next(monitor)) != NULL) lido_os_call_to_its_end(tell, abandon, &call);
  calls_of_thread--;
}

/* ---- Fork ---- */

static bool is_calling_here(const lido_alerts *alerts) {
  bool here = calls_of_thread > CALLING_MOST;
  for (unsigned i = 0; i < calls_of_thread && i < CALLING_MOST; i++) here |= calling[i] == alerts;
  return here;
}

void lido_alerts_in_child(lido_alerts *alerts) {
  lido_os_condition_init(&alerts->let_go);
  if (is_calling_here(alerts)) return;
  if (alerts->called != NULL) end_locked(alerts);
  alerts->is_calling = false;
}
