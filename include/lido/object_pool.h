/* lido/object_pool.h: pools of the program's own objects, whatever they are: buffers that grow, parsers, contexts.
 *
 *     lido_object_pool *buffers = lido_object_pool_create(&(lido_object_pool_options){
 *         .name = "buffer", .create = buffer_new, .reset = buffer_clear, .destroy = buffer_free });
 *     struct buffer *buffer = lido_object_pool_get(buffers);
 *     lido_object_pool_put(buffers, buffer);
 *     lido_object_pool_destroy(buffers);
 *
 * or, typed and inlined, for a pool that lives as long as the program:
 *
 *     LIDO_OBJECT_POOL_DEFINE(buffer, struct buffer, .create = buffer_new, .destroy = buffer_free)
 *     struct buffer *buffer = buffer_get();
 *     buffer_put(buffer);
 *
 * For objects that cost much to make. A get reuses one that was put, or creates one; nothing says which. The pool
 * never looks into an object and has no memory of objects: it keeps pointers. Objects of one size whose memory is
 * to come from Lido are the business of lido/pool.h.
 *
 * Method: Go's sync.Pool. Each thread has a store; threads trade through shelves that all share; a trim makes what is
 * kept the victims of the next trim. Unlike there, what is kept has bounds, and objects that have grown too large are
 * not kept.
 *
 * Threads: every function may be called from any thread at any time, but destroy, which must come after the last
 * other call on that pool. An object may be put by any thread. Writes before a put are seen by whoever gets the object.
 * Callbacks run on the thread that calls, without any lock, and may use every pool, this one too: create in a get;
 * reset, size and destroy in a put; destroy in a get as well (if the bounds are met), in a trim and at the pool's end.
 * None runs at a thread's exit.
 * Errors: lack of memory for the pool's own use loses no object: one that can't be kept is destroyed. errno is
 * unchanged by success, unless reset or size change it.
 * Misuse goes to the handler of lido/misuse.h: a second put of an object is found if it is the next put of that
 * thread, with LIDO_CHECKS=full if the object is still in that thread's own store. Other second puts are not
 * found, nor puts into the wrong pool: the pool doesn't know whose an object is.
 * Signals: not async-signal-safe. Fork: the child can use every pool, with all that was kept.
 */
#ifndef LIDO_OBJECT_POOL_H
#define LIDO_OBJECT_POOL_H

#include "lido/base.h"

LIDO_BEGIN

typedef struct lido_object_pool lido_object_pool;

/* ---- Options ------------------------------------------------------------------------------- */

/* Zero means default everywhere but in create. */
typedef struct lido_object_pool_options {
  const char *name; /* copied; NULL = "objects" */
  /* A new object, clean; or NULL, with errno. Required. */
  void *(*create)(void *context);
  /* Called at each put, so that what is kept is clean. NULL = nothing to clean. */
  void (*reset)(void *object, void *context);
  /* The end of an object that is not kept any more. NULL = nothing to end. */
  void (*destroy)(void *object, void *context);
  /* How many bytes an object holds; called at each put, after reset. A kept object's size must not change. A kept
   * object that says more than 2^44 is counted with 2^44. NULL = not asked. */
  size_t (*size)(const void *object, void *context);
  void *context;          /* for all four */
  size_t keep_bytes_each; /* with size: a larger object is destroyed at its put; 0 = all sizes are kept */
  size_t keep_objects;    /* most objects kept, in all stores and shelves: 0 = 4,096, SIZE_MAX = no bound */
  size_t keep_bytes; /* with size: most bytes that these hold; 0 = no bound, and not counted; above 2^44 = no bound */
} lido_object_pool_options;

/* ---- Life of a pool ------------------------------------------------------------------------ */

/* A new pool. NULL: EINVAL (no options, no create, or a bound in bytes without size), ENOMEM. */
LIDO_API lido_object_pool *lido_object_pool_create(const lido_object_pool_options *options);

/* End a pool: what it keeps is destroyed. -> objects that are still out; they stay the program's, to be ended
 * as destroy would. NULL is ignored. Not from inside a callback of its own. */
LIDO_API size_t lido_object_pool_destroy(lido_object_pool *pool);

LIDO_API const char *lido_object_pool_name(const lido_object_pool *pool);

/* ---- Get and put --------------------------------------------------------------------------- */

/* An object, reset or new. NULL: create gave none; errno is what it left there. O(1); takes a lock only when the
 * thread's store is empty. */
LIDO_FAST void *lido_object_pool_get(lido_object_pool *pool);

/* Give an object back; NULL is ignored. It is reset, and kept or destroyed. O(1); takes a lock only when the thread's
 * store is full. Never fails. An object that no get gave out may be put, too. */
LIDO_FAST void lido_object_pool_put(lido_object_pool *pool, void *object);

/* The same two calls as plain exported functions, for function pointers and other languages. */
LIDO_API void *lido_object_pool_get_call(lido_object_pool *pool);
LIDO_API void lido_object_pool_put_call(lido_object_pool *pool, void *object);

/* ---- Memory -------------------------------------------------------------------------------- */

/* Destroy what the trim before this one found kept and nobody has used since; what is kept now, by this thread and all
 * others, idle ones too, is next. Twice in a row destroys all that is kept. -> objects destroyed. To be called
 * now and then, as a garbage collector would run; each costs other threads that use the pool one slow get or put.
 * Without memory some stores are left for the next time.
 * lido_thread_flush() (lido/pool.h) puts what this thread's stores keep within the reach of others. */
LIDO_API size_t lido_object_pool_trim(lido_object_pool *pool);

/* ---- Questions ----------------------------------------------------------------------------- */

/* X(name, kind, unit, text) for every statistic: the struct, the printers and the docs come from this one list. */
#define LIDO_OBJECT_POOL_STATISTICS(X)                                                                   \
  X(out, gauge, objects, "objects in the program's hands: those put that no get gave out count against") \
  X(kept, gauge, objects, "objects that wait for a get, victims too")                                    \
  X(kept_bytes, gauge, bytes, "what these hold; 0 without keep_bytes")                                   \
  X(victims, gauge, objects, "those of them that the next trim destroys")                                \
  X(gets, counter, objects, "objects handed out")                                                        \
  X(reuses, counter, objects, "those of them that were not created for it")                              \
  X(created, counter, objects, "objects created")                                                        \
  X(destroyed_large, counter, objects, "objects destroyed at a put: larger than keep_bytes_each")        \
  X(destroyed_bound, counter, objects,                                                                   \
    "objects destroyed: keep_objects or keep_bytes was met, or there was no memory")                     \
  X(destroyed_trimmed, counter, objects, "objects destroyed by a trim")                                  \
  X(destroyed_end, counter, objects, "objects destroyed by the pool's end: only its callbacks see it")   \
  X(trims, counter, calls, "calls of lido_object_pool_trim")                                             \
  X(stores, gauge, stores, "threads' stores")                                                            \
  X(slow, counter, calls, "gets and puts that took the lock")

#define LIDO_OBJECT_POOL_STATISTIC_FIELD(name, kind, unit, text) uint64_t name;
typedef struct lido_object_pool_stats {
  LIDO_OBJECT_POOL_STATISTICS(LIDO_OBJECT_POOL_STATISTIC_FIELD)
} lido_object_pool_stats;
#undef LIDO_OBJECT_POOL_STATISTIC_FIELD

/* Exact when no other thread uses the pool meanwhile; else each number is right for some moment of the call. Costs
 * O(stores). */
LIDO_API void lido_object_pool_stats_get(const lido_object_pool *pool, lido_object_pool_stats *out);

/* The share of gets that created nothing, 0 to 1; 0 when there were none. */
LIDO_API double lido_object_pool_reuse_rate(const lido_object_pool_stats *stats);

/* Verify the pool's invariants: NULL, or the number and text of one that does not hold ("O2: ...", as in the headers of
 * pools/). For tests and debugging: no other thread may use the pool. */
LIDO_API const char *lido_object_pool_check(lido_object_pool *pool);

/* ---- Typed pools --------------------------------------------------------------------------- */

/* LIDO_OBJECT_POOL_DEFINE(name, type, options...) in one source file makes
 *     type *name_get(void);   void name_put(type *object);   lido_object_pool *name_objects(void);
 * on a pool that is created at the first use. To share it, LIDO_OBJECT_POOL_DECLARE(name, type) in a header gives these
 * to every file that includes it, and LIDO_OBJECT_POOL_IMPLEMENT(name, type, options...) in one of them makes the pool.
 * No semicolon follows. The options are designated initialisers of lido_object_pool_options; name is filled in.
 * name_objects() is NULL (errno) if the pool could not be created; destroying it is allowed and the next use creates it
 * anew. With LIDO_OBJECT_POOL_DEFINE the compiler sees the options where it inlines a put, and so reset and size, too;
 * a put that was only declared calls them. In C++ the options must come in the order of the struct. */
#define LIDO_OBJECT_POOL_IMPLEMENT(prefix, ...) LIDO_OBJECT_POOL_IMPLEMENT_BODY(prefix, __VA_ARGS__, )
#define LIDO_OBJECT_POOL_DECLARE(prefix, type) LIDO_OBJECT_POOL_DECLARE_BODY(prefix, type)
#define LIDO_OBJECT_POOL_DEFINE(prefix, ...) LIDO_OBJECT_POOL_DEFINE_BODY(prefix, __VA_ARGS__, )

LIDO_END

#include "lido/inline/object_pool_inline.h"

#endif
