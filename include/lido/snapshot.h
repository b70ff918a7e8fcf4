/* lido/snapshot.h: what a manager has, at one moment, as plain numbers. All reports are made of it: metrics, JSON,
 * `lido top`, dumps.
 *
 *     lido_snapshot *snapshot = lido_snapshot_create();
 *     if (lido_snapshot_take(snapshot, manager) == 0) printf("%zu pools\n", snapshot->pool_count);
 *     lido_snapshot_destroy(snapshot);
 *
 * A snapshot is used again and again: once it has grown to what the manager has, taking it allocates nothing. Its
 * numbers, names and arrays are its own: they outlive the pools, until it is taken anew. Each number is right for some
 * moment of the call; counters of a pool, class or cache never fall from one snapshot of a manager to the next.
 *
 * Threads: any may take one of the same manager; one snapshot is used by one thread at a time. Cost: some hundred
 * nanoseconds a pool; the fast paths of alloc and free are not held up.
 */
#ifndef LIDO_SNAPSHOT_H
#define LIDO_SNAPSHOT_H

#include "lido/guard.h"
#include "lido/manager.h"
#include "lido/weak.h"

LIDO_BEGIN

/* Takes `bytes` bytes of a report's text. 0, or an errno value, which ends the report. */
typedef int (*lido_text_sink)(const char *text, size_t bytes, void *context);

/* ---- How long something took --------------------------------------------------------------- */

/* Bucket i counts what took less than 1,024 << 2 i nanoseconds and no less than the bucket before; the last one what
 * took longer, too. */
enum { LIDO_DURATION_BUCKETS = 12 };
typedef struct lido_durations {
  uint64_t buckets[LIDO_DURATION_BUCKETS];
  uint64_t count;
  uint64_t sum_ns;
} lido_durations;

/* The upper end of a bucket, in nanoseconds; UINT64_MAX for the last. */
LIDO_API uint64_t lido_duration_bucket_end(size_t bucket);

/* ---- The manager --------------------------------------------------------------------------- */

/* X(name, kind, unit, text), as LIDO_POOL_STATISTICS. Sums are over what the manager made or watches. */
#define LIDO_MANAGER_STATISTICS(X)                                                                          \
  X(bytes_live, gauge, bytes, "live objects of pools, each with its padding")                               \
  X(bytes_cached, gauge, bytes, "free objects in caches of pools")                                          \
  X(bytes_reserved, gauge, bytes, "slabs and metadata of pools")                                            \
  X(bytes_idle, gauge, bytes, "blocks of idle arenas")                                                      \
  X(allocs, counter, objects, "objects that pools handed out")                                              \
  X(frees, counter, objects, "objects that pools got back")                                                 \
  X(misses, counter, calls, "allocs and frees that no thread's cache served")                               \
  X(slabs_made, counter, slabs, "slabs that pools made")                                                    \
  X(acquires, counter, calls, "arenas handed out")                                                          \
  X(cache_hits, counter, calls, "questions to caches that found a live value")                              \
  X(cache_misses, counter, calls, "questions to caches that found none")                                    \
  X(cleanups_pending, gauge, cleanups, "cleanups that wait on queues")                                      \
  X(passes_asked, counter, passes, "reclaim passes that the program asked for")                             \
  X(passes_soft, counter, passes, "reclaim passes for the soft limit")                                      \
  X(passes_hard, counter, passes, "reclaim passes for the hard limit")                                      \
  X(passes_idle, counter, passes, "reclaim passes of a tick, for free memory beyond what the policy keeps") \
  X(freed_bytes, counter, bytes, "slabs and blocks that passes gave back")                                  \
  X(purged_bytes, counter, bytes, "pages that passes and ticks gave to the system")                         \
  X(cleanups_run, counter, cleanups, "cleanups that passes and ticks ran")                                  \
  X(evicted, counter, objects, "values that passes had caches let go of")                                   \
  X(ticks, counter, calls, "ticks")                                                                         \
  X(policy_changes, counter, calls, "changes of the policy, or of what ADAPTIVE chose")

#define LIDO_MANAGER_STATISTIC_FIELD(name, kind, unit, text) uint64_t name;
typedef struct lido_manager_stats {
  LIDO_MANAGER_STATISTICS(LIDO_MANAGER_STATISTIC_FIELD)
} lido_manager_stats;
#undef LIDO_MANAGER_STATISTIC_FIELD

/* ---- Its members --------------------------------------------------------------------------- */

typedef struct lido_pool_snapshot {
  const char *name;
  size_t object_size;
  size_t align;
  size_t max_objects; /* 0: no limit */
  bool watched;       /* made by the program */
  lido_pool_stats stats;
} lido_pool_snapshot;

typedef struct lido_arena_class_snapshot {
  const char *name;
  lido_arena_class_stats stats;
} lido_arena_class_snapshot;

typedef struct lido_cache_snapshot {
  const char *name;
  lido_cache_stats stats;
} lido_cache_snapshot;

typedef struct lido_cleanup_queue_snapshot {
  const char *name;
  uint64_t pending;
} lido_cleanup_queue_snapshot;

typedef struct lido_snapshot {
  const char *manager;                           /* its name */
  uint64_t now_ns;                               /* the manager's clock */
  uint64_t wall_ns;                              /* since 1970, of the system's clock */
  lido_policy policy;                            /* that was set */
  lido_policy chosen;                            /* by ADAPTIVE; else the same */
  lido_policy_score scores[LIDO_POLICY_CHOICES]; /* with ADAPTIVE, once it has looked; else all zero, */
  lido_pressure pressure;                        /* and so is this */
  lido_manager_stats stats;
  lido_durations passes; /* reclaim passes, for whatever reason */
  lido_budget_stats budget;
  lido_weak_stats weak; /* of the whole process, as are the next */
  lido_guard_stats guard;
  /* In the order of names. */
  lido_pool_snapshot *pools;
  size_t pool_count;
  lido_arena_class_snapshot *arena_classes;
  size_t arena_class_count;
  lido_cache_snapshot *caches;
  size_t cache_count;
  lido_cleanup_queue_snapshot *cleanup_queues;
  size_t cleanup_queue_count;
} lido_snapshot;

/* An empty one. NULL: ENOMEM. */
LIDO_API lido_snapshot *lido_snapshot_create(void);
LIDO_API void lido_snapshot_destroy(lido_snapshot *snapshot); /* NULL is ignored */

/* 0, or ENOMEM: then it is as it was before. */
LIDO_API int lido_snapshot_take(lido_snapshot *snapshot, lido_manager *manager);

/* lido_pool_occupancy() for the pool of that name, which other threads may end meanwhile: they wait for this call.
 * *slabs is how many slabs there are, be they more or fewer than `count`. 0; ENOENT: no such pool. */
LIDO_API int lido_manager_pool_occupancy(lido_manager *manager, const char *name, lido_slab_use *out, size_t count,
                                         size_t *slabs);

LIDO_END

#endif
