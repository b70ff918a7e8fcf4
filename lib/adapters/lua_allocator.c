/* lua_allocator.c: see lido/lua.h.
 *
 * Idea: the size that Lua names is the whole look-up: (size + 15) / 16 indexes a table of 33 bytes that gives the
 * kind of the block, one of sixteen pools or KIND_LARGE. Each pool is reached through an explicit cache, so
 * no thread-local is touched.
 *
 * Lua believes that a shrinking block can't fail. A block that shrinks into a smaller kind moves; when there is no
 * memory to move it to it stays, and from then on its size no longer tells its kind. Such a block is a
 * misfit: a note in its own unused end says what kind it is, and all notes form a list, which is empty in
 * every program that never ran out of memory.
 * Invariants
 *   L1  a live block's kind is that of the size Lua knows, or it is on the list of misfits.
 *   L2  a misfit has at least sizeof(misfit) bytes past the size Lua knows: kinds are at least 16 bytes apart, and
 *       large blocks are at least LARGE_MIN.
 * Threads: one. Failure: NULL, the old block untouched.
 * Not done: an own answer for large blocks; they are few, and realloc of large blocks is what malloc is good at.
 */
#include "lido/lua.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { KINDS = 16, KIND_LARGE = KINDS, STEP = 16 };

static const uint16_t kind_bytes[KINDS] = {16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512};

static const uint8_t kind_of_steps[LIDO_LUA_SMALL_MAX / STEP + 1] = {0,  0,  1,  2,  3,  4,  5,  6,  7,  8,  8,
                                                                     9,  9,  10, 10, 11, 11, 12, 12, 12, 12, 13,
                                                                     13, 13, 13, 14, 14, 14, 14, 15, 15, 15, 15};

/* In the last bytes of a small block, at LIDO_LUA_SMALL_MAX in a large one. */
typedef struct misfit {
  struct misfit *next;
  uint64_t kind;
} misfit;

_Static_assert(sizeof(misfit) <= STEP, "a misfit's note fits between two kinds");

enum { LARGE_MIN = LIDO_LUA_SMALL_MAX + sizeof(misfit) };

struct lido_lua {
  lido_pool_cache *caches[KINDS];
  lido_pool *pools[KINDS];
  misfit *misfits;
  size_t large_blocks;
};

static unsigned kind_of_size(size_t size) {
  if (LIDO_UNLIKELY(size > LIDO_LUA_SMALL_MAX)) return KIND_LARGE;
  return kind_of_steps[(size + STEP - 1) / STEP];
}

/* ---- Misfits ---- */

static misfit *misfit_note(void *block, unsigned kind) {
  size_t at = kind == KIND_LARGE ? LIDO_LUA_SMALL_MAX : kind_bytes[kind] - sizeof(misfit);
  return (misfit *)((char *)block + at);
}

static void misfit_put(lido_lua *memory, void *block, unsigned kind) {
  misfit *note = misfit_note(block, kind);
  *note = (misfit){memory->misfits, kind};
  memory->misfits = note;
}

/* Take `block` off the list if it is there. -> its kind; KIND_LARGE + 1 if it is no misfit. */
static LIDO_SLOW unsigned misfit_take(lido_lua *memory, void *block) {
  for (misfit **link = &memory->misfits; *link != NULL; link = &(*link)->next) {
    misfit *note = *link;
    unsigned kind = (unsigned)note->kind;
    if (note != misfit_note(block, kind)) continue;
    *link = note->next;
    return kind;
  }
  return KIND_LARGE + 1;
}

/* The kind of a live block, which is off the list of misfits afterwards. */
static unsigned kind_of_block(lido_lua *memory, void *block, size_t size) {
  if (LIDO_UNLIKELY(memory->misfits != NULL)) {
    unsigned kind = misfit_take(memory, block);
    if (kind <= KIND_LARGE) return kind;
  }
  return kind_of_size(size);
}

/* The block stays where it is, with `size` bytes of Lua's in it. */
static void *stay(lido_lua *memory, void *block, unsigned kind, size_t size) {
  if (LIDO_UNLIKELY(kind_of_size(size) != kind)) misfit_put(memory, block, kind);
  return block;
}

/* ---- Blocks ---- */

static size_t large_bytes(size_t size) { return size < LARGE_MIN ? LARGE_MIN : size; }

static LIDO_SLOW void *large_new(lido_lua *memory, size_t size) {
  void *block = malloc(large_bytes(size));
  memory->large_blocks += block != NULL;
  return block;
}

static LIDO_SLOW void large_free(lido_lua *memory, void *block) {
  memory->large_blocks--;
  free(block);
}

static inline void *block_new(lido_lua *memory, size_t size) {
  unsigned kind = kind_of_size(size);
  if (LIDO_UNLIKELY(kind == KIND_LARGE)) return large_new(memory, size);
  return lido_pool_cache_alloc(memory->caches[kind]);
}

static inline void block_free(lido_lua *memory, void *block, unsigned kind) {
  if (LIDO_UNLIKELY(kind == KIND_LARGE)) large_free(memory, block);
  else lido_pool_cache_free(memory->caches[kind], block);
}

static LIDO_SLOW void *large_resize(lido_lua *memory, void *block, size_t old_size, size_t new_size) {
  void *resized = realloc(block, large_bytes(new_size));
  if (resized != NULL) return resized; /* said plainly, so that a compiler sees that `block` is still there below */
  if (new_size <= old_size) return block;
  stay(memory, block, KIND_LARGE, old_size);
  return NULL;
}

static void *block_resize(lido_lua *memory, void *block, size_t old_size, size_t new_size) {
  unsigned from = kind_of_block(memory, block, old_size);
  unsigned to = kind_of_size(new_size);
  if (from == to) return from == KIND_LARGE ? large_resize(memory, block, old_size, new_size) : block;
  void *moved = block_new(memory, new_size);
  if (LIDO_UNLIKELY(moved == NULL)) {
    if (to < from) return stay(memory, block, from, new_size); /* it fits where it is */
    stay(memory, block, from, old_size);
    return NULL;
  }
  memcpy(moved, block, old_size < new_size ? old_size : new_size);
  block_free(memory, block, from);
  return moved;
}

void *lido_lua_alloc(void *context, void *block, size_t old_size, size_t new_size) {
  lido_lua *memory = context;
  if (block == NULL) return new_size == 0 ? NULL : block_new(memory, new_size);
  if (new_size != 0) return block_resize(memory, block, old_size, new_size);
  block_free(memory, block, kind_of_block(memory, block, old_size));
  return NULL;
}

/* ---- Life ---- */

static int open_kind(lido_lua *memory, unsigned kind, const lido_lua_options *options) {
  lido_pool_options pool = {
      .name = options->name != NULL ? options->name : "lua",
      .object_size = kind_bytes[kind],
      .align = STEP,
      .flags = LIDO_POOL_SINGLE_THREAD,
      .backing = options->backing,
      .cache_bytes = options->cache_bytes,
      .retain_bytes = options->retain_bytes,
  };
  memory->pools[kind] = lido_pool_create(&pool);
  if (memory->pools[kind] == NULL) return errno;
  memory->caches[kind] = lido_pool_cache_create(memory->pools[kind]);
  return memory->caches[kind] == NULL ? errno : 0;
}

lido_lua *lido_lua_create(const lido_lua_options *options) {
  static const lido_lua_options defaults;
  if (options == NULL) options = &defaults;
  lido_lua *memory = calloc(1, sizeof *memory);
  if (memory == NULL) return NULL;
  for (unsigned kind = 0; kind < KINDS; kind++) {
    int error = open_kind(memory, kind, options);
    if (error == 0) continue;
    lido_lua_destroy(memory);
    errno = error;
    return NULL;
  }
  return memory;
}

size_t lido_lua_destroy(lido_lua *memory) {
  if (memory == NULL) return 0;
  size_t live = memory->large_blocks;
  for (unsigned kind = 0; kind < KINDS && memory->pools[kind] != NULL; kind++) {
    if (memory->caches[kind] != NULL) lido_pool_cache_destroy(memory->caches[kind]);
    live += lido_pool_destroy(memory->pools[kind]);
  }
  free(memory);
  return live;
}

size_t lido_lua_trim(lido_lua *memory) {
  size_t bytes = 0;
  for (unsigned kind = 0; kind < KINDS; kind++) {
    lido_pool_cache_flush(memory->caches[kind]);
    bytes += lido_pool_trim(memory->pools[kind]);
  }
  return bytes;
}

lido_pool *lido_lua_pool(const lido_lua *memory, size_t size) {
  unsigned kind = kind_of_size(size);
  return kind == KIND_LARGE ? NULL : memory->pools[kind];
}

size_t lido_lua_large_blocks(const lido_lua *memory) { return memory->large_blocks; }
