/* arena_contiguous_test.c: arenas in one reservation of address space, where nothing ever moves. */
#include "tests/support/arenas.h"

static lido_arena *contiguous(size_t bytes) { return arena_with(&(lido_arena_options){.reserve_bytes = bytes}); }

TEST(arena_contiguous, a_piece_grows_to_64_mebibytes_and_never_moves) {
  lido_arena *arena = contiguous((size_t)100 * MEBIBYTE);
  char *piece = lido_arena_alloc(arena, 16);
  size_t bytes = 16;
  for (; bytes < (size_t)64 * MEBIBYTE; bytes = bytes * 3 / 2) {
    CHECK_SAME(lido_arena_realloc(arena, piece, bytes, bytes * 3 / 2), piece);
    piece[0] = piece[bytes] = piece[bytes * 3 / 2 - 1] = 'g';
    CHECK_ARENA(arena);
  }
  CHECK_EQ(piece[0], 'g');
  CHECK_EQ(arena_stats(arena).blocks, 1);
  lido_arena_destroy(arena);
}

TEST(arena_contiguous, pieces_follow_each_other) {
  lido_arena *arena = contiguous(16 * MEBIBYTE);
  char *last = arena_piece(arena, 100, 0);
  size_t count = testing_scaled(60000);
  for (size_t i = 0; i < count; i++) {
    char *piece = arena_piece(arena, 100, i);
    CHECK(piece > last && piece <= last + 160);
    last = piece;
  }
  CHECK_ARENA(arena);
  CHECK_EQ(arena_stats(arena).large, 0);
  lido_arena_destroy(arena);
}

TEST(arena_contiguous, memory_comes_as_the_arena_grows) {
  lido_arena *arena = contiguous((size_t)1 << 34); /* 16 GiB of addresses */
  CHECK_LE(arena_stats(arena).reserved, 64 * KIB);
  arena_piece(arena, 1000, 1);
  CHECK_LE(arena_stats(arena).reserved, 128 * KIB);
  char *piece = lido_arena_alloc(arena, 8 * MEBIBYTE);
  piece[0] = piece[8 * MEBIBYTE - 1] = 'x';
  CHECK_GE(arena_stats(arena).reserved, 8 * MEBIBYTE);
  CHECK_LE(arena_stats(arena).reserved, 16 * MEBIBYTE);
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

static void check_used_up(size_t reserve, size_t step) {
  lido_arena *arena = contiguous(reserve);
  for (int round = 0; round < 3; round++) {
    size_t taken = 0;
    void *piece = NULL;
    while ((piece = lido_arena_alloc(arena, step)) != NULL) {
      memset(piece, 1, step);
      taken += step;
    }
    CHECK_EQ(errno, ENOMEM);
    CHECK_LE(taken, reserve);
    CHECK(lido_arena_failed(arena));
    CHECK_ARENA(arena);
    CHECK_FAILS(lido_arena_alloc(arena, reserve), ENOMEM);
    while (lido_arena_alloc(arena, 16) != NULL) continue;
    CHECK_GE(arena_stats(arena).used, reserve - 256);
    lido_arena_reset(arena);
    CHECK(!lido_arena_failed(arena));
    CHECK_ARENA(arena);
  }
  lido_arena_destroy(arena);
}

TEST(arena_contiguous, a_reservation_can_be_used_up) {
  static const size_t reserves[] = {1 << 12, 1 << 16, 100 * KIB, MEBIBYTE, 3 * MEBIBYTE};
  for (size_t i = 0; i < sizeof reserves / sizeof reserves[0]; i++) {
    check_used_up(reserves[i], 16);
    check_used_up(reserves[i], 1000);
    check_used_up(reserves[i], 3000);
  }
}

/* To the last byte. */
TEST(arena_contiguous, one_piece_may_have_all_of_it) {
  for (size_t tail = 0; tail < 64; tail += 16) {
    lido_arena *arena = contiguous(MEBIBYTE);
    char *piece = arena_piece(arena, 16, 1);
    size_t header = (uintptr_t)piece % 4096;
    size_t all = MEBIBYTE - header - tail;
    CHECK_SAME(lido_arena_realloc(arena, piece, 16, all), piece);
    objects_fill(piece, all, 2);
    CHECK(!lido_arena_try_extend(arena, piece, all, all + tail + 1));
    CHECK(objects_hold(piece, all, 2));
    lido_arena_reset(arena);
    CHECK_SAME(lido_arena_alloc(arena, all), piece);
    CHECK_ARENA(arena);
    lido_arena_destroy(arena);
    arena = contiguous(MEBIBYTE);
    char *fresh = lido_arena_alloc(arena, all); /* with nothing behind the first page yet */
    CHECK_NOT_NULL(fresh);
    memset(fresh, 1, all);
    CHECK_ARENA(arena);
    lido_arena_destroy(arena);
  }
}

static void check_given_back(size_t retain, size_t most) {
  lido_arena *arena = arena_with(&(lido_arena_options){.reserve_bytes = 64 * MEBIBYTE, .retain = retain});
  arena_use(arena, 32 * MEBIBYTE, 4096);
  CHECK_GE(arena_stats(arena).reserved, 32 * MEBIBYTE);
  for (int i = 0; i < 300; i++) {
    lido_arena_reset(arena);
    CHECK_ARENA(arena);
    arena_piece(arena, 2000, 1);
  }
  CHECK_LE(arena_stats(arena).reserved, most);
  arena_use(arena, 32 * MEBIBYTE, 4096); /* and it is there again */
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_contiguous, a_reset_gives_memory_back) {
  check_given_back(LIDO_ARENA_RETAIN_AUTO, MEBIBYTE);
  check_given_back(LIDO_ARENA_RETAIN_NONE, 128 * KIB);
  check_given_back(MEBIBYTE, MEBIBYTE);
  check_given_back(LIDO_ARENA_RETAIN_ALL, 64 * MEBIBYTE);
}

TEST(arena_contiguous, what_was_given_back_is_charged_no_more) {
  lido_budget *budget = lido_budget_create(&(lido_budget_options){.hard_bytes = 8 * MEBIBYTE});
  lido_arena *arena = arena_with(
      &(lido_arena_options){.reserve_bytes = 64 * MEBIBYTE, .retain = LIDO_ARENA_RETAIN_NONE, .budget = budget});
  for (int i = 0; i < 20; i++) {
    CHECK_NOT_NULL(lido_arena_alloc(arena, 5 * MEBIBYTE));
    CHECK_EQ(lido_budget_used(budget), arena_stats(arena).reserved);
    CHECK_FAILS(lido_arena_alloc(arena, 5 * MEBIBYTE), ENOMEM);
    lido_arena_reset(arena);
    CHECK_LE(lido_budget_used(budget), 64 * KIB);
    CHECK_ARENA(arena);
  }
  lido_arena_destroy(arena);
  CHECK_EQ(lido_budget_used(budget), 0);
  CHECK_EQ(lido_budget_destroy(budget), 0);
}

TEST(arena_contiguous, a_rewind_keeps_the_memory) {
  lido_arena *arena = contiguous(16 * MEBIBYTE);
  char *kept = arena_piece(arena, 100, 1);
  lido_arena_mark mark = lido_arena_mark_get(arena);
  arena_use(arena, 8 * MEBIBYTE, 4096);
  uint64_t reserved = arena_stats(arena).reserved;
  for (int i = 0; i < 20; i++) {
    lido_arena_rewind(arena, mark);
    CHECK_EQ(arena_stats(arena).reserved, reserved);
    CHECK(objects_hold(kept, 100, 1));
    arena_use(arena, 8 * MEBIBYTE, 4096);
  }
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_contiguous, many_of_them_leave_nothing_behind) {
  int64_t before = 0;
  for (int i = 0; i < 100; i++) {
    lido_arena *arena = contiguous((size_t)256 * MEBIBYTE);
    arena_piece(arena, 300000, 1);
    lido_arena_destroy(arena);
    if (i == 10) before = objects_bytes_held();
  }
  CHECK_EQ(objects_bytes_held(), before);
}
