/* arena_alloc.c: the alloc that the window could not serve, and the calls that are made of alloc. */
#include <errno.h>
#include <string.h>

#include "arenas/arena_core.h"
#include "arenas/arena_tools.h"
#include "lib/base/bits.h"

enum { ALIGN_MAX = 1 << 20 };

/* A piece from the current block, or NULL. */
static void *take(lido_arena_core *core, size_t bytes, size_t align) {
  lido_arena *face = &core->face;
  size_t room = (size_t)(face->limit - face->at);
  size_t skipped = (~(uintptr_t)face->at + 1) & (align - 1);
  if (skipped > room || bytes > room - skipped) return NULL;
  char *piece = face->at + skipped;
  size_t taken = lido_min(lido_arena_rounded(bytes) + LIDO_ARENA_GAP, room - skipped);
  lido_arena_window(core, piece + taken);
  lido_arena_tell_piece(core, piece, bytes);
  return piece;
}

static bool make_room(lido_arena_core *core, size_t bytes, size_t align) {
  if (core->options.reserve_bytes != 0) {
    size_t skipped = (~(uintptr_t)core->face.at + 1) & (align - 1);
    return lido_arena_commit(core, skipped + lido_arena_rounded(bytes));
  }
  return (core->options.flags & LIDO_ARENA_FIXED) == 0 && lido_arena_block_add(core, bytes, align);
}

static void *take_new(lido_arena_core *core, size_t bytes, size_t align) {
  core->slow++;
  lido_arena_note_peak(core);
  if (bytes > core->large_bytes) return lido_arena_large_alloc(core, bytes, align);
  if (!make_room(core, bytes, align)) return lido_arena_fail(core);
  return take(core, bytes, align);
}

static void *take_any(lido_arena_core *core, size_t bytes, size_t align) {
  if (bytes > LIDO_ARENA_BYTES_MAX) return lido_arena_fail(core);
  if (core->passthrough) return lido_arena_piece_alloc(core, bytes, align);
  void *piece = NULL;
  if (lido_arena_has(core, LIDO_ARENA_REUSED)) piece = lido_arena_reuse_take(core, bytes, align);
  if (piece == NULL) piece = take(core, bytes, align);
  return piece != NULL ? piece : take_new(core, bytes, align);
}

void *lido_arena_alloc_slow(lido_arena *arena, size_t bytes, size_t align) {
  lido_arena_core *core = lido_arena_core_of(arena);
  if (!lido_is_power_of_two(align) || align > ALIGN_MAX || !lido_arena_enter(core)) {
    errno = EINVAL;
    return NULL;
  }
  return take_any(core, bytes, lido_max(align, LIDO_ARENA_ALIGN));
}

void *lido_arena_alloc_call(lido_arena *arena, size_t bytes) { return lido_arena_alloc(arena, bytes); }

/* ---- Made of alloc ---- */

void *lido_arena_alloc_array(lido_arena *arena, size_t count, size_t bytes) {
  size_t all = 0;
  if (__builtin_mul_overflow(count, bytes, &all)) return lido_arena_fail(lido_arena_core_of(arena));
  return lido_arena_alloc(arena, all);
}

void *lido_arena_zeroed(lido_arena *arena, size_t count, size_t bytes, size_t align) {
  size_t all = 0;
  if (__builtin_mul_overflow(count, bytes, &all)) return lido_arena_fail(lido_arena_core_of(arena));
  void *piece = lido_arena_alloc_aligned(arena, all, align);
  return piece == NULL ? NULL : memset(piece, 0, all);
}

void *lido_arena_calloc(lido_arena *arena, size_t count, size_t bytes) {
  return lido_arena_zeroed(arena, count, bytes, LIDO_ARENA_ALIGN);
}
