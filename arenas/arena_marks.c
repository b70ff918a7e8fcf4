/* arena_marks.c: places to come back to.
 *
 * A mark is a value; the arena only counts how many are open, its depth. Rewinding to a mark closes the deeper ones.
 * For the first depths the arena also remembers the id of the mark that is open there, so that a mark that was closed
 * is told even when others were opened in its place; deeper ones are told by their depth, and by a block that is not in
 * the chain. What was free at the mark is not asked: pieces from before it may have been freed or cut since, so `at`
 * may be less.
 */
#include "arenas/arena_core.h"

lido_arena_mark lido_arena_mark_get(lido_arena *arena) {
  lido_arena_core *core = lido_arena_core_of(arena);
  if (!lido_arena_enter(core)) return (lido_arena_mark){.depth = UINT32_MAX};
  uint32_t depth = arena->depth++;
  uint32_t id = ++core->mark_id;
  if (depth < LIDO_ARENA_MARKS) core->mark_ids[depth] = id;
  return (lido_arena_mark){
      .arena = arena, .block = core->block, .at = arena->at, .serial = core->serial, .depth = depth, .id = id};
}

static bool in_chain(const lido_arena_core *core, const lido_arena_mark *mark) {
  for (const lido_arena_block *block = core->block; block != NULL; block = block->older) {
    if (block == mark->block) return mark->at >= block->base && mark->at <= block->limit;
  }
  return mark->block == NULL;
}

static bool is_open(const lido_arena_core *core, const lido_arena_mark *mark) {
  if (mark->arena != &core->face || mark->depth >= core->face.depth) return false;
  if (mark->depth < LIDO_ARENA_MARKS && core->mark_ids[mark->depth] != mark->id) return false;
  return in_chain(core, mark);
}

bool lido_arena_rewind_to(lido_arena_core *core, lido_arena_mark mark) {
  if (!lido_arena_enter(core)) return false;
  if (!is_open(core, &mark)) {
    lido_arena_report(core, LIDO_MISUSE_STALE_MARK, mark.at);
    return false;
  }
  lido_arena_cleanups_run(core, mark.serial);
  if (!is_open(core, &mark)) return true; /* a clean-up rewound further */
  lido_arena_note_peak(core);
  lido_arena_large_free_since(core, mark.serial);
  lido_arena_pieces_free_since(core, mark.serial);
  lido_arena_reuse_forget(core);
  lido_arena_chain_cut(core, mark.block, mark.at);
  core->face.depth = mark.depth + 1;
  return true;
}

void lido_arena_rewind(lido_arena *arena, lido_arena_mark mark) {
  (void)lido_arena_rewind_to(lido_arena_core_of(arena), mark);
}
