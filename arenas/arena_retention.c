/* arena_retention.c: how much an arena keeps when it is reset.
 *
 * AUTO keeps what nineteen of twenty recent uses would have needed. The estimate needs no history: a use that needed more
 * raises it by an eighth, one that needed less lowers it by 1/152 (a nineteenth of that), so it comes to rest where one in twenty
 * needs more. So one huge use among many moves it by an eighth, for the time of nineteen small ones. Source of the
 * method: stochastic approximation of a quantile (Robbins and Monro, 1951), in steps of a share instead of a constant.
 * Resets of one block that nobody looked at (arena_inline.h) count in bulk: if the most that they used is below
 * the estimate, each of them lowers it.
 * An arena that keeps one block of the size it needs has the short reset. So when the blocks that are there do not
 * fit the estimate, within a factor of four, none is kept, and the next use begins with one of the right size.
 */
#include "arenas/arena_core.h"
#include "lib/base/bits.h"

enum {
  RAISE = 8,
  LOWER = 19 * RAISE,
  FIRST_LESSON_MOST = 64 << 10, /* a first use says little about the second */
  SLACK = 4,
};

/* ---- How much ---- */

/* `uses` that needed `most` or less lower the estimate, but not below what they needed. */
static size_t lowered(size_t wanted, size_t uses, size_t most) {
  return most > wanted ? wanted : lido_max(wanted - lido_min(uses * (wanted / LOWER), wanted), most);
}

size_t lido_arena_taught(size_t wanted, lido_arena_lesson lesson) {
  wanted = lowered(wanted, lesson.unseen, lesson.unseen_most);
  if (wanted == 0) return lido_min(lesson.used, FIRST_LESSON_MOST);
  if (lesson.used > wanted) return wanted + lido_max(wanted / RAISE, LIDO_ARENA_ALIGN);
  return lowered(wanted, 1, lesson.used);
}

void lido_arena_learn(lido_arena_core *core) {
  lido_arena_lesson lesson = {.used = lido_arena_used(core),
                              .unseen = LIDO_ARENA_LOOK - core->face.resets_left,
                              .unseen_most = (size_t)(core->face.high - core->face.base)};
  core->resets += lesson.unseen + 1;
  core->face.resets_left = LIDO_ARENA_LOOK;
  core->face.high = core->face.base;
  core->wanted = lido_arena_taught(core->wanted, lesson);
  core->peak = lido_max(core->peak, lesson.unseen_most);
  if (core->cls != NULL) lido_arena_class_tell(core, lesson);
}

/* A quarter more, in steps that the backing has classes for. */
static size_t block_for(size_t wanted) {
  size_t bytes = wanted + wanted / 4 + 64;
  size_t step = bytes < 8192 ? 1024 : lido_power_of_two_above(bytes) / 8;
  return lido_round_up(bytes, step);
}

size_t lido_arena_first_bytes(const lido_arena_core *core) {
  size_t asked = core->options.chunk_bytes;
  if (core->options.retain != LIDO_ARENA_RETAIN_AUTO || core->wanted == 0) return asked;
  return lido_max(asked, block_for(core->wanted));
}

size_t lido_arena_retain_bytes(const lido_arena_core *core) {
  size_t retain = core->options.retain;
  if (retain == LIDO_ARENA_RETAIN_AUTO) return SLACK * lido_arena_first_bytes(core);
  return retain == LIDO_ARENA_RETAIN_NONE ? 0 : retain;
}

/* ---- Which ---- */

static lido_arena_block **better(lido_arena_block **link, lido_arena_block **best) {
  return best == NULL || (*link)->limit - (*link)->base > (*best)->limit - (*best)->base ? link : best;
}

/* The link to the largest spare block of at most `most` bytes; a borrowed one has 0. NULL: there is none. */
static lido_arena_block **largest_spare(lido_arena_core *core, size_t most) {
  lido_arena_block **best = NULL;
  for (lido_arena_block **link = &core->spare; *link != NULL; link = &(*link)->older) {
    if ((*link)->bytes <= most) best = better(link, best);
  }
  return best;
}

/* AUTO: one block that is large enough for what is wanted, or a borrowed one, or none. */
static lido_arena_block **fitting_spare(lido_arena_core *core) {
  lido_arena_block **best = largest_spare(core, lido_arena_retain_bytes(core));
  if (best == NULL || (*best)->borrowed || (*best)->bytes >= block_for(core->wanted) * 4 / 5) return best;
  return largest_spare(core, 0);
}

static void begin_with(lido_arena_core *core, lido_arena_block **link) {
  lido_arena_block *block = link == NULL ? NULL : *link;
  if (block != NULL) *link = block->older;
  lido_arena_chain_begin(core, block, block == NULL ? NULL : block->base);
}

/* Of the spare blocks, the first ones that are together not more than `most` stay. */
static void trim_spare(lido_arena_core *core, size_t most) {
  size_t kept = 0;
  lido_arena_block **link = &core->spare;
  while (*link != NULL) {
    lido_arena_block *block = *link;
    if (block->borrowed || (block->bytes <= most && kept <= most - block->bytes)) {
      kept += block->bytes;
      link = &block->older;
    } else {
      *link = block->older;
      lido_arena_block_release(core, block);
    }
  }
}

void lido_arena_retain(lido_arena_core *core) {
  size_t most = lido_arena_retain_bytes(core);
  bool automatic = core->options.retain == LIDO_ARENA_RETAIN_AUTO;
  if (core->block == NULL) begin_with(core, automatic ? fitting_spare(core) : largest_spare(core, most));
  size_t current = core->block == NULL ? 0 : core->block->bytes;
  trim_spare(core, automatic ? 0 : most - lido_min(most, current));
  if (core->reservation != NULL) lido_arena_decommit(core, most);
  /* What was carried over may be more than may be kept, until the next reset. */
  if (core->face.at == core->face.base) core->face.special &= ~(uint32_t)LIDO_ARENA_ABOVE;
  core->next_bytes = lido_arena_first_bytes(core);
  if (core->block != NULL && core->options.chunk_bytes_max > core->next_bytes) {
    core->next_bytes = lido_max(core->next_bytes, lido_min(2 * current, core->options.chunk_bytes_max));
  }
}
