/* heap_samples.h: the engine of the heap profile: when to sample, the live samples by address, the sums by stack.
 *
 * Idea: who allocates counts bytes down; where the count ends the allocation is a sample. The next count is
 * exponential, so the samples are the points of a Poisson process on the row of all bytes allocated, whatever the sizes
 * and whoever allocates. A sample says which stack, of which owner, and how many objects and bytes it stands for: all
 * that passed since the sample before it. It is found by the object's address until the object goes. Sums are kept by
 * site, that is by owner and stack; owners are known by kind and name.
 * Invariants
 *   H1  `live` is the number of samples in the table, and of each site that of its own; each pool's count is that of
 *       its samples.
 *   H2  live_objects and live_bytes of a site are the sums over its live samples, but for rounding.
 *   H3  there are at most samples_max samples and stacks_max sites.
 *   H4  no address has two samples; `crowd` counts the samples of each of its cells.
 * What is exact, of pools: the objects and bytes that samples stand for add up to all that was counted down, but for
 * what came since the last sample of each cache. Where a point falls in objects that come from magazines: exactly there
 * (pools/pool_samples.h).
 * What is estimated: the share of a stack, with the error of any count of independent events, 1/sqrt(samples). All
 * numbers of an arena, and what is live of a pool before it is scaled to what the pool knows (heap_sites.h): each
 * sample stands for 1 / (1 - exp(-bytes / mean)) objects, which is right on average. The mean is that of an arena's
 * gap; of a pool's, the thread's at the time of the sample.
 * What is biased: objects that come from a hot slot are not seen one by one. When their turn has passed, the sample is
 * one of the next sixteen: a pattern that repeats with the visits to slow paths and is longer than that may be seen
 * askew. Objects older than the start are unknown; live numbers of a pool are shared out among the stacks that are
 * known.
 * Time: each sample is timed. While the thread's next one comes before it may by cost_permille, its mean grows by a
 * quarter, or doubles if it is much too early; else it shrinks by an eighth, never below the one asked for. What
 * samples of pools stand for was counted, and those of arenas know the mean they came by, so the sums stay right; there
 * are only fewer samples.
 * Threads: any. Lock: SAMPLES, for all tables. `lido_heap_run` is read without it. Countdowns belong to who counts.
 * Captures are counted: whoever stops a run returns when none of that run is under way elsewhere.
 * Failure: no memory, or a limit is met: `dropped`; the weight goes to the owner without a stack, or stays with who
 * counted it.
 * Method: Poisson sampling by bytes as in TCMalloc and jemalloc; the estimator is Horvitz and Thompson's (1952).
 * Not done: a table without a lock: it is taken once in half a mebibyte. Sharing of stacks between owners: few have one
 * in common.
 */
#ifndef LIDO_LIB_MEM_HEAP_SAMPLES_H
#define LIDO_LIB_MEM_HEAP_SAMPLES_H

#include "lib/base/atomic.h"
#include "lido/heap_profile.h"

/* ---- On and off ---- */

extern uint32_t lido_heap_run; /* atomic; 0: off, else the number of the run */

/* RELAXED: who sees it late samples a little later, or once more; the tables look again, under their lock. */
static inline uint32_t lido_heap_run_now(void) { return lido_load_relaxed(&lido_heap_run); }

/* 0, EALREADY, EINVAL, ENOMEM. */
int lido_heap_samples_start(const lido_heap_profile_options *options);
/* Waits for captures of other threads, but not from inside of one. */
void lido_heap_samples_stop(void);
/* Everything known goes, and its memory. pre: it is off. */
void lido_heap_samples_clear(void);
/* From now on chance comes from this seed, thread by thread in the order of their first draw; 0: from the system. For
 * tests. */
void lido_heap_samples_seed(uint64_t chosen);

/* ---- When ---- */

/* Bytes to the next sample, by the calling thread's chance: at least 1. */
int64_t lido_heap_gap(void);
/* 0 to bound - 1. */
uint32_t lido_heap_below(uint32_t bound);
size_t lido_heap_mean_bytes(void);
/* Is this inside a capture function? What it allocates is not sampled. */
bool lido_heap_is_capturing(void);

/* ---- Samples ---- */

typedef struct lido_heap_allocation {
  uint32_t run;         /* of whoever counted down */
  const char *kind;     /* a literal */
  const char *name;     /* copied */
  const void *address;  /* of the object */
  const void *caller;   /* a return address: frames before it are Lido's own; or NULL */
  size_t bytes;         /* of the object */
  uint64_t all_objects; /* it stands for so much */
  uint64_t all_bytes;
  double mean;   /* that the gap was drawn with; 0: the thread's of now */
  size_t *count; /* atomic: live samples of its pool; or NULL. Good until lido_heap_forget_all_of */
} lido_heap_allocation;

typedef enum lido_heap_outcome {
  LIDO_HEAP_KEPT,    /* it is counted, and shall be told when the object goes */
  LIDO_HEAP_COUNTED, /* it is counted */
  LIDO_HEAP_FAILED,  /* nothing happened */
} lido_heap_outcome;

/* Capture the stack and enter a sample. No lock is held. errno stays. */
lido_heap_outcome lido_heap_take(const lido_heap_allocation *allocation);

/* The object goes. Nothing happens if it is no sample. Any address, any thread; a lock of a rank below SAMPLES may be
 * held. */
void lido_heap_forget(const void *address);

/* All samples with this count. */
void lido_heap_forget_all_of(const size_t *count);

/* The same for one allocation that is counted by its thread, not by a cache: what blocks of arenas are. -> was it
 * kept? */
bool lido_heap_thread_alloc(const char *kind, const char *name, const void *address, size_t bytes);

/* ---- Reading ---- */

/* A site as it is kept. */
typedef struct lido_heap_record {
  const char *kind;
  char name[64];
  uint64_t alloc_objects;
  uint64_t alloc_bytes;
  uint64_t live;       /* samples */
  double live_objects; /* what they stand for, estimated one by one */
  double live_bytes;
  size_t frame_count;
  void *frames[LIDO_HEAP_FRAMES_MAX];
} lido_heap_record;

typedef struct lido_heap_records {
  lido_heap_record *items;
  size_t count;
  size_t room;
} lido_heap_records;

/* A copy of all sites, with room for `spare` more. 0, or ENOMEM. */
int lido_heap_records_copy(lido_heap_records *records, size_t spare);
void lido_heap_records_free(lido_heap_records *records);

void lido_heap_count_nudges(size_t caches);
void lido_heap_stats(lido_heap_profile_stats *out);
/* NULL, or H1 to H4; of a pool's count, H1. */
const char *lido_heap_check(void);
const char *lido_heap_check_count(const size_t *count);

void lido_heap_lock_for_fork(void);
void lido_heap_unlock_after_fork(void);
/* In the child of a fork: captures of threads that are gone are over. */
void lido_heap_in_child(void);

#endif
