/* arena_detach_test.c: pieces that leave their arena. */
#include "tests/support/arenas.h"

enum { BYTES = 100000 };

TEST(arena_detach, what_was_detached_stays_when_the_arena_is_reset_or_ends) {
  arena_source source;
  lido_backing *backing = arena_source_backing(&source);
  lido_arena *arena = arena_with(&(lido_arena_options){.backing = backing});
  char *piece = arena_piece(arena, BYTES, 1);
  char *other = arena_piece(arena, BYTES, 2);
  CHECK_SAME(lido_arena_detach(arena, piece), piece);
  CHECK_ARENA(arena);
  CHECK(!lido_arena_owns(arena, piece));
  CHECK(lido_arena_owns(arena, other));
  CHECK_LT(arena_stats(arena).large, 2 * BYTES);
  lido_arena_reset(arena);
  CHECK(objects_hold(piece, BYTES, 1));
  lido_arena_destroy(arena);
  CHECK(objects_hold(piece, BYTES, 1));
  CHECK_EQ(lido_backing_destroy(backing), EBUSY);
  lido_arena_detached_free(piece);
  arena_source_end(&source, backing);
}

static void *free_it(void *piece) {
  lido_arena_detached_free(piece);
  return NULL;
}

TEST(arena_detach, any_thread_may_end_it) {
  int64_t before = 0;
  for (int i = 0; i < 50; i++) {
    lido_arena *arena = arena_with(NULL);
    char *piece = lido_arena_detach(arena, arena_piece(arena, BYTES, 1));
    CHECK_NOT_NULL(piece);
    lido_arena_destroy(arena);
    CHECK(objects_hold(piece, BYTES, 1));
    objects_in_thread(free_it, piece);
    if (i == 5) before = objects_bytes_held();
  }
  CHECK_EQ(objects_bytes_held(), before);
}

TEST(arena_detach, pieces_without_a_block_of_their_own_are_refused) {
  lido_arena *arena = arena_with(NULL);
  char *small = arena_piece(arena, 100, 1);
  char *large = arena_piece(arena, BYTES, 2);
  lido_arena *other = arena_with(NULL);
  char *foreign = arena_piece(other, BYTES, 3);
  int on_stack = 0;
  CHECK_FAILS(lido_arena_detach(arena, small), EINVAL);
  CHECK_FAILS(lido_arena_detach(arena, small + 16), EINVAL);
  CHECK_FAILS(lido_arena_detach(arena, large + 64), EINVAL);
  CHECK_FAILS(lido_arena_detach(arena, large + BYTES / 2), EINVAL);
  CHECK_FAILS(lido_arena_detach(arena, foreign), EINVAL);
  CHECK_FAILS(lido_arena_detach(arena, NULL), EINVAL);
  CHECK_FAILS(lido_arena_detach(arena, &on_stack), EINVAL);
  CHECK(!lido_arena_failed(arena));
  CHECK_SAME(lido_arena_detach(arena, large), large);
  CHECK_FAILS(lido_arena_detach(arena, large), EINVAL);
  lido_arena_detached_free(large);
  lido_arena_detached_free(NULL);
  CHECK_ARENA(arena);
  CHECK_ARENA(other);
  lido_arena_destroy(arena);
  lido_arena_destroy(other);
}

TEST(arena_detach, what_leaves_is_not_charged_any_more) {
  lido_budget *budget = lido_budget_create(&(lido_budget_options){.hard_bytes = MEBIBYTE});
  CHECK_NOT_NULL(budget);
  lido_arena *arena = arena_with(&(lido_arena_options){.budget = budget, .max_bytes = MEBIBYTE});
  char *pieces[30];
  for (int i = 0; i < 30; i++) {
    pieces[i] = lido_arena_detach(arena, arena_piece(arena, BYTES, 1));
    CHECK_NOT_NULL(pieces[i]);
    CHECK_EQ(lido_budget_used(budget), arena_stats(arena).reserved);
  }
  CHECK_EQ(lido_budget_used(budget), 0);
  lido_arena_destroy(arena);
  CHECK_EQ(lido_budget_destroy(budget), 0);
  for (int i = 0; i < 30; i++) lido_arena_detached_free(pieces[i]);
}

TEST(arena_detach, an_aligned_piece_may_leave_too) {
  lido_arena *arena = arena_with(NULL);
  for (size_t align = 16; align <= MEBIBYTE; align *= 4) {
    char *piece = lido_arena_alloc_aligned(arena, BYTES, align);
    CHECK_SAME(lido_arena_detach(arena, piece), piece);
    objects_fill(piece, BYTES, align);
    lido_arena_detached_free(piece);
    CHECK_ARENA(arena);
  }
  lido_arena_destroy(arena);
}

TEST(arena_detach, a_rewind_leaves_alone_what_left) {
  lido_arena *arena = arena_with(NULL);
  lido_arena_mark mark = lido_arena_mark_get(arena);
  char *first = arena_piece(arena, BYTES, 1);
  char *second = arena_piece(arena, BYTES, 2);
  CHECK_SAME(lido_arena_detach(arena, first), first);
  lido_arena_rewind(arena, mark);
  CHECK_EQ(arena_stats(arena).large, 0);
  CHECK(!lido_arena_owns(arena, second));
  CHECK(objects_hold(first, BYTES, 1));
  lido_arena_detached_free(first);
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_detach, one_block_arenas_have_no_such_pieces) {
  static _Alignas(16) char buffer[256 * KIB];
  lido_arena *fixed =
      arena_with(&(lido_arena_options){.buffer = buffer, .buffer_bytes = sizeof buffer, .flags = LIDO_ARENA_FIXED});
  lido_arena *contiguous = arena_with(&(lido_arena_options){.reserve_bytes = MEBIBYTE});
  lido_arena *passthrough = arena_with(&(lido_arena_options){.flags = LIDO_ARENA_PASSTHROUGH});
  CHECK_EQ(lido_arena_large_bytes(fixed), SIZE_MAX);
  CHECK_EQ(lido_arena_large_bytes(contiguous), SIZE_MAX);
  CHECK_FAILS(lido_arena_detach(fixed, arena_piece(fixed, BYTES, 1)), EINVAL);
  CHECK_FAILS(lido_arena_detach(contiguous, arena_piece(contiguous, BYTES, 1)), EINVAL);
  CHECK_FAILS(lido_arena_detach(passthrough, arena_piece(passthrough, BYTES, 1)), EINVAL);
  lido_arena_destroy(fixed);
  lido_arena_destroy(contiguous);
  lido_arena_destroy(passthrough);
}
