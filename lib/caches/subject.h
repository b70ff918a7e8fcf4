/* subject.h: a subject, its list of observers, and the tokens that say which subscriptions are in force.
 *
 * Idea: a subscription is an object of a pool with handles, its token. The token's handle is the public value, and
 * whether it leads to the token is whether the subscription is in force: one load for who is about to call, one
 * compare-and-swap (lido_weak_kill) for who ends it, and exactly one does. The entry in the subject's array has the
 * token's one reference; who kills it, releases it.
 *     The array grows in place under the lock. A notification takes the lock once, for a reference to the array and its
 *     count, and
 * walks without it: entries below its count never change. An array that somebody else holds is replaced rather than
 * cleared of its dead; the last holder frees it. Tokens belong to the subject's present array, or to the last word that
 * took it away.
 *     The subject is an object with handles, too: a notification has a reference, a token the weak handle.
 * Invariants
 *   O1  tokens of the present array are killed only under the lock; `active` is how many are not.
 *   O2  the array's entries are in the order of subscription, and each living token of the subject is in one of them.
 *   O3  an array has a reference for the subject whose present one it is, and one for each notification that walks it.
 *   O4  a subject that is over has no array, and nothing active.
 *   O5  whoever is called by a notification is in its `current`, and the notification in the subject's list
 *       (notification.h).
 *   O6  no lock is held while a function of the program runs: no observer and no token is released under one.
 *   O7  a thread does with its caller's reference. Who needs one of its own, for calls or for a wait, has it from where
 *       it enters itself under the lock, as a notification or as a guest, until just after it has left: so a fork finds
 *       how many its lost threads had. An unsubscription, whose caller need not have one, has it from just before the
 *       lock, for which it does not wait with it.
 * Who drops the dead: a subscription that finds the array full, a notification that met some, an unsubscription; each
 * if they are more than a quarter of the array, so that what it costs to look at all is paid by those who came or went
 * since. Only a subscription and lido_subject_compact allocate for it; the others leave it to the last notification
 * that walks.
 * Threads: any. Locks: SUBJECT, one for each, for all below it; the room's, CACHES, for the list of all subjects. The
 * finaliser runs alone.
 * Failure: create and subscribe: ENOMEM, nothing changed.
 * Memory: array blocks are powers of two from the system's metadata; tokens and subjects from two pools that are made
 * with the first subject and stay: ending them would need a count of all threads that are inside any call.
 * Source: copy on write as in Boost.Signals2; tokens and arrays counted as they are there.
 * Not done: inline room for one observer (a block of 256 bytes is what a subject has); priorities; a subject that keeps
 * its last event for who comes later: a few lines in the program, with its own idea of a copy.
 */
#ifndef LIDO_LIB_CACHES_SUBJECT_H
#define LIDO_LIB_CACHES_SUBJECT_H

#include "lib/base/list.h"
#include "lib/caches/caches_fork.h"
#include "lib/os/os.h"
#include "lido/observers.h"

typedef struct lido_observer_entry {
  lido_subscription subscription;
  lido_weak observer;
  void (*next)(void *observer, const void *event, void *context);
  void *context;
} lido_observer_entry;

/* `references` and `count` under the subject's lock. */
typedef struct lido_observer_array {
  size_t references;
  size_t count;
  size_t capacity;
  size_t unused; /* entries start on half a cache line */
  lido_observer_entry entries[];
} lido_observer_array;

/* What is needed only at a subscription's end. */
typedef struct lido_token {
  lido_weak subject;
  void (*error)(void *observer, int error, void *context);
  void (*complete)(void *observer, void *context);
  struct lido_token *next; /* of tokens that were killed and are to be released */
} lido_token;

typedef struct lido_subject_numbers {
  uint64_t subscribed;
  uint64_t unsubscribed;
  uint64_t dropped;
  uint64_t notifications;
  uint64_t running;
  uint64_t calls;
  uint64_t errors;
  uint64_t completions;
  uint64_t waits;
} lido_subject_numbers;

struct lido_subject {
  /* fixed at birth, but for the last two */
  char *name;
  size_t name_bytes;
  lido_weak self;
  uint32_t waiters; /* atomic: threads that wait for calls to end */
  lido_link link;   /* under the room's lock */
  _Alignas(64) lido_lock lock;
  /* under the lock */
  lido_os_condition uncalled; /* some call has ended, and there are waiters */
  lido_observer_array *array; /* NULL: none yet, or over */
  size_t active;
  bool over;
  uint32_t guests;         /* references of threads that wait for calls; these call no function of the program */
  lido_link notifications; /* under way */
  size_t lost;             /* references of threads that a fork left behind */
  lido_subject_numbers numbers;
  /* under the room's lock */
  lido_caches_member member;
};

/* The caller has a reference, or so it says. false: it is no subject, or a dead one; that was reported. NULL is
 * false. */
bool lido_subject_is_one(lido_subject *subject);

/* ---- All subjects: subject.c ---- */

/* Under the room's lock (lido_caches_lock): a list by `link`. Some may be dying, and wait for the lock to leave it. */
lido_link *lido_subjects_locked(void);

/* A token without subscription, or NULL: ENOMEM. */
lido_token *lido_token_make(void);

/* Is what the value names, or named, a token? Any value; what it leads to is not touched. */
bool lido_is_token(lido_subscription subscription);

/* ---- Arrays: observer_array.c; all but free and release under the subject's lock ---- */

/* Room for one more. 0 or ENOMEM. Tokens that were dropped for it are put on *killed. */
int lido_subject_make_room_locked(lido_subject *subject, lido_token **killed);

/* Drop the dead if that can be done in place and is worth it: `dead` are known to be, beyond those that are not
 * active. */
void lido_subject_tidy_locked(lido_subject *subject, size_t dead, lido_token **killed);

/* Drop the dead. -> how many. */
size_t lido_subject_compact_locked(lido_subject *subject, lido_token **killed);

/* One reference less. -> the array if that was the last, for lido_observer_array_free; else NULL. */
lido_observer_array *lido_observer_array_drop_locked(lido_observer_array *array);
void lido_observer_array_free(lido_observer_array *array); /* NULL is ignored */
size_t lido_observer_array_bytes(const lido_observer_array *array);

/* End a subscription. -> its token, with the entry's reference, which is the caller's now; NULL: it was ended
 * before. */
lido_token *lido_token_kill(lido_subscription subscription);

/* Without any lock: release a list of tokens. */
void lido_tokens_release(lido_token *killed);

/* End the subscriptions of entries from `first` on. pre: the array is no subject's present one, or the caller is
 * alone. */
void lido_observer_array_end(const lido_observer_array *array, size_t first);

#endif
