/* subscriptions.c: subscribe, unsubscribe. See subject.h. */
#include <errno.h>

#include "lib/caches/notification.h"

/* ---- Subscribe ---- */

static lido_token *make_token(const lido_subject *subject, const lido_observer_calls *calls) {
  lido_token *token = lido_token_make();
  if (token == NULL) return NULL;
  token->subject = subject->self;
  token->error = calls->error;
  token->complete = calls->complete;
  return token;
}

static int append_locked(lido_subject *subject, const lido_observer_entry *entry, lido_token **killed) {
  if (subject->over) return ESHUTDOWN;
  int error = lido_subject_make_room_locked(subject, killed);
  if (error != 0) return error;
  subject->array->entries[subject->array->count++] = *entry;
  subject->active++;
  subject->numbers.subscribed++;
  return 0;
}

/* The token's reference is the entry's, if there is one. */
static int append(lido_subject *subject, const lido_observer_entry *entry, lido_token *token) {
  lido_token *killed = NULL;
  lido_lock_take(&subject->lock);
  int error = append_locked(subject, entry, &killed);
  lido_lock_give(&subject->lock);
  lido_tokens_release(killed);
  if (error != 0) lido_release(token);
  return error;
}

static int subscribe(lido_subject *subject, lido_observer_entry *entry, const lido_observer_calls *calls) {
  lido_token *token = make_token(subject, calls);
  if (token == NULL) return ENOMEM;
  entry->subscription.bits = lido_weak_make(token).bits;
  entry->next = calls->next;
  return append(subject, entry, token);
}

lido_subscription lido_subscribe(lido_subject *subject, const void *observer, const lido_observer_calls *calls,
                                 void *context) {
  int saved_errno = errno;
  int error = EINVAL;
  lido_observer_entry entry = {.context = context};
  if (calls != NULL && subject != NULL) entry.observer = lido_weak_make(observer);
  if (entry.observer.bits != 0 && lido_subject_is_one(subject)) error = subscribe(subject, &entry, calls);
  errno = error == 0 ? saved_errno : error;
  return error == 0 ? entry.subscription : (lido_subscription){0};
}

/* ---- Unsubscribe ---- */

/* An ended subscription of a subject that is over belongs to the last word, or to the end, that took the array. */
static bool kill_locked(lido_subject *subject, lido_subscription subscription, lido_token **killed) {
  if (lido_token_kill(subscription) == NULL) return false;
  subject->numbers.unsubscribed++;
  if (subject->over) return true;
  subject->active--;
  lido_subject_tidy_locked(subject, 0, killed);
  return true;
}

/* A subscription's end, and what is to be released after it: tokens not before the subject, so that a guest calls
 * nothing of the program's (O7). */
typedef struct ending {
  lido_subject *subject; /* a reference; NULL: it was not in force */
  lido_token *token;     /* a reference, or NULL */
  lido_token *killed;
  bool mine;  /* this thread ended it */
  bool quiet; /* and no notification was under way */
} ending;

static void let_go(const ending *e) {
  lido_release(e->subject);
  lido_release_n(e->token, e->mine ? 2 : 1);
  lido_tokens_release(e->killed);
}

/* A subject that is dying has nobody who could notify, and ends its subscriptions itself. */
static ending acquire_both(lido_subscription subscription) {
  ending e = {.mine = false};
  e.token = lido_is_token(subscription) ? lido_weak_acquire(lido_weak_from_u64(subscription.bits)) : NULL;
  if (e.token != NULL) e.subject = lido_weak_acquire(e.token->subject);
  return e;
}

/* Waits for the lock under that of all subjects, which a fork holds, too: so nobody waits with a reference during a
 * fork (O7). */
static LIDO_SLOW ending acquire_and_wait(lido_subscription subscription) {
  lido_caches_lock();
  ending e = acquire_both(subscription);
  if (e.subject != NULL) lido_lock_take(&e.subject->lock);
  lido_caches_unlock();
  return e;
}

/* Of a subscription in force: both are acquired, and the subject's lock is held. */
static ending acquire_locked(lido_subscription subscription) {
  ending e = acquire_both(subscription);
  if (e.subject != NULL && LIDO_UNLIKELY(!lido_lock_try(&e.subject->lock))) {
    let_go(&e);
    e = acquire_and_wait(subscription);
  }
  if (e.subject != NULL) return e;
  let_go(&e);
  return (ending){.mine = false};
}

static void end_locked(ending *e, lido_subscription subscription) {
  e->mine = kill_locked(e->subject, subscription, &e->killed);
  e->quiet = e->mine && lido_list_is_empty(&e->subject->notifications);
}

bool lido_unsubscribe(lido_subscription subscription) {
  int saved_errno = errno;
  ending e = acquire_locked(subscription);
  if (e.subject != NULL) {
    end_locked(&e, subscription);
    lido_lock_give(&e.subject->lock);
    let_go(&e);
  }
  errno = saved_errno;
  return e.mine;
}

static int end_and_wait(ending *e, lido_subscription subscription, uint64_t wait_ns) {
  end_locked(e, subscription);
  e->subject->guests += !e->quiet;
  lido_lock_give(&e->subject->lock);
  int error = e->quiet ? 0 : lido_wait_for_calls(e->subject, subscription, wait_ns);
  let_go(e);
  return error;
}

int lido_unsubscribe_sync(lido_subscription subscription, uint64_t wait_ns) {
  if (subscription.bits == 0) return 0;
  int saved_errno = errno;
  ending e = acquire_locked(subscription);
  int error =
      e.subject != NULL ? end_and_wait(&e, subscription, wait_ns) : lido_wait_for_ended_calls(subscription, wait_ns);
  errno = saved_errno;
  return error;
}

bool lido_is_subscribed(lido_subscription subscription) {
  return lido_is_token(subscription) && lido_weak_get(lido_weak_from_u64(subscription.bits)) != NULL;
}
