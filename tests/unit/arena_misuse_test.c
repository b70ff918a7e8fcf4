/* arena_misuse_test.c: misuses of arenas with a handler that returns: nothing has changed then. */
#include <stdlib.h>

#include "tests/support/arenas.h"

static misuse_log logged;

/* The arena before the misuse, and pieces that must live on. */
static lido_arena *arena;
static arena_pieces pieces;
static lido_arena_stats before;

static void begin(lido_arena *subject) {
  arena = subject;
  pieces.count = 0;
  for (size_t i = 0; i < 40; i++) arena_pieces_add(&pieces, arena, i * 50);
  arena_pieces_add(&pieces, arena, 30000);
}

static void watch(void) {
  before = arena_stats(arena);
  misuse_log_start(&logged);
}

/* One misuse of this kind, and everything as it was. */
static void check_unchanged(lido_misuse_kind kind, const void *address) {
  misuse_log_stop();
  CHECK_EQ(logged.count, 1);
  CHECK_EQ(logged.last.kind, kind);
  CHECK_TEXT(logged.last.where, "arena");
  CHECK_TEXT(logged.pool, lido_arena_name(arena));
  CHECK_TEXT(logged.other_pool, "");
  CHECK_SAME(logged.last.address, address);
  CHECK(logged.last.object == LIDO_NO_OBJECT);
  CHECK_EQ(logged.last.offset, 0);
  lido_arena_stats after = arena_stats(arena);
  CHECK_EQ(memcmp(&after, &before, sizeof after), 0);
  CHECK(arena_pieces_hold(&pieces, arena));
  CHECK_ARENA(arena);
}

TEST(arena_misuse, a_mark_closed_by_an_earlier_one) {
  begin(arena_with(&(lido_arena_options){.name = "request"}));
  lido_arena_mark outer = lido_arena_mark_get(arena);
  lido_arena_mark inner = lido_arena_mark_get(arena);
  lido_arena_rewind(arena, outer);
  watch();
  lido_arena_rewind(arena, inner);
  check_unchanged(LIDO_MISUSE_STALE_MARK, inner.at);
  lido_arena_destroy(arena);
}

TEST(arena_misuse, a_mark_from_before_a_reset) {
  lido_arena *subject = arena_with(NULL);
  arena_piece(subject, 100, 1);
  lido_arena_mark mark = lido_arena_mark_get(subject);
  lido_arena_reset(subject);
  begin(subject);
  watch();
  lido_arena_rewind(arena, mark);
  check_unchanged(LIDO_MISUSE_STALE_MARK, mark.at);
  lido_arena_destroy(arena);
}

TEST(arena_misuse, a_mark_of_another_arena) {
  lido_arena *other = arena_with(NULL);
  arena_piece(other, 100, 1);
  lido_arena_mark mark = lido_arena_mark_get(other);
  begin(arena_with(NULL));
  lido_arena_mark_get(arena);
  watch();
  lido_arena_rewind(arena, mark);
  check_unchanged(LIDO_MISUSE_STALE_MARK, mark.at);
  lido_arena_destroy(arena);
  CHECK_ARENA(other);
  lido_arena_destroy(other);
}

/* Where ids are known no more, depth tells. */
TEST(arena_misuse, a_mark_deeper_than_any_that_is_open) {
  begin(arena_with(NULL));
  lido_arena_mark marks[30];
  for (int i = 0; i < 30; i++) marks[i] = lido_arena_mark_get(arena);
  lido_arena_rewind(arena, marks[20]);
  watch();
  lido_arena_rewind(arena, marks[25]);
  check_unchanged(LIDO_MISUSE_STALE_MARK, marks[25].at);
  lido_arena_destroy(arena);
}

/* ---- Clean-ups ---- */

static void reset_inside(void *arg) { lido_arena_reset(arg); }
static void destroy_inside(void *arg) { lido_arena_destroy(arg); }
static void release_inside(void *arg) { lido_arena_release(arg); }
static void keep_inside(void *arg) {
  if (lido_arena_reset_keep(arg, NULL, 0) != NULL) abort();
}

TEST(arena_misuse, a_reset_inside_a_clean_up) {
  static void (*const all[])(void *arg) = {reset_inside, destroy_inside, release_inside, keep_inside};
  for (size_t i = 0; i < 4; i++) {
    begin(arena_with(NULL));
    lido_arena_mark mark = lido_arena_mark_get(arena);
    watch();
    CHECK_EQ(lido_arena_on_reset(arena, all[i], arena), 0);
    before.peak = arena_stats(arena).peak;
    lido_arena_rewind(arena, mark);
    check_unchanged(LIDO_MISUSE_REENTRY, arena);
    misuse_log_start(&logged);
    CHECK_EQ(lido_arena_on_reset(arena, all[i], arena), 0);
    lido_arena_reset(arena);
    misuse_log_stop();
    CHECK_EQ(logged.count, 1);
    CHECK_EQ(arena_stats(arena).used, 0);
    CHECK_ARENA(arena);
    lido_arena_destroy(arena);
  }
}

/* ---- What is kept ---- */

TEST(arena_misuse, keeping_what_is_not_the_arenas) {
  lido_arena *other = arena_with(NULL);
  char *foreign = arena_piece(other, 100, 1);
  char on_stack[16] = {0};
  begin(arena_with(NULL));
  const void *bad[] = {foreign, on_stack, &arena};
  for (size_t i = 0; i < 3; i++) {
    watch();
    CHECK_FAILS(lido_arena_reset_keep(arena, bad[i], 8), EINVAL);
    check_unchanged(LIDO_MISUSE_FOREIGN, bad[i]);
  }
  lido_arena_destroy(arena);
  lido_arena_destroy(other);
}

/* ---- Released arenas ---- */

static lido_arena_class *cls;

static lido_arena *released(void) {
  cls = lido_arena_class_create(&(lido_arena_options){.name = "served"});
  CHECK_NOT_NULL(cls);
  lido_arena *idle = lido_arena_acquire(cls);
  CHECK_NOT_NULL(idle);
  arena_piece(idle, 100, 1);
  lido_arena_release(idle);
  return idle;
}

#define CHECK_RELEASED(call)                          \
  do {                                                \
    misuse_log_start(&logged);                        \
    call;                                             \
    misuse_log_stop();                                \
    CHECK_GE(logged.count, 1);                        \
    CHECK_EQ(logged.last.kind, LIDO_MISUSE_RELEASED); \
    CHECK_SAME(logged.last.address, idle);            \
    CHECK_TEXT(logged.pool, "served");                \
    CHECK_ARENA(idle);                                \
    CHECK_EQ(arena_stats(idle).used, 0);              \
  } while (0)

TEST(arena_misuse, use_after_release) {
  if (testing_on_valgrind()) return; /* released arenas end there */
  lido_arena *idle = released();
  lido_arena_class_stats counts = arena_class_stats(cls);
  lido_arena *fresh = arena_with(NULL);
  CHECK_RELEASED(CHECK_FAILS(lido_arena_alloc(idle, 10), EINVAL));
  CHECK_RELEASED(CHECK_FAILS(lido_arena_alloc_aligned(idle, 10, 64), EINVAL));
  CHECK_RELEASED(CHECK_NULL(lido_arena_calloc(idle, 1, 10)));
  CHECK_RELEASED(CHECK_NULL(lido_arena_strdup(idle, "text")));
  CHECK_RELEASED(CHECK_NULL(lido_arena_printf(idle, "%d", 1)));
  CHECK_RELEASED(CHECK_NE(lido_arena_on_reset(idle, reset_inside, idle), 0));
  CHECK_RELEASED(lido_arena_reset(idle));
  CHECK_RELEASED(CHECK_NULL(lido_arena_reset_keep(idle, idle, 8)));
  CHECK_RELEASED(lido_arena_release(idle));
  CHECK_RELEASED(lido_arena_destroy(idle));
  CHECK_RELEASED(CHECK_EQ(lido_arena_join(fresh, idle), EINVAL));
  CHECK_RELEASED(CHECK_EQ(lido_arena_join(idle, fresh), EINVAL));
  lido_arena_class_stats now = arena_class_stats(cls);
  CHECK_EQ(memcmp(&now, &counts, sizeof now), 0);
  CHECK_SAME(lido_arena_acquire(cls), idle);
  CHECK(!lido_arena_failed(idle));
  arena_piece(idle, 100, 1);
  CHECK_ARENA(idle);
  lido_arena_release(idle);
  lido_arena_destroy(fresh);
  CHECK_EQ(lido_arena_class_destroy(cls), 0);
}

/* ---- Threads ---- */

#if LIDO_CHECKS == LIDO_CHECKS_FULL

static void *reset_elsewhere(void *argument) {
  lido_arena_reset(argument);
  lido_arena_free(argument, pieces.items[40].data, 30000);
  if (lido_arena_alloc(argument, 10) != NULL) abort();
  lido_arena_destroy(argument);
  return NULL;
}

TEST(arena_misuse, use_in_a_second_thread) {
  begin(arena_with(NULL));
  watch();
  objects_in_thread(reset_elsewhere, arena);
  CHECK_EQ(logged.count, 4);
  logged.count = 1;
  check_unchanged(LIDO_MISUSE_WRONG_THREAD, arena);
  lido_arena_destroy(arena);
}

static void *take_over(void *argument) {
  lido_arena_reset(argument);
  return lido_arena_alloc(argument, 10) != NULL ? argument : NULL;
}

TEST(arena_misuse, use_in_a_second_thread_is_none_when_handed_over) {
  begin(arena_with(NULL));
  misuse_log_start(&logged);
  lido_arena_hand_over(arena);
  objects_in_thread(take_over, arena);
  CHECK_EQ(logged.count, 0);
  lido_arena_hand_over(arena);
  lido_arena_reset(arena);
  misuse_log_stop();
  CHECK_EQ(logged.count, 0);
  lido_arena_destroy(arena);
}

TEST(arena_misuse, memory_that_goes_is_filled) {
  begin(arena_with(NULL));
  lido_arena_mark mark = lido_arena_mark_get(arena);
  unsigned char *piece = arena_piece(arena, 32, 1);
  lido_arena_rewind(arena, mark);
  CHECK(objects_are_all(piece, 32, 0xdf));
  lido_arena_destroy(arena);
}

#endif
