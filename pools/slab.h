/* slab.h: some units of a region, divided into objects of one pool, with a bitmap of the free ones.
 *
 * Idea: the bitmap hands out by words, in address order, so that neighbours go to one thread (one
 * line of state bytes, one page) and a batch costs one write per word. The descriptor lies apart
 * from the objects, in metadata. Every object has a state byte in its region, written here at birth
 * and from then on by whoever allocs and frees.
 * Invariants
 *   S1  a set bit is an object that nobody holds: no cache, no depot, not the program; its state is free.
 *   S2  free_objects is the number of set bits; bits beyond the last object are clear.
 *   S3  every object's state byte is other than NONE, every other state byte of the slab is NONE.
 *   S4  with handles, object i has slot first_slot + i, which names it.
 * Threads: those of the pool's slab lists; birth and end are private to one thread.
 * Failure: birth: NULL, errno, nothing left behind.
 */
#ifndef LIDO_POOLS_SLAB_H
#define LIDO_POOLS_SLAB_H

#include "pools/geometry.h"

typedef struct lido_pool_core lido_pool_core;

typedef struct lido_slab {
  /* fixed at birth */
  lido_pool_core *core;
  lido_region *region;
  uintptr_t units; /* address of its first unit */
  uintptr_t start; /* of its first object */
  size_t objects;
  size_t words; /* of the bitmap */
  /* under the slab lists' lock */
  struct lido_slab *older; /* all slabs of the pool, newest first; a slab is removed only while nobody walks */
  struct lido_slab *newer;
  struct lido_slab *next; /* its bin */
  struct lido_slab *previous;
  unsigned bin;
  uint32_t pinned_in; /* the lists' pin_round in which some cache's hot slot remembered an object here */
  size_t free_objects;
  size_t retired;      /* objects that will never be free again */
  uint32_t first_slot; /* of its objects; 0: they have none */
  bool ready;          /* there is memory behind every page */
  uint64_t free[];     /* [words] */
} lido_slab;

/* A new slab with every object built and free, not yet in any list. NULL: ENOMEM, or what construct
 * returned. No lock is held. */
lido_slab *lido_slab_create(lido_pool_core *core);

/* No address leads to the slab any more. Called with the slabs' lock held, as the look-ups of addresses that may be
 * anything are, or with the registry's; no object of the slab is in a cache or the depot. */
void lido_slab_hide(lido_slab *slab);

/* Objects are destroyed, units go back. pre: hidden, in no list. No lock is held. */
void lido_slab_destroy(lido_slab *slab);

/* Up to `count` free objects, in address order from the bitmap word that `stripe` stands for and
 * round to it. Callers with different stripes get different words while there are any, and so
 * different lines of state bytes. -> how many. */
size_t lido_slab_take(lido_slab *slab, const lido_geometry *geometry, unsigned stripe, void **objects, size_t count);

/* One object comes back. -> false, and nothing changed, if its bit is set already. */
bool lido_slab_put(lido_slab *slab, const lido_geometry *geometry, void *object);

size_t lido_slab_descriptor_bytes(size_t objects);

/* NULL, or the invariant that does not hold. */
const char *lido_slab_check(const lido_slab *slab);

#endif
