/* alert_values.h: what a rule looks at, as a number.
 *
 * Idea: a rule has one field, or two if it is a ratio, of the manager's samples or of one pool's statistics. What was
 * read at the tick before is kept in the rule, so that a rate needs no sample of that tick: samples have no single
 * pools.
 * A counter that fell is one that began anew (a pool has ended, and with it went its share): it counts as not grown.
 * Threads: the caller's lock.
 */
#ifndef LIDO_LIB_CONTROL_ALERT_VALUES_H
#define LIDO_LIB_CONTROL_ALERT_VALUES_H

#include "lido/alert.h"

enum { LIDO_VALUE_OWN, LIDO_VALUE_OF, LIDO_VALUES };

typedef struct lido_alert_values {
  /* fixed */
  bool of_pool;
  bool rate;
  bool ratio;
  unsigned fields[LIDO_VALUES]; /* lido_sample_field, or the number of a pool's */
  /* as they were read */
  bool there;
  bool there_before;
  uint64_t now[LIDO_VALUES];
  uint64_t before[LIDO_VALUES];
  uint64_t before_ns;
} lido_alert_values;

typedef enum lido_value_kind {
  LIDO_VALUE_KNOWN,
  LIDO_VALUE_NONE,    /* the pool is not there, or it is the first tick of a rate */
  LIDO_VALUE_NOT_YET, /* no time has passed for a rate */
} lido_value_kind;

/* 0, or EINVAL: a field that is none. */
int lido_alert_values_init(lido_alert_values *values, const lido_alert_rule *rule);

void lido_alert_values_read_sample(lido_alert_values *values, const lido_sample *sample);
void lido_alert_values_read_pool(lido_alert_values *values, const lido_pool_stats *stats); /* NULL: it is not there */

/* The rule's value at `now_ns`, and what was read becomes what was before. */
lido_value_kind lido_alert_values_take(lido_alert_values *values, uint64_t now_ns, double *value);

#endif
