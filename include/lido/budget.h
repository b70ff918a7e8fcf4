/* lido/budget.h: a limit over many pools and arenas, of any thread.
 *
 *     lido_budget *budget = lido_budget_create(&(lido_budget_options){ .hard_bytes = 64 << 20 });
 *     lido_pool *pool = lido_pool_create(&(lido_pool_options){ .object_size = 96, .budget = budget });
 *     lido_arena *arena = lido_arena_create(&(lido_arena_options){ .budget = budget });
 *
 * What counts is memory that is taken from a backing for objects: a pool's slabs, with free objects in them, and an
 * arena's blocks, with what is unused in them. Lido's own metadata (about 1 %) does not.
 *
 * Two limits. The soft one may be passed: then somebody is told, who frees what is not needed. The hard one is never
 * passed: who wants more gets ENOMEM, everywhere and with nothing lost, after somebody had one chance to free
 * something.
 *
 * Threads: any, at any time, but destroy. Errors: NULL and errno, or an errno value. A manager (lido/manager.h) has a
 * budget of its own and answers both calls by a reclaim pass.
 */
#ifndef LIDO_BUDGET_H
#define LIDO_BUDGET_H

#include "lido/base.h"

LIDO_BEGIN

typedef struct lido_budget lido_budget;

typedef struct lido_budget_options {
  size_t soft_bytes; /* 0 = no such limit */
  size_t hard_bytes; /* 0 = no such limit */
  /* Called when `used` bytes are more than soft_bytes; again when a sixteenth of soft_bytes (64 KiB at least) has been
   * taken since, and not before. On the thread that takes the memory, in the middle of its alloc, with no lock held; it
   * may do anything but use the arena that is being served. What it allocates from this budget brings no further call
   * on that thread. */
  void (*on_soft)(lido_budget *budget, size_t used, void *context);
  /* Called when `wanted` bytes more would pass hard_bytes, on the thread that wants them, as on_soft. After it the
   * limit is looked at once more. */
  void (*on_hard)(lido_budget *budget, size_t wanted, void *context);
  void *context; /* for both */
} lido_budget_options;

/* NULL: EINVAL (options NULL; a soft limit above the hard one), ENOMEM. */
LIDO_API lido_budget *lido_budget_create(const lido_budget_options *options);

/* 0; EBUSY: pools or arenas stand on it. NULL is ignored. */
LIDO_API int lido_budget_destroy(lido_budget *budget);

/* Other limits, from now on; 0 = none. More may be in use than a new hard limit allows: then all is refused until it is
 * not. 0, or EINVAL. */
LIDO_API int lido_budget_limits_set(lido_budget *budget, size_t soft_bytes, size_t hard_bytes);

LIDO_API size_t lido_budget_used(const lido_budget *budget); /* bytes */

/* X(name, kind, unit, text) */
#define LIDO_BUDGET_STATISTICS(X)                                                         \
  X(used, gauge, bytes, "slabs and blocks that stand on the budget")                      \
  X(peak, gauge, bytes, "most that was ever used")                                        \
  X(soft, gauge, bytes, "the soft limit; 0: none")                                        \
  X(hard, gauge, bytes, "the hard limit; 0: none")                                        \
  X(soft_calls, counter, calls, "times that somebody was told of the soft limit")         \
  X(hard_calls, counter, calls, "times that somebody was asked to free for the hard one") \
  X(refusals, counter, calls, "requests that were refused for the hard limit")

#define LIDO_BUDGET_STATISTIC_FIELD(name, kind, unit, text) uint64_t name;
typedef struct lido_budget_stats {
  LIDO_BUDGET_STATISTICS(LIDO_BUDGET_STATISTIC_FIELD)
} lido_budget_stats;
#undef LIDO_BUDGET_STATISTIC_FIELD

LIDO_API void lido_budget_stats_get(const lido_budget *budget, lido_budget_stats *out);

LIDO_END

#endif
