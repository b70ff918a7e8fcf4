/* manager_check_test.c: what breaks an invariant is seen by lido_manager_check. */
#include "lib/control/alert_rule.h"
#include "lib/control/monitor_core.h"
#include "pools/pool_core.h"
#include "tests/support/managed.h"

static void check_broken(lido_manager *manager, const char *number) {
  const char *text = lido_manager_check(manager);
  CHECK_NOT_NULL(text);
  CHECK(strncmp(text, number, strlen(number)) == 0);
}

TEST(manager_check, sees_members_out_of_order_ending_held_or_charged_to_nothing) {
  managed m = managed_begin(NULL);
  managed_pool(m.manager, "another");
  lido_member **items = m.manager->members[LIDO_KIND_POOL].items;
  lido_member *first = items[0];
  items[0] = items[1];
  items[1] = first;
  check_broken(m.manager, "X1");
  items[1] = items[0];
  items[0] = first;
  first->holds = 1;
  check_broken(m.manager, "X2");
  first->holds = 0;
  first->ending = true;
  check_broken(m.manager, "X2");
  first->ending = false;
  lido_pool_core *core = lido_core_of(m.pool);
  core->options.budget = NULL;
  check_broken(m.manager, "X3");
  core->options.budget = m.manager->budget;
  managed_end(&m);
}

TEST(manager_check, sees_a_choice_that_the_policy_does_not_allow) {
  managed m = managed_begin(&(lido_manager_options){.policy = LIDO_POLICY_LOW_LATENCY});
  m.manager->chosen = LIDO_POLICY_HIGH_THROUGHPUT;
  check_broken(m.manager, "Y1");
  m.manager->policy = LIDO_POLICY_ADAPTIVE;
  CHECK_NULL(lido_manager_check(m.manager));
  m.manager->chosen = LIDO_POLICY_ADAPTIVE;
  check_broken(m.manager, "Y1");
  m.manager->chosen = LIDO_POLICY_LOW_LATENCY;
  managed_end(&m);
}

static void ignore(const lido_alert_event *event, void *context) { (void)event, (void)context; }

TEST(manager_check, sees_what_is_wrong_with_samples_and_rules) {
  managed m = managed_begin(NULL);
  managed_tick(&m);
  managed_tick(&m);
  lido_monitor *monitor = m.manager->monitor;
  monitor->ring[1].number = 7;
  check_broken(m.manager, "X4");
  monitor->ring[1].number = 2;
  monitor->state = LIDO_MONITOR_RUNS;
  check_broken(m.manager, "X5");
  monitor->state = LIDO_MONITOR_NONE;
  CHECK_NE(lido_alert_add(m.manager, &(lido_alert_rule){.name = "any", .on_change = ignore}), 0);
  lido_rule *rule = LIDO_LIST_ITEM(monitor->alerts.rules.next, lido_rule, link);
  rule->edge_waits = true;
  check_broken(m.manager, "R1");
  rule->edge_waits = false;
  rule->is_removed = true;
  check_broken(m.manager, "R2");
  rule->is_removed = false;
  rule->state = LIDO_ALERT_FIRING;
  check_broken(m.manager, "R3");
  rule->state = LIDO_ALERT_QUIET;
  managed_end(&m);
}
