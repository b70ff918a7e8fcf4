/* arena_stats.c: what can be asked of an arena, and what it remembers of failures. */
#include <errno.h>
#include <string.h>

#include "arenas/arena_core.h"
#include "lib/base/bits.h"

void *lido_arena_fail(lido_arena_core *core) {
  core->failures++;
  core->face.special |= LIDO_ARENA_FAILED;
  errno = ENOMEM;
  return NULL;
}

lido_arena_memory_of_failures lido_arena_remember(const lido_arena_core *core) {
  return (lido_arena_memory_of_failures){core->failures, core->face.special & LIDO_ARENA_FAILED, errno};
}

void lido_arena_take_back(lido_arena_core *core, lido_arena_memory_of_failures before) {
  core->failures = before.failures;
  core->face.special = (core->face.special & ~(uint32_t)LIDO_ARENA_FAILED) | before.failed;
  errno = before.error;
}

bool lido_arena_failed(const lido_arena *arena) { return lido_arena_has(lido_arena_core_of(arena), LIDO_ARENA_FAILED); }

size_t lido_arena_large_bytes(const lido_arena *arena) { return lido_arena_core_of(arena)->large_bytes; }

static size_t pieces_bytes(const lido_arena_core *core) {
  size_t bytes = 0;
  for (const lido_arena_piece *piece = core->pieces; piece != NULL; piece = piece->older) bytes += piece->bytes;
  return bytes;
}

size_t lido_arena_used(const lido_arena_core *core) {
  if (core->block == NULL) return core->closed;
  return core->closed + (size_t)(core->face.at - core->block->base);
}

static size_t used_in_all(const lido_arena_core *core) {
  return core->passthrough ? pieces_bytes(core) : lido_arena_used(core) + core->large_held;
}

void lido_arena_note_peak(lido_arena_core *core) { core->peak = lido_max(core->peak, used_in_all(core)); }

void lido_arena_stats_get(const lido_arena *arena, lido_arena_stats *out) {
  const lido_arena_core *core = lido_arena_core_of(arena);
  size_t used = used_in_all(core);
  *out = (lido_arena_stats){
      .used = used,
      .peak = lido_max(lido_max(core->peak, used), (size_t)(arena->high - arena->base)),
      .reserved = arena->held,
      .large = core->large_held,
      .blocks = core->blocks,
      .wanted = lido_arena_retain_bytes(core),
      .resets = core->resets + LIDO_ARENA_LOOK - arena->resets_left,
      .slow = core->slow,
      .blocks_made = core->blocks_made,
      .failures = core->failures,
      .cleanups = core->cleanup_count,
  };
}

/* ---- Owns ---- */

static bool piece_owns(const lido_arena_core *core, const char *address) {
  for (const lido_arena_piece *piece = core->pieces; piece != NULL; piece = piece->older) {
    const char *memory = piece->memory;
    if (address >= memory && address < memory + piece->bytes) return true;
  }
  return false;
}

static bool joined_owns(const lido_arena_core *core, const char *address) {
  for (const lido_arena_block *block = core->joined_blocks; block != NULL; block = block->older) {
    if (address >= block->base && address < block->top) return true;
  }
  return false;
}

bool lido_arena_owns(const lido_arena *arena, const void *address) {
  const lido_arena_core *core = lido_arena_core_of(arena);
  const char *wanted = address;
  for (const lido_arena_block *block = core->block; block != NULL; block = block->older) {
    const char *top = block == core->block ? core->face.at : block->top;
    if (wanted >= block->base && wanted < top) return true;
  }
  return lido_arena_large_owns(&core->large, wanted) || lido_arena_large_owns(&core->joined, wanted) ||
         joined_owns(core, wanted) || piece_owns(core, wanted);
}
