/* lido/backing.h: where memory comes from.
 *
 * A backing hands out large aligned blocks (regions, 16 MiB by default) that Lido cuts into slabs
 * for many pools. Four kinds: mimalloc (the default), pages of the operating system, functions of
 * the caller's, and one fixed buffer of the caller's.
 *
 *     static _Alignas(64) char memory[1 << 20];
 *     lido_backing *fixed = lido_backing_create_buffer(memory, sizeof memory);
 *     lido_pool *pool = lido_pool_create(&(lido_pool_options){ .object_size = 256, .backing = fixed });
 *
 * Threads: every function may be called from any thread. Nothing here aborts: NULL or an errno value.
 */
#ifndef LIDO_BACKING_H
#define LIDO_BACKING_H

#include "lido/base.h"

LIDO_BEGIN

typedef struct lido_backing lido_backing;

/* The backing of pools that name none: mimalloc, or pages in a build without it. Never NULL,
 * never destroyed. */
LIDO_API lido_backing *lido_backing_default(void);

/* mimalloc; NULL and ENOTSUP in a build without it. Never destroyed. */
LIDO_API lido_backing *lido_backing_mimalloc(void);

/* Pages straight from the operating system. Never NULL, never destroyed. */
LIDO_API lido_backing *lido_backing_pages(void);

/* Memory by the caller's functions. `context` goes through unchanged. The functions are called
 * with a lock of the backing held: they must not call Lido. */
typedef struct lido_backing_functions {
  /* `bytes` bytes aligned to `align` (a power of two), or NULL when there are none. Contents: any. */
  void *(*allocate)(size_t bytes, size_t align, void *context);
  /* A block of allocate()'s, with the size it was asked for. */
  void (*release)(void *block, size_t bytes, void *context);
  /* Optional: this range (whole pages) of a block is not needed now; its contents may be lost. */
  void (*purge)(void *range, size_t bytes, void *context);
  /* Optional: something was released by a trim; give what you keep back to where it came from. */
  void (*collect)(void *context);
  void *context;
  /* Size and alignment of the blocks asked for: a power of two, 1 MiB to 1 GiB; 0 = 16 MiB. Objects
   * of a pool are at most a quarter of it large. */
  size_t region_bytes;
} lido_backing_functions;

/* A backing on `functions`, which are copied. NULL: EINVAL (no allocate, no release, a bad
 * region_bytes), ENOMEM. */
LIDO_API lido_backing *lido_backing_create(const lido_backing_functions *functions);

/* A backing inside one buffer, which never grows; metadata of its pools lies in the buffer too. The
 * first pool made on it settles the granule for all (its object size and alignment); a later pool
 * with a finer one is refused with EINVAL. The caller owns the buffer and keeps it until the backing
 * is destroyed. NULL: EINVAL (no buffer, or fewer than 4,096 bytes). */
LIDO_API lido_backing *lido_backing_create_buffer(void *buffer, size_t bytes);

/* End a backing made by the two calls above: 0, EBUSY while pools stand on it, EINVAL for one of
 * the built-in backings. NULL is ignored (0). */
LIDO_API int lido_backing_destroy(lido_backing *backing);

/* ---- Free memory back to the system -------------------------------------------------------- */

/* How the pages of a slab that goes back to its backing go on to the system; lido_pool_tune() of lido/pool.h says when.
 * A backing of functions has one way, `purge`; one without it, or in a buffer, keeps everything. */
typedef enum lido_purge {
  LIDO_PURGE_NOW,  /* at once: resident memory falls, and whoever takes the pages again meets page faults */
  LIDO_PURGE_LAZY, /* when the system is short of memory; until then they count as resident, and cost no faults */
  LIDO_PURGE_NEVER /* only when everything is asked for */
} lido_purge;

/* Purge the pages that are due at `now_ns`, a time of CLOCK_MONOTONIC in nanoseconds; UINT64_MAX = all that are free.
 * -> bytes. Call it from a timer if some pool's purge is delayed: nothing else looks at the time. When nothing is due
 * it costs a look at each region. The system's pages are purged while no lock is held. */
LIDO_API size_t lido_backing_purge(lido_backing *backing, uint64_t now_ns);

/* ---- Questions ----------------------------------------------------------------------------- */

/* Bytes that the backing holds at this moment, free or in use. */
LIDO_API size_t lido_backing_bytes(const lido_backing *backing);

/* X(name, kind, unit, text) for every statistic. */
#define LIDO_BACKING_STATISTICS(X)                                                                          \
  X(bytes, gauge, bytes, "all that it holds, free or in use")                                               \
  X(bytes_taken, gauge, bytes, "slabs of pools; in a buffer, metadata and arenas too")                      \
  X(bytes_dirty, gauge, bytes, "free, and their pages wait for a purge")                                    \
  X(purged_bytes, counter, bytes, "pages given to the system while their region stayed, or waiting for it") \
  X(purges, counter, calls, "runs of pages purged")                                                         \
  X(regions, gauge, regions, "large blocks that slabs are cut from")

#define LIDO_BACKING_STATISTIC_FIELD(name, kind, unit, text) uint64_t name;
typedef struct lido_backing_stats {
  LIDO_BACKING_STATISTICS(LIDO_BACKING_STATISTIC_FIELD)
} lido_backing_stats;
#undef LIDO_BACKING_STATISTIC_FIELD

/* O(1); takes the backing's lock. All but `bytes` are of one moment. */
LIDO_API void lido_backing_stats_get(const lido_backing *backing, lido_backing_stats *out);

LIDO_END

#endif
