#include "lib/refs/cleanups.h"
uint32_t lido_cleanups_close(lido_slot *slot) {
  lido_slot_side_of(slot)->cleanups = LIDO_CLEANUPS_CLOSED;
  return 0;
}
void lido_cleanups_run(uint32_t newest, lido_refs_owner *owner) {
  (void)newest;
  (void)owner;
}
void lido_cleanups_open(lido_slot *slot) { lido_slot_side_of(slot)->cleanups = 0; }
void lido_cleanups_assist(void) {}
void lido_cleanups_count(lido_weak_stats *stats) { (void)stats; }
const char *lido_cleanups_check(void) { return 0; }
void lido_cleanups_lock_for_fork(void) {}
void lido_cleanups_unlock_after_fork(void) {}
void lido_cleanups_in_child(void) {}
#include "lido/cleanup.h"
lido_cleanup lido_cleanup_add(void *object, lido_cleanup_function fn, void *arg) {
  (void)object;
  (void)fn;
  (void)arg;
  return (lido_cleanup){1};
}
