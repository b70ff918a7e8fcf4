/* arena_reset.c: the reset that has more to do than to move a pointer back. */
#include <errno.h>
#include <string.h>

#include "arenas/arena_core.h"
#include "arenas/arena_tools.h"

/* All but the chain. */
static void drop_rest(lido_arena_core *core) {
  lido_arena_large_free_since(core, 0);
  lido_arena_large_free_joined(core);
  lido_arena_joined_drop(core);
  lido_arena_reuse_forget(core);
  core->face.depth = 0;
  core->face.special = (core->face.special & (LIDO_ARENA_CHAIN | LIDO_ARENA_ABOVE)) | core->always;
}

void lido_arena_clear(lido_arena_core *core) {
  lido_arena_cleanups_run(core, 0);
  lido_arena_note_peak(core);
  drop_rest(core);
  lido_arena_pieces_free_since(core, 0);
  lido_arena_chain_cut(core, NULL, NULL);
}

/* By a reset; other ends of a use teach the same, but are not counted. */
static void end_use(lido_arena_core *core) {
  core->resets++;
  lido_arena_learn(core);
}

void lido_arena_reset_slow(lido_arena *arena) {
  lido_arena_core *core = lido_arena_core_of(arena);
  if (!lido_arena_may_reset(core)) return;
  end_use(core);
  lido_arena_clear(core);
  lido_arena_retain(core);
}

/* ---- With something carried over ---- */

/* The block of the chain that all of the data lies in. */
static lido_arena_block *block_of(lido_arena_core *core, const char *data, size_t bytes) {
  for (lido_arena_block *block = core->block; block != NULL; block = block->older) {
    const char *top = block == core->block ? core->face.at : block->top;
    if (data >= block->base && data <= top && bytes <= (size_t)(top - data)) return block;
  }
  return NULL;
}

/* `block` becomes the whole chain, with the data at its beginning. Everything else in it is dead. */
static void *begin_with_data(lido_arena_core *core, lido_arena_block *block, const void *data, size_t bytes) {
  if (block != core->block) lido_arena_chain_cut(core, block, block->top);
  lido_arena_chain_drop_older(core);
  lido_arena_tell_open(core, block->base, bytes);
  memmove(block->base, data, bytes);
  lido_arena_tell_kept(core, block->base, bytes); /* first, so that no piece is cut in two: see arena_tools.h */
  lido_arena_chain_cut(core, block, lido_arena_end_of(block->limit, block->base, bytes));
  return block->base;
}

static void *refuse(const lido_arena_core *core, const void *data) {
  lido_arena_report(core, LIDO_MISUSE_FOREIGN, data);
  errno = EINVAL;
  return NULL;
}

/* Not in the chain: it is copied to a block that is, before anything goes. */
static const void *bring_into_chain(lido_arena *arena, const void *data, size_t bytes) {
  lido_arena_core *core = lido_arena_core_of(arena);
  if (!lido_arena_owns(arena, data)) return refuse(core, data);
  if (!lido_arena_block_add(core, bytes, LIDO_ARENA_ALIGN)) return lido_arena_fail(core);
  char *copy = core->face.at;
  lido_arena_window(core, copy + lido_arena_rounded(bytes));
  lido_arena_tell_piece(core, copy, bytes);
  return memcpy(copy, data, bytes);
}

/* Passthrough: the copy is the one piece that stays. */
static void *keep_piece(lido_arena_core *core, const void *data, size_t bytes) {
  void *copy = lido_arena_piece_alloc(core, bytes, LIDO_ARENA_ALIGN);
  if (copy == NULL) return NULL;
  memcpy(copy, data, bytes);
  lido_arena_piece *kept = core->pieces;
  core->pieces = kept->older;
  end_use(core);
  lido_arena_clear(core);
  kept->older = core->pieces;
  core->pieces = kept;
  return copy;
}

/* The clean-ups have run; one of them may have given the data back. */
static void *begin_again(lido_arena_core *core, const void *data, size_t bytes) {
  lido_arena_block *block = block_of(core, data, bytes);
  if (block != NULL) return begin_with_data(core, block, data, bytes);
  lido_arena_chain_cut(core, NULL, NULL);
  return refuse(core, data);
}

void *lido_arena_reset_keep(lido_arena *arena, const void *data, size_t bytes) {
  lido_arena_core *core = lido_arena_core_of(arena);
  if (!lido_arena_may_reset(core)) {
    errno = EINVAL;
    return NULL;
  }
  if (bytes == 0) {
    lido_arena_reset(arena);
    return lido_arena_alloc(arena, 0);
  }
  if (core->passthrough) return keep_piece(core, data, bytes);
  if (block_of(core, data, bytes) == NULL) data = bring_into_chain(arena, data, bytes);
  if (data == NULL) return NULL;
  lido_arena_cleanups_run(core, 0);
  lido_arena_note_peak(core);
  end_use(core);
  drop_rest(core);
  void *kept = begin_again(core, data, bytes);
  lido_arena_retain(core);
  return kept;
}
