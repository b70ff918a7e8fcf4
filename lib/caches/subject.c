/* subject.c: the life of subjects, and the list of all. See subject.h. */
#include "lib/caches/subject.h"

#include <errno.h>
#include <string.h>

#include "lib/base/atomic.h"
#include "lib/base/misuse_report.h"
#include "lib/caches/notification.h"
#include "lib/caches/observers_fork.h"
#include "lib/mem/metadata.h"
#include "lib/refs/grace_period.h"
#include "lib/refs/refs_fork.h"
#include "pools/pool_core.h"

/* Under the room's lock. The pools: made once, before the first subject; who has none of their objects may look at any
 * time. */
static lido_link subjects = LIDO_LIST_INITIAL(subjects);
static lido_pool *subject_pool; /* atomic */
static lido_pool *token_pool;   /* atomic */

lido_link *lido_subjects_locked(void) { return &subjects; }

/* Whose object it is says what it is, before anybody reads it. RELAXED: who has an object of the pool finds the pool,
 * and others are refused either way; the pool is not looked into. */
static inline bool is_of(lido_pool *const *pool, const lido_refs_owner *owner) {
  lido_pool *made = lido_load_relaxed(pool);
  return made != NULL && owner == &lido_core_of(made)->refs;
}

/* pre: it is an object. RELAXED: which does not end meanwhile. */
static inline bool is_subject(const void *object) {
  const lido_span *span = lido_span_entry((uintptr_t)object);
  return span != NULL && is_of(&subject_pool, lido_load_relaxed(&span->owner));
}

/* A slot that changes hands meanwhile has a generation that no value has yet. */
bool lido_is_token(lido_subscription subscription) {
  lido_weak weak = lido_weak_from_u64(subscription.bits);
  return lido_slot_exists(weak) && is_of(&token_pool, lido_slot_owner(lido_slot_named(weak)));
}

/* ---- The end ---- */

/* By the last release; whoever it was, it is alone. */
static void finalise(void *object, void *context) {
  lido_subject *subject = object;
  (void)context;
  lido_subject_fork_leave(subject);
  lido_caches_lock();
  lido_list_remove(&subject->link);
  lido_caches_unlock();
  if (subject->array != NULL) lido_observer_array_end(subject->array, 0);
  lido_observer_array_free(subject->array);
  lido_metadata_free(lido_metadata_system(), subject->name, subject->name_bytes);
  lido_os_condition_end(&subject->uncalled);
  lido_lock_end(&subject->lock);
}

/* Over, and its array is the caller's. */
static lido_observer_array *take_array(lido_subject *subject, size_t *lost) {
  lido_lock_take(&subject->lock);
  lido_observer_array *array = subject->array;
  subject->array = NULL;
  subject->active = 0;
  subject->over = true;
  *lost = subject->lost;
  subject->lost = 0;
  lido_lock_give(&subject->lock);
  return array;
}

static void drop_array(lido_subject *subject, lido_observer_array *array) {
  lido_lock_take(&subject->lock);
  lido_observer_array *freed = lido_observer_array_drop_locked(array);
  lido_lock_give(&subject->lock);
  lido_observer_array_free(freed);
}

void lido_subject_destroy(lido_subject *subject) {
  int saved_errno = errno;
  size_t lost;
  if (!lido_subject_is_one(subject)) return;
  lido_observer_array *array = take_array(subject, &lost);
  if (array != NULL) {
    lido_observer_array_end(array, 0);
    drop_array(subject, array);
  }
  lido_release_n(subject, 1 + lost);
  errno = saved_errno;
}

/* ---- Birth ---- */

/* RELAXED: as in is_of. */
static void make_pool_locked(lido_pool **pool, const lido_pool_options *options) {
  if (*pool == NULL) lido_store_relaxed(pool, lido_pool_create(options));
}

static int make_pools_locked(void) {
  make_pool_locked(
      &subject_pool,
      &(lido_pool_options){
          .name = "subject", .object_size = sizeof(lido_subject), .flags = LIDO_POOL_HANDLES, .destroy = finalise});
  if (subject_pool == NULL) return errno;
  make_pool_locked(&token_pool, &(lido_pool_options){.name = "subscription",
                                                     .object_size = sizeof(lido_token),
                                                     .align = LIDO_ALIGNOF(lido_token),
                                                     .flags = LIDO_POOL_HANDLES});
  return token_pool != NULL ? 0 : errno;
}

static int prepare(void) {
  int error = lido_refs_fork_join(); /* first: the system is asked for fork's hooks without our locks */
  if (error != 0) return error;
  lido_guard_prepare(); /* whether threads order for themselves */
  lido_caches_lock();
  error = make_pools_locked();
  lido_caches_unlock();
  return error;
}

/* -> 0 or ENOMEM; in any case it is whole enough for its end. */
static int begin(lido_subject *subject, char *name, size_t name_bytes) {
  *subject = (lido_subject){.name = name, .name_bytes = name_bytes};
  subject->self = lido_weak_make(subject);
  lido_lock_init(&subject->lock, LIDO_RANK_SUBJECT);
  lido_os_condition_init(&subject->uncalled);
  lido_list_init(&subject->notifications);
  lido_list_init(&subject->member.link);
  lido_caches_lock();
  lido_list_append(&subjects, &subject->link);
  lido_caches_unlock();
  return lido_subject_fork_join(subject);
}

static lido_subject *create(const char *name) {
  size_t name_bytes = strlen(name) + 1;
  char *copy = lido_metadata_alloc(lido_metadata_system(), name_bytes);
  lido_subject *subject = copy != NULL ? lido_pool_alloc(subject_pool) : NULL;
  if (subject == NULL) {
    lido_metadata_free(lido_metadata_system(), copy, name_bytes);
    errno = ENOMEM;
    return NULL;
  }
  memcpy(copy, name, name_bytes);
  int error = begin(subject, copy, name_bytes);
  if (error == 0) return subject;
  lido_release(subject);
  errno = error;
  return NULL;
}

lido_subject *lido_subject_create(const lido_subject_options *options) {
  int saved_errno = errno;
  int error = prepare();
  if (error != 0) {
    errno = error;
    return NULL;
  }
  lido_subject *subject = create(options != NULL && options->name != NULL ? options->name : "subject");
  if (subject != NULL) errno = saved_errno;
  return subject;
}

lido_token *lido_token_make(void) {
  lido_token *token = lido_pool_alloc(token_pool);
  if (token != NULL) *token = (lido_token){.next = NULL};
  return token;
}

/* ---- Questions ---- */

/* No live one, or there is something odd about it. */
static LIDO_SLOW bool is_one_after_all(lido_subject *subject) {
  if (lido_retain(subject) == NULL) return false;
  bool is_one = is_subject(subject);
  lido_release(subject);
  if (!is_one) {
    lido_misuse_report(
        (lido_misuse){.kind = LIDO_MISUSE_FOREIGN, .pool = "subject", .address = subject, .object = LIDO_NO_OBJECT});
  }
  return is_one;
}

/* RELAXED: the caller has a reference. */
bool lido_subject_is_one(lido_subject *subject) {
  lido_slot *slot;
  if (LIDO_LIKELY(lido_slot_find((uintptr_t)subject, &slot)) && LIDO_LIKELY(is_subject(subject)) &&
      LIDO_LIKELY(lido_word_outlasts(lido_load_relaxed(&slot->word), 0)))
    return true;
  return is_one_after_all(subject);
}

const char *lido_subject_name(const lido_subject *subject) { return subject->name; }

bool lido_subject_is_over(lido_subject *subject) {
  if (!lido_subject_is_one(subject)) return true;
  lido_lock_take(&subject->lock);
  bool over = subject->over;
  lido_lock_give(&subject->lock);
  return over;
}

size_t lido_subject_compact(lido_subject *subject) {
  int saved_errno = errno;
  lido_token *killed = NULL;
  if (!lido_subject_is_one(subject)) return 0;
  lido_lock_take(&subject->lock);
  size_t dropped = lido_subject_compact_locked(subject, &killed);
  lido_lock_give(&subject->lock);
  lido_tokens_release(killed);
  errno = saved_errno;
  return dropped;
}

size_t lido_subjects_trim(void) {
  lido_caches_lock();
  lido_pool *pools[] = {subject_pool, token_pool};
  lido_caches_unlock();
  size_t bytes = 0;
  for (size_t i = 0; i < sizeof pools / sizeof *pools; i++) {
    if (pools[i] != NULL) bytes += lido_pool_trim(pools[i]);
  }
  return bytes;
}

void lido_subject_stats_get(lido_subject *subject, lido_subject_stats *out) {
  *out = (lido_subject_stats){0};
  if (!lido_subject_is_one(subject)) return;
  lido_lock_take(&subject->lock);
  const lido_subject_numbers *numbers = &subject->numbers;
  *out = (lido_subject_stats){.observers = subject->active,
                              .subscribed = numbers->subscribed,
                              .unsubscribed = numbers->unsubscribed,
                              .dropped = numbers->dropped,
                              .notifications = numbers->notifications,
                              .running = numbers->running,
                              .calls = numbers->calls,
                              .errors = numbers->errors,
                              .completions = numbers->completions,
                              .waits = numbers->waits,
                              .bytes = subject->array != NULL ? lido_observer_array_bytes(subject->array) : 0};
  lido_lock_give(&subject->lock);
}

/* ---- The invariants ---- */

static const char *check_entries_locked(const lido_subject *subject) {
  const lido_observer_array *array = subject->array;
  size_t active = 0;
  for (size_t i = 0; array != NULL && i < array->count; i++) {
    const lido_token *token = lido_weak_get(lido_weak_from_u64(array->entries[i].subscription.bits));
    if (token == NULL) continue;
    active++;
    if (!lido_is_token(array->entries[i].subscription) || token->subject.bits != subject->self.bits)
      return "O2: an entry's token is another subject's";
  }
  return active == subject->active ? NULL : "O1: active subscriptions miscounted";
}

static const char *check_locked(lido_subject *subject) {
  const lido_observer_array *array = subject->array;
  if (subject->over && (array != NULL || subject->active != 0)) return "O4: an observer of a subject that is over";
  if (array != NULL && array->count > array->capacity) return "O2: more entries than room";
  if (array != NULL && array->references != 1 + lido_notifications_of_locked(subject, array))
    return "O3: an array's references miscounted";
  if (lido_reference_count(subject) < subject->numbers.running + subject->guests + subject->lost)
    return "O7: fewer references than threads that have one";
  return check_entries_locked(subject);
}

const char *lido_subject_check(lido_subject *subject) {
  if (!lido_subject_is_one(subject)) return "O0: no subject";
  lido_lock_take(&subject->lock);
  const char *broken = check_locked(subject);
  lido_lock_give(&subject->lock);
  return broken;
}
