/* notification.h: one walk over a subject's observers, and how somebody waits for a call in it.
 *
 * Idea: a notification is a record on its thread's stack, in its subject's list. Before it looks whether a subscription
 * is in force it writes the subscription into `current`, and leaves it there until the call is over and the reference
 * to the observer given back. Who ends a subscription and wants its calls over ends the token, makes a barrier in all
 * threads, and looks at `current` of every record; as long as one shows the subscription, it waits on the subject's
 * condition.
 * Invariants
 *   V1  between a notification's store to `current` and its look at the token, and between that store and its look at
 *       `waiters`, no barrier of its own is needed: who waits makes one, after the end of the token and after counting
 *       itself in `waiters`, and before it looks. Without membarrier the notification fences, and so does the waiter.
 *   V2  a record is linked before its first store to `current`, and unlinked after its last call.
 *   V3  `current` of a record shows a subscription that is being called, or one whose token it is about to look at.
 *   V4  a thread's records form a stack; the outer ones are in calls, in which the inner ones were begun.
 * Why no call runs when the wait is over: let the token end (W1) before the waiter's barrier M. A notification stores
 * `current` (N1), then looks at the token (N2). If N2 comes after M in its thread it finds the token ended, and makes
 * no call. Else N1 came before M, and the look finds it: the record is in the list, for it was linked before N1; or it
 * was linked after the look, and then the lock shows W1 to N2. It is found until a later store to `current`, which
 * releases, is read by a look, which acquires (subject.called), or until it is unlinked under the lock.
 * Why nobody waits for ever: the waiter counts itself in `waiters` (W2) before M, looks (W3) under the lock, and waits.
 * A notification stores another `current` (N3), then looks at `waiters` (N4), and if there are any takes the lock and
 * wakes all. If N4 comes after M it finds W2, and wakes after the store: the waiter looks again. Else N3 came before M,
 * and W3 finds it.
 * Deadlock: a thread that waits inside a call says for what in its notifier; a look from waiter to the threads in the
 * calls it waits for, and so on, under the lock of all subjects, finds a circle when its last thread comes to wait
 * (call_waits.c). Who waits outside of any call closes none.
 * The last word takes the array away from the subject, so it has all the tokens; it ends each one just before its call,
 * so that nobody who looks after that calls.
 * A thread that ends in a call: the record lies in a frame that is being left, so the end is heard of
 * (lido_os_call_to_its_end), the observer released and the record unlinked there. Once for each notification, not for
 * each call.
 * Threads: any. Locks: the subject's for list, array, numbers; CACHES for who waits in a call. None during a call (O6).
 * Failure: none.
 * Proof: tests/interleavings/unsubscribe_test.c.
 * Not done: a reference to the token for each call instead of the barrier (two more atomic operations for each); a flag
 * for each subscription that a call sets and clears (a shared line that all notifications write).
 */
#ifndef LIDO_LIB_CACHES_NOTIFICATION_H
#define LIDO_LIB_CACHES_NOTIFICATION_H

#include "lib/caches/subject.h"

struct lido_notification;

/* A thread that notifies; its own, but for what is said. */
typedef struct lido_notifier {
  struct lido_notification *innermost;
  /* under the lock of all subjects: it waits inside a call */
  lido_subject *waits_on; /* NULL: it does not wait */
  lido_subscription waits_for;
  struct lido_notifier *next; /* of those that a search has found */
  uint64_t search;            /* which */
} lido_notifier;

typedef struct lido_notification {
  uint64_t current; /* atomic: a subscription's bits */
  size_t index;     /* its entry */
  lido_observer_array *array;
  size_t count; /* of its entries when this began */
  lido_subject *subject;
  lido_notifier *notifier;
  struct lido_notification *outer; /* of the same thread */
  lido_link link;                  /* of the subject; under its lock */
  const void *event;
  size_t calls;
  size_t dead; /* observers that were found so */
  int error;
  enum { LIDO_NOTIFY_NEXT, LIDO_NOTIFY_ERROR, LIDO_NOTIFY_COMPLETE } word;
} lido_notification;

/* This thread's. */
lido_notifier *lido_this_notifier(void);

/* Does a notification of the subject show it? Under the subject's lock. */
bool lido_is_called_locked(const lido_subject *subject, lido_subscription subscription);

/* How many notifications walk the array. */
size_t lido_notifications_of_locked(const lido_subject *subject, const lido_observer_array *array);

/* In the child of a fork: forget those of other threads. */
void lido_notifications_forget(lido_subject *subject);

/* ---- call_waits.c ---- */

/* Wait until no call of an ended subscription is running; wait_ns as in lido_unsubscribe_sync. This thread is the
 * subject's guest (O7), and is none any more when it comes back. 0, ETIMEDOUT, EDEADLK. */
int lido_wait_for_calls(lido_subject *subject, lido_subscription subscription, uint64_t wait_ns);

/* The same, and it is not known which subject's it was. */
int lido_wait_for_ended_calls(lido_subscription subscription, uint64_t wait_ns);

#endif
