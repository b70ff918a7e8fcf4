/* lido/cache.h: a concurrent map from keys to weakly held objects, with creation by one thread only, and a bounded
 * store of those that it keeps alive itself.
 *
 *     lido_cache *cache = lido_cache_create(&(lido_cache_options){ .name = "fonts", .keep_count = 100 });
 *
 *     static int load(const void *key, size_t key_bytes, void *arg, void **value) {
 *       struct font *font = lido_pool_alloc(fonts);     // a pool made with LIDO_POOL_HANDLES
 *       ...                                             // may take its time: no lock is held
 *       *value = font;                                  // with the one reference that alloc gave
 *       return 0;                                       // or an errno value, for all who asked
 *     }
 *     void *font;
 *     int error = lido_cache_get_or_create(cache, path, strlen(path), load, NULL, &font);
 *     if (error == 0) lido_release(font);
 *
 * A cache does not own its values. An entry leads to an object for as long as somebody else has a reference to it, and
 * goes when the object dies: two who ask for a key at the same time get the same object, and what nobody uses is gone.
 * Whoever wants values to stay a while gives the cache bounds (keep_...): then it holds references of its own to some
 * values, and lets go of those that were not asked for lately. What is let go for lack of room may still be found while
 * somebody uses it.
 *
 * Keys are bytes, copied, at most LIDO_CACHE_KEY_MAX; or, with hash and equal, whatever these make of bytes.
 * Values are objects of pools made with LIDO_POOL_HANDLES, of any number of pools. An object may be there under several
 * keys.
 *
 * Creation: of many threads that miss a key at once, one calls create, and the others wait for what it returns, object
 * or error. Who asks for the key it is just creating gets EDEADLK, and so does who would close a ring of threads that
 * wait for each other's creations, of whatever caches. A thread that ends inside create (pthread_exit, cancellation)
 * fails it with ECANCELED. create must not be left by longjmp or a C++ exception.
 *
 * Threads: every function from any thread, but destroy: no other call may be in progress or come later, except deaths
 * of values. A hit takes no lock and writes nothing that other threads read, but the object's count. Callbacks of the
 * program run without locks and may use any cache, this one too; except hash and equal, which may run under one and
 * must not call Lido.
 * Errors: int functions return 0 or an errno value; pointers are NULL. errno is changed only where it is said. Misuse
 * (a value that is no live object of a pool with handles) goes to the handler of lido/misuse.h.
 * Signals: not in handlers. Fork: the child has all caches; creations of other threads are forgotten, and begin anew
 * when somebody asks.
 * Method: the cache of weak pointers in "From unique to cleanups and weak" (The Go Blog, 2025); single flight
 * (groupcache); SIEVE (Zhang et al., "SIEVE is simpler than LRU", NSDI 2024), with a bound on what one eviction looks
 * at.
 */
#ifndef LIDO_CACHE_H
#define LIDO_CACHE_H

#include "lido/base.h"
#include "lido/budget.h"
#include "lido/weak.h"

LIDO_BEGIN

typedef struct lido_cache lido_cache;

enum { LIDO_CACHE_KEY_MAX = 1 << 19 }; /* bytes */

/* ---- Options ------------------------------------------------------------------------------- */

/* Why a value is no longer kept. */
#define LIDO_CACHE_REASONS(X)                                                    \
  X(LIDO_CACHE_COUNT, evicted_count, "values let go for keep_count")             \
  X(LIDO_CACHE_BYTES, evicted_bytes, "values let go for keep_bytes")             \
  X(LIDO_CACHE_EXPIRED, evicted_expired, "values whose time was over")           \
  X(LIDO_CACHE_REPLACED, evicted_replaced, "values in whose place others came")  \
  X(LIDO_CACHE_REMOVED, evicted_removed, "values whose key was removed")         \
  X(LIDO_CACHE_SHED, evicted_shed, "values that lido_cache_evict was asked for") \
  X(LIDO_CACHE_ENDED, evicted_ended, "values there at the end of the cache")

#define LIDO_CACHE_REASON_CONSTANT(constant, name, text) constant,
typedef enum lido_cache_reason {
  LIDO_CACHE_REASONS(LIDO_CACHE_REASON_CONSTANT) LIDO_CACHE_REASON_COUNT
} lido_cache_reason;
#undef LIDO_CACHE_REASON_CONSTANT

/* Zero means default everywhere; options with nothing set make a cache that keeps nothing alive. */
typedef struct lido_cache_options {
  const char *name; /* copied, 63 bytes of it; NULL = "cache" */
  /* Keys that are more than their bytes: equal keys must have equal hashes. Both or none. */
  uint64_t (*hash)(const void *key, size_t key_bytes, void *context);
  bool (*equal)(const void *a, size_t a_bytes, const void *b, size_t b_bytes, void *context);
  uint64_t seed; /* of the hash of bytes; 0 = random, so that nobody can choose keys that collide */
  /* Bounds of what is kept alive; 0 = no such bound. Without any of these four, nothing is kept; with times alone,
   * everything until its time is over. Exceeded only inside calls, and by what on_evict puts without end. */
  size_t keep_count;
  size_t keep_bytes; /* of weights; more than 2^44 counts as that, for weights too */
  /* An entry ends so long after its value was put or created, and so long after it was last asked for, whoever else
   * uses the object; nanoseconds, 0 = never. Precise to some milliseconds. */
  uint64_t live_ns;
  uint64_t idle_ns;
  /* What a value counts against keep_bytes; asked once, when it is put. NULL = its object's size. One that is heavier
   * than keep_bytes is not kept. */
  size_t (*weight)(const void *key, size_t key_bytes, const void *value, void *context);
  /* The cache no longer keeps this value; it is alive until this returns. Called only for values that were kept, and
   * not if the pool of the value has ended. It may use this cache: then a value that is asked for in here is not kept
   * again by that. A thread that ends in here holds up nobody; but from inside a call of its own of this cache, other
   * than lido_cache_evict, it takes along what that call holds: an entry, and the cache's memory. */
  void (*on_evict)(const void *key, size_t key_bytes, void *value, lido_cache_reason reason, void *context);
  /* Nanoseconds that never go back; NULL = the system's. For tests and simulations. */
  uint64_t (*now)(void *context);
  void *context;       /* for all of these */
  lido_budget *budget; /* charged for the memory of the entries (lido/budget.h); NULL = none */
} lido_cache_options;

/* ---- Life ---------------------------------------------------------------------------------- */

/* NULL options: the defaults. NULL: EINVAL (hash without equal or the other way round), ENOMEM. About 9 KiB, and the
 * least that a pool takes for each size of keys that comes up. */
LIDO_API lido_cache *lido_cache_create(const lido_cache_options *options);

/* Values that were kept are let go (LIDO_CACHE_ENDED); values of others live on, and their deaths find no cache. ->
 * entries that there were. NULL is ignored. Allowed in destructors and cleanups of values and in this cache's
 * callbacks, also inside a call of this cache on the same thread: the cache is over, its memory goes when that call
 * returns. During and after it on_evict and such calls still may use the cache; what they put or create is refused with
 * ESTALE.
 * A second destroy is misuse. */
LIDO_API size_t lido_cache_destroy(lido_cache *cache);

LIDO_API const char *lido_cache_name(const lido_cache *cache);

/* ---- Asking -------------------------------------------------------------------------------- */

/* The object, with one reference more, which the caller releases; or NULL: there is none (errno unchanged). A creation
 * in progress is not waited for. A hash, a walk of one chain, one compare-and-swap. */
LIDO_API void *lido_cache_get(lido_cache *cache, const void *key, size_t key_bytes);

/* Makes the object of a key: *value, with a reference that becomes the caller's of get_or_create. 0, or an errno value,
 * and *value is not looked at. A result of 0 with NULL is EINVAL. The key is the caller's own bytes. */
typedef int (*lido_cache_maker)(const void *key, size_t key_bytes, void *arg, void **value);

/* The object, with one reference more: the present one, or what create makes, here or just now in another thread. 0;
 * what create returned; EDEADLK, ECANCELED (see above); ESTALE: what it made was killed; ENOMEM; EMSGSIZE: the key is
 * too long. On errors *value is NULL. */
LIDO_API int lido_cache_get_or_create(lido_cache *cache, const void *key, size_t key_bytes, lido_cache_maker create,
                                      void *arg, void **value);

/* The same; ETIMEDOUT if another thread's creation takes longer than wait_ns nanoseconds from now. UINT64_MAX = as long
 * as it takes. */
LIDO_API int lido_cache_get_or_create_within(lido_cache *cache, const void *key, size_t key_bytes,
                                             lido_cache_maker create, void *arg, uint64_t wait_ns, void **value);

/* ---- Changing ------------------------------------------------------------------------------ */

/* From now on the key leads to this object; the caller keeps its reference. In the place of another object, or of one
 * that is just being created: whoever waits for that still gets it, but it is not entered. 0, EINVAL (no object),
 * ESTALE (it was killed, or is dying; or the cache is), EMSGSIZE, ENOMEM. */
LIDO_API int lido_cache_put(lido_cache *cache, const void *key, size_t key_bytes, void *value);

/* The same if the key leads to no live object; else EEXIST, and *present, if present is not NULL, is that object with
 * one reference more. */
LIDO_API int lido_cache_put_absent(lido_cache *cache, const void *key, size_t key_bytes, void *value, void **present);

/* The key leads to nothing any more, and what is just being created for it will not be entered. -> whether there was
 * anything. */
LIDO_API bool lido_cache_remove(lido_cache *cache, const void *key, size_t key_bytes);

/* Compare and delete: the same, but only if the key leads to that object, alive or dead; creations go on. */
LIDO_API bool lido_cache_remove_if(lido_cache *cache, const void *key, size_t key_bytes, lido_weak value);

/* Remove of every key. -> how many there were. */
LIDO_API size_t lido_cache_clear(lido_cache *cache);

/* ---- What is kept -------------------------------------------------------------------------- */

/* Let go of up to `count` kept values, those first that would be next. -> how many. SIZE_MAX: all. */
LIDO_API size_t lido_cache_evict(lido_cache *cache, size_t count);

/* End entries whose time is over. Otherwise they end when somebody asks for them, or, some at each put, when they were
 * kept. -> how many. Costs O(entries). */
LIDO_API size_t lido_cache_expire(lido_cache *cache);

/* Give free memory of the cache's own back. -> bytes. */
LIDO_API size_t lido_cache_trim(lido_cache *cache);

/* ---- Questions ----------------------------------------------------------------------------- */

/* Call `visit` for every live value until it returns false; the value is good until then. Entries that are there from
 * begin to end come exactly once. `visit` may do anything. 0, or ENOMEM: some were not visited. *visited, if not NULL:
 * how many. */
LIDO_API int lido_cache_for_each(lido_cache *cache,
                                 bool (*visit)(const void *key, size_t key_bytes, void *value, void *arg), void *arg,
                                 size_t *visited);

/* X(name, kind, unit, text); the reasons of evictions follow, from their own list. */
#define LIDO_CACHE_STATISTICS(X)                                                                             \
  X(entries, gauge, entries, "keys, with dead values whose death has not been heard of yet")                 \
  X(kept, gauge, objects, "values kept alive by the cache")                                                  \
  X(kept_weight, gauge, bytes, "their weight")                                                               \
  X(bytes_reserved, gauge, bytes, "memory of the entries, used or not")                                      \
  X(hits, counter, calls, "questions that found a live value")                                               \
  X(misses, counter, calls, "questions that found none, also those that then created or waited")             \
  X(stale, counter, calls, "misses that found a dead or expired value")                                      \
  X(flights, counter, calls, "creations begun")                                                              \
  X(flights_failed, counter, calls, "creations that gave an error")                                          \
  X(flights_doomed, counter, calls, "creations whose result was not entered: removed or replaced meanwhile") \
  X(waits, counter, calls, "questions that waited for another thread's creation")                            \
  X(timeouts, counter, calls, "waits that ended by their deadline")                                          \
  X(deadlocks, counter, calls, "questions that got EDEADLK")                                                 \
  X(too_heavy, counter, objects, "values not kept because of their weight")                                  \
  X(deaths, counter, entries, "entries that ended with their value")

#define LIDO_CACHE_STATISTIC_FIELD(name, kind, unit, text) uint64_t name;
#define LIDO_CACHE_REASON_FIELD(constant, name, text) uint64_t name;
typedef struct lido_cache_stats {
  LIDO_CACHE_STATISTICS(LIDO_CACHE_STATISTIC_FIELD)
  LIDO_CACHE_REASONS(LIDO_CACHE_REASON_FIELD)
} lido_cache_stats;
#undef LIDO_CACHE_STATISTIC_FIELD
#undef LIDO_CACHE_REASON_FIELD

/* Each number is right for some moment of the call. */
LIDO_API void lido_cache_stats_get(const lido_cache *cache, lido_cache_stats *out);

/* hits / (hits + misses); 0 when nothing was asked. */
LIDO_API double lido_cache_hit_ratio(const lido_cache_stats *stats);

/* NULL, or the number and text of an invariant that does not hold (the headers of lib/caches/). No other thread may use
 * the cache. */
LIDO_API const char *lido_cache_check(lido_cache *cache);

LIDO_END

#endif
