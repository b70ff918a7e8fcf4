/* arena_without_memory_test.c: each request for memory of an arena fails, once and for ever: a clean error that is
 * remembered, nothing lost, and an arena that goes on.
 */
#include <stdlib.h>

#include "lido/arena.h"
#include "tests/faults/drill.h"

enum { TEXT = 700, PIECES = 40 };

static char text[TEXT + 1];

static void fill_text(void) { memset(text, 'a', TEXT); }

static lido_arena *begin(drill_round *r, const lido_arena_options *options) {
  lido_arena *arena = NULL;
  TRY(r, arena, lido_arena_create(options));
  CHECK(!lido_arena_failed(arena));
  return arena;
}

#define CHECK_ARENA(arena)                                      \
  do {                                                          \
    const char *drill_broken = lido_arena_check(arena);         \
    if (drill_broken != NULL) TESTING_FAIL("%s", drill_broken); \
  } while (0)

/* As TRY, and the arena remembers what failed, and nothing else. */
#define TRY_IN(round, arena, result, call)                                   \
  do {                                                                       \
    bool drill_failed_before = lido_arena_failed(arena);                     \
    size_t drill_calls_before = (round)->failed_calls;                       \
    TRY(round, result, call);                                                \
    bool drill_failed = (round)->failed_calls != drill_calls_before;         \
    CHECK_EQ(lido_arena_failed(arena), drill_failed_before || drill_failed); \
    CHECK_ARENA(arena);                                                      \
  } while (0)

static void end(lido_arena *arena) {
  CHECK_ARENA(arena);
  CALM(lido_arena_destroy(arena));
}

static void *filled(drill_round *r, lido_arena *arena, size_t bytes, uint64_t stamp) {
  void *piece = NULL;
  TRY_IN(r, arena, piece, lido_arena_alloc(arena, bytes));
  objects_fill(piece, bytes, stamp);
  return piece;
}

static void reset(lido_arena *arena) {
  CALM(lido_arena_reset(arena));
  CHECK(!lido_arena_failed(arena));
  CHECK_ARENA(arena);
}

/* ---- Pieces ---- */

static void use_pieces(drill_round *r, const lido_arena_options *options) {
  void *pieces[PIECES];
  lido_arena *arena = begin(r, options);
  for (int use = 0; use < 3; use++) {
    for (size_t i = 0; i < PIECES; i++) pieces[i] = filled(r, arena, 100 + 30 * i, i);
    for (size_t i = 0; i < PIECES; i++) CHECK(objects_hold(pieces[i], 100 + 30 * i, i));
    for (size_t i = 0; i < PIECES; i += 2) CALM(lido_arena_free(arena, pieces[i], 100 + 30 * i));
    for (size_t i = 0; i < PIECES; i += 2) pieces[i] = filled(r, arena, 100 + 30 * i, i);
    for (size_t i = 0; i < PIECES; i++) CHECK(objects_hold(pieces[i], 100 + 30 * i, i));
    reset(arena);
  }
  end(arena);
}

static void pieces_by_default(drill_round *r) { use_pieces(r, NULL); }
static void pieces_in_small_blocks(drill_round *r) {
  use_pieces(r, &(lido_arena_options){.chunk_bytes = 256, .chunk_bytes_max = 1024});
}
static void pieces_reused(drill_round *r) { use_pieces(r, &(lido_arena_options){.flags = LIDO_ARENA_REUSE}); }
static void pieces_of_nothing_kept(drill_round *r) {
  use_pieces(r, &(lido_arena_options){.retain = LIDO_ARENA_RETAIN_NONE});
}
static void pieces_in_a_row(drill_round *r) {
  use_pieces(r, &(lido_arena_options){.reserve_bytes = 1 << 20, .retain = LIDO_ARENA_RETAIN_NONE});
}
static void pieces_on_pages(drill_round *r) { use_pieces(r, &(lido_arena_options){.backing = lido_backing_pages()}); }

TEST(arena_without_memory, pieces) { drill(pieces_by_default, 3); }
TEST(arena_without_memory, small_blocks) { drill(pieces_in_small_blocks, 10); }
TEST(arena_without_memory, reuse) { drill(pieces_reused, 3); }
TEST(arena_without_memory, nothing_retained) { drill(pieces_of_nothing_kept, 5); }
TEST(arena_without_memory, contiguous) { drill(pieces_in_a_row, 3); }
TEST(arena_without_memory, pages) { drill(pieces_on_pages, 3); }

static void large_pieces(drill_round *r) {
  lido_arena *arena = begin(r, NULL);
  void *first = filled(r, arena, 50000, 1);
  void *second = NULL;
  TRY_IN(r, arena, second, lido_arena_alloc_aligned(arena, 50000, 1 << 16));
  TRY_IN(r, arena, second, lido_arena_calloc(arena, 100, 700));
  CHECK(objects_are_all(second, 70000, 0));
  void *grown = NULL;
  TRY_IN(r, arena, grown, lido_arena_realloc(arena, first, 50000, 90000));
  CHECK(objects_hold(grown, 50000, 1));
  lido_arena_detached_free(lido_arena_detach(arena, grown));
  reset(arena);
  end(arena);
}

TEST(arena_without_memory, large_pieces) { drill(large_pieces, 4); }

static void realloc_pieces(drill_round *r) {
  lido_arena *arena = begin(r, &(lido_arena_options){.chunk_bytes = 512});
  size_t bytes = 10;
  char *piece = filled(r, arena, bytes, 1);
  for (int i = 0; i < 60; i++) {
    char *grown = NULL;
    TRY_IN(r, arena, grown, lido_arena_realloc(arena, piece, bytes, bytes + 170));
    CHECK(objects_hold(grown, bytes, 1));
    piece = grown;
    bytes += 170;
    objects_fill(piece, bytes, 1);
    if (i % 3 == 0) filled(r, arena, 40, 2);
  }
  end(arena);
}

TEST(arena_without_memory, realloc) { drill(realloc_pieces, 5); }

/* ---- Text ---- */

static void texts(drill_round *r) {
  fill_text();
  lido_arena *arena = begin(r, &(lido_arena_options){.chunk_bytes = 256, .chunk_bytes_max = 2048});
  char *copies[20];
  for (int i = 0; i < 20; i += 2) {
    TRY_IN(r, arena, copies[i], lido_arena_printf(arena, "%d %s", i, text));
    TRY_IN(r, arena, copies[i + 1], lido_arena_strdup(arena, text));
  }
  for (int i = 0; i < 20; i += 2) {
    CHECK_EQ(atoi(copies[i]), i);
    CHECK_TEXT(copies[i] + (i < 10 ? 2 : 3), text);
    CHECK_TEXT(copies[i + 1], text);
  }
  end(arena);
}

TEST(arena_without_memory, texts) { drill(texts, 5); }

static bool add(int what, lido_bytes *bytes) {
  if (what % 3 == 0) return lido_bytes_printf(bytes, "%s", text);
  if (what % 3 == 1) return lido_bytes_add(bytes, text, TEXT);
  char *room = lido_bytes_room(bytes, TEXT);
  if (room == NULL) return false;
  memcpy(room, text, TEXT + 1);
  bytes->count += TEXT;
  return true;
}

/* -> whether all was added. Nothing is, once something failed. */
static bool collect(drill_round *r, lido_arena *arena, lido_bytes *bytes) {
  *bytes = lido_bytes_begin(arena, 30);
  for (int i = 0; i < 30; i++) {
    size_t count = bytes->count;
    bool failed_before = bytes->failed;
    errno = UNTOUCHED_ERRNO;
    bool added = add(i, bytes);
    CHECK_EQ(errno, added ? UNTOUCHED_ERRNO : ENOMEM);
    CHECK_EQ(bytes->count, count + (added ? TEXT : 0));
    CHECK_EQ(added, !bytes->failed);
    CHECK(!(added && failed_before));
    CHECK_EQ(lido_arena_failed(arena), bytes->failed);
    if (i % 4 == 3) (void)lido_arena_alloc(arena, 16);
    if (bytes->failed && !failed_before) drill_relief(r);
  }
  CHECK_EQ(lido_bytes_end(bytes) == NULL, bytes->failed);
  return !bytes->failed;
}

static void bytes_that_grow(drill_round *r) {
  fill_text();
  lido_bytes bytes;
  lido_arena *arena = begin(r, &(lido_arena_options){.chunk_bytes = 512});
  if (!collect(r, arena, &bytes)) {
    r->failed_calls++;
    reset(arena);
    drill_relief(r);
    CHECK(collect(r, arena, &bytes));
  }
  CHECK_EQ(strlen(bytes.data), 30 * TEXT);
  end(arena);
}

TEST(arena_without_memory, bytes) {
  lido_fault_disarm();
  drill_round calm = {0};
  bytes_that_grow(&calm);
  int64_t baseline = objects_bytes_held();
  for (uint64_t nth = 1; nth < 30; nth++) {
    drill_round r = {0};
    lido_fault_arm(nth, false);
    bytes_that_grow(&r);
    drill_relief(&r);
    CHECK_EQ(objects_bytes_held(), baseline);
  }
}

/* ---- Clean-ups, children, marks ---- */

static void count_run(void *count) { ++*(int *)count; }

static void cleanups(drill_round *r) {
  int runs = 0;
  int error = 0;
  lido_arena *arena = begin(r, &(lido_arena_options){.chunk_bytes = 256, .chunk_bytes_max = 256});
  for (int i = 0; i < 30; i++) {
    errno = UNTOUCHED_ERRNO;
    error = lido_arena_on_reset(arena, count_run, &runs);
    CHECK_EQ(errno, UNTOUCHED_ERRNO);
    if (error == 0) continue;
    CHECK_EQ(error, ENOMEM);
    r->failed_calls++;
    drill_relief(r);
    CHECK_EQ(lido_arena_on_reset(arena, count_run, &runs), 0);
    drill_go_on(r);
  }
  lido_arena_cleanup *stopped = NULL;
  TRY(r, stopped, lido_arena_cleanup_add(arena, count_run, &runs));
  lido_arena_cleanup_stop(stopped);
  reset(arena);
  CHECK_EQ(runs, 30);
  end(arena);
}

TEST(arena_without_memory, clean_ups) { drill(cleanups, 5); }

static void children(drill_round *r) {
  int runs = 0;
  lido_arena *parent = begin(r, &(lido_arena_options){.chunk_bytes = 256, .chunk_bytes_max = 256});
  for (int i = 0; i < 12; i++) {
    lido_arena *child = NULL;
    TRY(r, child, lido_arena_create(&(lido_arena_options){.parent = parent, .reserve_bytes = i % 2 ? 0 : 1 << 16}));
    lido_arena_cleanup *cleanup = NULL;
    TRY(r, cleanup, lido_arena_cleanup_add(child, count_run, &runs));
    if (i % 3 == 0) lido_arena_destroy(child);
  }
  CALM(lido_arena_reset(parent));
  CHECK_EQ(runs, 12);
  end(parent);
}

TEST(arena_without_memory, children) { drill(children, 15); }

static void joins(drill_round *r) {
  int runs = 0;
  lido_arena *into = begin(r, &(lido_arena_options){.chunk_bytes = 256, .chunk_bytes_max = 256});
  for (int i = 0; i < 8; i++) {
    lido_arena *from = begin(r, NULL);
    void *piece = filled(r, from, 300, 3);
    void *large = filled(r, from, 30000, 4);
    lido_arena_cleanup *cleanup = NULL;
    TRY(r, cleanup, lido_arena_cleanup_add(from, count_run, &runs));
    int error = lido_arena_join(into, from);
    if (error != 0) {
      CHECK_EQ(error, ENOMEM);
      CHECK(lido_arena_failed(into));
      CHECK(lido_arena_owns(from, piece) && lido_arena_owns(from, large));
      r->failed_calls++;
      drill_relief(r);
      CHECK_EQ(lido_arena_join(into, from), 0);
      drill_go_on(r);
    }
    CHECK(objects_hold(piece, 300, 3) && objects_hold(large, 30000, 4));
    CHECK(lido_arena_owns(into, piece) && lido_arena_owns(into, large));
    end(from);
  }
  CHECK_EQ(runs, 0);
  end(into);
  CHECK_EQ(runs, 8);
}

TEST(arena_without_memory, joins) { drill(joins, 15); }

/* ---- Carried over ---- */

static void carry(drill_round *r, size_t bytes, const lido_arena_options *options) {
  int runs = 0;
  lido_arena *arena = begin(r, options);
  for (int i = 0; i < 4; i++) {
    lido_arena_cleanup *cleanup = NULL;
    TRY(r, cleanup, lido_arena_cleanup_add(arena, count_run, &runs));
    char *piece = filled(r, arena, bytes, 5);
    char *kept = NULL;
    errno = UNTOUCHED_ERRNO;
    kept = lido_arena_reset_keep(arena, piece, bytes - 10);
    if (kept == NULL) {
      CHECK_EQ(errno, ENOMEM);
      CHECK_EQ(runs, i);
      CHECK(objects_hold(piece, bytes, 5));
      r->failed_calls++;
      drill_relief(r);
      kept = lido_arena_reset_keep(arena, piece, bytes - 10);
      drill_go_on(r);
    }
    CHECK(objects_hold(kept, bytes - 10, 5));
    CHECK_EQ(runs, i + 1);
    CHECK(!lido_arena_failed(arena));
    CHECK_ARENA(arena);
  }
  end(arena);
}

static void carry_small(drill_round *r) { carry(r, 1000, NULL); }
static void carry_large(drill_round *r) { carry(r, 40000, NULL); }
static void carry_in_a_row(drill_round *r) { carry(r, 40000, &(lido_arena_options){.reserve_bytes = 1 << 20}); }

TEST(arena_without_memory, reset_keep) {
  drill(carry_small, 2);
  drill(carry_large, 4);
  drill(carry_in_a_row, 3);
}

/* ---- Budgets ---- */

static void budgets(drill_round *r) {
  lido_budget *budget = NULL;
  TRY(r, budget, lido_budget_create(&(lido_budget_options){.hard_bytes = 1 << 20}));
  lido_arena *arenas[4];
  for (int i = 0; i < 4; i++) {
    arenas[i] = begin(r, &(lido_arena_options){.budget = budget, .reserve_bytes = i == 3 ? 1 << 18 : 0});
    filled(r, arenas[i], 100, 1);
    filled(r, arenas[i], 30000, 1);
  }
  size_t used = 0;
  for (int i = 0; i < 4; i++) {
    lido_arena_stats stats;
    lido_arena_stats_get(arenas[i], &stats);
    used += stats.reserved;
  }
  CHECK_EQ(lido_budget_used(budget), used);
  CHECK_EQ(lido_budget_destroy(budget), EBUSY);
  for (int i = 0; i < 4; i++) end(arenas[i]);
  CHECK_EQ(lido_budget_used(budget), 0);
  CHECK_EQ(lido_budget_destroy(budget), 0);
}

TEST(arena_without_memory, budgets) { drill(budgets, 8); }

/* ---- Classes and scratch ---- */

static void classes(drill_round *r) {
  lido_arena_class *cls = NULL;
  TRY(r, cls, lido_arena_class_create(NULL));
  for (int i = 0; i < 4; i++) {
    lido_arena *arenas[3];
    for (int k = 0; k < 3; k++) {
      TRY(r, arenas[k], lido_arena_acquire(cls));
      filled(r, arenas[k], 3000, 1);
      filled(r, arenas[k], 3000, 1);
    }
    for (int k = 0; k < 3; k++) CALM(lido_arena_release(arenas[k]));
  }
  CHECK_EQ(lido_arena_class_destroy(cls), 0);
}

TEST(arena_without_memory, classes) { drill(classes, 5); }

static void scratches(drill_round *r) {
  lido_scratch outer = {0};
  TRY_UNTIL(r, outer, lido_scratch_begin(NULL, 0), outer.arena == NULL);
  char *kept = filled(r, outer.arena, 5000, 1);
  lido_scratch inner = {0};
  TRY_UNTIL(r, inner, lido_scratch_begin(&outer.arena, 1), inner.arena == NULL);
  CHECK(inner.arena != outer.arena);
  filled(r, inner.arena, 50000, 2);
  CALM(lido_scratch_end(inner));
  CHECK(objects_hold(kept, 5000, 1));
  CALM(lido_scratch_end(outer));
  lido_arena_trim();
}

TEST(arena_without_memory, scratch) { drill(scratches, 4); }

/* ---- A thread's first use ---- */

static void *first_use(void *argument) {
  lido_arena_class *cls = argument;
  for (int i = 0; i < 3; i++) {
    lido_arena *arena = lido_arena_acquire(cls);
    if (arena != NULL) (void)lido_arena_alloc(arena, 9000);
    lido_arena_release(arena);
    lido_scratch scratch = lido_scratch_begin(NULL, 0);
    if (scratch.arena != NULL) (void)lido_arena_alloc(scratch.arena, 9000);
    lido_scratch_end(scratch);
  }
  return NULL;
}

static int64_t thread_with_failure(uint64_t nth, bool for_ever, uint64_t *failures) {
  lido_arena_class *cls = lido_arena_class_create(NULL);
  CHECK_NOT_NULL(cls);
  lido_fault_arm(nth, for_ever);
  objects_in_thread(first_use, cls);
  *failures = lido_fault_disarm();
  CHECK_EQ(lido_arena_class_destroy(cls), 0);
  return objects_bytes_held();
}

TEST(arena_without_memory, first_use_in_a_thread) {
  uint64_t failures = 1;
  thread_with_failure(0, false, &failures);
  int64_t baseline = thread_with_failure(0, false, &failures);
  for (int for_ever = 0; for_ever < 2; for_ever++) {
    failures = 1;
    for (uint64_t nth = 1; failures != 0; nth++) CHECK_EQ(thread_with_failure(nth, for_ever, &failures), baseline);
  }
}
