/* backing.c: see backing_core.h. */
#include "lido/backing.h"

#include <errno.h>
#include <string.h>

#include "lib/base/assertion.h"
#include "lib/base/atomic.h"
#include "lib/base/bits.h"
#include "lib/base/fault.h"
#include "lib/base/tool_memory.h"
#include "lib/mem/backing_core.h"
#include "lib/mem/backing_mimalloc.h"
#include "lib/mem/region_purge.h"
#include "lib/os/os.h"

enum {
  REGION_BYTES = 16 << 20,
  REGION_BYTES_MIN = 1 << 20,
  REGION_BYTES_MAX = 1 << 30,
  CHUNK_BYTES = 1 << 16,
  BUFFER_BYTES_MIN = 4096,
};

/* ---- Blocks ---- */

void *lido_backing_block_get(lido_backing *backing, size_t bytes, size_t align) {
  if (!backing->built_in && lido_fault_here()) return NULL; /* the built-in ones ask themselves */
  int saved_errno = errno;
  void *block = backing->functions.allocate(bytes, align, backing->functions.context);
  if (block != NULL && (uintptr_t)block % align != 0) { /* a broken function: an error, not a crash later */
    backing->functions.release(block, bytes, backing->functions.context);
    block = NULL;
  }
  if (block == NULL) {
    errno = ENOMEM;
    return NULL;
  }
  errno = saved_errno;
  lido_add_relaxed(&backing->bytes, bytes); /* RELAXED: statistic */
  return block;
}

void lido_backing_block_put(lido_backing *backing, void *block, size_t bytes) {
  int saved_errno = errno;
  backing->functions.release(block, bytes, backing->functions.context);
  lido_sub_relaxed(&backing->bytes, bytes); /* RELAXED: statistic */
  errno = saved_errno;
}

static void *chunk_get(size_t bytes, void *context) { return lido_backing_block_get(context, bytes, 64); }
static void chunk_put(void *chunk, size_t bytes, void *context) { lido_backing_block_put(context, chunk, bytes); }

static size_t units_for(const lido_backing *backing, size_t bytes) {
  size_t unit = lido_region_buffer_unit(backing);
  return (bytes + unit - 1) / unit;
}

/* In a buffer, metadata takes units as slabs do. */
static void *buffer_chunk_get(size_t bytes, void *context) {
  lido_backing *backing = context;
  uintptr_t start = 0;
  lido_region *region = lido_region_take(backing, 0, false, units_for(backing, bytes), &start);
  return region == NULL ? NULL : (void *)start;
}

static void buffer_chunk_put(void *chunk, size_t bytes, void *context) {
  lido_backing *backing = context;
  lido_region_give(backing->buffer_region, (uintptr_t)chunk, units_for(backing, bytes));
}

/* Functions of a caller's run one at a time. */
void *lido_backing_take(lido_backing *backing, size_t bytes) {
  if (backing->built_in) return lido_backing_block_get(backing, bytes, LIDO_BACKING_ALIGN);
  if (backing->buffer != NULL) return buffer_chunk_get(bytes, backing);
  lido_lock_take(&backing->lock);
  void *block = lido_backing_block_get(backing, bytes, LIDO_BACKING_ALIGN);
  lido_lock_give(&backing->lock);
  return block;
}

void lido_backing_give(lido_backing *backing, void *block, size_t bytes) {
  if (backing->built_in) {
    lido_backing_block_put(backing, block, bytes);
  } else if (backing->buffer != NULL) {
    buffer_chunk_put(block, bytes, backing);
  } else {
    lido_lock_take(&backing->lock);
    lido_backing_block_put(backing, block, bytes);
    lido_lock_give(&backing->lock);
  }
}

/* ---- Built-in backings ---- */

static void *pages_allocate(size_t bytes, size_t align, void *context) {
  (void)context;
  return lido_os_pages_map(lido_round_up(bytes, lido_os_page_bytes()), align);
}

static void pages_release(void *block, size_t bytes, void *context) {
  (void)context;
  lido_os_pages_unmap(block, lido_round_up(bytes, lido_os_page_bytes()));
}

#define BUILT_IN(backing, text, allocate_fn, release_fn, collect_fn)                                    \
  {                                                                                                     \
    .functions = {.allocate = allocate_fn,                                                              \
                  .release = release_fn,                                                                \
                  .collect = collect_fn,                                                                \
                  .region_bytes = REGION_BYTES},                                                        \
    .name = text, .built_in = true, .purges_pages = true, .lock = LIDO_LOCK_INITIAL(LIDO_RANK_BACKING), \
    .metadata = {.lock = LIDO_LOCK_INITIAL(LIDO_RANK_METADATA),                                         \
                 .source = {chunk_get, chunk_put, &(backing), CHUNK_BYTES}},                            \
  }

static lido_backing pages_backing = BUILT_IN(pages_backing, "pages", pages_allocate, pages_release, NULL);

lido_backing *lido_backing_pages(void) { return &pages_backing; }

#ifdef LIDO_MIMALLOC

static lido_backing mimalloc_backing =
    BUILT_IN(mimalloc_backing, "mimalloc", lido_mimalloc_allocate, lido_mimalloc_release, lido_mimalloc_collect);

lido_backing *lido_backing_mimalloc(void) { return &mimalloc_backing; }

/* mimalloc's mi_free ends in Valgrind's own, which does not know the block. */
lido_backing *lido_backing_default(void) { return lido_tool_valgrind() ? &pages_backing : &mimalloc_backing; }

#else

lido_backing *lido_backing_mimalloc(void) {
  errno = ENOTSUP;
  return NULL;
}

lido_backing *lido_backing_default(void) { return &pages_backing; }

#endif

/* ---- Backings of the caller's ---- */

static lido_lock list_lock = LIDO_LOCK_INITIAL(LIDO_RANK_LEAF);
static lido_backing *made_backings; /* for fork */

static lido_backing *backing_new(void) {
  lido_backing *backing = lido_metadata_alloc(lido_metadata_system(), sizeof *backing);
  if (backing == NULL) return NULL;
  lido_lock_init(&backing->lock, LIDO_RANK_BACKING);
  return backing;
}

static lido_backing *backing_publish(lido_backing *backing, lido_metadata_source source) {
  lido_metadata_init(&backing->metadata, source);
  lido_lock_take(&list_lock);
  backing->next = made_backings;
  made_backings = backing;
  lido_lock_give(&list_lock);
  return backing;
}

static bool functions_are_valid(const lido_backing_functions *functions) {
  if (functions == NULL || functions->allocate == NULL || functions->release == NULL) return false;
  if (functions->region_bytes == 0) return true;
  return lido_is_power_of_two(functions->region_bytes) && functions->region_bytes >= REGION_BYTES_MIN &&
         functions->region_bytes <= REGION_BYTES_MAX;
}

lido_backing *lido_backing_create(const lido_backing_functions *functions) {
  if (!functions_are_valid(functions)) {
    errno = EINVAL;
    return NULL;
  }
  lido_backing *backing = backing_new();
  if (backing == NULL) return NULL;
  backing->name = "functions";
  backing->functions = *functions;
  if (functions->region_bytes == 0) backing->functions.region_bytes = REGION_BYTES;
  return backing_publish(backing, (lido_metadata_source){chunk_get, chunk_put, backing, CHUNK_BYTES});
}

lido_backing *lido_backing_create_buffer(void *buffer, size_t bytes) {
  if (buffer == NULL || bytes < BUFFER_BYTES_MIN || bytes > PTRDIFF_MAX) {
    errno = EINVAL;
    return NULL;
  }
  lido_backing *backing = backing_new();
  if (backing == NULL) return NULL;
  backing->name = "buffer";
  backing->buffer = buffer;
  backing->buffer_bytes = bytes;
  backing->bytes = bytes;
  return backing_publish(
      backing, (lido_metadata_source){buffer_chunk_get, buffer_chunk_put, backing, lido_region_buffer_unit(backing)});
}

static bool is_held(lido_backing *backing) {
  lido_lock_take(&backing->lock);
  bool held = backing->users != 0;
  lido_lock_give(&backing->lock);
  return held;
}

static void unlink_backing(lido_backing *backing) {
  lido_lock_take(&list_lock);
  lido_backing **link = &made_backings;
  while (*link != backing) link = &(*link)->next;
  *link = backing->next;
  lido_lock_give(&list_lock);
}

int lido_backing_destroy(lido_backing *backing) {
  if (backing == NULL) return 0;
  if (backing->built_in) return EINVAL;
  if (is_held(backing)) return EBUSY;
  unlink_backing(backing);
  lido_backing_trim(backing, NULL);
  lido_lock_end(&backing->metadata.lock);
  lido_lock_end(&backing->lock);
  lido_metadata_free(lido_metadata_system(), backing, sizeof *backing);
  lido_metadata_trim(lido_metadata_system());
  return 0;
}

size_t lido_backing_bytes(const lido_backing *backing) {
  return lido_load_relaxed(&backing->bytes); /* RELAXED: statistic */
}

void lido_backing_stats_get(const lido_backing *backing, lido_backing_stats *out) {
  lido_backing *locked = (lido_backing *)(uintptr_t)backing; /* backings are never const */
  lido_lock_take(&locked->lock);
  *out = (lido_backing_stats){.bytes_taken = backing->taken_bytes,
                              .bytes_dirty = backing->dirty_bytes,
                              .purged_bytes = backing->purged_bytes,
                              .purges = backing->purges,
                              .regions = backing->region_count + (backing->buffer_region != NULL)};
  lido_lock_give(&locked->lock);
  out->bytes = lido_backing_bytes(backing);
}

/* Regions of which nothing is used any more, and whose pages are gone now, need not stay. */
size_t lido_backing_purge(lido_backing *backing, uint64_t now_ns) {
  size_t bytes = lido_region_purge_due(backing, now_ns);
  if (bytes != 0) lido_region_release_empty(backing, 1);
  return bytes;
}

/* ---- Users come and go ---- */

static void count_user(lido_backing *backing) {
  lido_lock_take(&backing->lock);
  backing->users++;
  lido_lock_give(&backing->lock);
}

void lido_backing_pool_added(lido_backing *backing) { count_user(backing); }

void lido_backing_let_go(lido_backing *backing) {
  if (backing->built_in) return;
  lido_lock_take(&backing->lock);
  backing->users--;
  lido_lock_give(&backing->lock);
}

/* Counted first: a buffer without users forgets what granule was settled. */
int lido_backing_hold(lido_backing *backing) {
  if (backing->built_in) return 0;
  lido_region_geometry any;
  count_user(backing);
  int error = backing->buffer != NULL ? lido_region_geometry_get(backing, LIDO_SHIFT_MAX, &any) : 0;
  if (error != 0) lido_backing_let_go(backing);
  return error;
}

/* The granule of an empty buffer is free to be settled anew. */
static void forget_buffer_region_locked(lido_backing *backing) {
  if (backing->users == 0 && backing->metadata.chunks == NULL) backing->buffer_region = NULL;
}

/* While it is still counted, so that nobody destroys the backing meanwhile. */
void lido_backing_pool_removed(lido_backing *backing) {
  lido_lock_take(&backing->lock);
  bool last = backing->users == 1;
  lido_lock_give(&backing->lock);
  lido_metadata_trim(&backing->metadata);
  if (last) {
    lido_backing_trim(backing, NULL);
  } else {
    lido_region_release_empty(backing, 1);
  }
  lido_lock_take(&backing->lock);
  backing->users--;
  forget_buffer_region_locked(backing);
  lido_lock_give(&backing->lock);
}

size_t lido_backing_trim(lido_backing *backing, size_t *purged) {
  size_t of_regions = 0;
  lido_metadata_trim(&backing->metadata);
  size_t bytes = lido_region_release_all(backing, &of_regions);
  size_t of_units = lido_region_purge_due(backing, LIDO_NEVER_DUE);
  if (purged != NULL) *purged = of_regions + of_units;
  int saved_errno = errno;
  lido_lock_take(&backing->lock);
  if (backing->functions.collect != NULL) backing->functions.collect(backing->functions.context);
  lido_lock_give(&backing->lock);
  errno = saved_errno;
  return bytes;
}

/* ---- Fork ---- */

static void each_backing(void (*act)(lido_backing *backing)) {
  act(&pages_backing);
#ifdef LIDO_MIMALLOC
  act(&mimalloc_backing);
#endif
  for (lido_backing *backing = made_backings; backing != NULL; backing = backing->next) act(backing);
}

static void lock_metadata(lido_backing *backing) { lido_lock_take_for_fork(&backing->metadata.lock); }
static void lock_backing(lido_backing *backing) { lido_lock_take_for_fork(&backing->lock); }

static void unlock_both(lido_backing *backing) {
  lido_lock_give_after_fork(&backing->lock);
  lido_lock_give_after_fork(&backing->metadata.lock);
}

void lido_backings_lock_for_fork(void) {
  lido_lock_take_for_fork(&list_lock);
  each_backing(lock_metadata);
  lido_lock_take_for_fork(&lido_metadata_system()->lock);
  each_backing(lock_backing);
}

void lido_backings_unlock_after_fork(void) {
  each_backing(unlock_both);
  lido_lock_give_after_fork(&lido_metadata_system()->lock);
  lido_lock_give_after_fork(&list_lock);
}

static void forget_purges(lido_backing *backing) {
  lido_lock_take(&backing->lock);
  lido_region_purges_in_child_locked(backing);
  lido_lock_give(&backing->lock);
}

/* The child has one thread: the list needs no lock. */
void lido_backings_in_child(void) { each_backing(forget_purges); }
