/* arena_resize.c: pieces that grow, shrink, or go before their time. */
#include <errno.h>
#include <string.h>

#include "arenas/arena_core.h"
#include "arenas/arena_tools.h"
#include "lib/base/bits.h"

static char *end_of(const lido_arena_core *core, char *piece, size_t bytes) {
  return lido_arena_end_of(core->face.limit, piece, bytes);
}

/* A piece of another block may end where this one's header begins, never where its pieces do. */
static bool is_newest(const lido_arena_core *core, char *piece, size_t bytes) {
  const lido_arena_block *block = core->block;
  return block != NULL && piece >= block->base && piece <= core->face.at && bytes <= (size_t)(core->face.at - piece) &&
         end_of(core, piece, bytes) == core->face.at;
}

static void resize_newest(lido_arena_core *core, char *piece, size_t old_bytes, size_t new_bytes) {
  if (new_bytes < old_bytes) lido_arena_note_peak(core);
  if (!lido_arena_tools_want_pieces_whole(core)) lido_arena_window(core, end_of(core, piece, new_bytes));
  lido_arena_tell_resize(core, piece, old_bytes, new_bytes);
}

static bool has_room(lido_arena_core *core, const char *piece, size_t bytes) {
  size_t room = (size_t)(core->face.limit - piece);
  if (bytes <= room) return true;
  return core->reservation != NULL &&
         lido_arena_commit(core, lido_arena_rounded(bytes) - (size_t)(core->face.at - piece));
}

static bool extend(lido_arena_core *core, char *piece, size_t old_bytes, size_t new_bytes) {
  if (!is_newest(core, piece, old_bytes)) return false;
  if (new_bytes > old_bytes && lido_arena_tools_want_pieces_whole(core)) return false;
  if (!has_room(core, piece, new_bytes)) return false;
  resize_newest(core, piece, old_bytes, new_bytes);
  return true;
}

/* In place, whatever has to be done for it. A large piece has what is left of its block. */
static bool resized(lido_arena_core *core, char *piece, size_t old_bytes, size_t new_bytes) {
  if (lido_arena_is_large(core, piece)) return lido_arena_large_holds(core, piece, new_bytes);
  if (core->passthrough) return new_bytes <= old_bytes;
  if (new_bytes > old_bytes) return extend(core, piece, old_bytes, new_bytes);
  if (is_newest(core, piece, old_bytes)) resize_newest(core, piece, old_bytes, new_bytes);
  return true;
}

bool lido_arena_try_extend(lido_arena *arena, void *block, size_t old_bytes, size_t new_bytes) {
  lido_arena_core *core = lido_arena_core_of(arena);
  return block != NULL && old_bytes != 0 && new_bytes <= PTRDIFF_MAX && lido_arena_enter(core) &&
         resized(core, block, old_bytes, new_bytes);
}

void lido_arena_shrink(lido_arena *arena, void *block, size_t old_bytes, size_t new_bytes) {
  lido_arena_core *core = lido_arena_core_of(arena);
  if (block != NULL && new_bytes < old_bytes && lido_arena_enter(core))
    (void)resized(core, block, old_bytes, new_bytes);
}

static void *move(lido_arena *arena, void *block, size_t old_bytes, size_t new_bytes) {
  void *moved = lido_arena_is_asked_large(lido_arena_core_of(arena), block) ? lido_arena_alloc_large(arena, new_bytes)
                                                                            : lido_arena_alloc(arena, new_bytes);
  if (moved == NULL) return NULL;
  memcpy(moved, block, lido_min(old_bytes, new_bytes));
  lido_arena_free(arena, block, old_bytes);
  return moved;
}

/* What does not shrink in place is a large piece that becomes a small one. It is moved, so that its block goes back;
 * where there is no memory for that, it stays until the reset. */
static void *move_smaller(lido_arena *arena, void *block, size_t old_bytes, size_t new_bytes) {
  lido_arena_core *core = lido_arena_core_of(arena);
  lido_arena_memory_of_failures before = lido_arena_remember(core);
  void *moved = move(arena, block, old_bytes, new_bytes);
  if (moved != NULL) return moved;
  lido_arena_take_back(core, before);
  return block;
}

void *lido_arena_realloc(lido_arena *arena, void *block, size_t old_bytes, size_t new_bytes) {
  lido_arena_core *core = lido_arena_core_of(arena);
  if (block == NULL || old_bytes == 0) return lido_arena_alloc(arena, new_bytes);
  if (!lido_arena_enter(core)) {
    errno = EINVAL;
    return NULL;
  }
  if (new_bytes <= PTRDIFF_MAX && resized(core, block, old_bytes, new_bytes)) return block;
  return new_bytes < old_bytes ? move_smaller(arena, block, old_bytes, new_bytes)
                               : move(arena, block, old_bytes, new_bytes);
}

void lido_arena_free(lido_arena *arena, void *block, size_t bytes) {
  lido_arena_core *core = lido_arena_core_of(arena);
  if (block == NULL || !lido_arena_enter(core)) return;
  if (bytes != 0 && lido_arena_is_large(core, block)) {
    lido_arena_note_peak(core);
    lido_arena_large_free(core, block);
  } else if (core->passthrough) {
    lido_arena_piece **link = lido_arena_piece_find(core, block);
    if (*link != NULL) lido_arena_piece_free(core, link);
  } else if (is_newest(core, block, bytes)) {
    resize_newest(core, block, bytes, 0);
    if (!lido_arena_tools_want_pieces_whole(core)) lido_arena_window(core, block);
  } else if ((core->options.flags & LIDO_ARENA_REUSE) != 0) {
    lido_arena_tell_free(core, block, bytes);
    lido_arena_reuse_put(core, block, bytes);
  }
}
