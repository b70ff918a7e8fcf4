/* pool_core.h: what a pool is inside.
 *
 *     thread:  hot slot (1 object) -> magazine pair -> depot (full and empty magazines, one lock for a swap)
 *     shared:  slabs (bitmap of free objects, fullest first) -> regions -> backing
 *
 * An object is at any time in exactly one of: a slab (its bit is set), a magazine in the depot, a
 * cache (magazines, hot slot), set aside (reserve, detached magazine), the program's hands. Its
 * state byte tells only the program's hands, LIVE, HELD or SAMPLED, from the rest.
 * Invariants
 *   P1  taken = live + cached + set aside, by L3 of slab_lists.h.
 *   P2  an object whose bit is set has a free state; an object in a cache or the depot too.
 *   P3  every cache's hot, if not NULL, points into a slab of the pool, so that its state byte may be read.
 *   P4  the address map names the pool for every unit of its slabs (not in a buffer).
 *   P5  no two caches of the pool have the same claim.
 * Threads: any; each field says what guards it. Lock ranks: REGISTRY, DEPOT, SLABS, in that order.
 * Direct pools keep nothing in caches: those that wait (a free object must not hide from a waiter),
 * those of few objects, of very large ones, under Valgrind, and passthrough pools.
 */
#ifndef LIDO_POOLS_POOL_CORE_H
#define LIDO_POOLS_POOL_CORE_H

#include "lib/base/assertion.h"
#include "lib/os/os.h"
#include "lib/refs/span.h"
#include "pools/depot.h"
#include "pools/pool_tuning.h"
#include "pools/slab_lists.h"

typedef struct lido_thread_cache_rest lido_thread_cache_rest;
typedef struct lido_thread_record lido_thread_record;

enum { LIDO_CLAIM_WORDS = 4 }; /* 256 values of a state byte */

struct lido_pool_core {
  /* fixed at birth */
  lido_pool face; /* must be first: a lido_pool is a core seen from outside */
  uint32_t owner; /* in the address map; LIDO_OWNER_NEVER in a buffer */
  char *name;
  lido_pool_options options;
  lido_geometry geometry;
  lido_backing *backing;
  bool direct;     /* keeps nothing in caches */
  bool one_thread; /* LIDO_POOL_SINGLE_THREAD */
  bool passthrough;
  bool valgrind;          /* tell Valgrind of each object */
  bool handles;           /* LIDO_POOL_HANDLES */
  bool needs_sweep;       /* atomic: in the child of a fork: caches of threads that are gone held objects */
  lido_refs_owner refs;   /* what lib/refs knows of this pool */
  lido_typed_pool *typed; /* that made this pool, or NULL */
  /* has a lock of its own */
  lido_depot depot;
  lido_slab_lists slabs;
  /* under the slabs' lock */
  lido_os_condition freed; /* waited for by LIDO_EXHAUSTED_WAIT */
  uint64_t fallbacks;      /* statistic, as are those below */
  uint64_t exhausted;
  uint64_t waits;
  unsigned waiters;
  /* under the registry's lock */
  uint32_t cache_count;
  lido_thread_cache_rest *caches;
  uint64_t free_claims[LIDO_CLAIM_WORDS];
  uint64_t retired_frees; /* of caches that are gone */
  uint64_t retired_misses;
  uint64_t retired_refills_depot;
  uint64_t retired_refills_slab;
  uint64_t retired_refills_backing;
  lido_pool_core *next; /* all pools */
  lido_pool_core *previous;
  /* atomic */
  lido_pool_tuning tuning;               /* written under the registry's lock (pool_tuning.h) */
  const lido_thread_record *only_thread; /* of a single-thread pool: its user, as long as that thread lives */
  size_t set_aside;                      /* objects */
  uint64_t direct_allocs;                /* statistic: past the caches, passthrough too */
  uint64_t direct_frees;
  size_t passthrough_live;
  size_t passthrough_peak;
  size_t samples;           /* of the heap profile, live */
  int64_t sample_left;      /* bytes to the next sample, of objects that come past the caches */
  uint64_t unsampled;       /* objects that the next sample of this pool stands for, beside its cache's own */
  uint32_t sample_run;      /* of the profile that sample_left is of */
  uint32_t magazine_target; /* objects; grows while the depot is contended, unless it is tuned */
};
LIDO_STATIC_ASSERT(sizeof(lido_pool_core) <= 1024, "a class of metadata, and a quarter of the smallest buffer");

static inline lido_pool_core *lido_core_of(const lido_pool *pool) {
  return (lido_pool_core *)(uintptr_t)pool; /* face is the first member, and cores are never const */
}

/* In the program's hands. */
static inline bool lido_state_is_live(uint8_t state) { return state >= LIDO_STATE_LIVE && state <= LIDO_STATE_SAMPLED; }

static inline lido_metadata *lido_core_metadata(lido_pool_core *core) { return &core->backing->metadata; }

/* ---- Objects, by address ---- */

typedef struct lido_place {
  lido_slab *slab; /* NULL: the address is in no slab of the pool */
  size_t index;
  size_t offset; /* from the object's start; an address beyond the last object has no slab */
} lido_place;

/* Does the address lie in a unit of the pool's slabs? Any address. */
bool lido_core_contains(const lido_pool_core *core, uintptr_t address);

/* Where an address lies in the pool. Any address; called with the registry's or the slabs' lock held, unless the
 * address is known to be an object of the pool. */
lido_place lido_core_find(const lido_pool_core *core, const void *address);

/* The slab of an object that is known to be the pool's. */
lido_slab *lido_core_slab_of(const lido_pool_core *core, const void *object);

uint8_t *lido_core_state_of(const lido_pool_core *core, uintptr_t address);

/* ---- Slabs ---- */

/* How a take went. */
typedef struct lido_take {
  bool limited; /* max_objects was met */
  bool grew;    /* slabs were made for it */
} lido_take;

/* Take up to `count` objects from the slabs, preferably of the given stripe (slab.h), within
 * max_objects unless `beyond_limit`; grows the pool when they have none. -> how many; 0: errno is
 * ENOMEM (how->limited tells whether by max_objects) or construct's. No lock is held. */
size_t lido_core_take(lido_pool_core *core, unsigned stripe, void **objects, size_t count, bool beyond_limit,
                      lido_take *how);

/* Objects go back to their slabs; wakes waiters. No lock above SLABS is held. */
void lido_core_put(lido_pool_core *core, void *const *objects, size_t count);

/* Slabs for so many objects in all. false: errno. Before the pool is known to others. */
bool lido_core_prealloc(lido_pool_core *core, size_t objects);

/* The objects of the depot go back to their slabs, and empty magazines to metadata. */
void lido_core_drain_depot(lido_pool_core *core);

/* Empty slabs beyond `keep_bytes` go back to the backing. -> bytes. No lock is held. */
size_t lido_core_release_slabs(lido_pool_core *core, size_t keep_bytes);

/* The same if there are more than the pool may keep by itself. */
void lido_core_shed(lido_pool_core *core);

/* One slab more, with memory behind every page. false: errno; then there may be one without. No lock is held. */
bool lido_core_add_ready(lido_pool_core *core);

/* Memory behind every page of a slab, which stays meanwhile. false: there is none. No lock is held. (pool_prepare.c) */
bool lido_core_populate(lido_pool_core *core, const lido_slab *slab);

/* What lido_pool_trim does but for the backing. Without `collects`, deaths that wait for readers go on waiting: then
 * nothing of the program's is called but `destroy` of a slab's objects. */
size_t lido_core_trim(lido_pool_core *core, bool collects);

/* In the child of a fork: find the objects that caches of vanished threads held. */
void lido_core_sweep(lido_pool_core *core);
/* The same with the registry's lock held. */
void lido_core_sweep_locked(lido_pool_core *core);

static inline void lido_core_sweep_if_needed(lido_pool_core *core) {
  /* ACQUIRE fork.swept: a thread that goes on without sweeping finds the slabs swept. */
  if (LIDO_UNLIKELY(lido_load_acquire(&core->needs_sweep))) lido_core_sweep(core);
}

/* Is this not the thread that a single-thread pool belongs to? */
bool lido_core_is_second_thread(lido_pool_core *core);

/* From now on other threads may ask a single-thread pool for its numbers: its slow paths take their locks. Called by
 * its only thread, or before it has one. */
void lido_core_use_locks(lido_pool_core *core);

/* Is this the thread that uses a single-thread pool? Unlike the question above, it makes nobody its user. */
bool lido_core_is_only_thread(const lido_pool_core *core);

/* Visit every object in the program's hands, and those that are dying. */
size_t lido_core_walk(lido_pool_core *core, bool (*visit)(void *object, void *arg), void *arg);

/* How many walks over the pool the calling thread is in the middle of (pool_walk.c). */
unsigned lido_walks_of_thread(const lido_pool_core *core);

/* The most objects out of the slabs at once since this was asked last. */
size_t lido_pool_recent_peak(lido_pool *pool);

/* ---- Objects without a cache (direct.c) ---- */

void *lido_direct_alloc(lido_pool_core *core);
void lido_direct_free(lido_pool_core *core, void *object);

/* ---- Objects with handles (pool_handles.c) ---- */

/* Once the core is made. 0, or ENOMEM. */
int lido_handles_begin(lido_pool_core *core);

/* A free of an object of which lib/refs keeps a count, or that has a destructor. -> false: it is none; free it
 * plainly. */
bool lido_handles_free(lido_pool_core *core, void *object);

/* Every object of which somebody must hear that it dies, dies. -> how many; SIZE_MAX: one of them is dying already,
 * that is, this is called from there: misuse, reported. */
size_t lido_handles_end(lido_pool_core *core);

/* The core goes. */
void lido_handles_over(lido_pool_core *core);

/* Finish deaths that wait for readers, if this pool has such. -> whether any was finished, of whatever pool. */
bool lido_handles_collect(lido_pool_core *core);

/* Free an object without asking for handles. */
void lido_free_plainly(lido_pool_core *core, void *object);

/* ---- Checks at a slow free (free_slow.c) ---- */

/* From live to held. pre: an object starts there. false: it was not live. */
bool lido_core_hold(const lido_pool_core *core, void *object);

/* Does a live object of this pool start at the address? Any address, as long as it is in a slab if it is in the
 * pool. */
bool lido_core_is_live_object(const lido_pool_core *core, const void *address);

/* Verify that `object` is live in this pool, wipe it if the pool's objects come zeroed, and make it free; if it is not,
 * report the misuse. -> whether. */
bool lido_core_accept(lido_pool_core *core, void *object);

#endif
