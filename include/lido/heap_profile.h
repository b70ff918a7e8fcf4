/* lido/heap_profile.h: who allocated what is there, by samples.
 *
 *     lido_heap_profile_start(NULL);
 *     ...
 *     lido_heap_profile_read(print_site, NULL);
 *     lido_heap_leaks_write(STDERR_FILENO);
 *
 * While it is on, about one allocation in each `mean_bytes` is looked at: its stack is noted, and until its free the
 * object is known as a sample. From the samples follow, by pool and by stack, how much was allocated and how much is in
 * use.
 *
 * Method: points thrown at random on the row of all bytes allocated (a Poisson process); an allocation in which a point
 * falls is a sample. lib/mem/heap_samples.h says what is exact, what is estimated, and what is biased.
 * Cost: off, one branch in slow paths. On, see docs/heap_profile.md; a sample costs what its stack costs, and samples
 * take at most about `cost_permille` of a thread's time: beyond that they become fewer.
 *
 * Threads: any. User code is never called under a lock.
 * Errors: int functions give 0 or an errno value and leave errno alone.
 */
#ifndef LIDO_HEAP_PROFILE_H
#define LIDO_HEAP_PROFILE_H

#include "lido/base.h"

LIDO_BEGIN

enum { LIDO_HEAP_FRAMES_MAX = 64 }; /* deeper stacks lose their outermost callers */

/* Zero means default. */
typedef struct lido_heap_profile_options {
  size_t mean_bytes;      /* bytes from sample to sample, on average: 0 = 512 KiB; at most 1 TiB */
  size_t stacks_max;      /* different stacks kept in all; one of two pools counts twice: 0 = 16,384 */
  size_t samples_max;     /* live samples kept: 0 = 65,536 */
  unsigned cost_permille; /* of a thread's time that samples may take: 0 = 5; 1,000 = as much as it takes */
  /* Write up to `count` return addresses of the calling thread, innermost first. -> how many. NULL: the unwinder of
   * libgcc.
   * No lock is held; what it allocates itself is not sampled. */
  size_t (*capture)(void **frames, size_t count, void *context);
  void *context; /* for capture */
} lido_heap_profile_options;

/* Start sampling; what an earlier run knew is forgotten. NULL: all defaults. 0, EALREADY (it is on), EINVAL (out of the
 * ranges above), ENOMEM, or ENOTSUP (built with LIDO_CHECKS=none); then all is as before. */
LIDO_API int lido_heap_profile_start(const lido_heap_profile_options *options);

/* From now on nothing is sampled. What is known stays readable until the next start, and frees are still heard of.
 * Waits until `capture` runs in no other thread, so that its context may go then: the caller holds no lock that it
 * takes. A capture that calls this itself waits for none. */
LIDO_API void lido_heap_profile_stop(void);

LIDO_API bool lido_heap_profile_is_on(void);

/* A thread whose loop never leaves its fast paths is not seen. This asks such threads to come by at their next free
 * that is not the fastest: for a monitor's tick. Reading a profile and writing a report do it, too. O(caches). ->
 * caches asked. */
LIDO_API size_t lido_heap_profile_nudge(void);

/* One owner and stack. Estimates, scaled so that the live numbers of a pool add up to its exact ones. */
typedef struct lido_heap_site {
  const char *kind;    /* "pool" or "arena" */
  const char *name;    /* the pool's, the arena class's, or the arena's; pools of one name are one */
  void *const *frames; /* return addresses, innermost first */
  size_t frame_count;  /* 0: of these the stacks are not known */
  uint64_t alloc_objects;
  uint64_t alloc_bytes;
  uint64_t live_objects;
  uint64_t live_bytes;
} lido_heap_site;

/* Call `visit` for each site, until it returns false. It is given a copy, good for the call. 0, or ENOMEM: nothing was
 * visited. */
LIDO_API int lido_heap_profile_read(bool (*visit)(const lido_heap_site *site, void *arg), void *arg);

/* X(name, kind, unit, text) for every statistic. */
#define LIDO_HEAP_PROFILE_STATISTICS(X)                                                          \
  X(samples, counter, samples, "samples taken in this run")                                      \
  X(live, gauge, samples, "samples whose object is not freed yet")                               \
  X(dropped, counter, samples,                                                                   \
    "samples of which the object or the stack could not be kept: a limit was met, or no memory") \
  X(stacks, gauge, stacks, "different stacks; one of two pools counts twice")                    \
  X(nudges, counter, caches, "threads' caches that were asked to come by")                       \
  X(bytes, gauge, bytes, "memory of the profile itself")

#define LIDO_HEAP_PROFILE_STATISTIC_FIELD(name, kind, unit, text) uint64_t name;
typedef struct lido_heap_profile_stats {
  LIDO_HEAP_PROFILE_STATISTICS(LIDO_HEAP_PROFILE_STATISTIC_FIELD)
} lido_heap_profile_stats;
#undef LIDO_HEAP_PROFILE_STATISTIC_FIELD

LIDO_API void lido_heap_profile_stats_get(lido_heap_profile_stats *out);

/* Write, for people, what is live: by pool, which is exact and needs no profile, and by stack, as far as there are
 * samples; most bytes first. 0, ENOMEM, or what write said. */
LIDO_API int lido_heap_leaks_write(int fd);

/* The same when the program exits. The last call counts; -1: not at all. 0, or ENOMEM. */
LIDO_API int lido_heap_leaks_at_exit(int fd);

/* NULL, or the number and text of an invariant that does not hold ("H2: ..."). O(samples). */
LIDO_API const char *lido_heap_profile_check(void);

LIDO_END

#endif
