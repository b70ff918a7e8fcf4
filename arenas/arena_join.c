/* arena_join.c: all of one arena becomes a part of another, in O(1).
 *
 * Blocks go to the old end of the chain, so that the window stays and no rewind comes by them; large blocks into a ring of
 * their own that only a reset empties; clean-ups stay the list they are, behind one clean-up of `into` that runs them all. So
 * a rewind to a mark from before the join runs what was joined and keeps its memory.
 */
#include <errno.h>

#include "arenas/arena_core.h"

/* Arenas whose blocks can lie in each other's chain. */
static bool is_plain(const lido_arena_core *core) {
  return core->options.buffer == NULL && core->reservation == NULL && !lido_arena_has(core, LIDO_ARENA_RESETTING);
}

static bool fit_together(const lido_arena_core *into, const lido_arena_core *from) {
  return into != from && is_plain(into) && is_plain(from) && into->backing == from->backing &&
         into->options.budget == from->options.budget && into->passthrough == from->passthrough;
}

static bool within_limit(const lido_arena_core *into, const lido_arena_core *from) {
  size_t most = into->options.max_bytes;
  return most == 0 || (into->face.held <= most && from->face.held <= most - into->face.held);
}

static void run_group(void *first) {
  lido_arena_cleanup *next = NULL;
  for (lido_arena_cleanup *cleanup = first; cleanup != NULL; cleanup = next) {
    next = cleanup->older;
    if (cleanup->fn != NULL) cleanup->fn(cleanup->arg);
  }
}

/* Before anything moves, since it may fail, or take a block. */
static bool join_cleanups(lido_arena_core *into, lido_arena_core *from) {
  if (from->cleanups == NULL) return within_limit(into, from);
  if (!within_limit(into, from)) return false;
  lido_arena_cleanup *group = lido_arena_cleanup_add(&into->face, run_group, from->cleanups);
  if (group == NULL) return false;
  if (!within_limit(into, from)) {
    lido_arena_cleanup_stop(group);
    return false;
  }
  from->cleanups = NULL;
  from->cleanup_count = 0;
  return true;
}

static void join_chain(lido_arena_core *into, lido_arena_core *from) {
  if (from->block == NULL) return;
  from->block->top = from->face.at;
  if (into->joined_block == NULL) {
    into->joined_block = from->block;
    into->joined_at = from->face.at;
    into->face.special |= LIDO_ARENA_JOINED;
  }
  if (into->block == NULL) {
    lido_arena_chain_adopt(into, from->block, from->oldest);
  } else {
    into->oldest->older = from->block;
    into->oldest = from->oldest;
    into->face.special |= LIDO_ARENA_CHAIN;
  }
  into->closed += from->closed + (into->block == from->block ? 0 : (size_t)(from->block->top - from->block->base));
  lido_arena_chain_begin(from, NULL, NULL);
}

static void join_large(lido_arena_core *into, lido_arena_core *from) {
  lido_arena_ring_move(&into->joined, &from->large);
  lido_arena_ring_move(&into->joined, &from->joined);
  into->large_held += from->large_held;
  from->large_held = 0;
  if (into->large_held != 0) into->face.special |= LIDO_ARENA_LARGE;
}

/* Passthrough: they are the oldest pieces, which no rewind frees. */
static void join_pieces(lido_arena_core *into, lido_arena_core *from) {
  for (lido_arena_piece *piece = from->pieces; piece != NULL; piece = piece->older) piece->serial = 1;
  lido_arena_piece **link = &into->pieces;
  while (*link != NULL) link = &(*link)->older;
  *link = from->pieces;
  from->pieces = NULL;
}

static size_t spare_bytes(const lido_arena_core *core, size_t *blocks) {
  size_t bytes = 0;
  for (const lido_arena_block *block = core->spare; block != NULL; block = block->older, ++*blocks) {
    bytes += block->bytes;
  }
  return bytes;
}

/* What stays with `from` is its spare blocks. */
static void join_counts(lido_arena_core *into, lido_arena_core *from) {
  size_t blocks = 0;
  size_t stays = spare_bytes(from, &blocks);
  into->face.held += from->face.held - stays;
  into->blocks += from->blocks - blocks;
  from->face.held = stays;
  from->blocks = blocks;
}

static void empty(lido_arena_core *from) {
  lido_arena_reuse_forget(from);
  from->joined_block = NULL;
  from->face.depth = 0;
  from->face.special = from->always;
  lido_arena_window(from, from->face.at);
}

int lido_arena_join(lido_arena *into_arena, lido_arena *from_arena) {
  lido_arena_core *into = lido_arena_core_of(into_arena);
  lido_arena_core *from = lido_arena_core_of(from_arena);
  if (!lido_arena_enter(into) || !lido_arena_enter(from) || !fit_together(into, from)) return EINVAL;
  int saved_errno = errno;
  if (!join_cleanups(into, from)) {
    errno = saved_errno;
    return ENOMEM;
  }
  lido_arena_note_peak(from);
  lido_arena_learn(from);
  join_counts(into, from);
  join_chain(into, from);
  join_large(into, from);
  join_pieces(into, from);
  empty(from);
  return 0;
}
