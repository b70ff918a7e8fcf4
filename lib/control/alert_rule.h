/* alert_rule.h: one rule. The invariants are in alert_core.h. */
#ifndef LIDO_LIB_CONTROL_ALERT_RULE_H
#define LIDO_LIB_CONTROL_ALERT_RULE_H

#include "lib/base/list.h"
#include "lib/control/alert_values.h"

typedef struct lido_rule {
  lido_link link; /* in `rules` */
  lido_link call; /* in `calls` */
  /* fixed */
  lido_alert_rule options;
  size_t bytes; /* of this struct, with the names */
  /* under the monitor's lock */
  lido_alert_values values;
  lido_alert_state state;
  bool edge_waits;       /* R1 */
  bool is_removed;       /* R2: who calls it frees it */
  lido_alert_event last; /* as of the last tick; `edge` is the last that there was */
  lido_alert_event told; /* as of that edge; does not change while edge_waits */
  char names[];
} lido_rule;

void lido_rule_free(lido_rule *rule);

/* Is this thread in an on_change, of whatever manager? */
bool lido_alerts_is_inside(void);

#endif
