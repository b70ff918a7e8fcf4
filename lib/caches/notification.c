/* notification.c: see notification.h. */
#include "lib/caches/notification.h"

#include <errno.h>

#include "lib/base/atomic.h"
#include "lido/guard.h"

static __thread lido_notifier this_notifier __attribute__((tls_model("initial-exec")));

lido_notifier *lido_this_notifier(void) { return &this_notifier; }

/* ---- Calls ---- */

static LIDO_SLOW void wake_waiters(lido_subject *subject) {
  lido_lock_take(&subject->lock);
  lido_os_condition_wake_all(&subject->uncalled);
  lido_lock_give(&subject->lock);
}

/* Now it is this one's turn, and the one before is over. */
static inline void turn_to(lido_notification *n, lido_subscription subscription) {
  /* RELEASE subject.called: who sees another one here finds the call before over. */
  lido_store_release(&n->current, subscription.bits);
  if (LIDO_UNLIKELY(lido_load_relaxed(&lido_guards.fences)))
    lido_fence_full();     /* RELAXED: set before the first subject */
  lido_compiler_barrier(); /* V1 */
  /* RELAXED: the order is the waiter's affair. */
  if (LIDO_UNLIKELY(lido_load_relaxed(&n->subject->waiters) != 0)) wake_waiters(n->subject);
}

static inline bool is_in_force(lido_subscription subscription) {
  return lido_weak_get(lido_weak_from_u64(subscription.bits)) != NULL;
}

static void say_next(void *argument) {
  lido_notification *n = argument;
  for (; n->index < n->count; n->index++) {
    const lido_observer_entry *entry = &n->array->entries[n->index];
    if (LIDO_UNLIKELY(entry->next == NULL)) continue;
    turn_to(n, entry->subscription);
    if (LIDO_UNLIKELY(!is_in_force(entry->subscription))) continue;
    void *observer = lido_weak_acquire(entry->observer);
    if (LIDO_UNLIKELY(observer == NULL)) {
      n->dead++;
      continue;
    }
    entry->next(observer, n->event, entry->context);
    lido_weak_release(entry->observer);
    n->calls++;
  }
}

/* -> whether it wanted to hear it. */
static bool call_last(const lido_notification *n, const lido_token *calls, void *observer, void *context) {
  if (n->word == LIDO_NOTIFY_ERROR) {
    if (calls->error != NULL) calls->error(observer, n->error, context);
    return calls->error != NULL;
  }
  if (calls->complete != NULL) calls->complete(observer, context);
  return calls->complete != NULL;
}

static void say_last(void *argument) {
  lido_notification *n = argument;
  for (; n->index < n->count; n->index++) {
    const lido_observer_entry *entry = &n->array->entries[n->index];
    turn_to(n, entry->subscription);
    lido_token *token = lido_token_kill(entry->subscription);
    if (token == NULL) continue;
    lido_token calls = *token;
    lido_release(token);
    void *observer = lido_weak_acquire(entry->observer);
    if (observer == NULL) {
      n->dead++;
      continue;
    }
    n->calls += call_last(n, &calls, observer, entry->context);
    lido_weak_release(entry->observer);
  }
}

/* ---- Begin and end ---- */

static void count_word_locked(lido_subject_numbers *numbers, const lido_notification *n) {
  numbers->notifications++;
  numbers->running++;
  numbers->errors += n->word == LIDO_NOTIFY_ERROR;
  numbers->completions += n->word == LIDO_NOTIFY_COMPLETE;
}

/* O3: the last word takes over the subject's own reference. */
static void take_array_locked(lido_subject *subject, lido_notification *n) {
  n->array = subject->array;
  n->count = n->array != NULL ? n->array->count : 0;
  if (n->word == LIDO_NOTIFY_NEXT) {
    if (n->array != NULL) n->array->references++;
    return;
  }
  subject->array = NULL;
  subject->active = 0;
  subject->over = true;
}

/* false: the subject is over. */
static bool begin(lido_subject *subject, lido_notification *n) {
  n->subject = subject;
  n->notifier = &this_notifier;
  n->outer = this_notifier.innermost;
  lido_lock_take(&subject->lock);
  bool begins = !subject->over;
  if (begins) {
    lido_retain(subject);
    take_array_locked(subject, n);
    lido_list_append(&subject->notifications, &n->link);
    count_word_locked(&subject->numbers, n);
  }
  lido_lock_give(&subject->lock);
  if (begins) this_notifier.innermost = n;
  return begins;
}

static lido_observer_array *end_locked(lido_subject *subject, lido_notification *n, lido_token **killed) {
  lido_list_remove(&n->link);
  subject->numbers.running--;
  subject->numbers.calls += n->calls;
  /* RELAXED: under the lock, which the waiter holds from its look to its wait. */
  if (lido_load_relaxed(&subject->waiters) != 0) lido_os_condition_wake_all(&subject->uncalled);
  lido_observer_array *freed = n->array != NULL ? lido_observer_array_drop_locked(n->array) : NULL;
  if (n->word != LIDO_NOTIFY_NEXT) {
    subject->numbers.dropped += n->dead;
  } else {
    lido_subject_tidy_locked(subject, n->dead, killed);
  }
  return freed;
}

static void end(lido_notification *n) {
  lido_subject *subject = n->subject;
  lido_token *killed = NULL;
  this_notifier.innermost = n->outer;
  lido_lock_take(&subject->lock);
  lido_observer_array *freed = end_locked(subject, n, &killed);
  lido_lock_give(&subject->lock);
  lido_release(subject);
  lido_observer_array_free(freed);
  lido_tokens_release(killed);
}

/* The thread ends in a call. */
static void abandon(void *argument) {
  lido_notification *n = argument;
  lido_weak_release(n->array->entries[n->index].observer);
  if (n->word != LIDO_NOTIFY_NEXT) lido_observer_array_end(n->array, n->index + 1);
  end(n);
}

static size_t notify(lido_subject *subject, lido_notification *n) {
  int saved_errno = errno;
  if (!lido_subject_is_one(subject)) return 0;
  if (begin(subject, n)) {
    if (n->count != 0) lido_os_call_to_its_end(n->word == LIDO_NOTIFY_NEXT ? say_next : say_last, abandon, n);
    end(n);
  }
  errno = saved_errno;
  return n->calls;
}

size_t lido_subject_next(lido_subject *subject, const void *event) {
  lido_notification n = {.word = LIDO_NOTIFY_NEXT, .event = event};
  return notify(subject, &n);
}

size_t lido_subject_error(lido_subject *subject, int error) {
  lido_notification n = {.word = LIDO_NOTIFY_ERROR, .error = error};
  return notify(subject, &n);
}

size_t lido_subject_complete(lido_subject *subject) {
  lido_notification n = {.word = LIDO_NOTIFY_COMPLETE};
  return notify(subject, &n);
}

/* ---- Looks at the list ---- */

static const lido_notification *notification_of(const lido_link *link) {
  return LIDO_LIST_ITEM(link, const lido_notification, link);
}

bool lido_is_called_locked(const lido_subject *subject, lido_subscription subscription) {
  const lido_link *list = &subject->notifications;
  for (const lido_link *link = list->next; link != list; link = link->next) {
    /* ACQUIRE subject.called: what is not here any more is over. */
    if (lido_load_acquire(&notification_of(link)->current) == subscription.bits) return true;
  }
  return false;
}

size_t lido_notifications_of_locked(const lido_subject *subject, const lido_observer_array *array) {
  size_t count = 0;
  const lido_link *list = &subject->notifications;
  for (const lido_link *link = list->next; link != list; link = link->next)
    count += notification_of(link)->array == array;
  return count;
}

/* Its thread is gone. What it held of the subject's is given back, but for a reference that the subject's end gives
 * back. */
static void forget(lido_subject *subject, const lido_notification *n) {
  subject->lost++;
  subject->numbers.running--;
  if (n->array != NULL) lido_observer_array_free(lido_observer_array_drop_locked(n->array));
}

void lido_notifications_forget(lido_subject *subject) {
  lido_link *list = &subject->notifications;
  for (lido_link *link = list->next, *next; link != list; link = next) {
    next = link->next;
    if (notification_of(link)->notifier == &this_notifier) continue;
    forget(subject, notification_of(link));
    lido_list_remove(link);
  }
}
