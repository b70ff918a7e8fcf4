/* metadata.c: see metadata.h. */
#include "lib/mem/metadata.h"

#include <errno.h>
#include <string.h>

#include "lib/base/assertion.h"
#include "lib/base/bits.h"
#include "lib/base/fault.h"
#include "lib/os/os.h"

struct lido_metadata_block {
  lido_metadata_block *next;
};

/* At the start of each chunk. */
struct lido_metadata_chunk {
  lido_metadata_chunk *next;
  size_t bytes;
};

LIDO_STATIC_ASSERT(sizeof(lido_metadata_chunk) <= LIDO_METADATA_SMALLEST, "blocks stay on cache lines");

static size_t size_class_of(size_t bytes) {
  return bytes <= LIDO_METADATA_SMALLEST
             ? 0
             : lido_log2(lido_power_of_two_above(bytes)) - lido_log2(LIDO_METADATA_SMALLEST);
}

/* What a request really takes. Beyond the classes a block is a chunk of its own. */
static size_t rounded(size_t bytes) {
  size_t size_class = size_class_of(bytes);
  if (size_class < LIDO_METADATA_CLASSES) return (size_t)LIDO_METADATA_SMALLEST << size_class;
  return lido_round_up(bytes, LIDO_METADATA_SMALLEST);
}

void lido_metadata_init(lido_metadata *metadata, lido_metadata_source source) {
  memset(metadata, 0, sizeof *metadata);
  lido_lock_init(&metadata->lock, LIDO_RANK_METADATA);
  metadata->source = source;
}

/* A new chunk with room for `bytes`. The rest of the old one is lost until all chunks go. */
static bool add_chunk_locked(lido_metadata *metadata, size_t bytes) {
  const lido_metadata_source *source = &metadata->source;
  size_t chunk_bytes = lido_round_up(bytes + LIDO_METADATA_SMALLEST, source->chunk_bytes);
  lido_metadata_chunk *chunk = source->get(chunk_bytes, source->context);
  if (chunk == NULL) return false;
  chunk->next = metadata->chunks;
  chunk->bytes = chunk_bytes;
  metadata->chunks = chunk;
  metadata->fresh = (char *)chunk + LIDO_METADATA_SMALLEST;
  metadata->fresh_bytes = chunk_bytes - LIDO_METADATA_SMALLEST;
  return true;
}

static void *take_fresh_locked(lido_metadata *metadata, size_t bytes) {
  if (metadata->fresh_bytes < bytes && !add_chunk_locked(metadata, bytes)) return NULL;
  void *block = metadata->fresh;
  metadata->fresh += bytes;
  metadata->fresh_bytes -= bytes;
  return block;
}

static void *take_locked(lido_metadata *metadata, size_t size_class, size_t bytes) {
  if (size_class >= LIDO_METADATA_CLASSES) return metadata->source.get(bytes, metadata->source.context);
  lido_metadata_block *block = metadata->free[size_class];
  if (block == NULL) return take_fresh_locked(metadata, bytes);
  metadata->free[size_class] = block->next;
  return block;
}

void *lido_metadata_take(lido_metadata *metadata, size_t bytes) {
  if (bytes > PTRDIFF_MAX / 2) {
    errno = ENOMEM;
    return NULL;
  }
  size_t whole = rounded(bytes);
  lido_lock_take(&metadata->lock);
  void *block = lido_fault_here() ? NULL : take_locked(metadata, size_class_of(bytes), whole);
  if (block != NULL) metadata->used_bytes += whole;
  lido_lock_give(&metadata->lock);
  if (block == NULL) errno = ENOMEM;
  return block;
}

void *lido_metadata_alloc(lido_metadata *metadata, size_t bytes) {
  void *block = lido_metadata_take(metadata, bytes);
  return block == NULL ? NULL : memset(block, 0, rounded(bytes));
}

void lido_metadata_free(lido_metadata *metadata, void *block, size_t bytes) {
  if (block == NULL) return;
  size_t size_class = size_class_of(bytes);
  lido_lock_take(&metadata->lock);
  LIDO_ASSERT(metadata->used_bytes >= rounded(bytes));
  metadata->used_bytes -= rounded(bytes);
  if (size_class < LIDO_METADATA_CLASSES) {
    lido_metadata_block *freed = block;
    freed->next = metadata->free[size_class];
    metadata->free[size_class] = freed;
  } else {
    metadata->source.put(block, rounded(bytes), metadata->source.context);
  }
  lido_lock_give(&metadata->lock);
}

void lido_metadata_trim(lido_metadata *metadata) {
  lido_lock_take(&metadata->lock);
  while (metadata->used_bytes == 0 && metadata->chunks != NULL) {
    lido_metadata_chunk *chunk = metadata->chunks;
    metadata->chunks = chunk->next;
    metadata->source.put(chunk, chunk->bytes, metadata->source.context);
  }
  if (metadata->used_bytes == 0) {
    memset(metadata->free, 0, sizeof metadata->free);
    metadata->fresh = NULL;
    metadata->fresh_bytes = 0;
  }
  lido_lock_give(&metadata->lock);
}

size_t lido_metadata_used_bytes(lido_metadata *metadata) {
  lido_lock_take(&metadata->lock);
  size_t bytes = metadata->used_bytes;
  lido_lock_give(&metadata->lock);
  return bytes;
}

static void *pages_get(size_t bytes, void *context) {
  (void)context;
  return lido_os_pages_map(lido_round_up(bytes, lido_os_page_bytes()), 1);
}

static void pages_put(void *chunk, size_t bytes, void *context) {
  (void)context;
  lido_os_pages_unmap(chunk, lido_round_up(bytes, lido_os_page_bytes()));
}

lido_metadata *lido_metadata_system(void) {
  static lido_metadata system = {.lock = LIDO_LOCK_INITIAL(LIDO_RANK_METADATA),
                                 .source = {pages_get, pages_put, NULL, 65536}};
  return &system;
}

static const char *check_locked(const lido_metadata *metadata) {
  size_t chunk_bytes = 0;
  for (const lido_metadata_chunk *chunk = metadata->chunks; chunk != NULL; chunk = chunk->next)
    chunk_bytes += chunk->bytes;
  size_t free_bytes = metadata->fresh_bytes;
  for (size_t size_class = 0; size_class < LIDO_METADATA_CLASSES; size_class++) {
    for (const lido_metadata_block *block = metadata->free[size_class]; block != NULL; block = block->next) {
      free_bytes += (size_t)LIDO_METADATA_SMALLEST << size_class;
    }
  }
  if (metadata->chunks == NULL && free_bytes != 0) return "M2: free blocks without a chunk";
  if (free_bytes > chunk_bytes) return "M1: more is free than there is";
  return NULL;
}

const char *lido_metadata_check(lido_metadata *metadata) {
  lido_lock_take(&metadata->lock);
  const char *broken = check_locked(metadata);
  lido_lock_give(&metadata->lock);
  return broken;
}
