/* lido/observers.h: subjects that tell observers of events, and hold them weakly.
 *
 *     static void on_price(void *display, const void *price, void *context) { show(display, price); }
 *     static const lido_observer_calls calls = { .next = on_price };
 *
 *     lido_subject *prices = lido_subject_create(NULL);
 *     // display: of a pool with LIDO_POOL_HANDLES
 *     lido_subscription shown = lido_subscribe(prices, display, &calls, NULL);
 *     lido_subject_next(prices, &price);       // -> 1: on_price(display, &price, NULL) was called
 *     lido_release(display);                   // it dies, although it is subscribed
 *     lido_subject_next(prices, &price);       // -> 0
 *     lido_subject_destroy(prices);
 *
 * An observer is an object with handles (lido/weak.h). The subject has its handle and no reference; for each call it
 * takes one, and gives it back after. So an observer lives no longer for being subscribed, is never called when it is
 * dead, and can't die under its own call. Who died is dropped, by notifications and by subscriptions: a subject does
 * not grow by observers that come and go.
 *
 * A notification calls, in the order of their subscriptions, the observers that were subscribed when it began, on its
 * own thread, with no lock held. So a call may do anything: subscribe, unsubscribe itself and others, notify this
 * subject again, end it, end its own observer; its thread may even end in it (pthread_exit, cancellation; the rest is
 * not called then). It may not leave by longjmp or an exception. Who subscribes during a notification is not called in
 * it. Who is unsubscribed is not called any more, also by notifications that run; but one on another thread that has
 * just looked may still make its call, for which lido_unsubscribe_sync waits. Notifications on several threads run at
 * once, also in one observer.
 *
 * A subject is itself an object with handles: lido_retain, lido_release and lido_weak_make work on it. Who notifies
 * while others may end it has a reference of its own, or acquires one by a handle; a notification has one for as long
 * as it runs.
 *
 * Threads: any function from any thread. What was done before a subscription is seen by its calls.
 * Errors: a subscription that fails is {0}, errno says why. Lack of memory is possible only when subjects are created
 * and observers subscribed. errno is not changed otherwise. Misuse (a subject that is dead or none, an observer that is
 * no live object with a handle) goes to the handler of lido/misuse.h, and the call has no effect.
 * Memory: 32 bytes a subscription in an array that doubles, and 48 for its token. Two small pools are made with the
 * first subject, and stay (lido_subjects_trim).
 * Signals: nothing here may be called in handlers. Fork: the child has all subjects and subscriptions; notifications of
 * other threads are over there. The reference that such a thread had to the observer it was calling is never given
 * back; those that this library took to the subject for threads in notifications and waits are, by the child's
 * lido_subject_destroy. A thread that at the very moment was just coming or leaving may leave one behind: then the
 * subject ends there as ever, but some hundred bytes of it stay, and handles still lead to it.
 * Method: a list that is copied when it must change under a reader, tracked objects held for the call, no lock in it
 * (as Boost.Signals2 does); the end of a subscription ordered against calls by an asymmetric barrier (Linux,
 * membarrier).
 */
#ifndef LIDO_OBSERVERS_H
#define LIDO_OBSERVERS_H

#include "lido/weak.h"

LIDO_BEGIN

typedef struct lido_subject lido_subject;

/* A value that names one subscription, for ever; {0} is null. */
typedef struct lido_subscription {
  uint64_t bits;
} lido_subscription;

/* What an observer wants to hear; NULL: not that. `event` and `error` are the notification's, `context` is the
 * subscription's. */
typedef struct lido_observer_calls {
  void (*next)(void *observer, const void *event, void *context);
  void (*error)(void *observer, int error, void *context);
  void (*complete)(void *observer, void *context);
} lido_observer_calls;

typedef struct lido_subject_options {
  const char *name; /* copied; NULL = "subject" */
} lido_subject_options;

/* ---- Life of a subject --------------------------------------------------------------------- */

/* A subject without observers, and one reference to it. NULL options: the defaults. NULL: ENOMEM. */
LIDO_API lido_subject *lido_subject_create(const lido_subject_options *options);

/* Ends all subscriptions, without error or complete, and releases one reference; NULL is ignored. Calls that run go on;
 * lido_unsubscribe_sync waits for them. Who has other references finds the subject over. */
LIDO_API void lido_subject_destroy(lido_subject *subject);

LIDO_API const char *lido_subject_name(const lido_subject *subject);

/* ---- Subscriptions ------------------------------------------------------------------------- */

/* Call `calls` (copied) for what is notified from now on, as long as the observer lives. The caller has a reference to
 * both. One observer may be subscribed many times. {0}: EINVAL (subject, observer or calls NULL; or a misuse, which was
 * reported), ESHUTDOWN (the subject is over), ENOMEM. O(1), amortised. */
LIDO_API lido_subscription lido_subscribe(lido_subject *subject, const void *observer, const lido_observer_calls *calls,
                                          void *context);

/* It is called no more; a call that runs, or that another thread is just making, is not waited for. -> whether it was
 * there: true in exactly one call for a subscription, and in none if the subject dropped or ended it before. Any value.
 * O(1), amortised; does not need the subject. */
LIDO_API bool lido_unsubscribe(lido_subscription subscription);

/* The same, and waits until no call of it is running, nor a reference held for one: then its context may go. (A
 * destructor or cleanup of the observer needs no wait: nobody is in a call of a dead observer.) 0, also if it was not
 * there any more.
 * ETIMEDOUT: wait_ns nanoseconds have passed (UINT64_MAX: as long as it takes). EDEADLK: it would wait for this thread,
 * inside the very call, or for a thread in a call that waits in here for a call of this thread's, over any number of
 * threads. It is unsubscribed in any case. What else two threads may wait for, such as a lock that this one holds and
 * the call wants, can't be seen: hence wait_ns. Costs a barrier in all threads (some microseconds), if notifications
 * are under way; to wait for one that was unsubscribed before, O(subjects). */
LIDO_API int lido_unsubscribe_sync(lido_subscription subscription, uint64_t wait_ns);

/* Would the next notification look for its observer? Any value; may be over when it is returned. */
LIDO_API bool lido_is_subscribed(lido_subscription subscription);

/* ---- Notifications ------------------------------------------------------------------------- */

/* -> how many calls were made. For each observer a load, an acquire, the call and a release, beyond some 50 ns for
 * all. */
LIDO_API size_t lido_subject_next(lido_subject *subject, const void *event);

/* The last word, one or the other, once. Each subscription is ended and then hears it, so that no notification which
 * looks for it after that finds it. From now on the subject is over: nobody can subscribe, and nobody is notified. ->
 * how many calls were made; 0 if it was over before. */
LIDO_API size_t lido_subject_error(lido_subject *subject, int error);
LIDO_API size_t lido_subject_complete(lido_subject *subject);

LIDO_API bool lido_subject_is_over(lido_subject *subject);

/* ---- Memory -------------------------------------------------------------------------------- */

/* Drop dead observers now. -> how many. O(observers). */
LIDO_API size_t lido_subject_compact(lido_subject *subject);

/* Give back what the pools of subjects and subscriptions keep free. -> bytes. */
LIDO_API size_t lido_subjects_trim(void);

/* ---- Statistics ---------------------------------------------------------------------------- */

/* X(name, kind, unit, text), of one subject. */
#define LIDO_SUBJECT_STATISTICS(X)                                                                              \
  X(observers, gauge, subscriptions, "subscriptions, with those whose observers died and were not yet noticed") \
  X(subscribed, counter, subscriptions, "subscriptions made")                                                   \
  X(unsubscribed, counter, subscriptions, "subscriptions ended by their owners")                                \
  X(dropped, counter, subscriptions, "subscriptions ended because their observers were dead")                   \
  X(notifications, counter, notifications, "notifications that began, with the last word")                      \
  X(running, gauge, notifications, "notifications that have not ended")                                         \
  X(calls, counter, calls, "calls in notifications that have ended")                                            \
  X(errors, counter, notifications, "last words that were an error")                                            \
  X(completions, counter, notifications, "last words that were none")                                           \
  X(waits, counter, calls, "synchronous unsubscriptions that met a running call")                               \
  X(bytes, gauge, bytes, "memory of the list of observers")

#define LIDO_SUBJECT_STATISTIC_FIELD(name, kind, unit, text) uint64_t name;
typedef struct lido_subject_stats {
  LIDO_SUBJECT_STATISTICS(LIDO_SUBJECT_STATISTIC_FIELD)
} lido_subject_stats;
#undef LIDO_SUBJECT_STATISTIC_FIELD

/* All of one moment. Zeros after a misuse. */
LIDO_API void lido_subject_stats_get(lido_subject *subject, lido_subject_stats *out);

/* NULL, or the number and text of an invariant that does not hold ("O1: ...", as in lib/caches/subject.h). For tests;
 * O(observers). */
LIDO_API const char *lido_subject_check(lido_subject *subject);

/* ---- Typed twins --------------------------------------------------------------------------- */

/* LIDO_SUBJECT_DEFINE(prices, struct price) makes the type prices, for subjects whose events are struct price, and on
 * it
 *     prices prices_create(const lido_subject_options *);  void prices_destroy(prices);
 *     bool prices_exists(prices): was there memory?
 *     size_t prices_next(prices, const struct price *);  size_t prices_error(prices, int error);
 *     size_t prices_complete(prices);
 *     lido_subject *prices_untyped(prices);  prices prices_typed(lido_subject *): the caller vouches for the events.
 * LIDO_OBSERVER_DEFINE(prices, display, struct display) takes three functions that are there already,
 *     void display_next(struct display *, const struct price *, void *context);
 *     void display_error(struct display *, int error, void *context);
 *     void display_complete(struct display *, void *context);
 * and makes
 *     lido_subscription display_subscribe(prices, const struct display *, void *context).
 * No semicolon follows. */
#define LIDO_SUBJECT_DEFINE(prefix, event_type) LIDO_SUBJECT_DEFINE_BODY(prefix, event_type)
#define LIDO_OBSERVER_DEFINE(subject_prefix, prefix, type) LIDO_OBSERVER_DEFINE_BODY(subject_prefix, prefix, type)

LIDO_END

#include "lido/inline/observers_inline.h"

#endif
