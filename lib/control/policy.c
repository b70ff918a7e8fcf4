/* policy.c: the names of policies, and which one a manager has. */
#include "lido/policy.h"

#include <string.h>

#include "lib/control/manager_core.h"

#define NAME(constant, name, text) #name,
static const char *const names[LIDO_POLICY_COUNT] = {LIDO_POLICIES(NAME)};
#undef NAME

const char *lido_policy_name(lido_policy policy) { return (unsigned)policy < LIDO_POLICY_COUNT ? names[policy] : ""; }

lido_policy lido_policy_by_name(const char *name) {
  unsigned policy = 0;
  while (policy < LIDO_POLICY_COUNT && strcmp(names[policy], name) != 0) policy++;
  return (lido_policy)policy;
}

void lido_manager_policy_set(lido_manager *manager, lido_policy policy) {
  if ((unsigned)policy >= LIDO_POLICY_COUNT) return;
  lido_lock_take(&manager->lock);
  lido_policy before = manager->policy;
  manager->policy = policy;
  manager->chosen = policy;
  if (before != policy) manager->totals.policy_changes++;
  lido_lock_give(&manager->lock);
  if (before != policy && manager->options.on_policy != NULL) {
    manager->options.on_policy(manager, before, policy, manager->options.context);
  }
}

lido_policy lido_manager_policy(const lido_manager *manager, lido_policy *chosen) {
  lido_manager *locked = (lido_manager *)(uintptr_t)manager; /* managers are never const */
  lido_lock_take(&locked->lock);
  lido_policy policy = manager->policy;
  if (chosen != NULL) *chosen = manager->chosen;
  lido_lock_give(&locked->lock);
  return policy;
}
