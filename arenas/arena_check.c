/* arena_check.c: the invariants of arena_core.h. */
#include "arenas/arena_core.h"

static bool is_aligned(const char *address) { return (uintptr_t)address % LIDO_ARENA_ALIGN == 0; }

static const char *check_window(const lido_arena_core *core) {
  const lido_arena *face = &core->face;
  if (!is_aligned(face->at) || !is_aligned(face->limit)) return "A1: an end of the window is not aligned";
  if (face->at > face->limit) return "A1: pieces beyond the block";
  if (core->block != NULL && face->at < core->block->base) return "A1: pieces before the block";
  uint32_t kept_empty = LIDO_ARENA_WATCHED | LIDO_ARENA_REUSED | LIDO_ARENA_IDLE;
  if (face->end != (lido_arena_has(core, kept_empty) ? face->at : face->limit)) return "A1: the window's end";
  return NULL;
}

static const char *check_chain(const lido_arena_core *core, size_t *bytes, size_t *blocks) {
  size_t closed = 0;
  const lido_arena_block *last = NULL;
  for (const lido_arena_block *block = core->block; block != NULL; last = block, block = block->older) {
    *bytes += block->bytes;
    ++*blocks;
    if (block == core->block) continue;
    if (block->top < block->base || block->top > block->limit) return "A2: a block's top lies outside of it";
    closed += (size_t)(block->top - block->base);
  }
  for (const lido_arena_block *block = core->joined_blocks; block != NULL; block = block->older) {
    *bytes += block->bytes;
    ++*blocks;
    if (block->top < block->base || block->top > block->limit) return "A2: a joined block's top lies outside of it";
    closed += (size_t)(block->top - block->base);
  }
  if (core->joined_blocks != NULL && !lido_arena_has(core, LIDO_ARENA_JOINED)) return "A4: the bit of joined blocks";
  if (last != core->oldest) return "A2: the oldest block is another";
  if (closed != core->closed) return "A3: closed blocks hold something else";
  if ((core->block != core->oldest) != lido_arena_has(core, LIDO_ARENA_CHAIN)) return "A4: the bit of the chain";
  return NULL;
}

static const char *check_ring(const lido_arena_large *head, size_t *bytes, size_t *blocks) {
  for (const lido_arena_large *large = head->older; large != head; large = large->older) {
    if (large->older->newer != large) return "A3: the ring of large blocks is broken";
    *bytes += large->bytes;
    ++*blocks;
  }
  return NULL;
}

static const char *check_large(const lido_arena_core *core, size_t *bytes, size_t *blocks) {
  size_t before = *bytes;
  const char *broken = check_ring(&core->large, bytes, blocks);
  if (broken == NULL) broken = check_ring(&core->joined, bytes, blocks);
  if (broken == NULL && *bytes - before != core->large_held) broken = "A3: large blocks hold something else";
  if (broken == NULL && *bytes != before && !lido_arena_has(core, LIDO_ARENA_LARGE))
    broken = "A4: the bit of large blocks";
  return broken;
}

static const char *check_held(const lido_arena_core *core, size_t bytes, size_t blocks) {
  for (const lido_arena_block *block = core->spare; block != NULL; block = block->older, blocks++)
    bytes += block->bytes;
  for (const lido_arena_piece *piece = core->pieces; piece != NULL; piece = piece->older, blocks++) {
    bytes += piece->bytes;
  }
  if (bytes + core->committed != core->face.held) return "A3: held is not the sum of the blocks";
  if (blocks != core->blocks) return "A3: blocks are miscounted";
  return NULL;
}

static const char *check_cleanups(const lido_arena_core *core) {
  size_t count = 0;
  uint64_t serial = UINT64_MAX;
  for (const lido_arena_cleanup *cleanup = core->cleanups; cleanup != NULL; cleanup = cleanup->older) {
    if (cleanup->serial >= serial) return "A5: clean-ups out of order";
    serial = cleanup->serial;
    count++;
  }
  if (count != core->cleanup_count) return "A5: clean-ups are miscounted";
  if (count != 0 && !lido_arena_has(core, LIDO_ARENA_CLEANUPS)) return "A4: the bit of clean-ups";
  return NULL;
}

/* A deeper mark was opened later. */
static const char *check_marks(const lido_arena_core *core) {
  for (uint32_t depth = 1; depth < core->face.depth && depth < LIDO_ARENA_MARKS; depth++) {
    if (core->mark_ids[depth - 1] >= core->mark_ids[depth]) return "A6: marks out of order";
  }
  return NULL;
}

const char *lido_arena_check(const lido_arena *arena) {
  const lido_arena_core *core = lido_arena_core_of(arena);
  size_t bytes = 0;
  size_t blocks = 0;
  const char *broken = check_window(core);
  if (broken == NULL) broken = check_chain(core, &bytes, &blocks);
  if (broken == NULL) broken = check_large(core, &bytes, &blocks);
  if (broken == NULL) broken = check_held(core, bytes, blocks);
  if (broken == NULL) broken = check_cleanups(core);
  return broken != NULL ? broken : check_marks(core);
}
