/* depot.h: the store of full and empty magazines that threads of one pool trade through.
 *
 * Idea (Bonwick and Adams 2001): a thread gives a whole magazine and gets a whole one, so that a
 * lock is paid once for all the objects in it. A lock that is found busy counts as contention; the
 * pool answers with larger magazines.
 * Invariants
 *   D1  a magazine is in at most one of: the full list, the empty list, one cache, somebody's hands.
 *   D2  objects is the number of objects in the full list; magazines there are not empty.
 *   D3  objects <= limit, but for magazines put back by threads that exit, and those that were there when the limit
 *       fell.
 *   D4  bytes is the storage of the magazines in both lists.
 * Threads: any. Lock: rank DEPOT, one per pool; nothing but list work under it.
 *              exchange  give  take_all
 *     exchange     L       L      L        L: serialized by the lock
 * Failure: none; NULL when there is nothing.
 * Not done: a lock-free list (the lock is taken once per magazine); one depot per NUMA node.
 */
#ifndef LIDO_POOLS_DEPOT_H
#define LIDO_POOLS_DEPOT_H

#include "lib/base/lock.h"
#include "pools/magazine.h"

typedef struct lido_depot {
  lido_lock lock;
  bool locks;   /* false in a single-thread pool, unless others ask for its numbers (lido_core_use_locks) */
  size_t limit; /* objects; atomic: lido_pool_tune() changes it */
  lido_magazine *full;
  lido_magazine *empty;
  size_t objects;
  size_t bytes;
  uint64_t contended; /* atomic: times that the lock was busy */
} lido_depot;

void lido_depot_init(lido_depot *depot, bool locks, size_t limit);

/* Give an empty magazine (NULL: none) and take a full one; NULL, and nothing given, if there is none. */
lido_magazine *lido_depot_take_full(lido_depot *depot, lido_magazine *empty);

/* Give a magazine with objects. -> false, and it is still the caller's, if the depot has enough;
 * never so if `always`. */
bool lido_depot_give_full(lido_depot *depot, lido_magazine *full, bool always);

/* An empty magazine, or NULL. */
lido_magazine *lido_depot_take_empty(lido_depot *depot);
void lido_depot_give_empty(lido_depot *depot, lido_magazine *empty);

/* All magazines, linked by next: the full ones, then the empty ones. */
lido_magazine *lido_depot_take_all(lido_depot *depot);

/* Effective for magazines that come from now on. */
void lido_depot_limit_set(lido_depot *depot, size_t limit);

size_t lido_depot_objects(lido_depot *depot);

/* Objects, and the storage of all magazines, of one moment. */
typedef struct lido_depot_counts {
  size_t objects;
  size_t bytes;
} lido_depot_counts;
lido_depot_counts lido_depot_counts_get(lido_depot *depot);
uint64_t lido_depot_contended(const lido_depot *depot);

/* NULL, or the invariant that does not hold. */
const char *lido_depot_check(lido_depot *depot);

#endif
