/* arena_world.h: an arena and, written down plainly, what must be in it.
 *
 * A piece is known by its address, size and contents. `born` and `touched` are numbers of one clock that ticks with
 * each event, so that a mark is a number too: what was born or grew in place after it goes when the mark is rewound to.
 * What a join brings is born at 0: no rewind ends it.
 */
#ifndef LIDO_TESTS_MODEL_ARENA_WORLD_H
#define LIDO_TESTS_MODEL_ARENA_WORLD_H

#include "lido/arena.h"
#include "tests/support/objects.h"
#include "tests/support/random.h"

enum { WORLD_PIECES = 300, WORLD_CLEANUPS = 120, WORLD_MARKS = 12, WORLD_ROW = 3000 };

typedef struct world_piece {
  char *at;
  size_t bytes;
  uint64_t stamp;
  uint64_t born;
  uint64_t touched; /* grew in place */
  bool own_block;   /* it may have one */
} world_piece;

typedef struct world_cleanup {
  uintptr_t id;
  uint64_t born;
  lido_arena_cleanup *handle; /* NULL: it has none */
  lido_arena *child;          /* it is the end of this arena */
  bool stopped;
  bool joined;
} world_cleanup;

typedef struct world_mark {
  lido_arena_mark mark;
  uint64_t born;
} world_mark;

/* Bytes that grow. */
typedef struct world_row {
  lido_bytes bytes;
  char copy[WORLD_ROW];
  size_t count;
  uint64_t touched;
  bool open;
} world_row;

typedef struct world {
  lido_arena *arena;
  size_t large_bytes;
  world_piece pieces[WORLD_PIECES];
  size_t count;
  world_cleanup cleanups[WORLD_CLEANUPS]; /* oldest first */
  size_t cleanup_count;
  world_mark marks[WORLD_MARKS];
  size_t mark_count;
  world_row row;
  bool failed;
  uint64_t peak;
} world;

static inline bool world_piece_holds(const world_piece *piece) {
  return objects_hold(piece->at, piece->bytes, piece->stamp);
}

static inline void world_piece_erase(world *w, size_t index) { w->pieces[index] = w->pieces[--w->count]; }

/* Those that a rewind to `born` ends. */
static inline void world_pieces_end(world *w, uint64_t born) {
  for (size_t i = w->count; i-- > 0;) {
    if (w->pieces[i].born > born || w->pieces[i].touched > born) world_piece_erase(w, i);
  }
  if (w->row.open && w->row.touched > born) w->row.open = false;
}

static inline void world_empty(world *w) {
  w->count = 0;
  w->mark_count = 0;
  w->row.open = false;
}

/* ---- Clean-ups ---- */

static inline void world_cleanups_skip_stopped(world *w) {
  while (w->cleanup_count != 0 && w->cleanups[w->cleanup_count - 1].stopped) w->cleanup_count--;
}

/* The one that must run next, or NULL. */
static inline world_cleanup *world_cleanup_newest(world *w) {
  world_cleanups_skip_stopped(w);
  return w->cleanup_count == 0 ? NULL : &w->cleanups[w->cleanup_count - 1];
}

/* ---- Join ---- */

static inline void world_take_pieces(world *into, world *from) {
  for (size_t i = 0; i < from->count; i++) {
    world_piece *piece = &into->pieces[into->count++];
    *piece = from->pieces[i];
    piece->born = piece->touched = 0;
  }
  from->count = 0;
}

/* They become one event of `into`. */
static inline void world_take_cleanups(world *into, world *from, uint64_t now) {
  for (size_t i = 0; i < from->cleanup_count; i++) {
    world_cleanup *cleanup = &into->cleanups[into->cleanup_count++];
    *cleanup = from->cleanups[i];
    cleanup->born = now;
    cleanup->joined = true;
  }
  from->cleanup_count = 0;
}

static inline bool world_has_room_for(const world *into, const world *from) {
  return into->count + from->count < WORLD_PIECES && into->cleanup_count + from->cleanup_count < WORLD_CLEANUPS;
}

/* ---- Overlap ---- */

typedef struct world_span {
  const char *at;
  size_t bytes;
} world_span;

static inline int world_span_order(const void *left, const void *right) {
  const world_span *a = left;
  const world_span *b = right;
  return (a->at > b->at) - (a->at < b->at);
}

static inline size_t world_spans(const world *w, world_span *spans) {
  size_t count = 0;
  for (size_t i = 0; i < w->count; i++) {
    if (w->pieces[i].bytes != 0) spans[count++] = (world_span){w->pieces[i].at, w->pieces[i].bytes};
  }
  if (w->row.open && w->row.bytes.data != NULL) spans[count++] = (world_span){w->row.bytes.data, w->row.bytes.room};
  return count;
}

#endif
