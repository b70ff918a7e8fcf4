/* thread_cache.h: one thread's store of free objects of one pool, behind its inlined face.
 *
 * Idea: the hot slot (lido/inline/pool_inline.h) above two magazines. With two, at least a
 * magazine's worth of calls lies between two visits to the depot, whatever the pattern (Bonwick and
 * Adams 2001). How large they are: magazine_growth.h. If the pool's magazines are tuned, an empty one of another size
 * is replaced when it would be filled.
 * Invariants
 *   C1  cache->items, count and capacity are those of rest->loaded, but for its first `hidden` items (pool_samples.h).
 *   C2  the objects in hot slot and magazines are free; no object is in two places.
 *   C3  cache->owner is rest->owner, or LIDO_OWNER_NEVER while somebody asks for a flush or a visit, or each call is
 *       wanted at the slow path (pool_samples.h).
 *   C4  a cache without a claim never has a hot object.
 *   C5  a magazine that is handed to somebody, or destroyed, has left rest->loaded and rest->previous before, so that
 *       the child of a fork finds there only what is nowhere else. NULL in one of them lasts but for that step, or in
 *       an explicit cache after a fork until the next slow path.
 *   C6  moved is what came in from elsewhere less what went there, objects the program gave and got apart. So moved +
 *       frees - what is there = objects the program got from here: allocs need no count of their own. In the child of
 *       a fork that holds but for a constant: an explicit cache forgets there what it had, and what had moved.
 * Threads: the owner. Others, under the registry's lock, read what is atomic below, and of the face `hot`, `count` and
 * `frees`; and they set `flush_wanted`, `visit_wanted` and `owner`.
 * Failure: attach: NULL; the thread then works without a cache (direct.c).
 */
#ifndef LIDO_POOLS_THREAD_CACHE_H
#define LIDO_POOLS_THREAD_CACHE_H

#include "lib/base/atomic.h"
#include "pools/pool_core.h"

/* How a cache is watched by the heap profile: pool_samples.h. The owner's. */
typedef struct lido_sampling {
  uint32_t run;       /* 0: not watched */
  uint32_t every;     /* calls that come to the slow path until one is a sample; 0: not each call comes there */
  int64_t left;       /* bytes to the next sample */
  int64_t allocs;     /* seen so far, by C6 */
  int64_t calm_until; /* before so many nothing is to be done but to count them; INT64_MIN: look at each visit */
  uint64_t unsampled; /* objects since the last sample */
} lido_sampling;

struct lido_thread_cache_rest {
  /* fixed while attached */
  lido_pool_core *core;
  lido_pool_cache *cache;
  lido_thread_record *thread; /* NULL: an explicit cache */
  uint32_t owner;             /* the pool's number, or LIDO_OWNER_NEVER */
  uint8_t claim;              /* cache->claim, or 0: the cache has none */
  bool allocated;             /* the cache's memory is ours, not a typed pool's thread-local */
  bool flush_wanted;          /* atomic: by a trim or an exhausted pool, at the next slow path */
  bool visit_wanted;          /* atomic: by the heap profile, likewise */
  /* the owner's */
  lido_magazine *loaded;
  lido_magazine *previous;
  uint32_t contention_seen; /* depot's count when the target was last looked at */
  int64_t moved;            /* objects, C6 */
  lido_sampling sampling;   /* of the heap profile */
  /* atomic, written by the owner */
  uint32_t hidden;         /* objects of the loaded magazine that the face does not show: its first */
  uint32_t previous_count; /* statistic: previous->count */
  uint32_t loaded_bytes;   /* statistic: the magazine's storage, and the other's */
  uint32_t previous_bytes;
  uint64_t frees_at_visit; /* cache->frees when the heap profile looked last */
  uint64_t misses;         /* statistic, as are those below */
  uint64_t refills_depot;
  uint64_t refills_slab;
  uint64_t refills_backing;
  /* under the registry's lock */
  uint64_t frees_noted;
  lido_thread_cache_rest *pool_next; /* caches of the pool */
  lido_thread_cache_rest *pool_previous;
  lido_thread_cache_rest *thread_next; /* caches of the thread */
  lido_thread_cache_rest *thread_previous;
};

/* What cache->owner is while nothing is asked for. */
static inline uint32_t lido_thread_cache_owner(const lido_thread_cache_rest *rest) {
  return LIDO_UNLIKELY(rest->sampling.every != 0) ? LIDO_OWNER_NEVER : rest->owner;
}

/* Is a free object in the hot slot? The owner's. */
static inline bool lido_thread_cache_is_hot(const lido_pool_cache *cache) {
  if (LIDO_CHECKS == LIDO_CHECKS_NONE) return cache->hot != NULL;
  return lido_load_relaxed(cache->hot_state) == cache->claim; /* RELAXED: as in alloc */
}

/* Objects that the program got from this cache, ever. The owner's. */
static inline int64_t lido_thread_cache_allocs(const lido_thread_cache_rest *rest) {
  const lido_pool_cache *cache = rest->cache;
  size_t there = (size_t)cache->count + rest->hidden + (rest->previous != NULL ? rest->previous->count : 0) +
                 lido_thread_cache_is_hot(cache);
  return rest->moved + (int64_t)cache->frees - (int64_t)there;
}

/* Show all objects of the loaded magazine, or but `count` of them. */
void lido_thread_cache_show_all(lido_pool_cache *cache);
void lido_thread_cache_show(lido_pool_cache *cache, uint32_t count);

/* What is hot goes to the magazines. */
void lido_thread_cache_cool(lido_pool_cache *cache);

/* The calling thread's cache of a pool: makes it, in `typed_cache` if that is not NULL. NULL: no
 * memory, or the thread is past its exit, or a second thread of a single-thread pool (reported as
 * misuse; *refused is set). */
lido_pool_cache *lido_thread_cache_attach(lido_pool_core *core, lido_pool_cache *typed_cache, bool *refused);

/* A cache of no thread. NULL: ENOMEM. */
lido_pool_cache *lido_thread_cache_attach_explicit(lido_pool_core *core);

/* Whose cache is detached, and so what of it may be touched. */
typedef enum lido_detach {
  LIDO_DETACH_LIVING,    /* the calling thread's, or one that nobody uses: everything */
  LIDO_DETACH_FORGOTTEN, /* of a thread that a fork left behind, perhaps in the middle of a call: nothing */
} lido_detach;

/* Called with the registry's lock held. The objects go to the depot, or are left to a sweep; the cache is as before its
 * first use, or gone if it was allocated. Never calls the backing. */
void lido_thread_cache_detach_locked(lido_thread_cache_rest *rest, lido_detach detach);

/* An explicit cache after a fork has none until it is used: false, no memory for them. */
bool lido_thread_cache_has_magazines(lido_pool_cache *cache);

/* In the child of a fork, for an explicit cache that may have been in use: it is empty, a sweep finds its objects. */
void lido_thread_cache_forget_objects_locked(lido_thread_cache_rest *rest);

/* In the child of a fork: the objects go to the slabs, and the next call on the cache takes the slow path. Needs no
 * memory. */
void lido_thread_cache_close(lido_thread_cache_rest *rest);

/* The objects go to the depot, and what it does not want to the slabs. */
void lido_thread_cache_flush(lido_pool_cache *cache);

/* The calling thread's caches of the pool: one, or two if it uses a typed pool through both faces. */
void lido_thread_cache_flush_own(lido_pool_core *core);

/* Do what others asked for. -> whether there was anything. */
bool lido_thread_cache_honour(lido_pool_cache *cache);

/* Ask for a flush of all other caches of the pool, at their threads' next slow path. */
void lido_thread_cache_ask_flush(lido_pool_core *core);

/* Load a magazine with objects. false: errno, and *limited if max_objects was met. */
bool lido_thread_cache_refill(lido_pool_cache *cache, bool *limited);

/* Keep a free object in the magazines, whatever the hot slot. */
void lido_thread_cache_keep(lido_pool_cache *cache, void *object);

/* One of the two magazines, the fuller, for keeps; NULL if both are empty or no empty one could be
 * had in its place. */
lido_magazine *lido_thread_cache_give_magazine(lido_pool_cache *cache);

/* A magazine with objects becomes the cache's, or the depot's. */
void lido_thread_cache_accept_magazine(lido_pool_cache *cache, lido_magazine *magazine);

/* Objects in it, for statistics. Called with the registry's lock held. */
size_t lido_thread_cache_objects(const lido_thread_cache_rest *rest);

/* The storage of its magazines, for statistics. */
size_t lido_thread_cache_magazine_bytes(const lido_thread_cache_rest *rest);

const char *lido_thread_cache_check(const lido_thread_cache_rest *rest);

#endif
