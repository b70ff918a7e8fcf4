/* span.h: from an object's address to its slot, for any address at all.
 *
 * Idea: a span is a slab as handles see it: objects of one stride from a start, with as many slots from a first one. Spans are entered in a
 * table by address, two levels like the address map's, one entry for each 64 KiB. An address is an object's exactly if its
 * entry's arithmetic leads to a slot that names this very address; nothing else is trusted, so foreign and
 * interior pointers are found, and an entry that changes while it is read can do no harm.
 * Invariants
 *   N1  a leaf, once reachable, is never unmapped or moved.
 *   N2  the slots of an open span name its objects; other slots name nothing.
 * Threads: readers any; opening and closing by the span's owner. Lock: LEAF, for the leaves.
 * Failure: open: ENOMEM, nothing changed.
 */
#ifndef LIDO_LIB_REFS_SPAN_H
#define LIDO_LIB_REFS_SPAN_H

#include "lib/refs/slots.h"
#include "lido/cleanup.h"

/* Who has objects with handles: what this room knows of a pool. */
typedef struct lido_refs_owner {
  const char *name;
  size_t object_bytes;
  bool narrow; /* LIDO_POOL_HANDLES_53 */
  /* Called at each death, for the object; NULL: nothing to do. */
  void (*destroy)(void *object, void *context);
  void *context;
  lido_cleanup_queue *queue; /* of cleanups that name none; NULL: the releasing thread */
  /* No count is kept of this object: from now one is. false: it is not live; that was reported. */
  bool (*hold)(struct lido_refs_owner *owner, void *object);
  /* A reference to an object goes of which no count is kept: as its free. */
  void (*release_alone)(struct lido_refs_owner *owner, void *object);
  /* It is dead: its memory goes back. */
  void (*dispose)(struct lido_refs_owner *owner, void *object);
  /* The same, but its slot is used up: the memory can't be an object again. */
  void (*retire)(struct lido_refs_owner *owner, void *object);
} lido_refs_owner;

typedef struct lido_span {
  uintptr_t start; /* of the first object */
  lido_refs_owner *owner;
  uint64_t slots; /* first << 32 | objects; 0: no span */
  uint32_t reciprocal;
  uint32_t stride;
} lido_span;

/* `objects` objects from `start` on, of `stride` bytes, in [units, units + bytes), which are multiples of 64 KiB. -> the first
 * slot, or 0: ENOMEM. `reciprocal`: (offset * reciprocal) >> 32 is the index of an object. */
typedef struct lido_span_shape {
  uintptr_t units;
  size_t bytes;
  uintptr_t start;
  size_t objects;
  uint32_t stride;
  uint32_t reciprocal;
} lido_span_shape;
uint32_t lido_span_open(const lido_span_shape *shape, lido_refs_owner *owner);

/* No address leads there any more. pre: all objects are dead. */
void lido_span_close(const lido_span_shape *shape, uint32_t first_slot, const lido_refs_owner *owner);

/* ---- Look-up ---- */

enum { LIDO_SPAN_UNIT_SHIFT = 16, LIDO_SPAN_LEAF_SHIFT = 32, LIDO_SPAN_ROOTS = 1 << 16 };
extern lido_span *lido_span_root[LIDO_SPAN_ROOTS];

/* The entry for an address, or NULL: there never was a span near. */
static inline const lido_span *lido_span_entry(uintptr_t address) {
  uintptr_t root = address >> LIDO_SPAN_LEAF_SHIFT;
  if (LIDO_UNLIKELY(root >= LIDO_SPAN_ROOTS)) return NULL;
  /* ACQUIRE span.leaf: pairs with the release in span.c, so that a leaf is seen zeroed. */
  const lido_span *leaf = lido_load_acquire(&lido_span_root[root]);
  return LIDO_LIKELY(leaf != NULL) ? &leaf[(address >> LIDO_SPAN_UNIT_SHIFT) & 0xffff] : NULL;
}

/* The slot of the object that starts at `address`, or NULL: none does. */
static inline lido_slot *lido_slot_of(const lido_span *span, uintptr_t address) {
  if (LIDO_UNLIKELY(span == NULL)) return NULL;
  /* RELAXED, here and below: for an object's address the entry is at rest, for any other the slot's look back decides. */
  uint64_t slots = lido_load_relaxed(&span->slots);
  uint64_t offset = (uint64_t)address - lido_load_relaxed(&span->start);
  uint64_t index = (uint32_t)offset * (uint64_t)lido_load_relaxed(&span->reciprocal) >> 32;
  if (LIDO_UNLIKELY(index >= (uint32_t)slots)) return NULL;
  lido_slot *slot = &lido_slots.slots[(slots >> 32) + index];
  return LIDO_LIKELY(lido_load_relaxed(&slot->object) == (void *)address) ? slot : NULL;
}

/* Index of an object in its span, for reports; SIZE_MAX if the address is in none. */
size_t lido_span_index(const lido_span *span, uintptr_t address);

void lido_spans_lock_for_fork(void);
void lido_spans_unlock_after_fork(void);

#endif
