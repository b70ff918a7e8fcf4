/* caches_fork.c: see caches_fork.h. */
#include "lib/caches/caches_fork.h"

#include "lib/base/lock.h"
#include "lib/os/os.h"

static lido_lock members_lock = LIDO_LOCK_INITIAL(LIDO_RANK_CACHES);
static lido_link members = LIDO_LIST_INITIAL(members); /* under the lock */

static lido_caches_member *member_of(lido_link *link) { return LIDO_LIST_ITEM(link, lido_caches_member, link); }

static void before(void) {
  lido_lock_take_for_fork(&members_lock);
  for (lido_link *link = members.next; link != &members; link = link->next)
    member_of(link)->lock_for_fork(member_of(link));
}

static void after(void) {
  for (lido_link *link = members.previous; link != &members; link = link->previous) {
    member_of(link)->unlock_after_fork(member_of(link));
  }
  lido_lock_give_after_fork(&members_lock);
}

/* Other threads are gone, so no lock is needed. */
static void in_child(void) {
  for (lido_link *link = members.next; link != &members; link = link->next) {
    if (member_of(link)->in_child != NULL) member_of(link)->in_child(member_of(link));
  }
}

void lido_caches_lock(void) { lido_lock_take(&members_lock); }
void lido_caches_unlock(void) { lido_lock_give(&members_lock); }

int lido_caches_join(lido_caches_member *member) {
  static const lido_os_fork_hooks hooks = {.before = before, .after = after, .in_child = in_child};
  int error = lido_os_fork_join(LIDO_OS_FORK_CACHES, &hooks);
  if (error != 0) return error;
  lido_caches_lock();
  lido_list_append(&members, &member->link);
  lido_caches_unlock();
  return 0;
}

void lido_caches_leave(lido_caches_member *member) {
  lido_caches_lock();
  lido_list_remove(&member->link);
  lido_caches_unlock();
}
