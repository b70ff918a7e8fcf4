/* mem_fork.c: see mem_fork.h. */
#include "lib/mem/mem_fork.h"

#include "lib/base/misuse_report.h"
#include "lib/mem/address_map.h"
#include "lib/mem/backing_core.h"
#include "lib/mem/budgets.h"
#include "lib/mem/heap_samples.h"
#include "lib/os/os.h"

static void before(void) {
  lido_heap_lock_for_fork();
  lido_backings_lock_for_fork();
  lido_map_lock_for_fork();
  lido_budgets_lock_for_fork();
  lido_misuse_lock_for_fork();
}

static void after(void) {
  lido_misuse_unlock_after_fork();
  lido_budgets_unlock_after_fork();
  lido_map_unlock_after_fork();
  lido_backings_unlock_after_fork();
  lido_heap_unlock_after_fork();
}

static void in_child(void) {
  lido_heap_in_child();
  lido_backings_in_child();
}

int lido_mem_fork_join(void) {
  static const lido_os_fork_hooks hooks = {.before = before, .after = after, .in_child = in_child};
  return lido_os_fork_join(LIDO_OS_FORK_MEM, &hooks);
}
