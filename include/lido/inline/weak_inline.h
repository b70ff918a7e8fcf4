/* lido/inline/weak_inline.h: the bodies of the inlined functions of lido/weak.h. Private.
 *
 * The word of a slot, from the highest bit:
 *
 *     generation 32 | state 3 | guard 1 | count 28
 *
 * State bits are only ever added during a life: counted, then published, then killed; dying is "killed" without "published".
 * The guard is set whenever the word is at rest: a release too many at count 0 borrows from it and goes no further, so
 * it can't change state or generation.
 *
 * Whether a handle leads to an object is one subtraction and one compare: word - (generation, PUBLISHED, guard) is the count
 * if all of them agree, and else something that is no count.
 */
#ifndef LIDO_INLINE_WEAK_INLINE_H
#define LIDO_INLINE_WEAK_INLINE_H

#include "lido/inline/atomic_inline.h"
#include "lido/weak.h"

LIDO_BEGIN

#define LIDO_WORD_GENERATION UINT64_C(0xffffffff00000000)
#define LIDO_WORD_COUNTED UINT64_C(0x20000000)
#define LIDO_WORD_PUBLISHED UINT64_C(0x60000000) /* counted, too */
#define LIDO_WORD_KILLED UINT64_C(0xe0000000)    /* and published */
#define LIDO_WORD_DYING UINT64_C(0xa0000000)
#define LIDO_WORD_RETIRED UINT64_C(0x80000000)
#define LIDO_WORD_STATE UINT64_C(0xe0000000)
#define LIDO_WORD_GUARD UINT64_C(0x10000000)
#define LIDO_WORD_COUNT UINT64_C(0x0fffffff)
/* Counts from here up no longer change anything: the object is never freed. */
#define LIDO_WORD_PINNED UINT64_C(0x04000000)

typedef struct lido_slot {
  uint64_t word;
  void *object; /* whose slot it is; NULL: of nobody */
} lido_slot;

/* All slots, in one range of addresses that is never unmapped. */
typedef struct lido_slot_table {
  lido_slot *slots;
  uint64_t limit; /* slots with memory behind them; grows only */
} lido_slot_table;
extern LIDO_API lido_slot_table lido_slots;

LIDO_API LIDO_SLOW void *lido_weak_acquire_slow(lido_weak weak);

/* The slot that a handle names, or NULL if there is no such slot. */
LIDO_FAST lido_slot *lido_slot_named(lido_weak weak) {
  uint64_t index = weak.bits & UINT32_MAX;
  /* ACQUIRE slots.limit: below it, the table and the memory are there. */
  return LIDO_LIKELY(index < lido_load_acquire(&lido_slots.limit)) ? &lido_slots.slots[index] : NULL;
}

/* The count, if the word says that this handle leads to an object; else a number that is none. */
LIDO_FAST uint64_t lido_word_count_for(uint64_t word, lido_weak weak) {
  return word - ((weak.bits & LIDO_WORD_GENERATION) | LIDO_WORD_PUBLISHED | LIDO_WORD_GUARD);
}

LIDO_FAST void *lido_weak_get(lido_weak weak) {
  lido_slot *slot = lido_slot_named(weak);
  if (LIDO_UNLIKELY(slot == NULL)) return NULL;
  /* ACQUIRE slot.published: who follows the handle sees the object as it was when it was published. */
  uint64_t count = lido_word_count_for(lido_load_acquire(&slot->word), weak);
  /* RELAXED: the object's address, which is there since before the word said so. */
  return LIDO_LIKELY(count - 1 < LIDO_WORD_COUNT) ? lido_load_relaxed(&slot->object) : NULL;
}

LIDO_FAST void *lido_weak_acquire(lido_weak weak) {
  lido_slot *slot = lido_slot_named(weak);
  if (LIDO_UNLIKELY(slot == NULL)) return NULL;
  uint64_t word = lido_load_relaxed(&slot->word); /* RELAXED: the exchange below is what counts */
  do {
    if (LIDO_UNLIKELY(lido_word_count_for(word, weak) - 1 >= LIDO_WORD_PINNED - 1)) return lido_weak_acquire_slow(weak);
    /* ACQUIRE slot.published: as in get. Nothing is published by taking a reference, so no release. */
  } while (LIDO_UNLIKELY(!lido_cas_weak_acquire(&slot->word, &word, word + 1)));
  return lido_load_relaxed(&slot->object); /* RELAXED: as in get */
}

#define LIDO_WEAK_DEFINE_BODY(prefix, type)                                                                            \
  typedef struct prefix##_weak {                                                                                       \
    uint64_t bits;                                                                                                     \
  } prefix##_weak;                                                                                                     \
  LIDO_FAST prefix##_weak prefix##_weak_typed(lido_weak weak) {                                                        \
    prefix##_weak typed = {weak.bits};                                                                                 \
    return typed;                                                                                                      \
  }                                                                                                                    \
  LIDO_FAST lido_weak prefix##_weak_untyped(prefix##_weak weak) { return lido_weak_from_u64(weak.bits); }              \
  LIDO_FAST prefix##_weak prefix##_weak_make(const type *object) {                                                     \
    return prefix##_weak_typed(lido_weak_make(object));                                                                \
  }                                                                                                                    \
  LIDO_FAST type *prefix##_weak_get(prefix##_weak weak) { return (type *)lido_weak_get(prefix##_weak_untyped(weak)); } \
  LIDO_FAST type *prefix##_weak_acquire(prefix##_weak weak) {                                                          \
    return (type *)lido_weak_acquire(prefix##_weak_untyped(weak));                                                     \
  }                                                                                                                    \
  LIDO_FAST lido_weak_state prefix##_weak_state_get(prefix##_weak weak) {                                              \
    return lido_weak_state_get(prefix##_weak_untyped(weak));                                                           \
  }                                                                                                                    \
  LIDO_FAST bool prefix##_weak_kill(prefix##_weak weak) { return lido_weak_kill(prefix##_weak_untyped(weak)); }        \
  LIDO_FAST bool prefix##_weak_equal(prefix##_weak a, prefix##_weak b) { return a.bits == b.bits; }                    \
  LIDO_FAST type *prefix##_retain(type *object) { return (type *)lido_retain(object); }                                \
  LIDO_FAST void prefix##_release(type *object) { lido_release(object); }

LIDO_END

#endif
