/* arena_tools.c: see arena_tools.h. */
#include "arenas/arena_tools.h"

#include <string.h>

#include "lib/base/tool_memory.h"

/* ---- What was there ---- */

/* The full checks fill it with a pattern; MSan is told that it means nothing any more. */

#if LIDO_CHECKS == LIDO_CHECKS_FULL && !defined(LIDO_ASAN) && !defined(LIDO_MSAN)
enum { GONE = 0xDF };
static void scrub(void *start, size_t bytes) { memset(start, GONE, bytes); }
#else
static void scrub(void *start, size_t bytes) { lido_tool_forget_range(start, bytes); }
#endif

/* ---- Valgrind ---- */

#ifdef LIDO_VALGRIND

#include <valgrind/memcheck.h>

static void pool_begin(const lido_arena_core *core, lido_arena_block *block) {
  if (!core->valgrind) return;
  VALGRIND_CREATE_MEMPOOL(block, 0, 0);
  VALGRIND_MAKE_MEM_NOACCESS(block->base, block->limit - block->base);
}

static void pool_limit(const lido_arena_core *core, lido_arena_block *block, char *limit) {
  if (core->valgrind && limit > block->limit) VALGRIND_MAKE_MEM_NOACCESS(block->limit, limit - block->limit);
}

static void pool_end(const lido_arena_core *core, lido_arena_block *block) {
  if (!core->valgrind) return;
  VALGRIND_DESTROY_MEMPOOL(block);
  VALGRIND_MAKE_MEM_UNDEFINED(block->base, block->limit - block->base);
}

static lido_arena_block *block_among(lido_arena_block *blocks, const char *piece) {
  while (blocks != NULL && (piece < blocks->base || piece >= blocks->limit)) blocks = blocks->older;
  return blocks;
}

/* The block of a piece, mostly the current one. What is reused may lie in any, or, NULL, in a large block, which is no
 * pool. */
static lido_arena_block *pool_of(const lido_arena_core *core, const char *piece) {
  lido_arena_block *block = block_among(core->block, piece);
  return block != NULL ? block : block_among(core->joined_blocks, piece);
}

static void pool_alloc(const lido_arena_core *core, void *piece, size_t bytes) {
  if (!core->valgrind || bytes == 0) return;
  lido_arena_block *pool = pool_of(core, piece);
  if (pool != NULL) {
    VALGRIND_MEMPOOL_ALLOC(pool, piece, bytes);
  } else {
    VALGRIND_MAKE_MEM_UNDEFINED(piece, bytes);
  }
}

/* A change of size alone leaves what may be touched as it was. */
static void pool_change(lido_arena_block *pool, char *piece, size_t old_bytes, size_t new_bytes) {
  if (pool != NULL) VALGRIND_MEMPOOL_CHANGE(pool, piece, piece, new_bytes);
  if (new_bytes > old_bytes) {
    VALGRIND_MAKE_MEM_UNDEFINED(piece + old_bytes, new_bytes - old_bytes);
  } else {
    VALGRIND_MAKE_MEM_NOACCESS(piece + new_bytes, old_bytes - new_bytes);
  }
}

/* A piece without bytes was never announced. */
static void pool_resize(const lido_arena_core *core, void *piece, size_t old_bytes, size_t new_bytes) {
  if (!core->valgrind) return;
  lido_arena_block *pool = pool_of(core, piece);
  if (old_bytes == 0) {
    pool_alloc(core, piece, new_bytes);
  } else if (new_bytes == 0 && pool != NULL) {
    VALGRIND_MEMPOOL_FREE(pool, piece);
  } else {
    pool_change(pool, piece, old_bytes, new_bytes);
  }
}

static void pool_open(const lido_arena_core *core, void *start, size_t bytes) {
  if (core->valgrind) VALGRIND_MAKE_MEM_DEFINED(start, bytes);
}

static void pool_closed(const lido_arena_core *core, void *start, size_t bytes) {
  if (core->valgrind) VALGRIND_MAKE_MEM_NOACCESS(start, bytes);
}

static void pool_keep(const lido_arena_core *core, void *piece, size_t bytes) {
  if (!core->valgrind) return;
  VALGRIND_MEMPOOL_TRIM(core->block, piece, 0);
  VALGRIND_MEMPOOL_ALLOC(core->block, piece, bytes);
  VALGRIND_MAKE_MEM_DEFINED(piece, bytes);
}

static void pool_cut(const lido_arena_core *core, lido_arena_block *block, char *at) {
  if (core->valgrind) VALGRIND_MEMPOOL_TRIM(block, block->base, at - block->base);
}

#else

static void pool_begin(const lido_arena_core *core, lido_arena_block *block) {
  (void)core;
  (void)block;
}
static void pool_limit(const lido_arena_core *core, lido_arena_block *block, char *limit) {
  (void)core;
  (void)block;
  (void)limit;
}
static void pool_end(const lido_arena_core *core, lido_arena_block *block) {
  (void)core;
  (void)block;
}
static void pool_alloc(const lido_arena_core *core, void *piece, size_t bytes) {
  (void)core;
  (void)piece;
  (void)bytes;
}
static void pool_resize(const lido_arena_core *core, void *piece, size_t old_bytes, size_t new_bytes) {
  (void)core;
  (void)piece;
  (void)old_bytes;
  (void)new_bytes;
}
static void pool_open(const lido_arena_core *core, void *start, size_t bytes) {
  (void)core;
  (void)start;
  (void)bytes;
}
static void pool_closed(const lido_arena_core *core, void *start, size_t bytes) {
  (void)core;
  (void)start;
  (void)bytes;
}
static void pool_keep(const lido_arena_core *core, void *piece, size_t bytes) {
  (void)core;
  (void)piece;
  (void)bytes;
}
static void pool_cut(const lido_arena_core *core, lido_arena_block *block, char *at) {
  (void)core;
  (void)block;
  (void)at;
}

#endif

/* ---- What the room calls ---- */

void lido_arena_tell_block(const lido_arena_core *core, lido_arena_block *block) {
  size_t bytes = (size_t)(block->limit - block->base);
  lido_tool_close_range(block->base, bytes);
  pool_begin(core, block);
}

void lido_arena_tell_block_gone(const lido_arena_core *core, lido_arena_block *block) {
  lido_tool_open_range(block->base, (size_t)(block->limit - block->base));
  pool_end(core, block);
}

void lido_arena_tell_limit(const lido_arena_core *core, lido_arena_block *block, char *limit) {
  if (limit > block->limit) {
    lido_tool_close_range(block->limit, (size_t)(limit - block->limit));
  } else {
    lido_tool_open_range(limit, (size_t)(block->limit - limit));
  }
  pool_limit(core, block, limit);
}

void lido_arena_tell_piece(const lido_arena_core *core, void *piece, size_t bytes) {
  lido_tool_open_range(piece, bytes);
  lido_tool_forget_range(piece, bytes);
  pool_alloc(core, piece, bytes);
}

void lido_arena_tell_resize(const lido_arena_core *core, void *piece, size_t old_bytes, size_t new_bytes) {
  char *end = (char *)piece + lido_arena_rounded(old_bytes < new_bytes ? new_bytes : old_bytes);
  char *kept = (char *)piece + new_bytes;
  lido_tool_close_range((char *)piece + (new_bytes & ~(size_t)7), (size_t)(end - kept) + (new_bytes & 7));
  lido_tool_open_range(piece, new_bytes);
  if (new_bytes > old_bytes) {
    lido_tool_forget_range((char *)piece + old_bytes, new_bytes - old_bytes);
  } else {
    scrub(kept, old_bytes - new_bytes);
  }
  pool_resize(core, piece, old_bytes, new_bytes);
}

void lido_arena_tell_free(const lido_arena_core *core, void *piece, size_t bytes) {
  lido_arena_tell_resize(core, piece, bytes, 0);
}

void lido_arena_tell_open(const lido_arena_core *core, void *start, size_t bytes) {
  lido_tool_open_range(start, bytes);
  pool_open(core, start, bytes);
}

void lido_arena_tell_closed(const lido_arena_core *core, void *start, size_t bytes) {
  lido_tool_close_range(start, bytes);
  pool_closed(core, start, bytes);
}

void lido_arena_tell_kept(const lido_arena_core *core, void *piece, size_t bytes) {
  size_t rounded = lido_arena_rounded(bytes);
  lido_tool_close_range((char *)piece + (bytes & ~(size_t)7), rounded - (bytes & ~(size_t)7));
  lido_tool_open_range(piece, bytes);
  pool_keep(core, piece, bytes);
}

void lido_arena_tell_cut(const lido_arena_core *core, lido_arena_block *block, char *at, char *end) {
  scrub(at, (size_t)(end - at));
  lido_tool_close_range(at, (size_t)(end - at));
  pool_cut(core, block, at);
}
