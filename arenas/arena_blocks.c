/* arena_blocks.c: the blocks of an arena: where they come from, what they are charged to, how they are chained. */
#include <errno.h>

#include "arenas/arena_core.h"
#include "arenas/arena_tools.h"
#include "lib/base/bits.h"
#include "lib/mem/budgets.h"

enum { HEADER = (sizeof(lido_arena_block) + LIDO_ARENA_ALIGN - 1) / LIDO_ARENA_ALIGN * LIDO_ARENA_ALIGN };

/* ---- Limits ---- */

/* AUTO looks at what is held at every LIDO_ARENA_LOOKth reset only; a caller's number holds for every one. */
void lido_arena_note_held(lido_arena_core *core) {
  if (core->options.retain == LIDO_ARENA_RETAIN_AUTO) return;
  if (core->face.held > lido_arena_retain_bytes(core)) core->face.special |= LIDO_ARENA_ABOVE;
}

static bool charge(lido_arena_core *core, size_t bytes, bool (*take)(lido_budget *budget, size_t bytes)) {
  size_t most = core->options.max_bytes;
  if (most != 0 && (core->face.held > most || bytes > most - core->face.held)) return false;
  if (!take(core->options.budget, bytes)) return false;
  core->face.held += bytes;
  lido_arena_note_held(core);
  return true;
}

/* Blocks that are only kept for later must not be the reason for a failure. */
static bool charge_at_ease(lido_arena_core *core, size_t bytes) {
  if (charge(core, bytes, lido_budget_try)) return true;
  if (core->spare == NULL) return false;
  lido_arena_spare_trim(core, 0);
  return charge(core, bytes, lido_budget_try);
}

bool lido_arena_charge(lido_arena_core *core, size_t bytes) {
  return charge_at_ease(core, bytes) || (!core->at_ease && charge(core, bytes, lido_budget_take));
}

void lido_arena_discharge(lido_arena_core *core, size_t bytes) {
  lido_budget_give(core->options.budget, bytes);
  core->face.held -= bytes;
}

/* ---- One block ---- */

static lido_arena_block *block_begin(lido_arena_core *core, char *memory, size_t bytes, bool borrowed) {
  lido_arena_block *block = (lido_arena_block *)memory;
  char *limit = memory + (bytes & ~(size_t)(LIDO_ARENA_ALIGN - 1));
  *block = (lido_arena_block){.base = memory + HEADER,
                              .top = memory + HEADER,
                              .limit = limit,
                              .bytes = borrowed ? 0 : bytes,
                              .borrowed = borrowed};
  lido_arena_tell_block(core, block);
  core->blocks++;
  return block;
}

lido_arena_block *lido_arena_block_borrow(lido_arena_core *core, char *memory, size_t bytes) {
  return block_begin(core, memory, bytes, true);
}

/* Charged already. */
static lido_arena_block *block_create(lido_arena_core *core, size_t bytes) {
  char *memory = lido_backing_take(core->backing, bytes);
  if (memory == NULL) {
    lido_arena_discharge(core, bytes);
    return NULL;
  }
  core->blocks_made++;
  lido_arena_block *block = block_begin(core, memory, bytes, false);
  block->sampled = lido_arena_sample(core, memory, bytes);
  return block;
}

void lido_arena_block_release(lido_arena_core *core, lido_arena_block *block) {
  size_t bytes = block->bytes;
  if (LIDO_UNLIKELY(block->sampled)) lido_heap_forget(block);
  lido_arena_tell_block_gone(core, block);
  if (!block->borrowed) lido_backing_give(core->backing, block, bytes);
  lido_arena_discharge(core, bytes);
  core->blocks--;
}

void lido_arena_spare_release(lido_arena_core *core) {
  lido_arena_block *next = NULL;
  for (lido_arena_block *block = core->spare; block != NULL; block = next) {
    next = block->older;
    lido_arena_block_release(core, block);
  }
  core->spare = NULL;
}

/* ---- A new current block ---- */

/* A spare block with so much room, out of its list. */
static lido_arena_block *spare_take(lido_arena_core *core, size_t room) {
  for (lido_arena_block **link = &core->spare; *link != NULL; link = &(*link)->older) {
    lido_arena_block *block = *link;
    if ((size_t)(block->limit - block->base) < room) continue;
    *link = block->older;
    return block;
  }
  return NULL;
}

/* One that the budget has room for without asking anybody to free some. */
static lido_arena_block *block_at_ease(lido_arena_core *core, size_t bytes) {
  return charge_at_ease(core, bytes) ? block_create(core, bytes) : NULL;
}

/* As large as it is due, or when that can't be had, half of it and so on; only for what it must be somebody is asked,
 * once. Then nothing failed. */
static lido_arena_block *block_due(lido_arena_core *core, size_t room) {
  size_t least = HEADER + room;
  size_t due = lido_max(core->next_bytes, least);
  int saved_errno = errno;
  lido_arena_block *block = block_at_ease(core, due);
  for (size_t bytes = due; block == NULL && bytes > least;) {
    bytes = lido_max(bytes / 2, least);
    block = block_at_ease(core, bytes);
  }
  if (block == NULL && lido_arena_charge(core, least)) block = block_create(core, least);
  if (block == NULL) return NULL;
  errno = saved_errno;
  core->next_bytes = lido_max(core->next_bytes, lido_min(2 * due, core->options.chunk_bytes_max));
  return block;
}

static void open_block(lido_arena_core *core, lido_arena_block *block, char *at) {
  core->block = block;
  core->face.limit = block->limit;
  lido_arena_window(core, at);
}

static void push(lido_arena_core *core, lido_arena_block *block) {
  lido_arena_block *current = core->block;
  current->top = core->face.at;
  core->closed += (size_t)(current->top - current->base);
  core->face.special |= LIDO_ARENA_CHAIN;
  block->older = current;
  open_block(core, block, block->base);
}

bool lido_arena_block_add(lido_arena_core *core, size_t bytes, size_t align) {
  size_t room = lido_arena_rounded(bytes) + (align > LIDO_ARENA_ALIGN ? align : 0);
  lido_arena_block *block = spare_take(core, room);
  if (block == NULL) block = block_due(core, room);
  if (block == NULL) return false;
  if (core->block == NULL) {
    lido_arena_chain_begin(core, block, block->base);
  } else {
    push(core, block);
  }
  return true;
}

/* ---- The chain ---- */

static char nothing[LIDO_ARENA_ALIGN] __attribute__((aligned(LIDO_ARENA_ALIGN)));

static void chain_none(lido_arena_core *core) {
  core->block = NULL;
  core->oldest = NULL;
  core->face.base = core->face.high = core->face.limit = nothing;
  lido_arena_window(core, nothing);
}

void lido_arena_chain_begin(lido_arena_core *core, lido_arena_block *block, char *at) {
  core->face.special &= ~(uint32_t)LIDO_ARENA_CHAIN;
  if (block == NULL) {
    chain_none(core);
    return;
  }
  block->older = NULL;
  core->oldest = block;
  core->face.base = core->face.high = block->base;
  open_block(core, block, at);
}

void lido_arena_chain_adopt(lido_arena_core *core, lido_arena_block *newest, lido_arena_block *oldest) {
  core->oldest = oldest;
  core->face.base = core->face.high = oldest->base;
  if (newest != oldest) core->face.special |= LIDO_ARENA_CHAIN;
  open_block(core, newest, newest->top);
}

static void make_spare(lido_arena_core *core, lido_arena_block *block) {
  lido_arena_tell_cut(core, block, block->base, block->top);
  block->top = block->base;
  block->older = core->spare;
  core->spare = block;
}

/* The current block leaves the chain; the one before it is current. */
static void pop(lido_arena_core *core) {
  lido_arena_block *block = core->block;
  LIDO_ASSERT(block != NULL);
  lido_arena_block *older = block->older;
  block->top = core->face.at;
  make_spare(core, block);
  if (older == NULL) {
    chain_none(core);
  } else {
    core->closed -= (size_t)(older->top - older->base);
    open_block(core, older, older->top);
  }
}

void lido_arena_chain_cut(lido_arena_core *core, lido_arena_block *block, char *at) {
  while (core->block != block) pop(core);
  if (block != NULL) {
    if (at > core->face.at) at = core->face.at;
    lido_arena_tell_cut(core, block, at, core->face.at);
    lido_arena_window(core, at);
  }
  if (core->block == core->oldest) core->face.special &= ~(uint32_t)LIDO_ARENA_CHAIN;
}

static void drop_closed(lido_arena_core *core, lido_arena_block *block) {
  core->closed -= (size_t)(block->top - block->base);
  make_spare(core, block);
}

void lido_arena_chain_drop_older(lido_arena_core *core) {
  lido_arena_block *next = NULL;
  for (lido_arena_block *block = core->block->older; block != NULL; block = next) {
    next = block->older;
    drop_closed(core, block);
  }
  lido_arena_chain_begin(core, core->block, core->face.at);
}

/* ---- What join brought ---- */

void lido_arena_joined_add(lido_arena_core *core, lido_arena_block *newest, lido_arena_block *oldest) {
  oldest->older = core->joined_blocks;
  if (core->joined_blocks == NULL) core->joined_last = oldest;
  core->joined_blocks = newest;
  core->face.special |= LIDO_ARENA_JOINED;
}

void lido_arena_joined_drop(lido_arena_core *core) {
  lido_arena_block *next = NULL;
  for (lido_arena_block *block = core->joined_blocks; block != NULL; block = next) {
    next = block->older;
    drop_closed(core, block);
  }
  core->joined_blocks = NULL;
}
