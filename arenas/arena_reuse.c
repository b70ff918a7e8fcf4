/* arena_reuse.c: LIDO_ARENA_REUSE: pieces that were freed before their time are handed out again.
 *
 * Idea: a list for each size: multiples of 16 up to 512 bytes, where every piece fits exactly, then one for each power
 * of two, where a request looks in the list of pieces that are surely large enough. While any list has something, the window is
 * empty, so that every alloc comes by here; when none has, the arena is as fast as any other.
 * The lists lie in the arena, and the links in the free pieces themselves, because the whole point is to need no more memory.
 * Not done: joining neighbours; what does not fit again waits for the reset.
 */
#include <string.h>

#include "arenas/arena_core.h"
#include "arenas/arena_tools.h"
#include "lib/base/bits.h"

enum { SMALL_MAX = 512, SMALL_LISTS = SMALL_MAX / LIDO_ARENA_ALIGN, LISTS = 64 };

typedef struct free_piece {
  struct free_piece *next;
  size_t bytes;
} free_piece;

struct lido_arena_reuse {
  uint64_t filled; /* a bit for each list that is not empty */
  free_piece *lists[LISTS];
};

/* The list whose pieces all have `bytes`, a multiple of 16. */
static unsigned list_that_serves(size_t bytes) {
  if (bytes <= SMALL_MAX) return (unsigned)(bytes / LIDO_ARENA_ALIGN) - 1;
  unsigned list = SMALL_LISTS + lido_log2(bytes - 1) - lido_log2(SMALL_MAX);
  return (unsigned)lido_min(list, LISTS);
}

/* The list that a piece of `bytes`, a multiple of 16, stands on. */
static unsigned list_of(size_t bytes) {
  if (bytes <= SMALL_MAX) return (unsigned)(bytes / LIDO_ARENA_ALIGN) - 1;
  unsigned list = SMALL_LISTS - 1 + lido_log2(bytes) - lido_log2(SMALL_MAX);
  return (unsigned)lido_min(list, LISTS - 1);
}

static bool has_lists(lido_arena_core *core) {
  if (core->reuse != NULL) return true;
  lido_arena_reuse *lists = lido_metadata_alloc(&core->backing->metadata, sizeof *lists);
  core->reuse = lists;
  return lists != NULL;
}

void lido_arena_reuse_put(lido_arena_core *core, void *memory, size_t bytes) {
  size_t rounded = lido_arena_rounded(bytes);
  if (rounded == 0 || !has_lists(core)) return;
  unsigned list = list_of(rounded);
  free_piece *piece = memory;
  lido_arena_tell_open(core, piece, sizeof *piece);
  *piece = (free_piece){core->reuse->lists[list], rounded};
  lido_arena_tell_closed(core, piece, sizeof *piece);
  core->reuse->lists[list] = piece;
  core->reuse->filled |= UINT64_C(1) << list;
  core->face.special |= LIDO_ARENA_REUSED;
  lido_arena_window(core, core->face.at);
}

static void *take_first(lido_arena_core *core, unsigned list) {
  free_piece *piece = core->reuse->lists[list];
  lido_arena_tell_open(core, piece, sizeof *piece);
  core->reuse->lists[list] = piece->next;
  if (piece->next == NULL) core->reuse->filled &= ~(UINT64_C(1) << list);
  if (core->reuse->filled != 0) return piece;
  core->face.special &= ~(uint32_t)LIDO_ARENA_REUSED;
  lido_arena_window(core, core->face.at);
  return piece;
}

void *lido_arena_reuse_take(lido_arena_core *core, size_t bytes, size_t align) {
  size_t rounded = lido_arena_rounded(lido_max(bytes, 1));
  unsigned list = list_that_serves(rounded);
  if (align > LIDO_ARENA_ALIGN || list >= LISTS) return NULL;
  uint64_t exact = UINT64_C(1) << list;
  uint64_t fitting = list < SMALL_LISTS ? exact : ~(exact - 1);
  if ((core->reuse->filled & fitting) == 0) return NULL;
  void *piece = take_first(core, lido_bit_lowest(core->reuse->filled & fitting));
  lido_arena_tell_piece(core, piece, bytes);
  return piece;
}

void lido_arena_reuse_forget(lido_arena_core *core) {
  if (!lido_arena_has(core, LIDO_ARENA_REUSED)) return;
  memset(core->reuse, 0, sizeof *core->reuse);
  core->face.special &= ~(uint32_t)LIDO_ARENA_REUSED;
  lido_arena_window(core, core->face.at);
}

void lido_arena_reuse_end(lido_arena_core *core) {
  lido_metadata_free(&core->backing->metadata, core->reuse, sizeof *core->reuse);
}
