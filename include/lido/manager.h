/* lido/manager.h: pools, arena classes, caches and queues by name, under one roof: limits, reclaim, policies, an end in
 * the right order.
 *
 *     lido_manager *manager = lido_manager_create(&(lido_manager_options){ .name = "server", .soft_bytes = 64 << 20,
 *                                                     .hard_bytes = 96 << 20, .policy = LIDO_POLICY_ADAPTIVE }, NULL);
 *     lido_pool *conns = lido_manager_pool(manager, &(lido_pool_options){ .name = "conns",
 *                                                                         .object_size = sizeof(struct conn) });
 *     lido_arena_class *requests = lido_manager_arena_class(manager, &(lido_arena_options){ .name = "requests" });
 *     ...
 *     lido_manager_destroy(manager);      // observers, caches, cleanups, pools, arenas
 *
 * What it makes are ordinary pools and arenas: alloc and free know nothing of a manager and cost what they cost
 * without. It starts no thread and opens no file unless it is asked to. What is to happen now and then (samples,
 * alerts, a policy's housekeeping) happens in lido_manager_tick(), which the program calls, or has a thread call
 * (lido/monitor.h).
 *
 * Threads: every function from any thread, but destroy. Callbacks run without locks and may use the manager, but not
 * destroy it. A reclaim pass for a limit runs on the thread that needs the memory, in the middle of its alloc, and
 * calls the program from there: cleanups, on_evict, on_pressure. If these take locks that may be held around an alloc,
 * say LIDO_MANAGER_RECLAIM_AT_TICKS (docs/manager.md).
 * Errors: pointers are NULL and errno is set; int functions give 0 or an errno value. Lack of memory is never an abort.
 * Fork: the child has the manager and all in it. Signals: not in handlers.
 */
#ifndef LIDO_MANAGER_H
#define LIDO_MANAGER_H

#include "lido/arena.h"
#include "lido/budget.h"
#include "lido/cache.h"
#include "lido/cleanup.h"
#include "lido/policy.h"
#include "lido/pool.h"

LIDO_BEGIN

typedef struct lido_manager lido_manager;

/* ---- Options ------------------------------------------------------------------------------- */

/* What is wrong, for people: which field, its value, what it may be. */
typedef struct lido_message {
  char text[256]; /* "" when nothing is wrong */
} lido_message;

/* What a reclaim pass did (below). */
typedef struct lido_reclaim_report lido_reclaim_report;

enum {
  /* No function of the program is called in the middle of an alloc. The pass for the soft limit runs at the next tick
   * instead; the one for the hard limit only gives back free memory of pools and arenas (for which `destroy` of a pool
   * with constructed objects may be called). */
  LIDO_MANAGER_RECLAIM_AT_TICKS = 1,
  /* Ticks ask the system for resident_bytes (lido/monitor.h), as they do while a monitor's thread runs. Opens a file at
   * each. */
  LIDO_MANAGER_RESIDENT_BYTES = 2
};

/* Zero means default everywhere, so NULL and &(lido_manager_options){0} are complete. */
typedef struct lido_manager_options {
  const char *name;      /* copied, at most 63 bytes; NULL = "lido" */
  lido_backing *backing; /* of all that is made here and names none itself; NULL = lido_backing_default() */
  /* Limits of all that is made here (lido/budget.h): beyond soft_bytes a reclaim pass runs, on the thread that needs
   * the memory; beyond hard_bytes nothing is given out: ENOMEM, after one pass. 0 = none. */
  size_t soft_bytes;
  size_t hard_bytes;
  /* Free memory that a pool keeps, as a share of its live objects' slabs: 1 to 1,000; 0 = what the policy says. With
   * the policy NONE the pool's retain_bytes (by default 1 MiB) stays in any case. */
  unsigned retain_percent;
  lido_policy policy; /* how pools and arenas are tuned (lido/policy.h); 0 = as each one's options say */
  /* More than soft_bytes are in use although a pass has done what it could. On the thread of the pass. */
  void (*on_pressure)(lido_manager *manager, const lido_reclaim_report *report, void *context);
  /* The policy ADAPTIVE has gone from one of the others to another, or the program has changed the policy. */
  void (*on_policy)(lido_manager *manager, lido_policy from, lido_policy to, void *context);
  /* How the system's memory is: 0, or an errno value: then nothing is known. NULL = lido_pressure_read, of cgroup v2
   * and PSI; asked only with the policy ADAPTIVE, at a tick. */
  int (*pressure)(lido_pressure *out, void *context);
  uint64_t (*now)(void *context); /* nanoseconds that never go back; NULL = the system's. For tests and simulations */
  void *context;                  /* for all of these */
  size_t samples; /* how many of the last ticks are remembered (lido/monitor.h): 2 to 1,000,000; 0 = 1,000 */
  unsigned flags; /* LIDO_MANAGER_... */
} lido_manager_options;

/* 0, or EINVAL and, if `message` is not NULL, what is wrong. */
LIDO_API int lido_manager_options_check(const lido_manager_options *options, lido_message *message);

/* ---- Life ---------------------------------------------------------------------------------- */

/* NULL: EINVAL (and the message, if asked for, names the field), ENOMEM. */
LIDO_API lido_manager *lido_manager_create(const lido_manager_options *options, lido_message *message);

/* Ends all that the manager made or was given, in this order: what was given as LIDO_STAGE_OBSERVERS, caches, cleanup
 * queues (pending cleanups run), pools, arena classes. -> objects and arenas that were still live; arenas that are out
 * stay valid, and their class and the budget with them. NULL is ignored. No other thread is in a call of the manager,
 * or comes later. */
LIDO_API size_t lido_manager_destroy(lido_manager *manager);

LIDO_API const char *lido_manager_name(const lido_manager *manager);

/* ---- Find or create ------------------------------------------------------------------------ */

/* The pool of that name, made if there is none. Options that are not given (backing, budget) are the manager's. NULL:
 * EEXIST: there is one of the name with another object size, alignment, flags, construct, destroy, context or backing
 * (limits of the first one hold); EINVAL: no name, or as lido_pool_create; ENOMEM. Threads that ask for a new name at
 * once get the same pool; what the others had begun to make is gone before anybody saw it. O(log pools) and a lock:
 * keep the pointer. */
LIDO_API lido_pool *lido_manager_pool(lido_manager *manager, const lido_pool_options *options);

/* The same for classes of arenas: another chunk_bytes, chunk_bytes_max, max_bytes, reserve_bytes, retain, flags or
 * backing is EEXIST. */
LIDO_API lido_arena_class *lido_manager_arena_class(lido_manager *manager, const lido_arena_options *options);

/* The same for caches: another hash, equal, weight, on_evict, now or context is EEXIST. NULL and ENOTSUP in a build
 * without caches. Entries are charged to the manager's budget; values are what their pools are. */
LIDO_API lido_cache *lido_manager_cache(lido_manager *manager, const lido_cache_options *options);

/* The same for cleanup queues: another notify, on_high_water or context is EEXIST. */
LIDO_API lido_cleanup_queue *lido_manager_cleanup_queue(lido_manager *manager,
                                                        const lido_cleanup_queue_options *options);

/* Those that are there, or NULL (errno unchanged). `name` is needed. */
LIDO_API lido_pool *lido_manager_pool_find(lido_manager *manager, const char *name);
LIDO_API lido_arena_class *lido_manager_arena_class_find(lido_manager *manager, const char *name);
LIDO_API lido_cache *lido_manager_cache_find(lido_manager *manager, const char *name);
LIDO_API lido_cleanup_queue *lido_manager_cleanup_queue_find(lido_manager *manager, const char *name);

/* End one before its time, as its own destroy function does; nobody uses it any more. 0; ENOENT: the manager has not
 * made it (a watched pool is not ended); EBUSY: from inside a callback of a pass, tick or alert while such a walk, here
 * or elsewhere, is just at it; or arenas of the class are out. Blocks: until no pass, tick or question for occupancy of
 * another thread is at it; so not with a lock held that a function takes which such a walk calls. */
LIDO_API int lido_manager_pool_end(lido_manager *manager, lido_pool *pool);
LIDO_API int lido_manager_arena_class_end(lido_manager *manager, lido_arena_class *cls);
LIDO_API int lido_manager_cache_end(lido_manager *manager, lido_cache *cache);
LIDO_API int lido_manager_cleanup_queue_end(lido_manager *manager, lido_cleanup_queue *queue);

/* ---- What others made ---------------------------------------------------------------------- */

/* A pool that the program made (a typed one, say) is seen, tuned and trimmed with the others, under its own name, but
 * neither charged nor ended. The program takes it out before it ends it. One of a single thread is given by that
 * thread. 0, EEXIST (a pool of that name is there), EINVAL (its name is ""), ENOMEM. */
LIDO_API int lido_manager_pool_watch(lido_manager *manager, lido_pool *pool);
/* The pool stays tuned as the policy has tuned it. 0; ENOENT: it is not watched; EBUSY as above. */
LIDO_API int lido_manager_pool_unwatch(lido_manager *manager, lido_pool *pool);

/* Where in the end of a manager something has its turn. */
typedef enum lido_stage {
  LIDO_STAGE_OBSERVERS,
  LIDO_STAGE_CACHES,
  LIDO_STAGE_CLEANUPS,
  LIDO_STAGE_POOLS,
  LIDO_STAGE_ARENAS,
  LIDO_STAGES
} lido_stage;

/* Call end(object) at that stage of the end, before what the manager itself has there; the newest first. For subjects,
 * interning tables, object pools and what else the program has. What comes during the end for a stage that is over has
 * its turn when all of them are, in another round. 0, EINVAL, ENOMEM. */
LIDO_API int lido_manager_own(lido_manager *manager, lido_stage stage, void (*end)(void *object), void *object);

/* ---- Limits and reclaim -------------------------------------------------------------------- */

/* What all pools, arenas and caches of the manager are charged to. For more of them that the program makes itself. Ends
 * with the manager, or, if pools of the program stand on it then, stays for them, silent and without limits. */
LIDO_API lido_budget *lido_manager_budget(const lido_manager *manager);

/* Other limits from now on. If more than soft_bytes are in use, a pass runs, as when they are passed. 0, or EINVAL. */
LIDO_API int lido_manager_limits_set(lido_manager *manager, size_t soft_bytes, size_t hard_bytes);

/* Why a pass ran. */
#define LIDO_RECLAIM_REASONS(X)                                           \
  X(LIDO_RECLAIM_ASKED, asked, "the program asked for it")                \
  X(LIDO_RECLAIM_SOFT, soft, "more than the soft limit was in use")       \
  X(LIDO_RECLAIM_HARD, hard, "the hard limit was in the way of an alloc") \
  X(LIDO_RECLAIM_IDLE, idle, "a tick found more free memory than the policy keeps")

#define LIDO_RECLAIM_REASON_CONSTANT(constant, name, text) constant,
typedef enum lido_reclaim_reason {
  LIDO_RECLAIM_REASONS(LIDO_RECLAIM_REASON_CONSTANT) LIDO_RECLAIM_REASON_COUNT
} lido_reclaim_reason;
#undef LIDO_RECLAIM_REASON_CONSTANT

struct lido_reclaim_report {
  lido_reclaim_reason reason;
  uint64_t ns;          /* what it took */
  uint64_t used_before; /* bytes charged to the budget */
  uint64_t used_after;
  uint64_t freed_bytes;  /* slabs and blocks that went back */
  uint64_t purged_bytes; /* pages of slabs that had gone back before, given to the system */
  uint64_t cleanups;     /* that were pending and ran */
  uint64_t evicted;      /* values that caches no longer keep */
};

/* A pass now, on this thread: pending cleanups run, free memory of pools and of this thread's idle arenas goes back
 * (other threads give theirs at their next slow path), and while more than soft_bytes are in use, caches let go of
 * values they keep. Several threads may be in passes at once; inside a callback of a pass of this manager it does
 * nothing. -> bytes that went back; `report`, if not NULL, says more. Costs by what it frees, and about a hundred
 * nanoseconds for each pool and class. */
LIDO_API size_t lido_manager_reclaim(lido_manager *manager, lido_reclaim_report *report);

/* ---- Policy -------------------------------------------------------------------------------- */

/* All pools are tuned anew before it returns. A value that is no policy changes nothing. */
LIDO_API void lido_manager_policy_set(lido_manager *manager, lido_policy policy);
/* What was set, and, with ADAPTIVE, what that has chosen at present. */
LIDO_API lido_policy lido_manager_policy(const lido_manager *manager, lido_policy *chosen);

/* What each of the three would have cost, by the last tick; all zero unless ADAPTIVE is set and has looked, at a tick
 * that had another one before it. */
LIDO_API void lido_manager_policy_scores(const lido_manager *manager, lido_policy_score out[LIDO_POLICY_CHOICES]);

/* ---- Housekeeping -------------------------------------------------------------------------- */

/* What is due: a sample is taken (lido/monitor.h), alerts are looked at (lido/alert.h), pages whose delay is over are
 * purged, slabs are made ready ahead of need, some cleanups run, ADAPTIVE decides; while the heap profile runs, each
 * cache of the process's threads is asked to come by (lido/heap_profile.h), under the lock of the registry. Once a
 * second, say. Costs some hundred nanoseconds for each pool, and allocates nothing but the slabs that LOW_LATENCY makes
 * ready. */
LIDO_API void lido_manager_tick(lido_manager *manager);

/* Verify invariants: NULL, or the number and text of one that does not hold. No other thread may use the manager. */
LIDO_API const char *lido_manager_check(lido_manager *manager);

LIDO_END

#endif
