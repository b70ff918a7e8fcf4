/* observers_fork.c: see observers_fork.h. */
#include "lib/caches/observers_fork.h"

#include "lib/base/atomic.h"
#include "lib/caches/notification.h"

static void each_subject_locked(void (*act)(lido_subject *subject)) {
  lido_link *list = lido_subjects_locked();
  for (lido_link *link = list->next; link != list; link = link->next) act(LIDO_LIST_ITEM(link, lido_subject, link));
}

static void lock_one(lido_subject *subject) { lido_lock_take_for_fork(&subject->lock); }
static void unlock_one(lido_subject *subject) { lido_lock_give_after_fork(&subject->lock); }

void lido_observers_lock_for_fork(void) {
  lido_subjects_lock_for_fork();
  each_subject_locked(lock_one);
}

void lido_observers_unlock_after_fork(void) {
  each_subject_locked(unlock_one);
  lido_subjects_unlock_after_fork();
}

/* Nobody waits any more: the thread that forked did not. Who waited had a reference. RELAXED: the child has one thread. */
static void forget_others(lido_subject *subject) {
  lido_lock_take(&subject->lock);
  subject->lost += lido_load_relaxed(&subject->waiters);
  lido_store_relaxed(&subject->waiters, 0);
  lido_os_condition_init(&subject->uncalled);
  lido_notifications_forget(subject);
  lido_lock_give(&subject->lock);
}

void lido_observers_in_child(void) {
  lido_subjects_lock();
  each_subject_locked(forget_others);
  lido_subjects_unlock();
}

int lido_observers_fork_join(void) {
  static const lido_os_fork_hooks hooks = {.before = lido_observers_lock_for_fork,
                                           .after = lido_observers_unlock_after_fork,
                                           .in_child = lido_observers_in_child};
  return lido_os_fork_join(LIDO_OS_FORK_CACHES, &hooks);
}
