/* lido/lua.h: an allocator for the Lua interpreter, on Lido's pools.
 *
 *     lido_lua *memory = lido_lua_create(NULL);
 *     lua_State *state = lua_newstate(lido_lua_alloc, memory);
 *     ...
 *     lua_close(state);
 *     lido_lua_destroy(memory);
 *
 * Blocks of up to 512 bytes, which are nearly all of Lua's, come from one pool for each of sixteen
 * sizes; larger ones from malloc. Lua tells a block's size when it frees it, so no block has a header.
 * This header needs none of Lua's; the functions fit Lua 5.1 and later.
 *
 * Threads: as of a Lua state, one thread only; several states of that thread may share one. Errors: NULL and
 * errno. Nothing aborts on lack of memory.
 */
#ifndef LIDO_LUA_H
#define LIDO_LUA_H

#include "lido/backing.h"
#include "lido/base.h"
#include "lido/pool.h"

LIDO_BEGIN

typedef struct lido_lua lido_lua;

enum { LIDO_LUA_SMALL_MAX = 512 /* bytes: the largest block that comes from a pool */ };

/* Zero means default everywhere. */
typedef struct lido_lua_options {
  const char *name;      /* of its pools; NULL = "lua" */
  lido_backing *backing; /* of its pools; NULL = lido_backing_default() */
  size_t cache_bytes;    /* of each pool, see lido_pool_options */
  size_t retain_bytes;   /* of each pool, see lido_pool_options */
} lido_lua_options;

/* Memory for one Lua state. `options` may be NULL: all defaults. NULL: ENOMEM, EINVAL (as
 * lido_pool_create). */
LIDO_API lido_lua *lido_lua_create(const lido_lua_options *options);

/* End it and give the pools' memory back; after lua_close. -> blocks that were still live: those
 * from pools are gone, those from malloc are lost. NULL is ignored (0). */
LIDO_API size_t lido_lua_destroy(lido_lua *memory);

/* A lua_Alloc: `context` is the lido_lua. Alloc when block is NULL (old_size means nothing then),
 * free when new_size is 0, else resize. NULL only when there is no memory (never when a block
 * shrinks), or when asked to free; then the old block is as it was. */
LIDO_API void *lido_lua_alloc(void *context, void *block, size_t old_size, size_t new_size);

/* Give free memory back now, after a full collection for example. -> bytes given back. */
LIDO_API size_t lido_lua_trim(lido_lua *memory);

/* The pool that serves blocks of `size` bytes, for its statistics; NULL for sizes that malloc serves. */
LIDO_API lido_pool *lido_lua_pool(const lido_lua *memory, size_t size);

/* Blocks of more than LIDO_LUA_SMALL_MAX bytes that are live. */
LIDO_API size_t lido_lua_large_blocks(const lido_lua *memory);

LIDO_END

#endif
