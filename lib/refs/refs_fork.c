/* refs_fork.c: see refs_fork.h. */
#include "lib/refs/refs_fork.h"

#include "lib/mem/mem_fork.h"
#include "lib/os/os.h"
#include "lib/refs/cleanups.h"
#include "lib/refs/grace_period.h"
#include "lib/refs/span.h"

static void before(void) {
  lido_guard_lock_for_fork();
  lido_cleanups_lock_for_fork();
  lido_slots_lock_for_fork();
  lido_spans_lock_for_fork();
}

static void after(void) {
  lido_spans_unlock_after_fork();
  lido_slots_unlock_after_fork();
  lido_cleanups_unlock_after_fork();
  lido_guard_unlock_after_fork();
}

static void in_child(void) {
  lido_guard_in_child();
  lido_cleanups_in_child();
}

int lido_refs_fork_join(void) {
  static const lido_os_fork_hooks hooks = {.before = before, .after = after, .in_child = in_child};
  int error = lido_mem_fork_join();
  return error != 0 ? error : lido_os_fork_join(LIDO_OS_FORK_REFS, &hooks);
}
