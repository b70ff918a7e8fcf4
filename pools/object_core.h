/* object_core.h: what an object pool (lido/object_pool.h) is inside.
 *
 *     thread:  store: hot object -> items
 *     shared:  fresh shelf, then victims (magazines of objects), one lock
 *
 * Idea: an object is kept in a store, on a shelf, or in somebody's hands on the way from one to the other; else it is
 * out. Stores and shelves share the pool's bounds by credit: a store may hold what it has been granted, and what is
 * granted and what is shelved together stay within the bounds. So they are met exactly, and no get or put counts
 * anything that others see. The price: the credit of a thread that does not use it is lost to others until a trim takes
 * it back.
 * Invariants
 *   O1  an object is in one place.
 *   O2  granted is the sum of the stores' credit, granted_bytes that of their credit in bytes.
 *   O3  granted + objects on both shelves <= keep_objects; with keep_bytes, the same in bytes.
 *   O4  created - all destroyed - kept is what is out, less what was put that no get gave out.
 * Threads: any; each field says what guards it. Lock: rank SHELVES, one per pool, inside that of object_threads.h; slow
 * paths only.
 * No callback runs under it: what is to be destroyed is taken out first.
 * Failure: no memory for a store: the thread uses the shelves directly; none for a magazine: the object is destroyed.
 * Not done: taking from other threads' stores when the shelves are empty, as Go does (it costs a barrier in
 * all threads; a create is often cheaper); credit that adapts by itself.
 */
#ifndef LIDO_POOLS_OBJECT_CORE_H
#define LIDO_POOLS_OBJECT_CORE_H

#include "lib/base/list.h"
#include "lib/base/lock.h"
#include "lido/object_pool.h"
#include "pools/object_shelf.h"

typedef struct lido_object_core lido_object_core;

/* A kept object counts as no more, whatever it says: then the sums of a million objects can't wrap. */
#define LIDO_OBJECT_MOST_BYTES ((size_t)1 << 44)

/* Why an object was destroyed. */
typedef enum lido_object_reason {
  LIDO_OBJECT_LARGE,
  LIDO_OBJECT_BOUND,
  LIDO_OBJECT_TRIMMED,
  LIDO_OBJECT_END,
  LIDO_OBJECT_REASONS,
} lido_object_reason;

struct lido_object_core {
  /* fixed at birth */
  lido_object_pool face; /* must be first: a lido_object_pool is a core seen from outside */
  char *name;
  size_t name_bytes;
  lido_object_pool_options options; /* with the defaults filled in; no bound in bytes = SIZE_MAX */
  uint8_t put_calls;                /* LIDO_PUT_..., but NO_CREDIT, of every store */
  lido_typed_object_pool *typed;    /* that made this pool, or NULL */
  lido_lock lock;
  /* under the lock */
  lido_object_shelf fresh;
  lido_object_shelf victims;
  lido_object_spares spares;
  lido_link stores;
  size_t granted;
  size_t granted_bytes;
  size_t store_count;
  uint64_t retired_gets; /* of stores that are gone */
  uint64_t trims;
  uint64_t slow;
  bool ending; /* nothing is kept any more */
  /* under the lock of object_threads.h */
  lido_link link; /* all object pools */
  /* atomic statistics */
  uint64_t bare_gets; /* without a store */
  uint64_t created;
  uint64_t destroyed[LIDO_OBJECT_REASONS];
};

static inline lido_object_core *lido_object_core_of(const lido_object_pool *pool) {
  return (lido_object_core *)(uintptr_t)pool; /* face is the first member, and cores are never const */
}

/* Do its stores keep sizes? */
static inline bool lido_object_is_sized(const lido_object_core *core) {
  return (core->put_calls & LIDO_PUT_SIZED) != 0;
}

/* So many more objects, of so many bytes in all, fit into the bounds. */
bool lido_object_fits_locked(const lido_object_core *core, size_t objects, size_t bytes);

/* The end of one object. No lock is held. */
void lido_object_destroy(lido_object_core *core, void *object, lido_object_reason reason);

/* The end of all objects of a shelf that nobody else sees. -> how many. No lock is held. */
size_t lido_object_shelf_destroy(lido_object_core *core, lido_object_shelf *shelf, lido_object_reason reason);

#endif
