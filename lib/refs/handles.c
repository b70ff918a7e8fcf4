/* handles.c: the calls of lido/weak.h on handles. See counts.h for the word. */
#include <errno.h>

#include "lib/base/atomic.h"
#include "lib/refs/counts.h"
#include "lib/refs/refs_misuse.h"

static lido_weak handle_of(const lido_slot *slot, uint64_t word) {
  return lido_weak_from_u64((word & LIDO_WORD_GENERATION) | lido_slot_index(slot));
}

/* ---- Birth ---- */

/* A live object's slot, with at least `state`. NULL: misuse, reported. */
static lido_slot *slot_with(const void *object, uint64_t state) {
  lido_slot *slot;
  if (LIDO_UNLIKELY(!lido_slot_find((uintptr_t)object, &slot))) {
    lido_report_no_slot(object);
    return NULL;
  }
  uint64_t word = lido_load_relaxed(&slot->word); /* RELAXED: the caller has a reference */
  if (lido_word_is_at_rest(word)) return lido_count_begin(slot, state, 1) ? slot : NULL;
  if (LIDO_UNLIKELY((word & LIDO_WORD_STATE) == LIDO_WORD_RETIRED)) {
    lido_report_slot(LIDO_MISUSE_DEAD_OBJECT, slot);
    return NULL;
  }
  bool dying = (word & LIDO_WORD_STATE) == LIDO_WORD_DYING;
  /* RELEASE slot.published: who follows the handle sees the object as it is now. */
  if (!dying && (word & state) != state) lido_or_release(&slot->word, state);
  return slot;
}

static lido_weak handle_with(const void *object, uint64_t state) {
  lido_slot *slot = object != NULL ? slot_with(object, state) : NULL;
  if (slot == NULL) return lido_weak_from_u64(0);
  return handle_of(slot, lido_load_relaxed(&slot->word)); /* RELAXED: the generation is this life's */
}

lido_weak lido_weak_make(const void *object) { return handle_with(object, LIDO_WORD_PUBLISHED); }

lido_weak lido_weak_reserve(const void *object) { return handle_with(object, LIDO_WORD_COUNTED); }

void lido_weak_publish(const void *object) { lido_weak_make(object); }

/* ---- Life and death ---- */

bool lido_weak_kill(lido_weak weak) {
  if (!lido_slot_exists(weak)) return false;
  lido_slot *slot = lido_slot_named(weak);
  uint64_t word = lido_load_relaxed(&slot->word); /* RELAXED: the exchange is what counts */
  do {
    if (lido_word_count_for(word, weak) - 1 >= LIDO_WORD_COUNT) return false;
    /* ACQUIRE slot.published, RELEASE slot.killed: what the killer did before is seen by who finds it killed. */
  } while (!lido_cas_acq_rel(&slot->word, &word, word | LIDO_WORD_KILLED));
  return true;
}

lido_weak_state lido_weak_state_get(lido_weak weak) {
  if (weak.bits == 0) return LIDO_WEAK_NULL;
  if (!lido_slot_exists(weak)) return LIDO_WEAK_NEVER_ISSUED;
  const lido_slot *slot = lido_slot_named(weak);
  /* ACQUIRE slot.rest, slot.killed: the state is as new as the handle, if that came by any ordered way. */
  uint64_t word = lido_load_acquire(&slot->word);
  return lido_state_by_word(weak, word);
}

/* ---- As doubles ---- */

double lido_weak_to_double(lido_weak weak) {
  uint64_t generation = weak.bits >> LIDO_GENERATION_SHIFT;
  uint64_t slot = weak.bits & UINT32_MAX;
  if (generation >> LIDO_NARROW_GENERATION_BITS != 0 || slot >> LIDO_NARROW_SLOT_BITS != 0) {
    errno = EOVERFLOW;
    return 0;
  }
  return (double)(generation << LIDO_NARROW_SLOT_BITS | slot);
}

lido_weak lido_weak_from_double(double number) {
  const double end = (double)(UINT64_C(1) << (LIDO_NARROW_GENERATION_BITS + LIDO_NARROW_SLOT_BITS));
  if (!(number > 0 && number < end)) return lido_weak_from_u64(0); /* not NaN either */
  uint64_t bits = (uint64_t)number;
  if ((double)bits != number) return lido_weak_from_u64(0);
  uint64_t slot = bits & ((UINT64_C(1) << LIDO_NARROW_SLOT_BITS) - 1);
  return lido_weak_from_u64(bits >> LIDO_NARROW_SLOT_BITS << LIDO_GENERATION_SHIFT | slot);
}
