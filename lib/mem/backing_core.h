/* backing_core.h: what a backing is inside (lido/backing.h says what it is for).
 *
 * Idea: four functions and a size. The kinds differ in nothing else, but the buffer, which hands
 * out one region for ever.
 * Invariants
 *   B1  bytes is the sum of the blocks that allocate() gave and release() did not get back.
 *   B2  a backing with users is not destroyed.
 *   B3  region_count, taken_bytes and dirty_bytes are the sums over its regions.
 * Threads: any. Lock: rank BACKING for regions and counts; the functions are called with it or with
 * METADATA held.
 * Fork: both locks are held over it, so no thread is inside mimalloc for us (it has no fork
 * handlers).
 */
#ifndef LIDO_LIB_MEM_BACKING_CORE_H
#define LIDO_LIB_MEM_BACKING_CORE_H

#include "lib/base/lock.h"
#include "lib/mem/metadata.h"
#include "lido/backing.h"

typedef struct lido_region lido_region;

/* Shifts 0 to 6, with and without huge pages. */
enum { LIDO_SHIFT_MAX = 6, LIDO_REGION_CLASSES = 2 * (LIDO_SHIFT_MAX + 1) };

struct lido_backing {
  /* fixed at birth */
  lido_backing_functions functions;
  const char *name;
  bool built_in;     /* never destroyed */
  bool purges_pages; /* memory is private pages of the process: the system can take them back */
  char *buffer;      /* or NULL */
  size_t buffer_bytes;
  /* under `lock` */
  lido_lock lock;
  lido_region *regions[LIDO_REGION_CLASSES];
  lido_region *buffer_region; /* NULL until the first pool settles the granule */
  size_t users;               /* pools, arenas, classes of arenas */
  size_t region_count;        /* statistic, as are those below */
  size_t taken_bytes;         /* of units */
  size_t dirty_bytes;         /* of free units that wait for their purge */
  uint64_t purged_bytes;
  uint64_t purges;
  lido_backing *next; /* of all backings, for fork */
  /* atomic: changed under this lock or the metadata's */
  size_t bytes;
  /* has a lock of its own */
  lido_metadata metadata;
};

/* A block straight from the backing, or NULL: ENOMEM. Called with the backing's lock, or its
 * metadata's, held. */
void *lido_backing_block_get(lido_backing *backing, size_t bytes, size_t align);
void lido_backing_block_put(lido_backing *backing, void *block, size_t bytes);

/* A pool comes to stand on the backing, or leaves it. */
void lido_backing_pool_added(lido_backing *backing);
void lido_backing_pool_removed(lido_backing *backing);

/* An arena, or a class of them, comes to stand on the backing, or leaves it. Built-in ones are always there. hold: 0,
 * or ENOMEM (a buffer too small for anything). */
int lido_backing_hold(lido_backing *backing);
void lido_backing_let_go(lido_backing *backing);

/* Memory for whoever is no pool, from any kind of backing. NULL: ENOMEM. No lock of the backing is held. */
enum { LIDO_BACKING_ALIGN = 64 };
void *lido_backing_take(lido_backing *backing, size_t bytes);
void lido_backing_give(lido_backing *backing, void *block, size_t bytes);

/* Give everything unused back to where it came from. -> bytes. *purged, unless that is NULL: bytes of pages that waited
 * for their purge, and that this very call purged. */
size_t lido_backing_trim(lido_backing *backing, size_t *purged);

void lido_backings_lock_for_fork(void);
void lido_backings_unlock_after_fork(void);
void lido_backings_in_child(void);

#endif
