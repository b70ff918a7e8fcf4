/* arena_passthrough_test.c: arenas whose every piece is one of malloc. */
#include <malloc.h>

#include "tests/support/arenas.h"

static lido_arena *passing(void) { return arena_with(&(lido_arena_options){.flags = LIDO_ARENA_PASSTHROUGH}); }

TEST(arena_passthrough, every_piece_is_one_of_malloc) {
  lido_arena *arena = passing();
  for (size_t bytes = 1; bytes < 100000; bytes = bytes * 3 / 2 + 1) {
    char *piece = arena_piece(arena, bytes, 1);
    CHECK_GE(malloc_usable_size(piece), bytes);
    CHECK(lido_arena_owns(arena, piece));
    CHECK(lido_arena_owns(arena, piece + bytes - 1));
    CHECK(!lido_arena_owns(arena, piece + bytes));
    CHECK_ARENA(arena);
  }
  CHECK_NOT_NULL(lido_arena_alloc(arena, 0));
  CHECK_EQ(arena_stats(arena).large, 0);
  lido_arena_destroy(arena);
}

TEST(arena_passthrough, statistics_count_what_was_asked_for) {
  lido_arena *arena = passing();
  lido_arena_mark mark = lido_arena_mark_get(arena);
  uint64_t sum = 0;
  for (size_t i = 1; i <= 100; i++) {
    arena_piece(arena, i * 10, i);
    sum += i * 10;
    CHECK_EQ(arena_stats(arena).used, sum);
    CHECK_EQ(arena_stats(arena).blocks, i);
    CHECK_EQ(arena_stats(arena).reserved, sum);
  }
  lido_arena_rewind(arena, mark);
  CHECK_EQ(arena_stats(arena).used, 0);
  CHECK_EQ(arena_stats(arena).peak, sum);
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_passthrough, a_free_is_one_of_malloc_too) {
  lido_arena *arena = passing();
  void *first = arena_piece(arena, 100, 1);
  void *second = arena_piece(arena, 200, 2);
  lido_arena_free(arena, first, 100);
  CHECK(!lido_arena_owns(arena, first));
  CHECK_EQ(arena_stats(arena).used, 200);
  CHECK_ARENA(arena);
  CHECK(objects_hold(second, 200, 2));
  lido_arena_free(arena, second, 200);
  CHECK_EQ(arena_stats(arena).blocks, 0);
  lido_arena_destroy(arena);
}

TEST(arena_passthrough, what_grows_moves) {
  lido_arena *arena = passing();
  char *piece = arena_piece(arena, 100, 1);
  CHECK(!lido_arena_try_extend(arena, piece, 100, 200));
  char *moved = lido_arena_realloc(arena, piece, 100, 200);
  CHECK_NOT_NULL(moved);
  CHECK(objects_hold(moved, 100, 1));
  CHECK_EQ(arena_stats(arena).blocks, 1);
  CHECK_SAME(lido_arena_realloc(arena, moved, 200, 50), moved);
  lido_arena_shrink(arena, moved, 50, 20);
  CHECK(objects_hold(moved, 20, 1));
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_passthrough, can_be_wished_for_all_new_arenas) {
  static _Alignas(16) char buffer[4096];
  lido_arena *before = arena_with(NULL);
  lido_arena_passthrough_set(true);
  lido_arena *during = arena_with(NULL);
  lido_arena *fixed =
      arena_with(&(lido_arena_options){.buffer = buffer, .buffer_bytes = sizeof buffer, .flags = LIDO_ARENA_FIXED});
  lido_arena_passthrough_set(false);
  lido_arena *after = arena_with(NULL);
  lido_arena *all[] = {before, during, fixed, after};
  for (size_t i = 0; i < 4; i++) {
    arena_piece(all[i], 16, 1);
    arena_piece(all[i], 16, 2);
    CHECK_EQ(arena_stats(all[i]).blocks, all[i] == during ? 2 : 1);
    CHECK_ARENA(all[i]);
    lido_arena_destroy(all[i]);
  }
}

TEST(arena_passthrough, works_in_place_of_every_other_mode) {
  static _Alignas(16) char buffer[4096];
  const lido_arena_options all[] = {
      {.flags = LIDO_ARENA_PASSTHROUGH, .reserve_bytes = MEBIBYTE},
      {.flags = LIDO_ARENA_PASSTHROUGH | LIDO_ARENA_REUSE},
      {.flags = LIDO_ARENA_PASSTHROUGH, .buffer = buffer, .buffer_bytes = sizeof buffer},
  };
  for (size_t i = 0; i < 3; i++) {
    lido_arena *arena = arena_with(&all[i]);
    for (int round = 0; round < 3; round++) {
      char *piece = arena_piece(arena, 3000, 1);
      CHECK_GE(malloc_usable_size(piece), 3000);
      arena_piece(arena, 2 * MEBIBYTE, 2);
      lido_arena_free(arena, piece, 3000);
      CHECK_ARENA(arena);
      lido_arena_reset(arena);
      CHECK_EQ(arena_stats(arena).reserved, 0);
    }
    lido_arena_destroy(arena);
  }
}

TEST(arena_passthrough, serves_classes_and_scratch) {
  lido_arena_trim();
  lido_arena_passthrough_set(true);
  lido_arena_class *cls = lido_arena_class_create(NULL);
  CHECK_NOT_NULL(cls);
  for (int i = 0; i < 10; i++) {
    lido_arena *arena = lido_arena_acquire(cls);
    arena_piece(arena, 100, 1);
    lido_arena_release(arena);
    CHECK_EQ(arena_class_stats(cls).live, 0);
    lido_scratch scratch = lido_scratch_begin(NULL, 0);
    arena_piece(scratch.arena, 100, 1);
    CHECK_ARENA(scratch.arena);
    lido_scratch_end(scratch);
  }
  lido_arena_passthrough_set(false);
  CHECK_EQ(arena_class_stats(cls).acquires, 10);
  CHECK_EQ(lido_arena_class_destroy(cls), 0);
  lido_arena_trim();
}
