/* sized_pools.h: pools for objects of one kind and many sizes. All of them have handles, and are guarded.
 *
 * Idea: a pool for each of a row of sizes, two for each doubling, so that at most a third of an object is unused. Each
 * is made when the first object of its size is.
 * Invariants
 *   Z1  a pool in place i has objects of lido_sized_bytes(i), and stays until the end.
 * Threads: any; end when nobody uses them. Failure: NULL: ENOMEM, or EMSGSIZE beyond LIDO_SIZED_MOST.
 */
#ifndef LIDO_LIB_CACHES_SIZED_POOLS_H
#define LIDO_LIB_CACHES_SIZED_POOLS_H

#include "lido/pool.h"

enum { LIDO_SIZED_PLACES = 29, LIDO_SIZED_LEAST = 64, LIDO_SIZED_MOST = 1 << 20 }; /* bytes */

/* Called as soon as an object begins to die (lido_refs_owner.unlist), with the context. */
typedef void (*lido_sized_unlist)(void *object, void *context);

typedef struct lido_sized_pools {
  /* fixed at birth */
  const char *name;
  void *context;
  lido_sized_unlist unlist;
  lido_budget *budget;                 /* NULL, unless set after init */
  lido_pool *pools[LIDO_SIZED_PLACES]; /* atomic; NULL: not yet */
} lido_sized_pools;

/* `name` stays the caller's; `unlist` may be NULL. */
void lido_sized_init(lido_sized_pools *sized, const char *name, lido_sized_unlist unlist, void *context);

/* -> objects that were still live, of all sizes. */
size_t lido_sized_end(lido_sized_pools *sized);

/* An object of at least so many bytes. */
void *lido_sized_alloc(lido_sized_pools *sized, size_t bytes);

/* -> bytes given back. */
size_t lido_sized_trim(lido_sized_pools *sized);

/* What all of them have from their backing. */
size_t lido_sized_reserved_bytes(const lido_sized_pools *sized);

/* The bytes of objects in a place: 64, 96, 128, 192, ... */
static inline size_t lido_sized_bytes(size_t place) { return ((size_t)2 + (place & 1)) << (5 + place / 2); }

const char *lido_sized_check(const lido_sized_pools *sized);

#endif
