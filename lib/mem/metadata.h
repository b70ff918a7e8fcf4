/* metadata.h: small blocks for Lido's own structures.
 *
 * Idea: blocks of powers of two, 64 bytes to 16 KiB, cut from chunks that come from where the pool's objects
 * come from, so that a pool in a buffer stays in its buffer. Freed blocks wait on a list for their
 * size. Chunks go back together, when no block is in use: metadata lives as long as pools do.
 * Every block starts on a cache line and is zeroed when it is handed out.
 * Invariants
 *   M1  used_bytes is the sum of the rounded sizes of the blocks handed out.
 *   M2  without chunks nothing is in use and every list is empty.
 * Threads: any. Lock: rank METADATA; held while the source is called.
 * Failure: NULL and ENOMEM.
 * Not done: giving single chunks back; a pool's metadata is below 1 % of its objects.
 */
#ifndef LIDO_LIB_MEM_METADATA_H
#define LIDO_LIB_MEM_METADATA_H

#include <stddef.h>

#include "lib/base/lock.h"

enum { LIDO_METADATA_CLASSES = 9, LIDO_METADATA_SMALLEST = 64 };

typedef struct lido_metadata_source {
  void *(*get)(size_t bytes, void *context); /* aligned to 64 bytes, or NULL */
  void (*put)(void *chunk, size_t bytes, void *context);
  void *context;
  size_t chunk_bytes; /* a power of two; chunks are multiples of it */
} lido_metadata_source;

typedef struct lido_metadata_block lido_metadata_block;
typedef struct lido_metadata_chunk lido_metadata_chunk;

typedef struct lido_metadata {
  lido_lock lock;
  lido_metadata_source source; /* fixed at birth */
  /* under the lock */
  lido_metadata_block *free[LIDO_METADATA_CLASSES];
  lido_metadata_chunk *chunks;
  char *fresh; /* rest of the newest chunk */
  size_t fresh_bytes;
  size_t used_bytes;
} lido_metadata;

void lido_metadata_init(lido_metadata *metadata, lido_metadata_source source);

/* A zeroed block, or NULL: ENOMEM. */
void *lido_metadata_alloc(lido_metadata *metadata, size_t bytes);

/* The same with any contents: for large blocks of which little may be used. */
void *lido_metadata_take(lido_metadata *metadata, size_t bytes);

/* Give a block back, with the size it was asked for. Never calls the source. NULL is ignored. */
void lido_metadata_free(lido_metadata *metadata, void *block, size_t bytes);

/* If no block is in use, give all chunks back. */
void lido_metadata_trim(lido_metadata *metadata);

size_t lido_metadata_used_bytes(lido_metadata *metadata);

/* What belongs to no pool (threads, the registry): on pages of the system. */
lido_metadata *lido_metadata_system(void);

/* NULL, or the invariant that does not hold. */
const char *lido_metadata_check(lido_metadata *metadata);

#endif
