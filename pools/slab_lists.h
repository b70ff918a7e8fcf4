/* slab_lists.h: all slabs of a pool, by how full they are.
 *
 * Idea: objects are taken from the fullest slab that has any, so that others empty and can go back.
 * Seven bins (full, four quarters, empty, spent) are nearly as good as an exact order and O(1) to keep.
 * Invariants
 *   L1  a slab is in the list of the bin that its free_objects asks for.
 *   L2  slabs, objects, free_objects, retired, ready_slabs, in_bin are the sums over all slabs.
 *   L3  taken = objects - free_objects - retired: live, cached, or set aside.
 *   L4  all slabs, from `oldest` by `newer` to `newest`, and back by `older`.
 * Threads: any. Lock: rank SLABS, one per pool.
 *              take put add remove walk       - free to run together, L serialized by the lock,
 *     walk      -   -   -    X      -         X excluded: a slab is not removed while someone walks
 *     others    L   L   L    L
 * Not done: an exact fullest-first heap; the order of lowest addresses within a bin.
 */
#ifndef LIDO_POOLS_SLAB_LISTS_H
#define LIDO_POOLS_SLAB_LISTS_H

#include "lib/base/lock.h"
#include "pools/slab.h"

enum {
  LIDO_BIN_FULL = 0,
  LIDO_BIN_EMPTY = 5, /* nothing is taken */
  LIDO_BIN_SPENT = 6, /* empty, but all objects have retired: there is nothing to take */
  LIDO_BINS = 7
};

typedef struct lido_slab_lists {
  lido_lock lock;
  bool locks; /* false in a single-thread pool, unless others ask for its numbers (lido_core_use_locks) */
  unsigned walkers;
  lido_slab *bins[LIDO_BINS];
  uint32_t in_bin[LIDO_BINS];
  uint32_t ready_slabs; /* empty ones with memory behind every page */
  lido_slab *newest;    /* all slabs, by `older` */
  lido_slab *oldest;    /* and by `newer` */
  size_t slabs;
  size_t objects;
  size_t free_objects;
  size_t retired;
  size_t peak;        /* of taken */
  size_t recent_peak; /* the same since it was looked at */
  uint64_t made;
  uint64_t released;
  uint64_t populated;
  uint32_t pin_round; /* see slab.h; when it wraps, some slab stays that could have gone */
} lido_slab_lists;

void lido_slab_lists_init(lido_slab_lists *lists, bool locks);
void lido_slab_lists_lock(lido_slab_lists *lists);
void lido_slab_lists_unlock(lido_slab_lists *lists);

/* Slabs of which nothing is taken. */
static inline size_t lido_slab_lists_empty(const lido_slab_lists *lists) {
  return (size_t)lists->in_bin[LIDO_BIN_EMPTY] + lists->in_bin[LIDO_BIN_SPENT];
}

static inline size_t lido_slab_lists_taken(const lido_slab_lists *lists) {
  return lists->objects - lists->free_objects - lists->retired;
}

/* All below: called with the lock held. */
void lido_slab_lists_add(lido_slab_lists *lists, lido_slab *slab);
void lido_slab_lists_remove(lido_slab_lists *lists, lido_slab *slab);
size_t lido_slab_lists_take(lido_slab_lists *lists, const lido_geometry *geometry, unsigned stripe, void **objects,
                            size_t count);
bool lido_slab_lists_put(lido_slab_lists *lists, const lido_geometry *geometry, lido_slab *slab, void *object);

/* One taken object will never be free again. */
void lido_slab_lists_retire(lido_slab_lists *lists, lido_slab *slab);

/* There is memory behind every page of the slab now. */
void lido_slab_lists_ready(lido_slab_lists *lists, lido_slab *slab);

/* How many empty slabs go beyond `keep_bytes`, and all spent ones. */
size_t lido_slab_lists_surplus(const lido_slab_lists *lists, size_t slab_bytes, size_t keep_bytes);

/* NULL, or the invariant that does not hold, of the lists or of a slab. */
const char *lido_slab_lists_check(const lido_slab_lists *lists);

#endif
