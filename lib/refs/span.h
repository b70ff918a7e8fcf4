/* span.h: from an object's address to its slot, for any address at all.
 *
 * Idea: a span is a slab as handles see it: objects of one stride from a start, with as many slots from a first one.
 * Spans are entered in a table by address, two levels like the address map's, one entry for each 64 KiB. Whether an
 * address is an object's start is arithmetic on its entry (lido_slot_find), so foreign and interior pointers are found.
 * The number of objects and their first slot are one word: whatever an entry that changes meanwhile tells about a
 * foreign address, it is a slot that exists.
 * Invariants
 *   N1  a leaf, once reachable, is never unmapped or moved.
 *   N2  the slots of an open span name its objects; other slots name nothing.
 *   N3  an entry's owner is there for as long as the entry names it; under the lock it stays so.
 * Threads: readers any; opening and closing by the span's owner. Lock: LEAF, for the leaves and for changes of entries.
 * Failure: open: ENOMEM, nothing changed.
 */
#ifndef LIDO_LIB_REFS_SPAN_H
#define LIDO_LIB_REFS_SPAN_H

#include "lib/base/atomic.h"
#include "lib/refs/slots.h"
#include "lido/cleanup.h"

/* Who has objects with handles: what this room knows of a pool. */
typedef struct lido_refs_owner {
  const char *name;
  size_t object_bytes;
  size_t stride;     /* from object to object */
  bool narrow;       /* LIDO_POOL_HANDLES_53 */
  bool guarded;      /* LIDO_POOL_GUARDED */
  bool quiet;        /* destroy, if there is one, calls nothing of the program's */
  bool ending;       /* by one thread, and nobody else is here: dead objects keep their memory until all are dead */
  uint32_t ended;    /* of these: the first slot of the list of the dead */
  uint64_t in_hands; /* atomic: deaths that waited for readers, and are in some thread's hands now (grace_period.h) */
  /* Called at once when an object begins to die, and before anybody's readers are waited for: so that who lists it can
   * make sure that no new reader finds it. Not at the end of the owner. NULL: nobody does. No lock is held. */
  void (*unlist)(void *object, void *context);
  /* Called at each death, for the object; NULL: nothing to do. */
  void (*destroy)(void *object, void *context);
  void *context;
  lido_cleanup_queue *queue; /* of cleanups that name none; NULL: the releasing thread */
  /* No count is kept of this object: from now one is. false: it is not live; that was reported. */
  bool (*hold)(struct lido_refs_owner *owner, void *object);
  /* May this thread end an object? If not, that was reported. NULL: any may. */
  bool (*may_end)(struct lido_refs_owner *owner, const void *object);
  /* A reference to an object goes of which no count is kept: as its free. */
  void (*release_alone)(struct lido_refs_owner *owner, void *object);
  /* It is dead: its memory goes back. */
  void (*dispose)(struct lido_refs_owner *owner, void *object);
  /* The same, but its slot is used up: the memory can't be an object again. */
  void (*retire)(struct lido_refs_owner *owner, void *object);
} lido_refs_owner;

/* `objects` objects from `start` on, in [units, units + bytes), which are multiples of 64 KiB. -> the first slot, or 0:
 * ENOMEM. */
typedef struct lido_span_shape {
  uintptr_t units;
  size_t bytes;
  uintptr_t start;
  size_t objects;
} lido_span_shape;
uint32_t lido_span_open(const lido_span_shape *shape, lido_refs_owner *owner);

/* No address leads there any more. pre: all objects are dead. */
void lido_span_close(const lido_span_shape *shape, uint32_t first_slot, const lido_refs_owner *owner);

/* Where an address lies, for reports: all by value, since the address may be anyone's and its span and pool may go at
 * any moment. */
typedef struct lido_span_place {
  char name[64]; /* the owner's, as much as there is room for */
  size_t index;
  size_t offset;
} lido_span_place;

/* false: in no object of an open span. */
bool lido_span_tell(uintptr_t address, lido_span_place *place);

/* NULL: its object's span has just been closed, so the object was dead. RELAXED, twice: who has a reference sees both;
 * for others there is nothing that could be awaited. */
static inline lido_refs_owner *lido_slot_owner(const lido_slot *slot) {
  const lido_span *span = lido_span_entry((uintptr_t)lido_load_relaxed(&slot->object));
  return span != NULL ? lido_load_relaxed(&span->owner) : NULL;
}

void lido_spans_lock_for_fork(void);
void lido_spans_unlock_after_fork(void);

#endif
