/* lido/inline/weak_inline.h: the bodies of the inlined functions of lido/weak.h. Private.
 *
 * The word of a slot, from the highest bit:
 *
 *     generation 32 | state 3 | guard 1 | count 28
 *
 * State bits are only ever added during a life: counted, then published, then killed; dying is "killed" without
 * "published". The guard is set whenever the word is at rest: a release too many at count 0 borrows from it and goes no
 * further, so it can't change state or generation.
 *
 * Whether a handle leads to an object is one subtraction and one compare: word - (generation, PUBLISHED, guard) is the
 * count if all of them agree, and else something that is no count.
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

__extension__ typedef unsigned __int128 lido_uint128;

/* From an object's address to its slot: an entry for each 64 KiB of addresses (lib/refs/span.h). */
typedef struct lido_span {
  uintptr_t start;               /* of the first object */
  struct lido_refs_owner *owner; /* private to the library */
  uint64_t slots;                /* first << 32 | objects; 0: no span */
  uint64_t reciprocal;           /* floor(2^64 / stride) + 1 */
} lido_span;
enum { LIDO_SPAN_UNIT_SHIFT = 16, LIDO_SPAN_LEAF_SHIFT = 32, LIDO_SPAN_ROOTS = 1 << 16 };
extern LIDO_API lido_span *lido_span_root[LIDO_SPAN_ROOTS];

LIDO_API LIDO_SLOW void *lido_weak_acquire_slow(lido_weak weak);
/* Any release; and one that has been subtracted from a word that was `old`, and should perhaps not have been. */
LIDO_API LIDO_SLOW void lido_release_slow(void *object, size_t count);
LIDO_API LIDO_SLOW void lido_release_odd(lido_slot *slot, uint64_t old, size_t count);
/* The last reference, one that is pinned, or none. */
LIDO_API LIDO_SLOW void lido_weak_release_slow(lido_weak weak);

/* The entry for an address, or NULL: there never was a span near. */
LIDO_FAST const lido_span *lido_span_entry(uintptr_t address) {
  uintptr_t root = address >> LIDO_SPAN_LEAF_SHIFT;
  if (LIDO_UNLIKELY(root >= LIDO_SPAN_ROOTS)) return NULL;
  /* ACQUIRE span.leaf: pairs with the release in span.c, so that a leaf is seen zeroed. */
  const lido_span *leaf = lido_load_acquire(&lido_span_root[root]);
  return LIDO_LIKELY(leaf != NULL) ? &leaf[(address >> LIDO_SPAN_UNIT_SHIFT) & 0xffff] : NULL;
}

/* The slot of the object that starts at `address`; false: none does. The product's upper half is the index of the
 * object that the address lies in, and its lower half is below the reciprocal exactly if the address is that object's
 * start (Lemire, Kaser, Kurz, "Faster remainder by direct computation", 2019). An address before the first object gives
 * an index beyond the last. */
LIDO_FAST bool lido_slot_find(uintptr_t address, lido_slot **slot) {
  const lido_span *span = lido_span_entry(address);
  if (LIDO_UNLIKELY(span == NULL)) return false;
  /* RELAXED, here and below: for an object's address the entry is at rest; for any other there is nothing to be
   * found. */
  uint64_t slots = lido_load_relaxed(&span->slots);
  uint64_t reciprocal = lido_load_relaxed(&span->reciprocal);
  lido_uint128 product = (lido_uint128)(address - lido_load_relaxed(&span->start)) * reciprocal;
  uint64_t index = (uint64_t)(product >> 64);
  if (LIDO_UNLIKELY(index >= (uint32_t)slots) || LIDO_UNLIKELY((uint64_t)product >= reciprocal)) return false;
  *slot = &lido_slots.slots[(slots >> 32) + index];
  return true;
}

/* Is there a slot that the handle names? */
LIDO_FAST bool lido_slot_exists(lido_weak weak) {
  /* ACQUIRE slots.limit: below it, the table and the memory are there. */
  return (uint32_t)weak.bits < lido_load_acquire(&lido_slots.limit);
}

/* pre: it exists. */
LIDO_FAST lido_slot *lido_slot_named(lido_weak weak) { return &lido_slots.slots[(uint32_t)weak.bits]; }

/* The word of an object that this handle leads to, with so many references. */
LIDO_FAST uint64_t lido_word_for(lido_weak weak, uint64_t count) {
  return ((weak.bits & LIDO_WORD_GENERATION) | LIDO_WORD_PUBLISHED | LIDO_WORD_GUARD) + count;
}

/* The count, if the word says that this handle leads to an object; else a number that is none. */
LIDO_FAST uint64_t lido_word_count_for(uint64_t word, lido_weak weak) { return word - lido_word_for(weak, 0); }

LIDO_FAST void *lido_weak_get(lido_weak weak) {
  if (LIDO_UNLIKELY(!lido_slot_exists(weak))) return NULL;
  lido_slot *slot = lido_slot_named(weak);
  /* ACQUIRE slot.published: who follows the handle sees the object as it was when it was published. */
  uint64_t word = lido_load_acquire(&slot->word);
  /* RELAXED: the object's address, which is there since before the word said so. */
  return LIDO_LIKELY(word - lido_word_for(weak, 1) < LIDO_WORD_COUNT) ? lido_load_relaxed(&slot->object) : NULL;
}

/* The plain case of acquire; NULL: any other. pre: there is a slot that the handle names. */
LIDO_FAST void *lido_weak_acquire_plain(lido_weak weak) {
  lido_slot *slot = lido_slot_named(weak);
  uint64_t word = lido_load_relaxed(&slot->word); /* RELAXED: the exchange below is what counts */
  do {
    if (LIDO_UNLIKELY(word - lido_word_for(weak, 1) >= LIDO_WORD_PINNED - 2)) return NULL;
    /* ACQUIRE slot.published: as in get. Nothing is published by taking a reference, so no release. */
  } while (LIDO_UNLIKELY(!lido_cas_weak_acquire(&slot->word, &word, word + 1)));
  return lido_load_relaxed(&slot->object); /* RELAXED: as in get */
}

LIDO_FAST void *lido_weak_acquire(lido_weak weak) {
  void *object = LIDO_LIKELY(lido_slot_exists(weak)) ? lido_weak_acquire_plain(weak) : NULL;
  return LIDO_LIKELY(object != NULL) ? object : lido_weak_acquire_slow(weak);
}

/* The count as a number without guard; something huge after a release too many. */
LIDO_FAST uint64_t lido_word_count(uint64_t word) {
  return (word & (LIDO_WORD_GUARD | LIDO_WORD_COUNT)) - LIDO_WORD_GUARD;
}

/* Does a word say that more than `count` references are counted, and not so many that counting has ended? */
LIDO_FAST bool lido_word_outlasts(uint64_t word, size_t count) {
  return lido_word_count(word) - 1 - count < LIDO_WORD_PINNED - 1 - count;
}

LIDO_FAST void lido_release(void *object) {
  lido_slot *slot;
  /* RELAXED: at rest, or counted with one reference and unpublished, it stays until this caller, who is alone with the
   * object, has done something. */
  if (LIDO_UNLIKELY(!lido_slot_find((uintptr_t)object, &slot)) ||
      LIDO_UNLIKELY((uint32_t)lido_load_relaxed(&slot->word) <= (LIDO_WORD_COUNTED | LIDO_WORD_GUARD | 1))) {
    lido_release_slow(object, 1);
    return;
  }
  /* RELEASE count.released: what this reference's holder did is over for who ends the object. */
  uint64_t old = lido_sub_release(&slot->word, 1);
  if (LIDO_UNLIKELY(!lido_word_outlasts(old, 1))) lido_release_odd(slot, old, 1);
}

/* Not a subtraction that is undone if it was wrong: until the undo it would have taken a reference of another
 * life's. */
LIDO_FAST void lido_weak_release(lido_weak weak) {
  if (LIDO_UNLIKELY(!lido_slot_exists(weak))) {
    lido_weak_release_slow(weak);
    return;
  }
  lido_slot *slot = lido_slot_named(weak);
  uint64_t word = lido_load_relaxed(&slot->word); /* RELAXED: the exchange below is what counts */
  do {
    /* Published, in this life, and not the last one: as in acquire. */
    if (LIDO_UNLIKELY(word - lido_word_for(weak, 2) >= LIDO_WORD_PINNED - 2)) {
      lido_weak_release_slow(weak);
      return;
    }
    /* RELEASE count.released: as in lido_release. */
  } while (LIDO_UNLIKELY(!lido_cas_weak_release(&slot->word, &word, word - 1)));
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
  LIDO_FAST void prefix##_weak_release(prefix##_weak weak) { lido_weak_release(prefix##_weak_untyped(weak)); }         \
  LIDO_FAST type *prefix##_retain(type *object) { return (type *)lido_retain(object); }                                \
  LIDO_FAST void prefix##_release(type *object) { lido_release(object); }

LIDO_END

#endif
