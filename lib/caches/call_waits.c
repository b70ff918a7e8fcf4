/* call_waits.c: waiting until nobody is in a call any more, and who would wait for itself. See notification.h. */
#include <errno.h>

#include "lib/base/atomic.h"
#include "lib/caches/notification.h"
#include "lido/guard.h"

/* ---- Whose subscription it was ---- */

static lido_subject *subject_of(const lido_link *link) { return LIDO_LIST_ITEM(link, lido_subject, link); }

/* A notification has a reference, so there is one to add to. */
static bool visit_if_called(lido_subject *subject, lido_subscription subscription) {
  lido_lock_take(&subject->lock);
  bool called = lido_is_called_locked(subject, subscription);
  if (called) lido_retain(subject);
  subject->guests += called;
  lido_lock_give(&subject->lock);
  return called;
}

/* -> the subject in a notification of which it is called, as its guest; or NULL. */
static lido_subject *find_caller(lido_subscription subscription) {
  lido_subject *found = NULL;
  lido_caches_lock();
  const lido_link *list = lido_subjects_locked();
  for (const lido_link *link = list->next; link != list && found == NULL; link = link->next) {
    if (visit_if_called(subject_of(link), subscription)) found = subject_of(link);
  }
  lido_caches_unlock();
  return found;
}

/* ---- Circles; all under the lock of all subjects ---- */

static uint64_t searches;

/* Those threads in a call that `notifier` waits for, which wait themselves, go on the list. -> is this thread among
 * them? */
static bool follow_locked(const lido_notifier *notifier, lido_notifier **list) {
  lido_subject *subject = notifier->waits_on;
  bool closes = false;
  lido_lock_take(&subject->lock);
  const lido_link *all = &subject->notifications;
  for (const lido_link *link = all->next; link != all; link = link->next) {
    const lido_notification *n = LIDO_LIST_ITEM(link, const lido_notification, link);
    /* RELAXED: who waits in a call came by this lock since it wrote it; of others nothing is concluded. */
    if (lido_load_relaxed(&n->current) != notifier->waits_for.bits) continue;
    closes = closes || n->notifier == lido_this_notifier();
    if (n->notifier->waits_on == NULL || n->notifier->search == searches) continue;
    n->notifier->search = searches;
    n->notifier->next = *list;
    *list = n->notifier;
  }
  lido_lock_give(&subject->lock);
  return closes;
}

static bool closes_circle_locked(lido_notifier *first) {
  bool closes = false;
  lido_notifier *list = first;
  first->search = ++searches;
  first->next = NULL;
  while (list != NULL && !closes) {
    const lido_notifier *notifier = list;
    list = notifier->next;
    closes = follow_locked(notifier, &list);
  }
  return closes;
}

/* This thread is going to wait. EDEADLK: for itself. */
static int enter_wait(lido_subject *subject, lido_subscription subscription) {
  lido_notifier *here = lido_this_notifier();
  if (here->innermost == NULL) return 0;
  lido_caches_lock();
  here->waits_on = subject;
  here->waits_for = subscription;
  bool closes = closes_circle_locked(here);
  if (closes) here->waits_on = NULL;
  lido_caches_unlock();
  return closes ? EDEADLK : 0;
}

static void leave_wait(void) {
  lido_notifier *here = lido_this_notifier();
  if (here->innermost == NULL) return;
  lido_caches_lock();
  here->waits_on = NULL;
  lido_caches_unlock();
}

/* ---- Waiting ---- */

/* V1, the waiter's half. */
static void order_notifications(void) {
  if (lido_load_relaxed(&lido_guards.fences)) { /* RELAXED: set before the first subject */
    lido_fence_full();
  } else {
    lido_os_barrier();
  }
}

static uint64_t deadline_after(uint64_t wait_ns) {
  uint64_t deadline_ns = wait_ns != UINT64_MAX ? lido_os_now_ns() + wait_ns : UINT64_MAX;
  return deadline_ns < wait_ns ? UINT64_MAX : deadline_ns;
}

static int wait_until(lido_subject *subject, lido_subscription subscription, uint64_t deadline_ns) {
  bool in_time = true;
  lido_lock_take(&subject->lock);
  bool called = lido_is_called_locked(subject, subscription);
  subject->numbers.waits += called;
  while (called && in_time) {
    in_time = lido_os_condition_wait(&subject->uncalled, &subject->lock, deadline_ns);
    called = lido_is_called_locked(subject, subscription);
  }
  lido_lock_give(&subject->lock);
  return called ? ETIMEDOUT : 0;
}

static void stop_visit(lido_subject *subject) {
  lido_lock_take(&subject->lock);
  subject->guests--;
  lido_lock_give(&subject->lock);
}

int lido_wait_for_calls(lido_subject *subject, lido_subscription subscription, uint64_t wait_ns) {
  lido_add_relaxed(&subject->waiters, 1); /* RELAXED: the barrier orders it */
  order_notifications();
  int error = enter_wait(subject, subscription);
  if (error == 0) {
    error = wait_until(subject, subscription, deadline_after(wait_ns));
    leave_wait();
  }
  lido_sub_relaxed(&subject->waiters, 1); /* RELAXED: a wake-up too many harms nobody */
  stop_visit(subject);
  return error;
}

int lido_wait_for_ended_calls(lido_subscription subscription, uint64_t wait_ns) {
  order_notifications();
  lido_subject *subject = find_caller(subscription);
  if (subject == NULL) return 0;
  int error = lido_wait_for_calls(subject, subscription, wait_ns);
  lido_release(subject);
  return error;
}
