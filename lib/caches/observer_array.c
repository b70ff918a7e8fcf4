/* observer_array.c: the list of a subject's observers: how it grows and how the dead leave it. See subject.h. */
#include <errno.h>

#include "lib/base/bits.h"
#include "lib/caches/subject.h"
#include "lib/mem/metadata.h"

enum { SMALLEST_BYTES = 256, DEAD_SHARE = 4, SHRINK_SHARE = 4 };

/* ---- Blocks ---- */

static size_t bytes_for(size_t capacity) {
  size_t bytes = sizeof(lido_observer_array) + capacity * sizeof(lido_observer_entry);
  return bytes <= SMALLEST_BYTES ? SMALLEST_BYTES : lido_power_of_two_above(bytes);
}

size_t lido_observer_array_bytes(const lido_observer_array *array) { return bytes_for(array->capacity); }

/* Fills its block. One reference. */
static lido_observer_array *make_array(size_t capacity) {
  size_t bytes = bytes_for(capacity);
  lido_observer_array *array = lido_metadata_take(lido_metadata_system(), bytes);
  if (array == NULL) return NULL;
  *array = (lido_observer_array){.references = 1};
  array->capacity = (bytes - sizeof *array) / sizeof *array->entries;
  return array;
}

void lido_observer_array_free(lido_observer_array *array) {
  if (array != NULL) lido_metadata_free(lido_metadata_system(), array, lido_observer_array_bytes(array));
}

lido_observer_array *lido_observer_array_drop_locked(lido_observer_array *array) {
  return --array->references == 0 ? array : NULL;
}

/* ---- Tokens ---- */

lido_token *lido_token_kill(lido_subscription subscription) {
  lido_weak weak = lido_weak_from_u64(subscription.bits);
  lido_token *token = lido_weak_get(weak); /* looked at only if this thread is the one to end it */
  return lido_weak_kill(weak) ? token : NULL;
}

void lido_tokens_release(lido_token *killed) {
  while (killed != NULL) {
    lido_token *token = killed;
    killed = token->next;
    lido_release(token);
  }
}

void lido_observer_array_end(const lido_observer_array *array, size_t first) {
  for (size_t i = first; i < array->count; i++) lido_release(lido_token_kill(array->entries[i].subscription));
}

/* ---- The dead ---- */

static bool is_in_force(const lido_observer_entry *entry) {
  return lido_weak_get(lido_weak_from_u64(entry->subscription.bits)) != NULL;
}

static void drop_locked(lido_subject *subject, const lido_observer_entry *entry, lido_token **killed) {
  lido_token *token = lido_token_kill(entry->subscription);
  if (token == NULL) return; /* never: O1 */
  token->next = *killed;
  *killed = token;
  subject->active--;
  subject->numbers.dropped++;
}

/* O1: in force means that this thread may end it. */
static bool stays_locked(lido_subject *subject, const lido_observer_entry *entry, lido_token **killed) {
  if (!is_in_force(entry)) return false;
  if (lido_weak_get(entry->observer) != NULL) return true;
  drop_locked(subject, entry, killed);
  return false;
}

/* O2: in their order. `to` may be where they are already. */
static void keep_living_locked(lido_subject *subject, lido_observer_array *to, lido_token **killed) {
  const lido_observer_array *from = subject->array;
  size_t kept = 0;
  for (size_t i = 0; i < from->count; i++) {
    if (stays_locked(subject, &from->entries[i], killed)) to->entries[kept++] = from->entries[i];
  }
  to->count = kept;
}

static void replace_locked(lido_subject *subject, lido_observer_array *to, lido_token **killed) {
  keep_living_locked(subject, to, killed);
  lido_observer_array_free(lido_observer_array_drop_locked(subject->array));
  subject->array = to;
}

/* Room for those that may be there, and a third more, so that a full array that is replaced is not full again at
 * once. */
static lido_observer_array *make_successor(size_t count) { return make_array(count + count / 3 + 1); }

static bool is_shared(const lido_observer_array *array) { return array->references > 1; }

static size_t count_living(const lido_observer_array *array) {
  size_t living = 0;
  for (size_t i = 0; i < array->count; i++) {
    living += is_in_force(&array->entries[i]) && lido_weak_get(array->entries[i].observer) != NULL;
  }
  return living;
}

static bool is_worth_it(size_t dead, size_t count) { return dead * DEAD_SHARE > count; }

/* If there is memory for it. */
static void shrink_locked(lido_subject *subject, lido_token **killed) {
  lido_observer_array *array = subject->array;
  bool is_small = lido_observer_array_bytes(array) == SMALLEST_BYTES;
  if (is_small || array->count * SHRINK_SHARE > array->capacity) return;
  lido_observer_array *smaller = make_successor(array->count);
  if (smaller != NULL) replace_locked(subject, smaller, killed);
}

/* ---- What others call ---- */

int lido_subject_make_room_locked(lido_subject *subject, lido_token **killed) {
  lido_observer_array *array = subject->array;
  if (array == NULL) return (subject->array = make_array(1)) != NULL ? 0 : ENOMEM;
  if (array->count < array->capacity) return 0;
  size_t living = count_living(array);
  bool in_place = !is_shared(array) && is_worth_it(array->count - living, array->count);
  lido_observer_array *successor = in_place ? NULL : make_successor(living);
  if (successor != NULL) {
    replace_locked(subject, successor, killed);
    return 0;
  }
  if (is_shared(array) || living == array->count) return ENOMEM;
  keep_living_locked(subject, array, killed);
  return 0;
}

void lido_subject_tidy_locked(lido_subject *subject, size_t dead, lido_token **killed) {
  lido_observer_array *array = subject->array;
  if (array == NULL || is_shared(array) || !is_worth_it(array->count - subject->active + dead, array->count)) return;
  keep_living_locked(subject, array, killed);
  shrink_locked(subject, killed);
}

size_t lido_subject_compact_locked(lido_subject *subject, lido_token **killed) {
  uint64_t before = subject->numbers.dropped;
  lido_observer_array *array = subject->array;
  if (array == NULL) return 0;
  lido_observer_array *successor = is_shared(array) ? make_successor(count_living(array)) : array;
  if (successor == array) {
    keep_living_locked(subject, array, killed);
    shrink_locked(subject, killed);
  } else if (successor != NULL) {
    replace_locked(subject, successor, killed);
  }
  return subject->numbers.dropped - before;
}
