/* alert.c: rules that come and go, and what a tick makes of them. The design is in alert_core.h. */
#include "lido/alert.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "lib/base/atomic.h"
#include "lib/control/alert_rule.h"
#include "lib/control/monitor_core.h"
#include "lib/mem/metadata.h"

static lido_rule *rule_of(lido_link *link) { return LIDO_LIST_ITEM(link, lido_rule, link); }

/* ---- Life ---- */

void lido_alerts_init(lido_alerts *alerts) {
  lido_list_init(&alerts->rules);
  lido_list_init(&alerts->calls);
  lido_os_condition_init(&alerts->let_go);
}

void lido_rule_free(lido_rule *rule) { lido_metadata_free(lido_metadata_system(), rule, rule->bytes); }

void lido_alerts_end(lido_alerts *alerts) {
  while (!lido_list_is_empty(&alerts->rules)) lido_rule_free(rule_of(lido_list_take_first(&alerts->rules)));
  lido_os_condition_end(&alerts->let_go);
}

/* ---- Coming ---- */

static bool is_on_quiet_side(const lido_alert_rule *rule) {
  return rule->above ? rule->clear <= rule->threshold : rule->clear >= rule->threshold;
}

/* With `clear` as it is meant. */
static int settle(lido_alert_rule *rule) {
  if (rule->name == NULL || rule->name[0] == '\0' || rule->on_change == NULL) return EINVAL;
  if (isnan(rule->threshold)) return EINVAL;
  if (isnan(rule->clear) || rule->clear == 0) rule->clear = rule->threshold;
  return is_on_quiet_side(rule) ? 0 : EINVAL;
}

static size_t name_bytes(const char *name) {
  size_t length = strlen(name);
  return (length < LIDO_MANAGER_NAME_MAX ? length : LIDO_MANAGER_NAME_MAX - 1) + 1;
}

/* The names follow the rule: its own, and the pool's. */
static lido_rule *rule_make(const lido_alert_rule *options, const lido_alert_values *values) {
  size_t own = name_bytes(options->name);
  size_t pool = options->pool != NULL ? strlen(options->pool) + 1 : 0;
  lido_rule *rule = lido_metadata_alloc(lido_metadata_system(), sizeof *rule + own + pool);
  if (rule == NULL) return NULL;
  rule->bytes = sizeof *rule + own + pool;
  rule->options = *options;
  rule->values = *values;
  rule->options.name = memcpy(rule->names, options->name, own - 1); /* it is zeroed behind it */
  if (pool != 0) rule->options.pool = memcpy(rule->names + own, options->pool, pool);
  rule->options.pool_field = rule->options.pool_of = NULL; /* the caller's */
  rule->state = LIDO_ALERT_QUIET;
  lido_list_init(&rule->call);
  return rule;
}

static lido_alert next_alert(void) {
  static lido_alert last;
  return lido_add_relaxed(&last, 1) + 1; /* RELAXED: each value once is all that is asked of it */
}

/* A rate of the manager's own is known from the next tick on if there was one before. */
static void seed_locked(lido_rule *rule, const lido_sample *newest) {
  if (rule->values.of_pool || newest == NULL) return;
  double unused;
  lido_alert_values_read_sample(&rule->values, newest);
  lido_alert_values_take(&rule->values, newest->now_ns, &unused);
}

static void enter(lido_monitor *monitor, lido_rule *rule, lido_alert alert) {
  rule->last = (lido_alert_event){.alert = alert, .name = rule->options.name, .threshold = rule->options.threshold};
  lido_lock_take(&monitor->lock);
  seed_locked(rule, lido_monitor_newest_locked(monitor));
  lido_list_append(&monitor->alerts.rules, &rule->link);
  lido_lock_give(&monitor->lock);
}

lido_alert lido_alert_add(lido_manager *manager, const lido_alert_rule *rule) {
  lido_alert_values values;
  lido_alert_rule settled = rule != NULL ? *rule : (lido_alert_rule){.name = NULL};
  int error = settle(&settled);
  if (error == 0) error = lido_alert_values_init(&values, &settled);
  if (error != 0) {
    errno = error;
    return 0;
  }
  lido_rule *made = rule_make(&settled, &values);
  if (made == NULL) return 0;
  lido_alert alert = next_alert();
  enter(manager->monitor, made, alert); /* from here on it may be removed by whoever counts along */
  return alert;
}

/* ---- Going ---- */

static lido_rule *find_locked(lido_alerts *alerts, lido_alert alert) {
  for (lido_link *link = alerts->rules.next; link != &alerts->rules; link = link->next) {
    if (rule_of(link)->last.alert == alert) return rule_of(link);
  }
  return NULL;
}

/* R2. */
static void take_out_locked(lido_monitor *monitor, lido_rule *rule) {
  lido_alerts *alerts = &monitor->alerts;
  lido_list_remove(&rule->link);
  lido_list_remove(&rule->call);
  if (alerts->called != rule) {
    lido_rule_free(rule);
    return;
  }
  rule->is_removed = true;
  uint64_t over = alerts->calls_over;
  /* In a callback of a walk, another thread's on_change may be waiting for what this one holds. */
  while (alerts->calls_over == over && !lido_alerts_is_inside() && !lido_members_is_walking()) {
    lido_os_condition_wait(&alerts->let_go, &monitor->lock, UINT64_MAX);
  }
}

bool lido_alert_remove(lido_manager *manager, lido_alert alert) {
  lido_monitor *monitor = manager->monitor;
  lido_lock_take(&monitor->lock);
  lido_rule *rule = find_locked(&monitor->alerts, alert);
  if (rule != NULL) take_out_locked(monitor, rule);
  lido_lock_give(&monitor->lock);
  return rule != NULL;
}

/* ---- Questions ---- */

lido_alert_state lido_alert_state_get(lido_manager *manager, lido_alert alert) {
  lido_monitor *monitor = manager->monitor;
  lido_lock_take(&monitor->lock);
  const lido_rule *rule = find_locked(&monitor->alerts, alert);
  lido_alert_state state = rule != NULL ? rule->state : LIDO_ALERT_NONE;
  lido_lock_give(&monitor->lock);
  return state;
}

typedef struct rule_copy {
  lido_alert_event last;
  lido_alert_state state;
  char name[LIDO_MANAGER_NAME_MAX];
} rule_copy;

typedef struct rule_copies {
  rule_copy *items;
  size_t room;
  size_t count;
} rule_copies;

static size_t count_locked(const lido_alerts *alerts) {
  size_t count = 0;
  for (const lido_link *link = alerts->rules.next; link != &alerts->rules; link = link->next) count++;
  return count;
}

static void copy_locked(rule_copies *copies, lido_alerts *alerts) {
  for (lido_link *link = alerts->rules.next; link != &alerts->rules && copies->count < copies->room;
       link = link->next) {
    const lido_rule *rule = rule_of(link);
    rule_copy *copy = &copies->items[copies->count++];
    copy->last = rule->last;
    copy->state = rule->state;
    memcpy(copy->name, rule->options.name, name_bytes(rule->options.name));
    copy->last.name = copy->name;
  }
}

static void copies_free(const rule_copies *copies) {
  lido_metadata_free(lido_metadata_system(), copies->items, copies->room * sizeof *copies->items);
}

/* false: there are `needed` rules, more than there is room for. */
static bool try_to_copy(lido_monitor *monitor, rule_copies *copies, size_t *needed) {
  lido_lock_take(&monitor->lock);
  *needed = count_locked(&monitor->alerts);
  bool fits = *needed <= copies->room;
  if (fits) copy_locked(copies, &monitor->alerts);
  lido_lock_give(&monitor->lock);
  return fits;
}

static int copy_all(lido_monitor *monitor, rule_copies *copies) {
  for (size_t needed; !try_to_copy(monitor, copies, &needed);) {
    copies_free(copies);
    copies->room = needed;
    copies->items = lido_metadata_alloc(lido_metadata_system(), needed * sizeof *copies->items);
    if (copies->items == NULL) return ENOMEM;
  }
  return 0;
}

int lido_alert_for_each(lido_manager *manager,
                        bool (*visit)(const lido_alert_event *last, lido_alert_state state, void *arg), void *arg) {
  int saved_errno = errno;
  rule_copies copies = {0};
  int error = copy_all(manager->monitor, &copies);
  errno = saved_errno;
  if (error != 0) return error;
  bool goes_on = true;
  for (size_t i = 0; i < copies.count && goes_on; i++)
    goes_on = visit(&copies.items[i].last, copies.items[i].state, arg);
  copies_free(&copies);
  return 0;
}

/* ---- A tick: reading ---- */

void lido_alerts_read_locked(lido_manager *manager, lido_alerts *alerts) {
  const lido_member *read = NULL; /* whose numbers these are */
  lido_pool_stats stats;
  for (lido_link *link = alerts->rules.next; link != &alerts->rules; link = link->next) {
    lido_rule *rule = rule_of(link);
    if (!rule->values.of_pool) continue;
    lido_member *pool = lido_members_find_locked(manager, LIDO_KIND_POOL, rule->options.pool);
    if (pool != NULL && pool != read) lido_member_pool_stats_locked(pool, &stats);
    if (pool != NULL) read = pool;
    lido_alert_values_read_pool(&rule->values, pool != NULL ? &stats : NULL);
  }
}

/* ---- A tick: edges ---- */

/* R1, R3. */
static void make_edge_locked(lido_alerts *alerts, lido_rule *rule, lido_alert_state edge) {
  rule->state = edge == LIDO_ALERT_FIRING ? LIDO_ALERT_FIRING : LIDO_ALERT_QUIET;
  rule->last.edge = edge;
  rule->told = rule->last;
  rule->edge_waits = true;
  lido_list_append(&alerts->calls, &rule->call);
}

static bool is_beyond(const lido_alert_rule *rule, double value) {
  return rule->above ? value > rule->threshold : value < rule->threshold;
}

static bool is_back(const lido_alert_rule *rule, double value) {
  return isnan(value) || (rule->above ? value <= rule->clear : value >= rule->clear);
}

static void look_quiet_locked(lido_alerts *alerts, lido_rule *rule) {
  const lido_alert_event *last = &rule->last;
  if (!is_beyond(&rule->options, last->value)) {
    rule->state = LIDO_ALERT_QUIET;
    return;
  }
  if (rule->state == LIDO_ALERT_QUIET) rule->last.since_ns = last->now_ns;
  rule->state = LIDO_ALERT_PENDING;
  if (!rule->edge_waits && last->now_ns - last->since_ns >= rule->options.for_ns) {
    make_edge_locked(alerts, rule, LIDO_ALERT_FIRING);
  }
}

static void look_locked(lido_alerts *alerts, lido_rule *rule) {
  if (rule->state != LIDO_ALERT_FIRING) {
    look_quiet_locked(alerts, rule);
  } else if (!rule->edge_waits && is_back(&rule->options, rule->last.value)) {
    make_edge_locked(alerts, rule, LIDO_ALERT_RESOLVED);
  }
}

void lido_alerts_look_locked(lido_alerts *alerts, const lido_sample *sample) {
  for (lido_link *link = alerts->rules.next; link != &alerts->rules; link = link->next) {
    lido_rule *rule = rule_of(link);
    if (!rule->values.of_pool) lido_alert_values_read_sample(&rule->values, sample);
    double value = NAN;
    if (lido_alert_values_take(&rule->values, sample->now_ns, &value) == LIDO_VALUE_NOT_YET) continue;
    rule->last.value = value;
    rule->last.now_ns = sample->now_ns;
    look_locked(alerts, rule);
  }
}

/* ---- Check ---- */

static const char *check_rule(const lido_alerts *alerts, const lido_rule *rule) {
  if (rule->is_removed) return "R2: a rule that was removed is in the list";
  bool waits = !lido_list_is_empty(&rule->call) || alerts->called == rule;
  if (waits != rule->edge_waits) return "R1: an edge waits on no list, or a rule without one on a list";
  bool fires = rule->state == LIDO_ALERT_FIRING;
  if (fires != (rule->last.edge == LIDO_ALERT_FIRING)) return "R3: a rule's state is not that of its last edge";
  return NULL;
}

const char *lido_alerts_check_locked(const lido_alerts *alerts) {
  const char *broken = NULL;
  for (const lido_link *link = alerts->rules.next; link != &alerts->rules && broken == NULL; link = link->next) {
    broken = check_rule(alerts, LIDO_LIST_ITEM(link, const lido_rule, link));
  }
  return broken;
}
