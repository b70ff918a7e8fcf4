/* arena_join.c: all of one arena becomes a part of another, in O(1).
 *
 * Blocks and large blocks go to lists of their own that only a reset empties; clean-ups stay the list they are, behind
 * one clean-up of `into` that runs them all. So a rewind to a mark from before the join runs what was joined and keeps
 * its memory. An arena that has no block and no open mark takes the chain as its own.
 */
#include <errno.h>

#include "arenas/arena_core.h"

/* Arenas whose blocks can lie in each other's chain. */
static bool is_plain(const lido_arena_core *core) {
  return core->options.buffer == NULL && core->reservation == NULL && !lido_arena_has(core, LIDO_ARENA_RESETTING);
}

/* A reset would end it. */
static bool is_above(const lido_arena_core *above, const lido_arena_core *below) {
  const lido_arena *parent = below->options.parent;
  while (parent != NULL && parent != &above->face) parent = lido_arena_core_of(parent)->options.parent;
  return parent != NULL;
}

static bool fit_together(const lido_arena_core *into, const lido_arena_core *from) {
  return into != from && !is_above(from, into) && is_plain(into) && is_plain(from) && into->backing == from->backing &&
         into->options.budget == from->options.budget && into->passthrough == from->passthrough;
}

static void run_group(void *first) {
  lido_arena_cleanup *next = NULL;
  for (lido_arena_cleanup *cleanup = first; cleanup != NULL; cleanup = next) {
    next = cleanup->older;
    lido_arena_cleanup_run(cleanup);
  }
}

static bool within_limit(const lido_arena_core *into, const lido_arena_core *from) {
  size_t most = into->options.max_bytes;
  return most == 0 || (into->face.held <= most && from->face.held <= most - into->face.held);
}

/* Before anything moves, since it may fail; its memory counts against the limit, too. */
static bool join_cleanups(lido_arena_core *into, lido_arena_core *from) {
  lido_arena_cleanup *group = NULL;
  if (from->cleanups != NULL) {
    group = lido_arena_cleanup_add(&into->face, run_group, from->cleanups);
    if (group == NULL) return false;
  }
  if (!within_limit(into, from)) {
    lido_arena_cleanup_stop(group);
    lido_arena_fail(into);
    return false;
  }
  from->cleanups = NULL;
  from->cleanup_count = 0;
  return true;
}

static void join_chain(lido_arena_core *into, lido_arena_core *from) {
  if (from->block == NULL) return;
  lido_arena_block *newest = from->block;
  newest->top = from->face.at;
  if (into->block == NULL && into->face.depth == 0) {
    lido_arena_chain_adopt(into, newest, from->oldest);
  } else {
    lido_arena_joined_add(into, newest, from->oldest);
    into->closed += (size_t)(newest->top - newest->base);
  }
}

static void join_blocks(lido_arena_core *into, lido_arena_core *from) {
  join_chain(into, from);
  if (from->joined_blocks != NULL) lido_arena_joined_add(into, from->joined_blocks, from->joined_last);
  into->closed += from->closed;
  from->joined_blocks = NULL;
  from->closed = 0;
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

static void join_counts(lido_arena_core *into, lido_arena_core *from) {
  into->face.held += from->face.held;
  into->blocks += from->blocks;
  lido_arena_note_held(into);
  from->face.held = 0;
  from->blocks = 0;
}

static void empty(lido_arena_core *from) {
  lido_arena_reuse_forget(from);
  from->face.depth = 0;
  from->face.special = from->always;
  lido_arena_window(from, from->face.at);
}

int lido_arena_join(lido_arena *into_arena, lido_arena *from_arena) {
  lido_arena_core *into = lido_arena_core_of(into_arena);
  lido_arena_core *from = lido_arena_core_of(from_arena);
  if (!lido_arena_enter(into) || !lido_arena_enter(from) || !fit_together(into, from)) return EINVAL;
  int saved_errno = errno;
  lido_arena_spare_release(from);
  if (!join_cleanups(into, from)) {
    errno = saved_errno;
    return ENOMEM;
  }
  lido_arena_note_peak(from);
  lido_arena_learn(from);
  join_counts(into, from);
  join_blocks(into, from);
  join_large(into, from);
  join_pieces(into, from);
  lido_arena_note_peak(into); /* what came may go before anybody asks */
  empty(from);
  return 0;
}
