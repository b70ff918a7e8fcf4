/* alert_values.c: see alert_values.h. */
#include "lib/control/alert_values.h"

#include <errno.h>
#include <string.h>

typedef struct pool_field {
  const char *name;
  size_t offset;
  bool is_counter;
} pool_field;

enum { IS_counter = true, IS_gauge = false };

#define FIELD(name, kind, unit, text) {#name, offsetof(lido_pool_stats, name), IS_##kind},
static const pool_field pool_fields[] = {LIDO_POOL_STATISTICS(FIELD)};
#undef FIELD

enum { POOL_FIELDS = sizeof pool_fields / sizeof *pool_fields };

static unsigned pool_field_by_name(const char *name) {
  unsigned number = 0;
  while (number < POOL_FIELDS && strcmp(pool_fields[number].name, name) != 0) number++;
  return number;
}

static bool find_field(const lido_alert_rule *rule, lido_sample_field of_sample, const char *of_pool,
                       unsigned *number) {
  if (rule->pool == NULL) {
    *number = (unsigned)of_sample;
    return *number < LIDO_SAMPLE_FIELDS;
  }
  *number = of_pool != NULL ? pool_field_by_name(of_pool) : POOL_FIELDS;
  return *number < POOL_FIELDS;
}

int lido_alert_values_init(lido_alert_values *values, const lido_alert_rule *rule) {
  *values = (lido_alert_values){.of_pool = rule->pool != NULL, .rate = rule->rate, .ratio = rule->ratio};
  bool known = find_field(rule, rule->field, rule->pool_field, &values->fields[LIDO_VALUE_OWN]);
  if (known && rule->ratio) known = find_field(rule, rule->of, rule->pool_of, &values->fields[LIDO_VALUE_OF]);
  return known ? 0 : EINVAL;
}

/* ---- Reading ---- */

void lido_alert_values_read_sample(lido_alert_values *values, const lido_sample *sample) {
  values->there = true;
  for (unsigned i = 0; i < LIDO_VALUES; i++) values->now[i] = sample->values[values->fields[i]];
}

static uint64_t of_pool(const lido_pool_stats *stats, unsigned field) {
  uint64_t value;
  memcpy(&value, (const char *)stats + pool_fields[field].offset, sizeof value);
  return value;
}

void lido_alert_values_read_pool(lido_alert_values *values, const lido_pool_stats *stats) {
  values->there = stats != NULL;
  if (stats == NULL) return;
  for (unsigned i = 0; i < LIDO_VALUES; i++) values->now[i] = of_pool(stats, values->fields[i]);
}

/* ---- The value ---- */

static bool is_counter(const lido_alert_values *values, unsigned which) {
  unsigned field = values->fields[which];
  return values->of_pool ? pool_fields[field].is_counter : lido_sample_field_is_counter((lido_sample_field)field);
}

static double growth(const lido_alert_values *values, unsigned which) {
  double grown = (double)values->now[which] - (double)values->before[which];
  return grown < 0 && is_counter(values, which) ? 0 : grown;
}

static double read_value(const lido_alert_values *values, unsigned which, uint64_t ns) {
  if (!values->rate) return (double)values->now[which];
  return growth(values, which) / ((double)ns / 1e9);
}

static double value_of(const lido_alert_values *values, uint64_t ns) {
  double own = read_value(values, LIDO_VALUE_OWN, ns);
  if (!values->ratio) return own;
  double of = read_value(values, LIDO_VALUE_OF, ns);
  return of != 0 ? own / of : 0;
}

static void keep(lido_alert_values *values, uint64_t now_ns) {
  values->there_before = values->there;
  memcpy(values->before, values->now, sizeof values->before);
  values->before_ns = now_ns;
}

static lido_value_kind kind_of(const lido_alert_values *values, uint64_t now_ns) {
  if (!values->there || (values->rate && !values->there_before)) return LIDO_VALUE_NONE;
  return values->rate && now_ns <= values->before_ns ? LIDO_VALUE_NOT_YET : LIDO_VALUE_KNOWN;
}

lido_value_kind lido_alert_values_take(lido_alert_values *values, uint64_t now_ns, double *value) {
  lido_value_kind kind = kind_of(values, now_ns);
  if (kind == LIDO_VALUE_KNOWN) *value = value_of(values, now_ns - values->before_ns);
  if (kind != LIDO_VALUE_NOT_YET) keep(values, now_ns);
  return kind;
}
