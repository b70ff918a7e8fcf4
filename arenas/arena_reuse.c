/* arena_reuse.c: LIDO_ARENA_REUSE: pieces that were freed before their time are handed out again.
 *
 * Idea: a list for each size: multiples of 16 up to 512 bytes, where every piece fits exactly, then one for each power
 * of two, where a request looks at a few pieces of its own list, then in those where every piece is large enough. While
 * any list has something, the window is empty, so that every alloc comes by here; when none has, the arena is as fast
 * as any other. The lists lie in the arena, and the links in the free pieces themselves, because the whole point is to
 * need no more memory.
 * Not done: joining neighbours; what does not fit again waits for the reset.
 */
#include <errno.h>
#include <string.h>

#include "arenas/arena_core.h"
#include "arenas/arena_tools.h"
#include "lib/base/bits.h"

enum {
  SMALL_MAX = 512,
  SMALL_LISTS = SMALL_MAX / LIDO_ARENA_ALIGN,
  LISTS = 64,
  LOOKS = 8, /* at pieces of a list, before larger ones are cut */
};

typedef struct free_piece {
  struct free_piece *next;
  size_t bytes;
} free_piece;

struct lido_arena_reuse {
  uint64_t filled; /* a bit for each list that is not empty */
  free_piece *lists[LISTS];
};

/* The list that a piece of `bytes`, a multiple of 16, stands on. */
static unsigned list_of(size_t bytes) {
  if (bytes <= SMALL_MAX) return (unsigned)(bytes / LIDO_ARENA_ALIGN) - 1;
  return (unsigned)lido_min(SMALL_LISTS + lido_log2(bytes) - lido_log2(SMALL_MAX), LISTS - 1);
}

static bool has_lists(lido_arena_core *core) {
  if (core->reuse != NULL) return true;
  int saved_errno = errno;
  lido_arena_reuse *lists = lido_metadata_alloc(&core->backing->metadata, sizeof *lists);
  errno = saved_errno;
  core->reuse = lists;
  return lists != NULL;
}

/* A free piece is closed but for a moment. */
static free_piece get(const lido_arena_core *core, free_piece *piece) {
  lido_arena_tell_open(core, piece, sizeof *piece);
  free_piece contents = *piece;
  lido_arena_tell_closed(core, piece, sizeof *piece);
  return contents;
}

static void set(const lido_arena_core *core, free_piece *piece, free_piece contents) {
  lido_arena_tell_open(core, piece, sizeof *piece);
  *piece = contents;
  lido_arena_tell_closed(core, piece, sizeof *piece);
}

static void put(lido_arena_core *core, void *piece, size_t bytes) {
  unsigned list = list_of(bytes);
  set(core, piece, (free_piece){core->reuse->lists[list], bytes});
  core->reuse->lists[list] = piece;
  core->reuse->filled |= UINT64_C(1) << list;
}

void lido_arena_reuse_put(lido_arena_core *core, void *memory, size_t bytes) {
  size_t rounded = lido_arena_rounded(bytes);
  if (rounded == 0 || !has_lists(core)) return;
  put(core, memory, rounded);
  core->face.special |= LIDO_ARENA_REUSED;
  lido_arena_window(core, core->face.at);
}

static void unlink_piece(lido_arena_core *core, unsigned list, free_piece *before, free_piece *next) {
  if (before != NULL) {
    set(core, before, (free_piece){next, get(core, before).bytes});
  } else {
    core->reuse->lists[list] = next;
    if (next == NULL) core->reuse->filled &= ~(UINT64_C(1) << list);
  }
}

/* One of the first pieces of a list that has so many bytes, or NULL. What is too much of it goes to the list it
 * fits. */
static void *take_from(lido_arena_core *core, unsigned list, size_t bytes) {
  free_piece *before = NULL;
  free_piece *piece = core->reuse->lists[list];
  for (int looks = 0; piece != NULL && looks < LOOKS; looks++) {
    free_piece contents = get(core, piece);
    if (contents.bytes >= bytes) {
      unlink_piece(core, list, before, contents.next);
      if (contents.bytes > bytes) put(core, (char *)piece + bytes, contents.bytes - bytes);
      return piece;
    }
    before = piece;
    piece = contents.next;
  }
  return NULL;
}

/* From the list of the size, or from one where every piece is larger. */
static void *take(lido_arena_core *core, size_t bytes) {
  unsigned list = list_of(bytes);
  void *piece = take_from(core, list, bytes);
  uint64_t larger = core->reuse->filled & ~((UINT64_C(2) << list) - 1);
  if (piece != NULL || list < SMALL_LISTS || larger == 0) return piece;
  return take_from(core, lido_bit_lowest(larger), bytes);
}

void *lido_arena_reuse_take(lido_arena_core *core, size_t bytes, size_t align) {
  if (align > LIDO_ARENA_ALIGN || bytes == 0) return NULL;
  void *piece = take(core, lido_arena_rounded(bytes));
  if (piece == NULL) return NULL;
  if (core->reuse->filled == 0) {
    core->face.special &= ~(uint32_t)LIDO_ARENA_REUSED;
    lido_arena_window(core, core->face.at);
  }
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
