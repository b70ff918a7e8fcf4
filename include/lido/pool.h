/* lido/pool.h: pools of objects of one size.
 *
 *     lido_pool *pool = lido_pool_create(&(lido_pool_options){ .object_size = sizeof(struct conn) });
 *     struct conn *conn = lido_pool_alloc(pool);
 *     lido_pool_free(pool, conn);
 *     lido_pool_destroy(pool);
 *
 * or, typed and inlined, for a pool that lives as long as the program:
 *
 *     LIDO_POOL_DEFINE(conn, struct conn, .max_objects = 10000)
 *     struct conn *c = conn_alloc();
 *     conn_free(c);
 *
 * An object starts on a cache line of its own unless the options say otherwise. Nothing of Lido's
 * is ever kept inside an object, live or free.
 *
 * Method: slabs with bitmaps of free objects, above them magazines that threads trade through a
 * depot (Bonwick and Adams, "Magazines and Vmem", USENIX 2001), above these one hot slot per
 * thread, and apart from the objects one state byte each.
 *
 * Threads: every function may be called from any thread at any time, but destroy, which must come
 * after the last other call on that pool. An object may be freed by any thread.
 * Errors: a function that returns a pointer gives NULL and sets errno; errno is unchanged by
 * success. Lack of memory is an error, never an abort. Misuse goes to the handler of lido/misuse.h.
 * Signals: not async-signal-safe. Fork: the child can use every pool (docs/concurrency.md).
 */
#ifndef LIDO_POOL_H
#define LIDO_POOL_H

#include "lido/backing.h"
#include "lido/base.h"
#include "lido/budget.h"

LIDO_BEGIN

typedef struct lido_pool lido_pool;

/* ---- Options ------------------------------------------------------------------------------- */

enum {
  LIDO_POOL_ZERO = 1,          /* objects come zeroed; they are wiped when freed */
  LIDO_POOL_SINGLE_THREAD = 2, /* used by one thread only: no locks; by another when that one has ended */
  LIDO_POOL_SPREAD = 4,        /* a cache line for each object's state byte: for objects of one slab
                                   that several threads free and allocate at once; costs memory */
  LIDO_POOL_HUGE_PAGES = 8,    /* ask the system for huge pages under this pool's slabs */
  LIDO_POOL_PASSTHROUGH = 16,  /* every allocation is one of malloc: for debugging with its tools */
  LIDO_POOL_HANDLES = 32,    /* strong counts, weak handles and cleanups (lido/weak.h, lido/cleanup.h): 16 bytes more an
                                  object, and free becomes the release of one reference. Not with PASSTHROUGH (and not
                                  affected by lido_pool_passthrough_set), construct, or a backing in a buffer. */
  LIDO_POOL_HANDLES_53 = 96, /* the same, with handles that fit into a double (lido_weak_to_double): a slot lasts
                                  for 2^24 deaths rather than 2^32, and there are 2^29 slots */
  LIDO_POOL_GUARDED = 128,   /* with HANDLES: dead objects wait for readers (lido/guard.h) */
  LIDO_POOL_POPULATE = 256,  /* memory behind every page of what is preallocated: no page fault at its first use */
};

/* What alloc does when max_objects are out (objects waiting in thread caches count as out). */
typedef enum lido_exhausted {
  LIDO_EXHAUSTED_FAIL,     /* NULL, ENOMEM */
  LIDO_EXHAUSTED_FALLBACK, /* one more object from the backing, counted in `fallbacks` */
  LIDO_EXHAUSTED_WAIT,     /* wait up to wait_ns for a free, then NULL, ENOMEM; not with SINGLE_THREAD,
                              and a passthrough pool does not wait */
} lido_exhausted;

/* Zero means default everywhere, so naming the object's size is enough. */
typedef struct lido_pool_options {
  const char *name;     /* copied; NULL = "pool" */
  size_t object_size;   /* bytes, 1 to 1 MiB; required */
  size_t align;         /* 0 = 64, the cache line; else a power of two, 1 to 4,096 */
  size_t max_objects;   /* 0 = no limit */
  size_t prealloc;      /* objects whose memory is there when create returns; at most max_objects */
  double growth_factor; /* a pool that runs dry grows to this multiple, by whole slabs: 1 to 16;
                            0 = 1, one slab at a time */
  unsigned flags;       /* LIDO_POOL_... */
  lido_exhausted on_exhausted;
  uint64_t wait_ns; /* LIDO_EXHAUSTED_WAIT: nanoseconds; UINT64_MAX = as long as it takes */
  /* Called once for each object of a new slab, before any of them is handed out; what it does
   * survives free and alloc. 0, or an errno value: then the objects already built are destroyed,
   * the slab goes back, and alloc gives NULL with that errno. No lock is held. Not with ZERO. */
  int (*construct)(void *object, void *context);
  /* Called for each object of a slab that goes back to the backing; in a pool with handles instead at each object's
   * death, before its cleanups: it can't be resurrected, and a new reference to it is misuse. No lock is held. */
  void (*destroy)(void *object, void *context);
  void *context;         /* for construct and destroy */
  lido_backing *backing; /* NULL = lido_backing_default() */
  size_t cache_bytes;    /* most that one thread's cache holds: 0 = 128 KiB, SIZE_MAX = no cache */
  size_t retain_bytes;   /* free memory kept in the depot, and again in empty slabs, before it goes
                            back by itself: 0 = 1 MiB, SIZE_MAX = none goes back by itself; empty slabs
                            may also reach 1/4 of those in use. lido_pool_tune() changes both. */
  /* Where cleanups of this pool's objects go, if they name no queue of their own: NULL = the releasing thread runs
   * them, as it does when the queue has ended. With LIDO_POOL_HANDLES. */
  struct lido_cleanup_queue *cleanup_queue;
  lido_budget *budget; /* a limit over many (lido/budget.h), charged for every slab: NULL = none */
} lido_pool_options;

/* ---- Life of a pool ------------------------------------------------------------------------ */

/* A new pool. NULL: EINVAL (options NULL or out of the ranges above, or too large for the
 * backing), ENOMEM, or what construct returned. */
LIDO_API lido_pool *lido_pool_create(const lido_pool_options *options);

/* End a pool and give all its memory back. -> objects that were still live; they are gone. NULL is
 * ignored. No other thread may be inside a call on this pool, or come later. With handles, those objects die as by
 * their last release, and what their cleanups make in this pool dies too; not from inside a destructor or cleanup of
 * its own. */
LIDO_API size_t lido_pool_destroy(lido_pool *pool);

LIDO_API const char *lido_pool_name(const lido_pool *pool);

/* ---- Alloc and free ------------------------------------------------------------------------ */

/* One object, or NULL (ENOMEM: no memory, max_objects, the budget; or construct's errno). Contents: what the last user
 * left, or what construct made, or zeros with LIDO_POOL_ZERO. O(1); takes a lock only when the thread's cache is
 * empty. */
LIDO_FAST void *lido_pool_alloc(lido_pool *pool);

/* Give an object back; NULL is ignored. Any thread. Writes before the free are seen by whoever gets
 * the object next. O(1); takes a lock only when the thread's cache is full. Never fails. */
LIDO_FAST void lido_pool_free(lido_pool *pool, void *object);

/* Up to `count` objects at once. -> how many there are now in `objects`; fewer only when alloc
 * would have failed, with its errno. */
LIDO_API size_t lido_pool_alloc_batch(lido_pool *pool, void **objects, size_t count);

/* Free `count` objects; NULLs among them are ignored. */
LIDO_API void lido_pool_free_batch(lido_pool *pool, void *const *objects, size_t count);

/* The same two calls as plain exported functions, for function pointers and other languages. */
LIDO_API void *lido_pool_alloc_call(lido_pool *pool);
LIDO_API void lido_pool_free_call(lido_pool *pool, void *object);

/* ---- Memory -------------------------------------------------------------------------------- */

/* Give free memory back now: this thread's cache, the depot, then every empty slab, and then all that waits in the
 * backing for its purge, whichever pool it came from. Other threads are asked to empty their caches at their next slow
 * path. -> bytes given back to the backing. */
LIDO_API size_t lido_pool_trim(lido_pool *pool);

/* The same for the depot and for empty slabs beyond `keep_bytes`, and nothing else: no thread's cache is touched or
 * asked for, and what the slabs' pages do is as tuned. Costs by what is in the depot and what goes. -> bytes given back
 * to the backing. */
LIDO_API size_t lido_pool_trim_to(lido_pool *pool, size_t keep_bytes);

/* Bring empty slabs, with memory behind every page, up to the tuned `ready_bytes`: whoever allocs from them meets
 * neither growth nor a page fault. Within max_objects. Calls construct. Takes as long as the system takes for the
 * pages; other threads can use the pool meanwhile. -> bytes made ready; if these are not enough, errno is ENOMEM or
 * construct's. */
LIDO_API size_t lido_pool_prepare(lido_pool *pool);

/* This thread's magazines, of all pools, go back to their depots: before a thread goes idle. */
LIDO_API void lido_thread_flush(void);

/* ---- Tuning -------------------------------------------------------------------------------- */

#define LIDO_RETAIN_NONE UINT32_MAX

/* What may be changed while a pool is used; docs/tuning.md says what each knob buys and costs. All zero: as the pool
 * was created. */
typedef struct lido_pool_tuning {
  /* Objects in a magazine: 0 = by the object's size, more when threads contend for the depot. Others stay as they are;
   * at most what cache_bytes allows, an eighth of max_objects, and 252. A cache changes at its next exchange of
   * magazines. */
  uint32_t magazine_objects;
  /* Objects that a refill takes from the slabs at once: 0, or more than fit = a whole magazine. */
  uint32_t batch_objects;
  /* As the option of that name: 0 = as that said. */
  size_t retain_bytes;
  /* Empty slabs kept, as a share of those in use: 0 = 25, LIDO_RETAIN_NONE = no share, at most 1,000. The larger of
   * this and retain_bytes counts. */
  uint32_t retain_percent;
  /* What becomes of the pages of a slab that goes back (lido/backing.h), and after which time, when
   * lido_backing_purge() is called: 0 = at once. A slab made before then has its pages still. The end of the pool
   * purges at once. */
  lido_purge purge;
  uint64_t purge_delay_ns;
  /* Empty slabs that lido_pool_prepare() brings pages for. Twice as much may stay by itself. */
  size_t ready_bytes;
} lido_pool_tuning;

/* Set all knobs. 0; EINVAL: nothing is changed (NULL, or out of range). Each is seen by other threads at their next
 * slow path that looks; nothing is moved or given back by this call. Any thread, also for a pool of a single one.
 * O(1). */
LIDO_API int lido_pool_tune(lido_pool *pool, const lido_pool_tuning *tuning);

/* What was set last. */
LIDO_API void lido_pool_tuning_get(const lido_pool *pool, lido_pool_tuning *out);

/* ---- Questions ----------------------------------------------------------------------------- */

/* True if `address` is the start of a live object of this pool. Safe for any address. With LIDO_CHECKS=none as exact as
 * lido_pool_for_each(), and as slow. Never true for passthrough pools. */
LIDO_API bool lido_pool_owns(const lido_pool *pool, const void *address);

/* The pool in whose slabs `address` lies, or NULL. Safe for any address. The answer holds as long as
 * the caller knows that pool to exist. Objects of passthrough pools and of buffers have none. */
LIDO_API lido_pool *lido_pool_of(const void *address);

/* Call `visit` for every live object until it returns false. -> how many were visited. Exact for
 * objects that no other thread allocs or frees meanwhile. No lock is held: `visit` may call Lido and
 * may free the object it is given. Not for passthrough pools (0). With LIDO_CHECKS=none it is exact only
 * while no other thread uses the pool, and counts objects set aside as live. */
LIDO_API size_t lido_pool_for_each(lido_pool *pool, bool (*visit)(void *object, void *arg), void *arg);

/* X(name, kind, unit, text) for every statistic: the struct, the printers and the docs come from
 * this one list. */
#define LIDO_POOL_STATISTICS(X)                                                                                  \
  X(live, gauge, objects, "objects in the program's hands")                                                      \
  X(peak, gauge, objects,                                                                                        \
    "most objects out of the slabs at once: never below the peak of live, above it by at most what caches hold") \
  X(allocs, counter, objects, "objects handed out")                                                              \
  X(frees, counter, objects, "objects given back")                                                               \
  X(misses, counter, calls, "allocs and frees that no thread's cache served: all of a pool without caches")      \
  X(objects, gauge, objects, "objects in all slabs, live or free")                                               \
  X(cached, gauge, objects, "free objects in thread caches and the depot")                                       \
  X(slabs, gauge, slabs, "slabs")                                                                                \
  X(slabs_empty, gauge, slabs, "slabs without a live or cached object")                                          \
  X(slabs_ready, gauge, slabs, "empty slabs with memory behind every page")                                      \
  X(slabs_made, counter, slabs, "slabs ever made")                                                               \
  X(slabs_released, counter, slabs, "slabs given back")                                                          \
  X(slabs_populated, counter, slabs, "slabs whose pages were brought before their use")                          \
  X(thread_caches, gauge, caches, "caches of threads and explicit caches")                                       \
  X(refills_depot, counter, calls, "allocs for which a full magazine came from the depot")                       \
  X(refills_slab, counter, calls, "allocs for which a magazine was filled from slabs that were there")           \
  X(refills_backing, counter, calls, "allocs for which a slab was made, and a magazine filled from it")          \
  X(allocs_direct, counter, objects, "allocs past all caches, fallbacks of pools without caches among them")     \
  X(contended, counter, calls, "times the depot's lock was busy")                                                \
  X(bytes_reserved, gauge, bytes, "slabs and the pool's own metadata")                                           \
  X(bytes_live, gauge, bytes, "live objects, each with its padding")                                             \
  X(bytes_cached, gauge, bytes, "cached objects, each with its padding")                                         \
  X(bytes_metadata, gauge, bytes, "state bytes, bitmaps, magazines, the pool itself")                            \
  X(fallbacks, counter, objects, "objects handed out beyond max_objects")                                        \
  X(exhausted, counter, calls, "allocs that met max_objects")                                                    \
  X(waits, counter, calls, "allocs that waited for a free")                                                      \
  X(retired, gauge, objects, "objects whose handles' generations are used up: lost until their slab goes")

#define LIDO_POOL_STATISTIC_FIELD(name, kind, unit, text) uint64_t name;
typedef struct lido_pool_stats {
  LIDO_POOL_STATISTICS(LIDO_POOL_STATISTIC_FIELD)
} lido_pool_stats;
#undef LIDO_POOL_STATISTIC_FIELD

/* Exact when no other thread uses the pool meanwhile; else each number is right for some moment of
 * the call. Costs O(thread caches). */
LIDO_API void lido_pool_stats_get(const lido_pool *pool, lido_pool_stats *out);

/* One slab: `used` are its objects that are not free in it, so those of caches too. */
typedef struct lido_slab_use {
  uint32_t objects;
  uint32_t used;
} lido_slab_use;

/* The first `count` slabs, the oldest first, for a map. -> how many slabs there are, be they more or fewer. O(slabs
 * asked for); a few dozen of them under the pool's lock. Each is right for some moment of the call. */
LIDO_API size_t lido_pool_occupancy(lido_pool *pool, lido_slab_use *out, size_t count);

/* How many slabs are that full: bins[0] unused, bins[1] used up to a quarter, [2] to a half, [3] to three quarters, [4]
 * above, [5] without a free object. Of one moment, and O(1): the pool keeps its slabs by these bins. */
enum { LIDO_OCCUPANCY_BINS = 6 };
LIDO_API void lido_pool_occupancy_histogram(lido_pool *pool, uint64_t bins[LIDO_OCCUPANCY_BINS]);

/* What is live in a pool, by its name. */
typedef struct lido_pool_use {
  char name[64];       /* as much as there is room for */
  uint64_t live;       /* objects; 0 for a SINGLE_THREAD pool of another thread, unless a manager has it */
  uint64_t bytes_live; /* with their padding */
} lido_pool_use;

/* Call `visit` for each pool of the process until it returns false. It is given a copy, made of all pools at one time,
 * and no lock is held. 0, or ENOMEM: nothing was visited. */
LIDO_API int lido_pools_each(bool (*visit)(const lido_pool_use *use, void *arg), void *arg);

/* The share of allocs and frees that the thread's cache served, 0 to 1; 0 when there were none. */
LIDO_API double lido_pool_hit_rate(const lido_pool_stats *stats);

/* X(name, text): where allocs got their objects. */
#define LIDO_POOL_ALLOC_PATHS(X)                               \
  X(thread_cache, "the thread's cache had one")                \
  X(depot, "a full magazine came from the depot")              \
  X(slab, "a magazine was filled from slabs that were there")  \
  X(backing, "a slab was made, and a magazine filled from it") \
  X(direct, "past all caches")                                 \
  X(fallback, "beyond max_objects")

#define LIDO_POOL_ALLOC_PATH_FIELD(name, text) uint64_t name;
typedef struct lido_pool_alloc_paths {
  LIDO_POOL_ALLOC_PATHS(LIDO_POOL_ALLOC_PATH_FIELD)
} lido_pool_alloc_paths;
#undef LIDO_POOL_ALLOC_PATH_FIELD

/* They add up to the allocs; numbers that were read while threads moved objects may have less allocs than slow paths:
 * then thread_cache is 0, and the sum is more. */
LIDO_API void lido_pool_alloc_paths_get(const lido_pool_stats *stats, lido_pool_alloc_paths *out);

/* Verify the pool's invariants: NULL, or the number and text of one that does not hold ("S2: ...",
 * as in the headers of pools/). For tests and debugging: no other thread may use the pool, and it
 * costs O(objects). */
LIDO_API const char *lido_pool_check(lido_pool *pool);

/* ---- A section that must not fail ---------------------------------------------------------- */

/* `count` objects set aside, so that as many allocs from the reserve can't fail. NULL: ENOMEM (there is no memory, or
 * max_objects allows no so many), EINVAL (count 0), or construct's errno. One thread at a time. When max_objects is
 * met, other threads are asked for what their caches hold: a later try may succeed. */
typedef struct lido_reserve lido_reserve;
LIDO_API lido_reserve *lido_reserve_create(lido_pool *pool, size_t count);
LIDO_API size_t lido_reserve_count(const lido_reserve *reserve); /* objects left */
LIDO_API void *lido_reserve_alloc(lido_reserve *reserve);        /* NULL (ENOMEM) only when none is left */
LIDO_API int lido_reserve_refill(lido_reserve *reserve);         /* up to `count` again: 0, ENOMEM */
LIDO_API void lido_reserve_destroy(lido_reserve *reserve);       /* what is left goes back; before the pool */

/* ---- Hand-over of whole magazines ---------------------------------------------------------- */

/* A magazine of free objects, passed from a thread that mostly frees to one that mostly allocs by one
 * pointer, past the depot. A magazine that is not attached keeps its objects from everyone. */
typedef struct lido_magazine lido_magazine;
LIDO_API lido_magazine *lido_pool_magazine_detach(lido_pool *pool);                /* this thread's; NULL if empty */
LIDO_API size_t lido_magazine_count(const lido_magazine *magazine);                /* objects in it */
LIDO_API void lido_pool_magazine_attach(lido_pool *pool, lido_magazine *magazine); /* consumed; same pool */

/* ---- A cache of one's own ------------------------------------------------------------------ */

/* An explicit cache, for event loops and fibers that do not want thread-locals. One thread at a time;
 * objects may be mixed freely with those of the thread caches. */
typedef struct lido_pool_cache lido_pool_cache;
LIDO_API lido_pool_cache *lido_pool_cache_create(lido_pool *pool); /* NULL: ENOMEM */
LIDO_FAST void *lido_pool_cache_alloc(lido_pool_cache *cache);
LIDO_FAST void lido_pool_cache_free(lido_pool_cache *cache, void *object);
LIDO_API void lido_pool_cache_flush(lido_pool_cache *cache);   /* its objects go to the depot */
LIDO_API void lido_pool_cache_destroy(lido_pool_cache *cache); /* before the pool */

/* ---- Typed pools --------------------------------------------------------------------------- */

/* LIDO_POOL_DEFINE(name, type, options...) in one source file makes
 *     type *name_alloc(void);   void name_free(type *object);   lido_pool *name_pool(void);
 * on a pool that is created at the first use. To share it, LIDO_POOL_DECLARE(name, type) in a header gives
 * these to every file that includes it, and LIDO_POOL_IMPLEMENT(name, type, options...) in one of them makes
 * the pool. No semicolon follows. The options are designated initialisers of lido_pool_options; name and
 * object_size are filled in. name_pool() is NULL (errno) if the pool could not be created; destroying it is
 * allowed and the next use creates it anew. In C++ the options must come in the order of the struct. */
#define LIDO_POOL_IMPLEMENT(prefix, ...) LIDO_POOL_IMPLEMENT_BODY(prefix, __VA_ARGS__, )
#define LIDO_POOL_DECLARE(prefix, type) LIDO_POOL_DECLARE_BODY(prefix, type)
#define LIDO_POOL_DEFINE(prefix, ...) LIDO_POOL_DEFINE_BODY(prefix, __VA_ARGS__, )

/* ---- Debugging ----------------------------------------------------------------------------- */

/* From now on every new pool is made with LIDO_POOL_PASSTHROUGH (or no longer). */
LIDO_API void lido_pool_passthrough_set(bool on);

LIDO_END

#include "lido/inline/pool_inline.h"

#endif
