/* alerts_test.c: rules over samples: when they fire and are resolved, and who is told. All by a clock that the test
 * moves. */
#include <math.h>

#include "tests/support/child.h"
#include "tests/support/gate.h"
#include "tests/support/managed.h"

enum { EVENTS = 32 };

/* What was told. */
typedef struct bell {
  size_t count;
  lido_alert_event events[EVENTS];
  char names[EVENTS][64];
} bell;

static void ring(const lido_alert_event *event, void *context) {
  bell *b = context;
  CHECK_LT(b->count, EVENTS);
  b->events[b->count] = *event;
  snprintf(b->names[b->count], sizeof b->names[0], "%s", event->name);
  b->count++;
}

static lido_alert add(managed *m, bell *b, lido_alert_rule rule) {
  rule.name = rule.name != NULL ? rule.name : "rule";
  rule.on_change = rule.on_change != NULL ? rule.on_change : ring;
  rule.context = rule.context != NULL ? rule.context : b;
  lido_alert alert = lido_alert_add(m->manager, &rule);
  if (alert == 0) TESTING_FAIL("no rule: errno %d", errno);
  return alert;
}

/* So many live objects, a tick a second later, and then the rule's state. */
static lido_alert_state tick_with(managed *m, size_t live, lido_alert alert) {
  managed_live(m, live);
  managed_tick(m);
  return lido_alert_state_get(m->manager, alert);
}

#define LIVE_ABOVE(count) .field = LIDO_SAMPLE_bytes_live, .above = true, .threshold = (double)(count)*MANAGED_OBJECT

/* ---- Edges ---- */

TEST(alerts, an_edge_is_told_once) {
  managed m = managed_begin(NULL);
  bell b = {0};
  lido_alert alert = add(&m, &b, (lido_alert_rule){.name = "memory", LIVE_ABOVE(5)});
  CHECK_EQ(lido_alert_state_get(m.manager, alert), LIDO_ALERT_QUIET);
  CHECK_EQ(tick_with(&m, 5, alert), LIDO_ALERT_QUIET);
  CHECK_EQ(b.count, 0);
  CHECK_EQ(tick_with(&m, 6, alert), LIDO_ALERT_FIRING);
  for (int i = 0; i < 10; i++) CHECK_EQ(tick_with(&m, 7, alert), LIDO_ALERT_FIRING);
  CHECK_EQ(b.count, 1);
  CHECK_TEXT(b.names[0], "memory");
  CHECK_EQ(b.events[0].edge, LIDO_ALERT_FIRING);
  CHECK(b.events[0].alert == alert && b.events[0].value == 6 * MANAGED_OBJECT);
  CHECK(b.events[0].threshold == 5 * MANAGED_OBJECT);
  CHECK_EQ(b.events[0].since_ns, b.events[0].now_ns);
  uint64_t fired = b.events[0].now_ns;
  CHECK_EQ(tick_with(&m, 5, alert), LIDO_ALERT_QUIET);
  for (int i = 0; i < 10; i++) CHECK_EQ(tick_with(&m, 1, alert), LIDO_ALERT_QUIET);
  CHECK_EQ(b.count, 2);
  CHECK_EQ(b.events[1].edge, LIDO_ALERT_RESOLVED);
  CHECK_EQ(b.events[1].since_ns, fired);
  CHECK_EQ(b.events[1].now_ns, fired + 11 * MANAGED_SECOND);
  managed_end(&m);
}

TEST(alerts, between_threshold_and_clear_nothing_changes) {
  managed m = managed_begin(NULL);
  bell b = {0};
  lido_alert alert = add(&m, &b, (lido_alert_rule){LIVE_ABOVE(10), .clear = 5.0 * MANAGED_OBJECT});
  static const struct {
    size_t live;
    size_t told;
  } steps[] = {{8, 0}, {10, 0}, {11, 1}, {9, 1}, {12, 1}, {6, 1}, {11, 1}, {5, 2}, {6, 2}, {10, 2}, {11, 3}, {1, 4}};
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
    tick_with(&m, steps[i].live, alert);
    CHECK_EQ(b.count, steps[i].told);
  }
  managed_end(&m);
}

TEST(alerts, a_rule_may_look_downwards) {
  managed m = managed_begin(NULL);
  bell b = {0};
  lido_alert alert =
      add(&m, &b,
          (lido_alert_rule){
              .field = LIDO_SAMPLE_bytes_live, .threshold = 3.0 * MANAGED_OBJECT, .clear = 6.0 * MANAGED_OBJECT});
  CHECK_EQ(tick_with(&m, 3, alert), LIDO_ALERT_QUIET);
  CHECK_EQ(tick_with(&m, 2, alert), LIDO_ALERT_FIRING);
  CHECK_EQ(tick_with(&m, 5, alert), LIDO_ALERT_FIRING);
  CHECK_EQ(tick_with(&m, 6, alert), LIDO_ALERT_QUIET);
  CHECK_EQ(b.count, 2);
  managed_end(&m);
}

TEST(alerts, a_rule_that_waits_fires_when_the_value_stayed_beyond_at_every_tick) {
  managed m = managed_begin(NULL);
  bell b = {0};
  lido_alert alert = add(&m, &b, (lido_alert_rule){LIVE_ABOVE(5), .for_ns = 3 * MANAGED_SECOND});
  for (int i = 0; i < 3; i++) CHECK_EQ(tick_with(&m, 6, alert), LIDO_ALERT_PENDING);
  CHECK_EQ(tick_with(&m, 5, alert), LIDO_ALERT_QUIET); /* one tick below, and it starts again */
  for (int i = 0; i < 3; i++) CHECK_EQ(tick_with(&m, 6, alert), LIDO_ALERT_PENDING);
  CHECK_EQ(b.count, 0);
  CHECK_EQ(tick_with(&m, 6, alert), LIDO_ALERT_FIRING);
  CHECK_EQ(b.count, 1);
  CHECK_EQ(b.events[0].now_ns - b.events[0].since_ns, 3 * MANAGED_SECOND);
  managed_end(&m);
}

/* By the clock, not by ticks. */
TEST(alerts, a_late_tick_counts_the_time_that_has_passed) {
  managed m = managed_begin(NULL);
  bell b = {0};
  lido_alert alert = add(&m, &b, (lido_alert_rule){LIVE_ABOVE(5), .for_ns = 60 * MANAGED_SECOND});
  CHECK_EQ(tick_with(&m, 6, alert), LIDO_ALERT_PENDING);
  managed_wait(100 * MANAGED_SECOND);
  CHECK_EQ(tick_with(&m, 6, alert), LIDO_ALERT_FIRING);
  managed_end(&m);
}

/* ---- Values ---- */

static void pass(managed *m, size_t count) {
  for (size_t i = 0; i < count; i++) lido_manager_reclaim(m->manager, NULL);
}

TEST(alerts, a_rate_is_what_came_since_the_tick_before_by_the_time_since) {
  managed m = managed_begin(NULL);
  bell b = {0};
  const lido_alert_rule rule = {.field = LIDO_SAMPLE_passes_asked, .rate = true, .above = true, .threshold = 2};
  pass(&m, 1000);
  lido_alert alert = add(&m, &b, rule);
  pass(&m, 1000);
  managed_tick(&m); /* nothing to compare with */
  CHECK_EQ(b.count, 0);
  pass(&m, 3);
  managed_tick(&m);
  CHECK_EQ(lido_alert_state_get(m.manager, alert), LIDO_ALERT_FIRING);
  CHECK(b.events[0].value == 3);
  pass(&m, 6);
  managed_wait(3 * MANAGED_SECOND);
  managed_tick(&m); /* 1.5 a second */
  CHECK_EQ(b.count, 2);
  CHECK(b.events[1].value == 1.5);
  /* A new rule has the tick before it from the ring. */
  CHECK_NE(add(&m, &b, rule), 0);
  pass(&m, 5);
  managed_tick(&m);
  CHECK_EQ(b.count, 4);
  CHECK(b.events[2].value == 5 && b.events[3].value == 5);
  managed_end(&m);
}

TEST(alerts, a_rate_is_unknown_while_no_time_passes) {
  managed m = managed_begin(NULL);
  bell b = {0};
  lido_alert alert =
      add(&m, &b, (lido_alert_rule){.field = LIDO_SAMPLE_passes_asked, .rate = true, .above = true, .threshold = 5});
  managed_tick(&m);
  pass(&m, 10);
  managed_tick(&m);
  CHECK_EQ(b.count, 1);
  pass(&m, 10);
  for (int i = 0; i < 3; i++) lido_manager_tick(m.manager);
  CHECK_EQ(lido_alert_state_get(m.manager, alert), LIDO_ALERT_FIRING);
  managed_tick(&m); /* what came in ticks without time counts now */
  CHECK_EQ(lido_alert_state_get(m.manager, alert), LIDO_ALERT_FIRING);
  managed_tick(&m);
  CHECK_EQ(lido_alert_state_get(m.manager, alert), LIDO_ALERT_QUIET);
  CHECK_EQ(b.count, 2);
  managed_end(&m);
}

TEST(alerts, a_gauge_may_fall_and_a_counter_does_not) {
  managed m = managed_begin(NULL);
  bell gauge = {0};
  bell counter = {0};
  add(&m, &gauge, (lido_alert_rule){.field = LIDO_SAMPLE_bytes_live, .rate = true, .threshold = -1});
  add(&m, &counter, (lido_alert_rule){.field = LIDO_SAMPLE_allocs, .rate = true, .threshold = -1});
  lido_pool *other = managed_pool(m.manager, "other");
  for (int i = 0; i < 100; i++) lido_pool_free(other, lido_pool_alloc(other));
  tick_with(&m, 10, 0);
  CHECK_EQ(lido_manager_pool_end(m.manager, other), 0); /* and its allocs with it */
  tick_with(&m, 5, 0);
  CHECK_EQ(gauge.count, 1);
  CHECK(gauge.events[0].value == -5.0 * MANAGED_OBJECT);
  CHECK_EQ(counter.count, 0);
  managed_end(&m);
}

TEST(alerts, a_ratio_is_of_two_fields_or_of_two_rates) {
  managed m = managed_begin(NULL);
  bell whole = {0};
  bell rates = {0};
  lido_alert_rule rule = {
      .field = LIDO_SAMPLE_frees, .of = LIDO_SAMPLE_allocs, .ratio = true, .above = true, .threshold = 0.5};
  add(&m, &whole, rule);
  rule.rate = true;
  add(&m, &rates, rule);
  managed_tick(&m); /* 0 of 0 is 0 */
  CHECK_EQ(whole.count, 0);
  tick_with(&m, 100, 0);
  tick_with(&m, 20, 0); /* 80 of 100; in this second 80 of none */
  CHECK_EQ(whole.count, 1);
  CHECK(whole.events[0].value == 0.8);
  CHECK_EQ(rates.count, 0);
  tick_with(&m, 120, 0); /* 80 of 200 */
  CHECK_EQ(whole.count, 2);
  CHECK(whole.events[1].value == 0.4);
  lido_pool_free(m.pool, lido_pool_alloc(m.pool)); /* one of one */
  managed_tick(&m);
  CHECK_EQ(rates.count, 1);
  CHECK(rates.events[0].value == 1);
  managed_end(&m);
}

TEST(alerts, a_rule_may_be_of_one_pool) {
  managed m = managed_begin(NULL);
  lido_pool *other = managed_pool(m.manager, "other");
  bell b = {0};
  char name[] = "pool";
  char field[] = "live";
  lido_alert alert = add(&m, &b, (lido_alert_rule){.pool = name, .pool_field = field, .above = true, .threshold = 2});
  memset(name, 'x', sizeof name - 1);
  memset(field, 'x', sizeof field - 1);
  void *elsewhere[] = {lido_pool_alloc(other), lido_pool_alloc(other), lido_pool_alloc(other)};
  CHECK_EQ(tick_with(&m, 2, alert), LIDO_ALERT_QUIET);
  CHECK_EQ(tick_with(&m, 3, alert), LIDO_ALERT_FIRING);
  CHECK(b.events[0].value == 3);
  for (size_t i = 0; i < 3; i++) lido_pool_free(other, elsewhere[i]);
  CHECK_EQ(tick_with(&m, 1, alert), LIDO_ALERT_QUIET);
  managed_end(&m);
}

TEST(alerts, the_misses_of_one_pool_by_its_allocs) {
  managed m = managed_begin(NULL);
  bell b = {0};
  add(&m, &b,
      (lido_alert_rule){.pool = "pool",
                        .pool_field = "frees",
                        .pool_of = "allocs",
                        .ratio = true,
                        .rate = true,
                        .above = true,
                        .threshold = 0.9});
  managed_tick(&m);
  tick_with(&m, 10, 0);
  CHECK_EQ(b.count, 0);
  for (int i = 0; i < 10; i++) lido_pool_free(m.pool, lido_pool_alloc(m.pool));
  managed_tick(&m);
  CHECK_EQ(b.count, 1);
  CHECK(b.events[0].value == 1);
  managed_end(&m);
}

TEST(alerts, a_pool_that_is_not_there_has_no_value) {
  managed m = managed_begin(NULL);
  bell below = {0};
  bell waits = {0};
  const lido_alert_rule rule = {.pool = "guest", .pool_field = "live", .threshold = 1};
  lido_alert alert = add(&m, &below, rule);
  lido_alert_rule patient = rule;
  patient.for_ns = 2 * MANAGED_SECOND;
  lido_alert waiting = add(&m, &waits, patient);
  managed_tick(&m);
  CHECK_EQ(below.count, 0); /* none is not below one */
  lido_pool *guest = managed_pool(m.manager, "guest");
  managed_tick(&m);
  CHECK_EQ(lido_alert_state_get(m.manager, alert), LIDO_ALERT_FIRING);
  CHECK_EQ(lido_alert_state_get(m.manager, waiting), LIDO_ALERT_PENDING);
  CHECK_EQ(lido_manager_pool_end(m.manager, guest), 0);
  managed_tick(&m);
  CHECK_EQ(below.count, 2);
  CHECK_EQ(below.events[1].edge, LIDO_ALERT_RESOLVED);
  CHECK(isnan(below.events[1].value));
  CHECK_EQ(lido_alert_state_get(m.manager, waiting), LIDO_ALERT_QUIET);
  managed_pool(m.manager, "guest");
  for (int i = 0; i < 2; i++) managed_tick(&m);
  CHECK_EQ(lido_alert_state_get(m.manager, waiting), LIDO_ALERT_PENDING); /* it started again */
  managed_end(&m);
}

/* ---- Coming and going ---- */

static void ignore(const lido_alert_event *event, void *context) { (void)event, (void)context; }

TEST(alerts, nonsense_is_refused) {
  managed m = managed_begin(NULL);
  static const lido_alert_rule rules[] = {
      {.on_change = ignore},
      {.name = "", .on_change = ignore},
      {.name = "a"},
      {.name = "a", .on_change = ignore, .field = LIDO_SAMPLE_FIELDS},
      {.name = "a", .on_change = ignore, .ratio = true, .of = LIDO_SAMPLE_FIELDS},
      {.name = "a", .on_change = ignore, .threshold = NAN},
      {.name = "a", .on_change = ignore, .above = true, .threshold = 1, .clear = 2},
      {.name = "a", .on_change = ignore, .threshold = 2, .clear = 1},
      {.name = "a", .on_change = ignore, .pool = "pool"},
      {.name = "a", .on_change = ignore, .pool = "pool", .pool_field = "lives"},
      {.name = "a", .on_change = ignore, .pool = "pool", .pool_field = "live", .ratio = true},
      {.name = "a", .on_change = ignore, .pool = "pool", .pool_field = "live", .ratio = true, .pool_of = "all"},
  };
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
    errno = 0;
    CHECK_EQ(lido_alert_add(m.manager, &rules[i]), 0);
    CHECK_EQ(errno, EINVAL);
  }
  CHECK_EQ(lido_alert_add(m.manager, NULL), 0);
  CHECK_EQ(lido_alert_state_get(m.manager, 0), LIDO_ALERT_NONE);
  CHECK(!lido_alert_remove(m.manager, 0));
  managed_end(&m);
}

TEST(alerts, clear_may_be_left_out) {
  managed m = managed_begin(NULL);
  bell b = {0};
  add(&m, &b, (lido_alert_rule){LIVE_ABOVE(5), .clear = NAN});
  tick_with(&m, 6, 0);
  tick_with(&m, 5, 0);
  CHECK_EQ(b.count, 2);
  managed_end(&m);
}

TEST(alerts, a_value_names_one_rule_of_one_manager) {
  managed a = managed_begin(NULL);
  managed other = managed_begin(NULL);
  bell b = {0};
  lido_alert first = add(&a, &b, (lido_alert_rule){LIVE_ABOVE(5)});
  CHECK(lido_alert_remove(a.manager, first));
  CHECK(!lido_alert_remove(a.manager, first));
  lido_alert second = add(&a, &b, (lido_alert_rule){LIVE_ABOVE(5)});
  lido_alert third = add(&other, &b, (lido_alert_rule){LIVE_ABOVE(5)});
  CHECK(first != second && second != third);
  CHECK_EQ(lido_alert_state_get(a.manager, first), LIDO_ALERT_NONE);
  CHECK(!lido_alert_remove(other.manager, second));
  managed_end(&a);
  managed_end(&other);
}

TEST(alerts, a_removed_rule_is_not_resolved) {
  managed m = managed_begin(NULL);
  bell b = {0};
  lido_alert alert = add(&m, &b, (lido_alert_rule){LIVE_ABOVE(5)});
  tick_with(&m, 6, alert);
  CHECK(lido_alert_remove(m.manager, alert));
  CHECK_EQ(tick_with(&m, 1, alert), LIDO_ALERT_NONE);
  CHECK_EQ(b.count, 1);
  managed_end(&m);
}

TEST(alerts, a_long_name_is_cut) {
  managed m = managed_begin(NULL);
  bell b = {0};
  char name[101];
  memset(name, 'n', sizeof name - 1);
  name[100] = '\0';
  add(&m, &b, (lido_alert_rule){.name = name, LIVE_ABOVE(0)});
  tick_with(&m, 1, 0);
  CHECK_EQ(strlen(b.names[0]), 63);
  managed_end(&m);
}

/* ---- Questions ---- */

typedef struct visits {
  size_t count;
  size_t most;
  char names[8][64];
  lido_alert_event last[8];
  lido_alert_state states[8];
  lido_manager *manager;
} visits;

static bool visit(const lido_alert_event *last, lido_alert_state state, void *arg) {
  visits *v = arg;
  snprintf(v->names[v->count], sizeof v->names[0], "%s", last->name);
  v->last[v->count] = *last;
  v->states[v->count] = state;
  lido_alert_remove(v->manager, last->alert); /* it is a copy that is walked over */
  return ++v->count < v->most;
}

TEST(alerts, a_walk_visits_a_copy_of_all_rules) {
  managed m = managed_begin(NULL);
  bell b = {0};
  visits v = {.most = 8, .manager = m.manager};
  CHECK_EQ(lido_alert_for_each(m.manager, visit, &v), 0);
  CHECK_EQ(v.count, 0);
  add(&m, &b, (lido_alert_rule){.name = "quiet", LIVE_ABOVE(100)});
  add(&m, &b, (lido_alert_rule){.name = "pending", LIVE_ABOVE(2), .for_ns = 100 * MANAGED_SECOND});
  add(&m, &b, (lido_alert_rule){.name = "firing", LIVE_ABOVE(2)});
  add(&m, &b, (lido_alert_rule){.name = "resolved", LIVE_ABOVE(3)});
  tick_with(&m, 4, 0);
  tick_with(&m, 3, 0);
  CHECK_EQ(lido_alert_for_each(m.manager, visit, &v), 0);
  CHECK_EQ(v.count, 4);
  static const char *const names[] = {"quiet", "pending", "firing", "resolved"};
  static const lido_alert_state states[] = {LIDO_ALERT_QUIET, LIDO_ALERT_PENDING, LIDO_ALERT_FIRING, LIDO_ALERT_QUIET};
  static const lido_alert_state edges[] = {LIDO_ALERT_NONE, LIDO_ALERT_NONE, LIDO_ALERT_FIRING, LIDO_ALERT_RESOLVED};
  for (size_t i = 0; i < 4; i++) {
    CHECK_TEXT(v.names[i], names[i]);
    CHECK_EQ(v.states[i], states[i]);
    CHECK_EQ(v.last[i].edge, edges[i]);
    CHECK(v.last[i].value == 3 * MANAGED_OBJECT);
  }
  v = (visits){.most = 1, .manager = m.manager};
  CHECK_EQ(lido_alert_for_each(m.manager, visit, &v), 0);
  CHECK_EQ(v.count, 0);
  managed_end(&m);
}

TEST(alerts, a_visitor_ends_the_walk) {
  managed m = managed_begin(NULL);
  bell b = {0};
  for (int i = 0; i < 5; i++) add(&m, &b, (lido_alert_rule){LIVE_ABOVE(100)});
  visits v = {.most = 2, .manager = m.manager};
  CHECK_EQ(lido_alert_for_each(m.manager, visit, &v), 0);
  CHECK_EQ(v.count, 2);
  managed_end(&m);
}

/* ---- In the middle of a call ---- */

typedef struct meddler {
  managed *m;
  bell bell;
  lido_alert own;
  lido_alert other;
  lido_alert added;
  bool removed_own;
  bool removed_other;
  lido_alert_state state;
} meddler;

static void meddle(const lido_alert_event *event, void *context) {
  meddler *d = context;
  ring(event, &d->bell);
  d->state = lido_alert_state_get(d->m->manager, event->alert);
  d->removed_own = lido_alert_remove(d->m->manager, d->own);
  d->removed_other = lido_alert_remove(d->m->manager, d->other);
  d->added = lido_alert_add(d->m->manager,
                            &(lido_alert_rule){.name = "new", LIVE_ABOVE(1), .on_change = ring, .context = &d->bell});
  CHECK_TEXT(event->name, "meddler"); /* it is there until the call is over */
}

TEST(alerts, a_call_may_remove_its_own_rule_and_others_and_add_some) {
  managed m = managed_begin(NULL);
  bell other = {0};
  meddler d = {.m = &m};
  d.own = add(&m, NULL, (lido_alert_rule){.name = "meddler", LIVE_ABOVE(5), .on_change = meddle, .context = &d});
  d.other = add(&m, &other, (lido_alert_rule){LIVE_ABOVE(5)}); /* its edge waits when it is removed */
  tick_with(&m, 6, 0);
  CHECK_EQ(d.state, LIDO_ALERT_FIRING);
  CHECK(d.removed_own && d.removed_other && d.added != 0);
  CHECK_EQ(other.count, 0);
  CHECK_EQ(d.bell.count, 1);
  tick_with(&m, 6, 0);
  CHECK_EQ(d.bell.count, 2);
  CHECK_TEXT(d.bell.names[1], "new");
  CHECK_EQ(lido_alert_state_get(m.manager, d.own), LIDO_ALERT_NONE);
  managed_end(&m);
}

static void tick_inside(const lido_alert_event *event, void *context) {
  meddler *d = context;
  ring(event, &d->bell);
  if (d->bell.count > 3) return;
  for (size_t live = 0; live < 3; live++) tick_with(d->m, live, 0); /* back, back, back: it would be resolved */
  CHECK_EQ(lido_alert_state_get(d->m->manager, event->alert),
           event->edge == LIDO_ALERT_FIRING ? LIDO_ALERT_FIRING : LIDO_ALERT_QUIET);
}

TEST(alerts, ticks_in_a_call_do_not_call_again_and_edges_alternate) {
  managed m = managed_begin(NULL);
  bell other = {0};
  meddler d = {.m = &m};
  add(&m, NULL, (lido_alert_rule){LIVE_ABOVE(5), .on_change = tick_inside, .context = &d});
  add(&m, &other, (lido_alert_rule){LIVE_ABOVE(5)});
  tick_with(&m, 6, 0);
  CHECK_EQ(d.bell.count, 1);
  CHECK_EQ(other.count, 1); /* the ticks inside found its first edge untold */
  managed_tick(&m);
  CHECK_EQ(d.bell.count, 2);
  CHECK_EQ(d.bell.events[1].edge, LIDO_ALERT_RESOLVED);
  CHECK_EQ(other.count, 2);
  CHECK_NULL(lido_manager_check(m.manager));
  managed_end(&m);
}

static void use_manager(const lido_alert_event *event, void *context) {
  meddler *d = context;
  ring(event, &d->bell);
  CHECK_NOT_NULL(lido_manager_pool_find(d->m->manager, "pool"));
  lido_pool *made = managed_pool(d->m->manager, "made");
  CHECK_EQ(lido_manager_pool_end(d->m->manager, made), 0);
  lido_manager_reclaim(d->m->manager, NULL);
  lido_sample sample;
  CHECK_EQ(lido_samples_get(d->m->manager, &sample, 1), 1);
  CHECK_EQ(lido_monitor_stop(d->m->manager), ESRCH);
  errno = ERANGE;
}

TEST(alerts, a_call_may_use_the_manager_and_spoils_no_errno) {
  managed m = managed_begin(NULL);
  meddler d = {.m = &m};
  add(&m, NULL, (lido_alert_rule){LIVE_ABOVE(5), .on_change = use_manager, .context = &d});
  managed_live(&m, 6);
  errno = 0;
  lido_manager_tick(m.manager);
  CHECK_EQ(errno, 0);
  CHECK_EQ(d.bell.count, 1);
  managed_end(&m);
}

/* ---- Several threads ---- */

/* A call that waits at a gate. */
typedef struct slow_call {
  gate inside;
  managed *m;
  int over; /* atomic */
  size_t calls;
} slow_call;

static void wait_inside(const lido_alert_event *event, void *context) {
  slow_call *s = context;
  (void)event;
  s->calls++;
  gate_pass(&s->inside);
  __atomic_store_n(&s->over, 1, __ATOMIC_RELEASE);
}

static void *tick_there(void *argument) {
  lido_manager_tick(((slow_call *)argument)->m->manager);
  return NULL;
}

typedef struct remover {
  lido_manager *manager;
  lido_alert alert;
  const int *over;
  gate *ready;
  bool removed;
  int saw_over;
} remover;

static void *remove_there(void *argument) {
  remover *r = argument;
  gate_arrive(r->ready);
  r->removed = lido_alert_remove(r->manager, r->alert);
  r->saw_over = __atomic_load_n(r->over, __ATOMIC_ACQUIRE);
  return NULL;
}

TEST(alerts, who_removes_a_rule_waits_for_its_call) {
  for (size_t round = 0; round < testing_scaled(200); round++) {
    managed m = managed_begin(NULL);
    slow_call slow = {.inside = GATE_SHUT, .m = &m};
    gate ready = GATE_SHUT;
    lido_alert alert = add(&m, NULL, (lido_alert_rule){LIVE_ABOVE(5), .on_change = wait_inside, .context = &slow});
    managed_live(&m, 6);
    pthread_t ticker;
    pthread_t thread;
    CHECK_EQ(pthread_create(&ticker, NULL, tick_there, &slow), 0);
    gate_await(&slow.inside, 1);
    remover r = {.manager = m.manager, .alert = alert, .over = &slow.over, .ready = &ready};
    CHECK_EQ(pthread_create(&thread, NULL, remove_there, &r), 0);
    gate_await(&ready, 1);
    gate_open(&slow.inside);
    pthread_join(thread, NULL);
    CHECK(r.removed && r.saw_over == 1);
    pthread_join(ticker, NULL);
    managed_end(&m);
  }
}

TEST(alerts, a_tick_leaves_its_calls_to_the_thread_that_is_at_them) {
  managed m = managed_begin(NULL);
  bell b = {0};
  slow_call slow = {.inside = GATE_SHUT, .m = &m};
  lido_alert alert = add(&m, NULL, (lido_alert_rule){LIVE_ABOVE(5), .on_change = wait_inside, .context = &slow});
  add(&m, &b, (lido_alert_rule){LIVE_ABOVE(7)});
  managed_live(&m, 6);
  pthread_t ticker;
  CHECK_EQ(pthread_create(&ticker, NULL, tick_there, &slow), 0);
  gate_await(&slow.inside, 1);
  tick_with(&m, 8, 0); /* the second rule fires, and nobody waits for the first one's call */
  CHECK_EQ(b.count, 0);
  CHECK_EQ(tick_with(&m, 1, alert), LIDO_ALERT_FIRING); /* its resolution waits for the end of the call */
  gate_open(&slow.inside);
  pthread_join(ticker, NULL);
  CHECK_EQ(b.count, 1);
  CHECK_EQ(slow.calls, 1);
  CHECK_EQ(tick_with(&m, 1, alert), LIDO_ALERT_QUIET);
  CHECK_EQ(slow.calls, 2);
  CHECK_EQ(b.count, 2);
  managed_end(&m);
}

static void end_thread(const lido_alert_event *event, void *context) {
  ring(event, context);
  if (event->edge == LIDO_ALERT_FIRING) pthread_exit(NULL);
}

TEST(alerts, a_call_may_end_its_thread) {
  managed m = managed_begin(NULL);
  bell b = {0};
  bell other = {0};
  slow_call s = {.m = &m};
  add(&m, &b, (lido_alert_rule){LIVE_ABOVE(5), .on_change = end_thread});
  add(&m, &other, (lido_alert_rule){LIVE_ABOVE(5)});
  managed_live(&m, 6);
  objects_in_thread(tick_there, &s);
  CHECK_EQ(b.count, 1);
  CHECK_EQ(other.count, 0);
  managed_tick(&m);
  CHECK_EQ(other.count, 1); /* it waited */
  tick_with(&m, 1, 0);
  CHECK_EQ(b.count, 2);
  managed_end(&m);
}

/* ---- Fork ---- */

typedef struct fork_scene {
  managed *m;
  lido_alert alert;
  bell *bell;
} fork_scene;

static void use_in_child(void *argument) {
  fork_scene *scene = argument;
  IN_CHILD(lido_alert_state_get(scene->m->manager, scene->alert) == LIDO_ALERT_FIRING);
  IN_CHILD(tick_with(scene->m, 1, scene->alert) == LIDO_ALERT_QUIET); /* the other thread's call is over here */
  IN_CHILD(scene->bell->count == 1);                                  /* and what waited behind it is told */
  IN_CHILD(lido_alert_remove(scene->m->manager, scene->alert));
  managed_end(scene->m);
}

static void count_only(const lido_alert_event *event, void *context) {
  slow_call *s = context;
  if (event->edge == LIDO_ALERT_FIRING) wait_inside(event, s);
}

TEST(alerts, in_the_child_of_a_fork_calls_of_other_threads_are_over) {
  managed m = managed_begin(NULL);
  bell b = {0};
  slow_call slow = {.inside = GATE_SHUT, .m = &m};
  lido_alert alert = add(&m, NULL, (lido_alert_rule){LIVE_ABOVE(5), .on_change = count_only, .context = &slow});
  add(&m, &b, (lido_alert_rule){LIVE_ABOVE(5)});
  managed_live(&m, 6);
  pthread_t ticker;
  CHECK_EQ(pthread_create(&ticker, NULL, tick_there, &slow), 0);
  gate_await(&slow.inside, 1);
  check_child(use_in_child, &(fork_scene){&m, alert, &b});
  gate_open(&slow.inside);
  pthread_join(ticker, NULL);
  CHECK_EQ(b.count, 1);
  managed_end(&m);
}

typedef struct forker {
  managed *m;
  bell *other;
  pid_t child;
  size_t told_inside;
} forker;

static void fork_inside(const lido_alert_event *event, void *context) {
  forker *f = context;
  (void)event;
  f->child = fork();
  managed_tick(f->m); /* in the child too the calls are this thread's, which is in one */
  f->told_inside = f->other->count;
}

TEST(alerts, a_call_may_fork_and_both_go_on) {
  managed m = managed_begin(NULL);
  bell b = {0};
  forker f = {.m = &m, .other = &b};
  add(&m, NULL, (lido_alert_rule){LIVE_ABOVE(5), .on_change = fork_inside, .context = &f});
  add(&m, &b, (lido_alert_rule){LIVE_ABOVE(5)});
  managed_live(&m, 6);
  fflush(stdout);
  managed_tick(&m);
  if (f.child == 0) _exit(f.told_inside == 0 && b.count == 1 && lido_manager_check(m.manager) == NULL ? 0 : 1);
  int status = 1;
  CHECK_EQ(waitpid(f.child, &status, 0), f.child);
  CHECK_EQ(status, 0);
  CHECK_EQ(f.told_inside, 0);
  CHECK_EQ(b.count, 1);
  managed_end(&m);
}
