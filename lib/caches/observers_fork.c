/* observers_fork.c: see observers_fork.h. */
#include "lib/caches/observers_fork.h"

#include <stddef.h>

#include "lib/base/atomic.h"
#include "lib/caches/notification.h"

static lido_subject *subject_of(lido_caches_member *member) {
  return (lido_subject *)(void *)((char *)member - offsetof(lido_subject, member));
}

static void lock_for_fork(lido_caches_member *member) { lido_lock_take_for_fork(&subject_of(member)->lock); }
static void unlock_after_fork(lido_caches_member *member) { lido_lock_give_after_fork(&subject_of(member)->lock); }

/* Nobody waits any more, and nobody is a guest: the thread that forked was none. RELAXED: the child has one thread. */
static void forget_others(lido_caches_member *member) {
  lido_subject *subject = subject_of(member);
  subject->lost += subject->guests;
  subject->guests = 0;
  lido_store_relaxed(&subject->waiters, 0);
  lido_os_condition_init(&subject->uncalled);
  lido_notifications_forget(subject);
}

int lido_subject_fork_join(lido_subject *subject) {
  subject->member.lock_for_fork = lock_for_fork;
  subject->member.unlock_after_fork = unlock_after_fork;
  subject->member.in_child = forget_others;
  return lido_caches_join(&subject->member);
}

void lido_subject_fork_leave(lido_subject *subject) { lido_caches_leave(&subject->member); }
