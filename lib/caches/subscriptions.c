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
  if (entry.observer.bits != 0 && lido_subject_hold(subject)) {
    error = subscribe(subject, &entry, calls);
    lido_release(subject);
  }
  errno = error == 0 ? saved_errno : error;
  return error == 0 ? entry.subscription : (lido_subscription){0};
}

/* ---- Unsubscribe ---- */

/* The subject of a subscription in force, with a reference; and a reference to the token. NULL: it is not in force. */
static lido_subject *acquire_both(lido_subscription subscription, lido_token **token) {
  if (!lido_is_token(subscription)) return NULL;
  lido_token *found = lido_weak_acquire(lido_weak_from_u64(subscription.bits));
  if (found == NULL) return NULL;
  /* A subject that is dying has nobody who could notify, and ends its subscriptions itself. */
  lido_subject *subject = lido_weak_acquire(found->subject);
  if (subject == NULL) lido_release(found);
  *token = found;
  return subject;
}

/* An ended subscription of a subject that is over belongs to the last word, or to the end, that took the array. */
static bool kill_locked(lido_subject *subject, lido_subscription subscription, lido_token **killed) {
  if (lido_token_kill(subscription) == NULL) return false;
  subject->numbers.unsubscribed++;
  if (subject->over) return true;
  subject->active--;
  lido_subject_tidy_locked(subject, 0, killed);
  return true;
}

/* -> whether this thread ended it. *quiet: and no notification was under way. */
static bool end_subscription(lido_subject *subject, lido_token *token, lido_subscription subscription, bool *quiet) {
  lido_token *killed = NULL;
  lido_lock_take(&subject->lock);
  bool mine = kill_locked(subject, subscription, &killed);
  *quiet = mine && lido_list_is_empty(&subject->notifications);
  lido_lock_give(&subject->lock);
  lido_release_n(token, mine ? 2 : 1);
  lido_tokens_release(killed);
  return mine;
}

bool lido_unsubscribe(lido_subscription subscription) {
  int saved_errno = errno;
  lido_token *token = NULL;
  lido_subject *subject = acquire_both(subscription, &token);
  if (subject == NULL) return false;
  bool quiet;
  bool mine = end_subscription(subject, token, subscription, &quiet);
  lido_release(subject);
  errno = saved_errno;
  return mine;
}

int lido_unsubscribe_sync(lido_subscription subscription, uint64_t wait_ns) {
  int saved_errno = errno;
  lido_token *token = NULL;
  bool quiet = subscription.bits == 0;
  lido_subject *subject = acquire_both(subscription, &token);
  if (subject != NULL) end_subscription(subject, token, subscription, &quiet);
  int error = quiet ? 0 : lido_wait_for_calls(subject, subscription, wait_ns);
  lido_release(subject);
  errno = saved_errno;
  return error;
}

bool lido_is_subscribed(lido_subscription subscription) {
  return lido_is_token(subscription) && lido_weak_get(lido_weak_from_u64(subscription.bits)) != NULL;
}
