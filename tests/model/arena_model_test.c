/* arena_model_test.c: random operations on arenas, compared with a plain reference (arena_world.h).
 *
 * Two arenas of the same options, the second joined to the first now and then, and children of both. After each step
 * the arena's own check must pass; every few hundred steps all pieces hold their contents, overlap nowhere and are
 * owned, and the statistics lie within what the reference allows. LIDO_SEED repeats a run.
 */
#include <stdlib.h>
#include <unistd.h>

#include "tests/model/arena_world.h"

enum { STEPS = 1000000, STEPS_TO_CHECK = 200, DETACHED = 6, ERRNO_MARK = 4711, TEXT_MOST = 400 };

typedef struct setting {
  lido_arena_options options;
  size_t other_chunk_bytes; /* of the second arena */
  bool limited;             /* requests may fail */
  bool alone;               /* it can't be joined */
} setting;

typedef struct model {
  setting set;
  size_t step;
  testing_random random;
  uint64_t now;
  uintptr_t ids;
  world main;
  world side;
  world *running; /* whose clean-ups may run at this moment */
  uintptr_t single;
  size_t resets;
  world_piece detached[DETACHED];
} model;

static model m;

#define HOLD(condition)                                                                                 \
  do {                                                                                                  \
    if (!(condition)) TESTING_FAIL("step %zu, %zu live: not so: %s", m.step, m.main.count, #condition); \
  } while (0)

/* Success leaves errno alone. */
#define QUIETLY(call)          \
  do {                         \
    errno = ERRNO_MARK;        \
    call;                      \
    HOLD(errno == ERRNO_MARK); \
  } while (0)

static size_t below(size_t bound) { return testing_below(&m.random, bound); }
static bool has_flag(unsigned flag) { return (m.set.options.flags & flag) != 0; }
static bool has_large(void) {
  return !m.set.options.reserve_bytes && !has_flag(LIDO_ARENA_FIXED | LIDO_ARENA_PASSTHROUGH);
}
static world_piece *any_piece(world *w) { return &w->pieces[below(w->count)]; }

static lido_arena_stats stats_of(const world *w) {
  lido_arena_stats stats;
  lido_arena_stats_get(w->arena, &stats);
  return stats;
}

/* ---- Pieces come ---- */

static size_t any_size(const world *w) {
  size_t large = w->large_bytes < 20000 ? w->large_bytes : 2000;
  switch (below(32)) {
    case 0:
      return 0;
    case 1:
      return below(12) == 0 || large < 1000 ? large - 20 + below(40) : below(1000);
    case 2:
      return below(40) == 0 ? large + below(2 * large) : below(large / 8 + 100);
    case 3:
    case 4:
    case 5:
    case 6:
      return below(600);
    default:
      return below(72);
  }
}

static world_piece *came(world *w, void *memory, size_t bytes, size_t align) {
  HOLD((uintptr_t)memory % (align > LIDO_ARENA_ALIGN ? align : LIDO_ARENA_ALIGN) == 0);
  world_piece *piece = &w->pieces[w->count++];
  *piece = (world_piece){.at = memory, .bytes = bytes, .stamp = testing_next(&m.random), .born = ++m.now};
  piece->own_block = has_large() && bytes > w->large_bytes;
  objects_fill(memory, bytes, piece->stamp);
  return piece;
}

static void none_came(world *w) {
  HOLD(errno == ENOMEM);
  HOLD(m.set.limited);
  HOLD(lido_arena_failed(w->arena));
  w->failed = true;
}

/* What an alloc gave. -> whether it gave something. */
static bool got(world *w, const void *memory) {
  if (memory == NULL) {
    none_came(w);
    return false;
  }
  HOLD(errno == ERRNO_MARK);
  return true;
}

static void alloc_one(world *w) {
  size_t bytes = any_size(w);
  errno = ERRNO_MARK;
  void *memory = lido_arena_alloc(w->arena, bytes);
  if (got(w, memory)) came(w, memory, bytes, 1);
}

static void alloc_aligned(world *w) {
  size_t bytes = any_size(w);
  size_t align = (size_t)1 << below(below(20) == 0 ? 17 : 9);
  errno = ERRNO_MARK;
  void *memory = lido_arena_alloc_aligned(w->arena, bytes, align);
  if (got(w, memory)) came(w, memory, bytes, align);
}

static void alloc_zeroed(world *w) {
  size_t count = below(6);
  size_t bytes = any_size(w) / 4;
  errno = ERRNO_MARK;
  void *memory = lido_arena_calloc(w->arena, count, bytes);
  if (!got(w, memory)) return;
  HOLD(objects_are_all(memory, count * bytes, 0));
  came(w, memory, count * bytes, 1);
}

static void alloc_too_much(world *w) {
  errno = 0;
  void *memory = NULL;
  switch (below(4)) {
    case 0:
      memory = lido_arena_alloc(w->arena, SIZE_MAX - below(100));
      break;
    case 1:
      memory = lido_arena_calloc(w->arena, SIZE_MAX / 2, 3 + below(9));
      break;
    case 2:
      memory = lido_arena_alloc_array(w->arena, SIZE_MAX / 16, 17);
      break;
    default:
      memory = lido_arena_alloc_aligned(w->arena, PTRDIFF_MAX - below(100), 4096);
  }
  HOLD(memory == NULL && errno == ENOMEM && lido_arena_failed(w->arena));
  w->failed = true;
}

static const char *any_text(char *text) {
  size_t length = below(below(8) == 0 ? TEXT_MOST : 30);
  for (size_t i = 0; i < length; i++) text[i] = (char)('a' + below(26));
  text[length] = 0;
  return text;
}

static void make_text(world *w) {
  char text[TEXT_MOST];
  char wanted[TEXT_MOST + 40];
  any_text(text);
  snprintf(wanted, sizeof wanted, "%s", text);
  char *copy = NULL;
  errno = ERRNO_MARK;
  switch (below(4)) {
    case 0:
      copy = lido_arena_strdup(w->arena, text);
      break;
    case 1:
      copy = lido_arena_strndup(w->arena, text, 10);
      wanted[10] = 0;
      break;
    case 2:
      copy = lido_arena_memdup(w->arena, text, strlen(text) + 1);
      break;
    default:
      snprintf(wanted, sizeof wanted, "%zu: %s", m.step, text);
      copy = lido_arena_printf(w->arena, "%zu: %s", m.step, text);
  }
  if (!got(w, copy)) return;
  HOLD(strcmp(copy, wanted) == 0);
  came(w, copy, strlen(wanted) + 1, 1);
}

/* ---- Pieces change and go ---- */

static void resize(world *w) {
  world_piece *piece = any_piece(w);
  size_t bytes = below(3) == 0 || piece->bytes > 2000 ? any_size(w) : piece->bytes / 2 + below(piece->bytes + 32);
  HOLD(world_piece_holds(piece));
  errno = ERRNO_MARK;
  char *memory = lido_arena_realloc(w->arena, piece->at, piece->bytes, bytes);
  if (!got(w, memory)) {
    HOLD(world_piece_holds(piece));
    return;
  }
  HOLD(objects_hold(memory, piece->bytes < bytes ? piece->bytes : bytes, piece->stamp));
  HOLD((uintptr_t)memory % LIDO_ARENA_ALIGN == 0);
  ++m.now;
  if (memory != piece->at) {
    piece->born = m.now;
    piece->own_block = has_large() && bytes > w->large_bytes;
  }
  if (bytes > piece->bytes) piece->touched = m.now;
  piece->at = memory;
  piece->bytes = bytes;
  objects_fill(memory, bytes, piece->stamp);
}

static void extend(world *w) {
  world_piece *piece = any_piece(w);
  size_t bytes = piece->bytes + below(300);
  bool extended = false;
  QUIETLY(extended = lido_arena_try_extend(w->arena, piece->at, piece->bytes, bytes));
  HOLD(world_piece_holds(piece));
  if (!extended) return;
  piece->bytes = bytes;
  piece->touched = ++m.now;
  objects_fill(piece->at, bytes, piece->stamp);
}

static void shrink(world *w) {
  world_piece *piece = any_piece(w);
  size_t bytes = below(piece->bytes + 1);
  QUIETLY(lido_arena_shrink(w->arena, piece->at, piece->bytes, bytes));
  piece->bytes = bytes;
  HOLD(world_piece_holds(piece));
}

static void free_one(world *w) {
  size_t index = below(3) == 0 ? below(w->count) : w->count - 1; /* mostly the newest */
  world_piece *piece = &w->pieces[index];
  HOLD(world_piece_holds(piece));
  QUIETLY(lido_arena_free(w->arena, piece->at, piece->bytes));
  world_piece_erase(w, index);
}

static void detached_end(world_piece *piece) {
  if (piece->at == NULL) return;
  HOLD(world_piece_holds(piece));
  QUIETLY(lido_arena_detached_free(piece->at));
  piece->at = NULL;
}

/* A freed large piece may be on the lists of LIDO_ARENA_REUSE as a small one. */
static void detach(world *w) {
  size_t index = below(w->count);
  world_piece *piece = &w->pieces[index];
  errno = ERRNO_MARK;
  if (!piece->own_block) {
    if (has_flag(LIDO_ARENA_REUSE)) return;
    HOLD(lido_arena_detach(w->arena, piece->at) == NULL && errno == EINVAL);
    return;
  }
  char *detached = lido_arena_detach(w->arena, piece->at);
  if (detached == NULL) { /* the current block had room for it */
    HOLD(errno == EINVAL);
    return;
  }
  HOLD(detached == piece->at && errno == ERRNO_MARK);
  world_piece *place = &m.detached[below(DETACHED)];
  detached_end(place);
  *place = *piece;
  world_piece_erase(w, index);
  HOLD(!lido_arena_owns(w->arena, place->at));
}

/* ---- Bytes that grow ---- */

static void row_check(world *w) {
  world_row *row = &w->row;
  HOLD(row->bytes.count == row->count);
  if (row->count != 0) HOLD(memcmp(row->bytes.data, row->copy, row->count) == 0);
  if (row->bytes.data != NULL) HOLD(row->bytes.data[row->count] == 0);
}

static void row_begin(world *w) {
  errno = ERRNO_MARK;
  w->row.bytes = lido_bytes_begin(w->arena, below(2) * below(200));
  w->row.open = true;
  w->row.count = 0;
  w->row.touched = ++m.now;
  if (w->row.bytes.failed) none_came(w);
}

static bool row_add_some(world_row *row, const char *text, size_t count) {
  switch (below(4)) {
    case 0:
      return lido_bytes_printf(&row->bytes, "%s", text);
    case 1: {
      char *room = lido_bytes_room(&row->bytes, count);
      if (room == NULL) return false;
      memcpy(room, text, count + 1);
      row->bytes.count += count;
      return true;
    }
    default:
      return lido_bytes_add(&row->bytes, text, count);
  }
}

static void row_add(world *w) {
  char text[TEXT_MOST];
  world_row *row = &w->row;
  any_text(text);
  size_t count = strlen(text);
  if (row->count + count >= WORLD_ROW) return;
  size_t room = row->bytes.room;
  bool failed_before = row->bytes.failed;
  errno = ERRNO_MARK;
  bool added = row_add_some(row, text, count);
  HOLD(added != row->bytes.failed && !(added && failed_before));
  if (added) {
    HOLD(errno == ERRNO_MARK);
    memcpy(row->copy + row->count, text, count);
    row->count += count;
  } else if (!failed_before) {
    none_came(w);
  }
  if (row->bytes.room != room) row->touched = ++m.now;
  row_check(w);
}

static void row_end(world *w) {
  world_row *row = &w->row;
  row_check(w);
  row->open = false;
  if (row->bytes.data == NULL) row->touched = ++m.now; /* it is taken only now */
  errno = ERRNO_MARK;
  char *text = lido_bytes_end(&row->bytes);
  HOLD((text == NULL) == row->bytes.failed);
  if (text == NULL) {
    w->failed = lido_arena_failed(w->arena);
    return;
  }
  HOLD(errno == ERRNO_MARK);
  HOLD(memcmp(text, row->copy, row->count) == 0 && text[row->count] == 0);
  world_piece *piece = came(w, text, row->count + 1, 1);
  piece->born = piece->touched = row->touched;
  piece->own_block = has_large(); /* there was more room once */
}

static void row_step(world *w) {
  if (!w->row.open) {
    row_begin(w);
  } else if (below(6) == 0) {
    row_end(w);
  } else {
    row_add(w);
  }
}

/* ---- Clean-ups ---- */

static void cleanup_step(world *w);

static void on_cleanup(void *argument) {
  uintptr_t id = (uintptr_t)argument;
  if (m.single == id) {
    m.single = 0;
    return;
  }
  HOLD(m.running != NULL);
  world_cleanup *newest = world_cleanup_newest(m.running);
  HOLD(newest != NULL && newest->id == id);
  bool may_add = !newest->joined;
  m.running->cleanup_count--;
  if (below(4) == 0 && lido_arena_alloc(m.running->arena, 24) == NULL) m.running->failed = true;
  if (may_add && below(6) == 0) cleanup_step(m.running);
}

static void cleanup_step(world *w) {
  if (w->cleanup_count == WORLD_CLEANUPS) return;
  world_cleanup cleanup = {.id = ++m.ids};
  errno = ERRNO_MARK;
  bool added = false;
  if (below(2) == 0) {
    int error = lido_arena_on_reset(w->arena, on_cleanup, (void *)cleanup.id);
    HOLD(errno == ERRNO_MARK && (error == 0 || error == ENOMEM));
    added = error == 0;
    errno = error;
  } else {
    cleanup.handle = lido_arena_cleanup_add(w->arena, on_cleanup, (void *)cleanup.id);
    added = cleanup.handle != NULL;
    if (added) HOLD(errno == ERRNO_MARK);
  }
  cleanup.born = ++m.now;
  if (added) {
    w->cleanups[w->cleanup_count++] = cleanup;
  } else {
    none_came(w);
  }
}

static void child_begin(world *w) {
  lido_arena_options options = {.name = "child", .parent = w->arena, .backing = m.set.options.backing};
  if (w->cleanup_count == WORLD_CLEANUPS) return;
  errno = ERRNO_MARK;
  lido_arena *child = lido_arena_create(&options);
  if (child == NULL) {
    HOLD(errno == ENOMEM && m.set.limited);
    w->failed = lido_arena_failed(w->arena);
    return;
  }
  world_cleanup cleanup = {.id = ++m.ids, .born = ++m.now, .child = child};
  if (lido_arena_on_reset(child, on_cleanup, (void *)cleanup.id) != 0) {
    HOLD(m.set.limited);
    lido_arena_destroy(child);
    return;
  }
  for (size_t i = below(4); i > 0; i--) lido_arena_alloc(child, below(3000));
  w->cleanups[w->cleanup_count++] = cleanup;
}

static void cleanup_stop(world *w) {
  if (w->cleanup_count == 0) return;
  world_cleanup *cleanup = &w->cleanups[below(w->cleanup_count)];
  if (cleanup->stopped) return;
  if (cleanup->child != NULL) {
    m.single = cleanup->id;
    QUIETLY(lido_arena_destroy(cleanup->child));
    HOLD(m.single == 0);
  } else if (cleanup->handle != NULL) {
    lido_arena_cleanup_stop(cleanup->handle);
  } else {
    return;
  }
  cleanup->stopped = true;
}

/* ---- Marks ---- */

static void mark(world *w) {
  if (w->mark_count == WORLD_MARKS) return;
  w->marks[w->mark_count++] = (world_mark){lido_arena_mark_get(w->arena), ++m.now};
}

static void cleanups_ran_since(world *w, uint64_t born) {
  const world_cleanup *newest = world_cleanup_newest(w);
  HOLD(newest == NULL || newest->born <= born);
}

static void rewind_some(world *w) {
  if (w->mark_count == 0) return;
  size_t index = w->mark_count - 1 - below(below(2) == 0 ? w->mark_count : 1);
  world_mark to = w->marks[index];
  w->mark_count = index + 1;
  m.running = w;
  QUIETLY(lido_arena_rewind(w->arena, to.mark));
  m.running = NULL;
  cleanups_ran_since(w, to.born);
  world_pieces_end(w, to.born);
}

/* ---- Reset ---- */

static void kept_what_is_retained(const world *w, uint64_t before) {
  lido_arena_stats s = stats_of(w);
  size_t retain = m.set.options.retain;
  size_t page = m.set.options.reserve_bytes == 0 ? 0 : (size_t)sysconf(_SC_PAGESIZE);
  HOLD(s.used == 0 && s.large == 0 && s.cleanups == 0 && s.peak >= w->peak);
  if (has_flag(LIDO_ARENA_PASSTHROUGH)) {
    HOLD(s.reserved == 0 && s.blocks == 0);
  } else if (retain == LIDO_ARENA_RETAIN_ALL) {
    HOLD(s.reserved >= before);
  } else if (retain != LIDO_ARENA_RETAIN_AUTO) {
    HOLD(s.reserved <= (retain == LIDO_ARENA_RETAIN_NONE ? page : retain + page));
  }
}

static void reset(world *w) {
  lido_arena_stats before = stats_of(w);
  m.running = w;
  QUIETLY(lido_arena_reset(w->arena));
  m.running = NULL;
  cleanups_ran_since(w, 0);
  world_empty(w);
  w->failed = false;
  HOLD(stats_of(w).resets == before.resets + 1);
  kept_what_is_retained(w, before.reserved - before.large);
}

static void reset_keep(world *w) {
  world_piece *piece = any_piece(w);
  size_t from = below(piece->bytes + 1);
  size_t bytes = below(piece->bytes - from + 1);
  static char copy[1 << 17];
  if (bytes > sizeof copy) return;
  memcpy(copy, piece->at + from, bytes);
  m.running = w;
  errno = ERRNO_MARK;
  char *kept = lido_arena_reset_keep(w->arena, piece->at + from, bytes);
  m.running = NULL;
  if (!got(w, kept)) {
    HOLD(world_piece_holds(piece));
    return;
  }
  cleanups_ran_since(w, 0);
  world_empty(w);
  w->failed = false;
  HOLD(memcmp(kept, copy, bytes) == 0);
  HOLD(bytes == 0 || lido_arena_owns(w->arena, kept));
  came(w, kept, bytes, 1);
  w->pieces[0].own_block = false;
}

/* ---- Join ---- */

static void join_refused(void) {
  HOLD(lido_arena_join(m.main.arena, m.side.arena) == EINVAL);
  HOLD(lido_arena_join(m.main.arena, m.main.arena) == EINVAL);
}

static void join_done(void) {
  world_take_pieces(&m.main, &m.side);
  world_take_cleanups(&m.main, &m.side, ++m.now);
  world_empty(&m.side);
  m.side.failed = false;
  lido_arena_stats s = stats_of(&m.side);
  HOLD(s.used == 0 && s.large == 0 && s.cleanups == 0);
}

static void join(void) {
  if (!world_has_room_for(&m.main, &m.side)) return;
  if (m.set.alone) {
    join_refused();
    return;
  }
  if (m.side.row.open) row_end(&m.side);
  int error = 0;
  QUIETLY(error = lido_arena_join(m.main.arena, m.side.arena));
  HOLD(error == 0 || (error == ENOMEM && m.set.limited));
  if (error == 0) {
    join_done();
  } else {
    HOLD(lido_arena_failed(m.main.arena));
    m.main.failed = true;
  }
}

/* ---- Checks ---- */

static void check_statistics(world *w) {
  lido_arena_stats s = stats_of(w);
  size_t pieces = 0;
  for (size_t i = 0; i < w->count; i++) pieces += w->pieces[i].bytes;
  HOLD(s.used >= pieces && s.peak >= s.used && s.peak >= w->peak);
  w->peak = s.peak;
  HOLD(s.large <= s.reserved);
  if (m.set.options.buffer == NULL) HOLD(s.reserved >= s.used);
  size_t most = m.set.options.max_bytes;
  if (most != 0) HOLD(s.reserved <= most);
  if (has_flag(LIDO_ARENA_FIXED)) HOLD(s.reserved == 0 && s.blocks == 1);
}

static void check_pieces(world *w) {
  for (size_t i = 0; i < w->count; i++) {
    const world_piece *piece = &w->pieces[i];
    HOLD(world_piece_holds(piece));
    if (piece->bytes == 0) continue;
    HOLD(lido_arena_owns(w->arena, piece->at));
    HOLD(lido_arena_owns(w->arena, piece->at + piece->bytes - 1));
  }
  if (w->row.open) row_check(w);
  HOLD(!lido_arena_owns(w->arena, &w) && !lido_arena_owns(w->arena, NULL));
}

static void check_overlap(void) {
  static world_span spans[2 * WORLD_PIECES + DETACHED + 2];
  size_t count = world_spans(&m.main, spans);
  count += world_spans(&m.side, spans + count);
  for (size_t i = 0; i < DETACHED; i++) {
    const world_piece *piece = &m.detached[i];
    if (piece->at == NULL) continue;
    HOLD(world_piece_holds(piece));
    spans[count++] = (world_span){piece->at, piece->bytes};
  }
  qsort(spans, count, sizeof *spans, world_span_order);
  for (size_t i = 1; i < count; i++) HOLD(spans[i - 1].at + spans[i - 1].bytes <= spans[i].at);
}

static void check_budget(void) {
  if (m.set.options.budget == NULL) return;
  HOLD(lido_budget_used(m.set.options.budget) == stats_of(&m.main).reserved + stats_of(&m.side).reserved);
}

static void check_all(void) {
  check_pieces(&m.main);
  check_pieces(&m.side);
  check_overlap();
  check_statistics(&m.main);
  check_statistics(&m.side);
  check_budget();
}

static void check_soon(world *w) {
  const char *broken = lido_arena_check(w->arena);
  if (broken != NULL) TESTING_FAIL("step %zu: %s", m.step, broken);
  HOLD(lido_arena_failed(w->arena) == w->failed);
}

/* ---- Steps ---- */

static void step_with_a_piece(world *w) {
  switch (below(16)) {
    case 0:
      detach(w);
      break;
    case 1:
      if (below(24) == 0) reset_keep(w);
      break;
    case 2:
    case 3:
      extend(w);
      break;
    case 4:
    case 5:
      shrink(w);
      break;
    case 6:
    case 7:
    case 8:
    case 9:
      free_one(w);
      break;
    default:
      resize(w);
  }
}

static void step_of_life(world *w) {
  switch (below(12)) {
    case 0:
      if (below(2) == 0) reset(w);
      break;
    case 1:
    case 2:
      rewind_some(w);
      break;
    case 3:
    case 4:
      mark(w);
      break;
    case 5:
      child_begin(w);
      break;
    case 6:
      cleanup_stop(w);
      break;
    case 7:
      if (below(8) == 0) alloc_too_much(w);
      break;
    case 8:
      if (below(3) == 0) join();
      break;
    default:
      cleanup_step(w);
  }
}

static void step_of_alloc(world *w) {
  switch (below(8)) {
    case 0:
      alloc_aligned(w);
      break;
    case 1:
      alloc_zeroed(w);
      break;
    case 2:
      make_text(w);
      break;
    case 3:
      row_step(w);
      break;
    default:
      alloc_one(w);
  }
}

static void step(world *w) {
  size_t what = below(16);
  if (what == 0) {
    step_of_life(w);
  } else if (what < 7 && w->count != 0) {
    step_with_a_piece(w);
  } else if (w->count < WORLD_PIECES - 1) {
    step_of_alloc(w);
  } else {
    reset(w);
  }
  check_soon(&m.main);
  check_soon(&m.side);
}

/* ---- Runs ---- */

static void world_start(world *w, lido_arena_options options) {
  w->arena = lido_arena_create(&options);
  CHECK_NOT_NULL(w->arena);
  w->large_bytes = lido_arena_large_bytes(w->arena);
}

static void start(setting set) {
  memset(&m, 0, sizeof m);
  m.set = set;
  m.random.state = testing_seed();
  world_start(&m.main, set.options);
  lido_arena_options other = set.options;
  if (set.other_chunk_bytes != 0) other.chunk_bytes = other.chunk_bytes_max = set.other_chunk_bytes;
  if (other.buffer != NULL) other.buffer = (char *)other.buffer + other.buffer_bytes;
  world_start(&m.side, other);
}

static void world_finish(world *w) {
  m.running = w;
  QUIETLY(lido_arena_destroy(w->arena));
  m.running = NULL;
  cleanups_ran_since(w, 0);
}

static void run_once(setting set, size_t steps) {
  start(set);
  for (size_t last = testing_scaled(steps); m.step < last; m.step++) {
    step(below(4) == 0 ? &m.side : &m.main);
    if (m.step % STEPS_TO_CHECK == 0) check_all();
  }
  check_all();
  world_finish(&m.side);
  world_finish(&m.main);
  for (size_t i = 0; i < DETACHED; i++) detached_end(&m.detached[i]);
}

/* The second time nothing more is held than after the first. */
static void run_for(setting set, size_t steps) {
  lido_arena_destroy(lido_arena_create(NULL)); /* as a child might be */
  run_once(set, 1000);
  int64_t before = objects_bytes_held();
  run_once(set, steps);
  if (!lido_heap_profile_is_on()) CHECK_EQ(objects_bytes_held(), before); /* it may have come to know more stacks */
}

static void run(setting set) { run_for(set, STEPS); }

TEST(arena_model, by_default) { run((setting){0}); }

TEST(arena_model, blocks_of_256_bytes) {
  setting set = {.options = {.chunk_bytes = 256, .chunk_bytes_max = 256}};
  run(set);
}

TEST(arena_model, blocks_that_grow_from_256_bytes) {
  setting set = {.options = {.chunk_bytes = 256, .chunk_bytes_max = 8192}};
  run(set);
}

TEST(arena_model, joins_of_unlike_blocks) {
  setting set = {.options = {.chunk_bytes = 256, .chunk_bytes_max = 1024}, .other_chunk_bytes = 16384};
  run(set);
}

TEST(arena_model, joins_of_large_blocks_with_small_ones) {
  setting set = {.options = {.chunk_bytes = 16384}, .other_chunk_bytes = 512};
  run(set);
}

TEST(arena_model, blocks_of_a_mebibyte) {
  setting set = {.options = {.chunk_bytes = 1 << 20}};
  run(set);
}

TEST(arena_model, retains_all) {
  setting set = {.options = {.chunk_bytes = 512, .retain = LIDO_ARENA_RETAIN_ALL}};
  run(set);
}

TEST(arena_model, retains_nothing) {
  setting set = {.options = {.retain = LIDO_ARENA_RETAIN_NONE}};
  run(set);
}

TEST(arena_model, retains_10000_bytes) {
  setting set = {.options = {.chunk_bytes = 512, .retain = 10000}};
  run(set);
}

TEST(arena_model, retains_1000_bytes) {
  setting set = {.options = {.retain = 1000}};
  run(set);
}

static char buffer[2 * 65536 + 32];

TEST(arena_model, a_fixed_buffer) {
  setting set = {.options = {.buffer = buffer + 8, .buffer_bytes = 65536, .flags = LIDO_ARENA_FIXED}};
  set.limited = set.alone = true;
  run(set);
}

TEST(arena_model, a_buffer_to_start_with) {
  setting set = {.options = {.buffer = buffer, .buffer_bytes = 3003}, .alone = true};
  run(set);
}

TEST(arena_model, contiguous) {
  setting set = {.options = {.reserve_bytes = 300000}, .limited = true, .alone = true};
  run_for(set, STEPS / 2);
}

TEST(arena_model, contiguous_and_retains_nothing) {
  setting set = {
      .options = {.reserve_bytes = 300000, .retain = LIDO_ARENA_RETAIN_NONE}, .limited = true, .alone = true};
  run_for(set, STEPS / 2);
}

TEST(arena_model, reuses) {
  setting set = {.options = {.flags = LIDO_ARENA_REUSE}};
  run(set);
}

TEST(arena_model, reuses_in_small_blocks) {
  setting set = {.options = {.chunk_bytes = 256, .chunk_bytes_max = 2048, .flags = LIDO_ARENA_REUSE}};
  run(set);
}

TEST(arena_model, passes_through) {
  setting set = {.options = {.flags = LIDO_ARENA_PASSTHROUGH}};
  run_for(set, STEPS / 4);
}

TEST(arena_model, at_most_60000_bytes) {
  setting set = {.options = {.max_bytes = 60000}, .limited = true};
  run(set);
}

TEST(arena_model, at_most_6000_bytes_in_small_blocks) {
  setting set = {.options = {.chunk_bytes = 256, .chunk_bytes_max = 1024, .max_bytes = 6000}, .limited = true};
  run(set);
}

TEST(arena_model, contiguous_with_at_most_60000_bytes) {
  setting set = {.options = {.reserve_bytes = 300000, .max_bytes = 60000}, .limited = true, .alone = true};
  run_for(set, STEPS / 4);
}

TEST(arena_model, on_a_budget) {
  lido_budget *budget = lido_budget_create(&(lido_budget_options){.hard_bytes = 100000});
  CHECK_NOT_NULL(budget);
  setting set = {.options = {.budget = budget}, .limited = true};
  run(set);
  CHECK_EQ(lido_budget_used(budget), 0);
  CHECK_EQ(lido_budget_destroy(budget), 0);
}

/* ---- Backings of the caller's ---- */

static void *allocate(size_t bytes, size_t align, void *context) {
  *(size_t *)context += bytes;
  return aligned_alloc(align, (bytes + align - 1) / align * align);
}

static void release(void *block, size_t bytes, void *context) {
  *(size_t *)context -= bytes;
  memset(block, 0xee, bytes);
  free(block);
}

TEST(arena_model, on_functions) {
  size_t bytes = 0;
  lido_backing_functions functions = {.allocate = allocate, .release = release, .context = &bytes};
  lido_backing *backing = lido_backing_create(&functions);
  CHECK_NOT_NULL(backing);
  setting set = {.options = {.backing = backing}};
  run(set);
  CHECK_EQ(lido_backing_destroy(backing), 0);
  CHECK_EQ(bytes, 0);
}

TEST(arena_model, in_a_buffer_of_a_backing) {
  static _Alignas(64) char memory[200000];
  lido_backing *backing = lido_backing_create_buffer(memory, sizeof memory);
  CHECK_NOT_NULL(backing);
  setting set = {.options = {.backing = backing, .chunk_bytes = 1024}, .limited = true};
  run(set);
  CHECK_EQ(lido_backing_destroy(backing), 0);
}
