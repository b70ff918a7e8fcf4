/* arena_retention.c: how much an arena keeps when it is reset.
 *
 * AUTO keeps what nineteen of twenty recent uses would have needed. The estimate needs no history: a use that needed
 * more raises it by an eighth, one that needed less lowers it by 1/152 (a nineteenth of that), so it comes to rest
 * where one in twenty needs more. So one huge use among many moves it by an eighth, for the time of nineteen small
 * ones; but several in a row are a new size: the second raises it by a quarter, the third by a half, the fourth to what
 * it needed. Source of the method: stochastic approximation of a quantile (Robbins and Monro, 1951), in steps of a
 * share instead of a constant.
 * Resets of one block that nobody looked at (arena_inline.h) count in bulk: if the most that they used is below
 * the estimate, each of them lowers it.
 * Pieces with blocks of their own count up to a bound, so that a use that always has some of them finds room for them
 * in its first block.
 * An arena that keeps one block of the size it needs has the short reset. So when the blocks that are there do not
 * fit the estimate, within a factor of four, none is kept, and the next use begins with one of the right size.
 */
#include "arenas/arena_core.h"
#include "lib/base/bits.h"
#include "lib/os/os.h"

enum {
  RAISE_SHIFT = 3,
  LOWER = 19 << RAISE_SHIFT,
  FIRST_LESSON_MOST = 64 << 10, /* a first use says little about the second */
  LARGE_LESSON_MOST = 16,       /* of large pieces, in units of chunk_bytes_max */
  SLACK = 4,
  MUCH = 4 << 20, /* spare at once: its pages go back to the system */
};

/* ---- How much ---- */

/* `uses` that needed `most` or less lower the estimate, but not below what they needed. */
static size_t lowered(size_t wanted, size_t uses, size_t most) {
  return most > wanted ? wanted : lido_max(wanted - lido_min(uses * (wanted / LOWER), wanted), most);
}

static size_t raised(size_t wanted, uint32_t row, size_t used) {
  if (row >= RAISE_SHIFT) return used;
  size_t step = wanted >> (RAISE_SHIFT - row);
  return lido_min(wanted + lido_max(step, LIDO_ARENA_ALIGN), used);
}

lido_arena_estimate lido_arena_taught(lido_arena_estimate before, lido_arena_lesson lesson) {
  uint32_t row = lesson.unseen == 0 ? before.row : 0;
  size_t wanted = lowered(before.wanted, lesson.unseen, lesson.unseen_most);
  if (wanted == 0) return (lido_arena_estimate){lido_min(lesson.used, FIRST_LESSON_MOST), 0};
  if (lesson.used > wanted) return (lido_arena_estimate){raised(wanted, row, lesson.used), row + 1};
  return (lido_arena_estimate){lowered(wanted, 1, lesson.used), 0};
}

/* What a first block should have had room for. */
static size_t used_now(const lido_arena_core *core) {
  size_t large = lido_min(core->large_held, LARGE_LESSON_MOST * core->options.chunk_bytes_max);
  return lido_arena_used(core) + large;
}

void lido_arena_learn(lido_arena_core *core) {
  lido_arena_lesson lesson = {.used = used_now(core),
                              .unseen = LIDO_ARENA_LOOK - core->face.resets_left,
                              .unseen_most = (size_t)(core->face.high - core->face.base)};
  core->resets += lesson.unseen;
  core->face.resets_left = LIDO_ARENA_LOOK;
  core->face.high = core->face.base;
  core->estimate = lido_arena_taught(core->estimate, lesson);
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
  if (core->options.retain != LIDO_ARENA_RETAIN_AUTO || core->estimate.wanted == 0) return asked;
  return lido_max(asked, block_for(core->estimate.wanted));
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
  if (best == NULL || (*best)->borrowed || (*best)->bytes >= block_for(core->estimate.wanted) * 4 / 5) return best;
  return largest_spare(core, 0);
}

static void begin_with(lido_arena_core *core, lido_arena_block **link) {
  lido_arena_block *block = link == NULL ? NULL : *link;
  if (block != NULL) *link = block->older;
  lido_arena_chain_begin(core, block, block == NULL ? NULL : block->base);
}

/* mimalloc keeps the pages of freed blocks until it is called again, which a warm arena does not do. So after a huge
 * use they are taken from the blocks before these go back. */
static void purge_spare(const lido_arena_core *core) {
  size_t bytes = 0;
  for (const lido_arena_block *block = core->spare; block != NULL; block = block->older) bytes += block->bytes;
  if (bytes < MUCH || !core->backing->purges_pages) return;
  size_t page = lido_os_page_bytes();
  for (lido_arena_block *block = core->spare; block != NULL; block = block->older) {
    uintptr_t start = lido_round_up((uintptr_t)block->base, page);
    uintptr_t end = (uintptr_t)block->limit & ~(page - 1);
    if (!block->borrowed && end > start) lido_os_pages_purge((void *)start, end - start);
  }
}

void lido_arena_spare_trim(lido_arena_core *core, size_t most) {
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
  if (automatic) purge_spare(core);
  lido_arena_spare_trim(core, automatic ? 0 : most - lido_min(most, current));
  if (core->reservation != NULL) lido_arena_decommit(core, most);
  /* What was carried over may be more than may be kept, until the next reset. */
  if (core->face.at == core->face.base) core->face.special &= ~(uint32_t)LIDO_ARENA_ABOVE;
  core->next_bytes = lido_arena_first_bytes(core);
  if (core->block != NULL && core->options.chunk_bytes_max > core->next_bytes) {
    core->next_bytes = lido_max(core->next_bytes, lido_min(2 * current, core->options.chunk_bytes_max));
  }
}
