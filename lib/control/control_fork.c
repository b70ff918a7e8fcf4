/* control_fork.c: all managers, for a fork. */
#include "lib/control/manager_core.h"
#include "lib/control/monitor_core.h"
#include "lib/mem/budgets.h"

static lido_lock managers_lock = LIDO_LOCK_INITIAL(LIDO_RANK_MANAGERS);
static lido_link managers = LIDO_LIST_INITIAL(managers); /* under the lock */

static lido_manager *manager_of(lido_link *link) { return LIDO_LIST_ITEM(link, lido_manager, link); }

/* By rank: first the list's, then all monitors', then all managers' own. */
static void before(void) {
  lido_lock_take_for_fork(&managers_lock);
  for (lido_link *link = managers.next; link != &managers; link = link->next) {
    lido_monitor_lock_for_fork(manager_of(link)->monitor);
  }
  for (lido_link *link = managers.next; link != &managers; link = link->next) {
    lido_lock_take_for_fork(&manager_of(link)->lock);
  }
}

static void after(void) {
  for (lido_link *link = managers.previous; link != &managers; link = link->previous) {
    lido_lock_give_after_fork(&manager_of(link)->lock);
  }
  for (lido_link *link = managers.previous; link != &managers; link = link->previous) {
    lido_monitor_unlock_after_fork(manager_of(link)->monitor);
  }
  lido_lock_give_after_fork(&managers_lock);
}

/* Threads that held members are gone. */
static void in_child(void) {
  for (lido_link *link = managers.next; link != &managers; link = link->next) {
    lido_members_in_child(manager_of(link));
    manager_of(link)->is_reclaiming = false;
    lido_budget_in_child(manager_of(link)->budget);
    lido_monitor_in_child(manager_of(link)->monitor);
  }
  lido_members_hold_again_in_child();
}

int lido_managers_join(lido_manager *manager) {
  static const lido_os_fork_hooks hooks = {.before = before, .after = after, .in_child = in_child};
  int error = lido_os_fork_join(LIDO_OS_FORK_CONTROL, &hooks);
  if (error != 0) return error;
  lido_lock_take(&managers_lock);
  lido_list_append(&managers, &manager->link);
  lido_lock_give(&managers_lock);
  return 0;
}

void lido_managers_leave(lido_manager *manager) {
  lido_lock_take(&managers_lock);
  lido_list_remove(&manager->link);
  lido_lock_give(&managers_lock);
}
