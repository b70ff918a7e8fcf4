/* arena_retention_test.c: how much an arena keeps for the next use. */
#include "tests/support/arenas.h"

static void one_use(lido_arena *arena, size_t bytes) {
  arena_use(arena, bytes, 64);
  CHECK_ARENA(arena);
  lido_arena_reset(arena);
  CHECK_ARENA(arena);
}

/* The one in twenty that needs more is not paid for ever. */
TEST(arena_retention, one_huge_use_among_small_ones_is_forgotten) {
  lido_arena *arena = arena_with(NULL);
  size_t huge = (size_t)100 * MEBIBYTE / (testing_scaled(100) < 100 ? 10 : 1);
  for (int i = 0; i < 100; i++) one_use(arena, 8 * KIB);
  one_use(arena, huge);
  CHECK_LT(arena_stats(arena).reserved, MEBIBYTE);
  for (int i = 0; i < 1000; i++) one_use(arena, 8 * KIB);
  CHECK_LT(arena_stats(arena).reserved, 256 * KIB);
  lido_arena_destroy(arena);
}

TEST(arena_retention, a_first_use_that_is_huge_is_forgotten) {
  lido_arena *arena = arena_with(NULL);
  size_t huge = (size_t)100 * MEBIBYTE / (testing_scaled(100) < 100 ? 10 : 1);
  one_use(arena, huge);
  CHECK_LT(arena_stats(arena).reserved, MEBIBYTE);
  for (int i = 0; i < 1000; i++) one_use(arena, 8 * KIB);
  CHECK_LT(arena_stats(arena).reserved, 256 * KIB);
  lido_arena_destroy(arena);
}

TEST(arena_retention, one_huge_use_in_twenty_does_not_stay) {
  lido_arena *arena = arena_with(NULL);
  for (int i = 0; i < 2000; i++) one_use(arena, i % 40 == 7 ? 2 * MEBIBYTE : 8 * KIB);
  CHECK_LT(arena_stats(arena).reserved, 512 * KIB);
  CHECK_LT(arena_stats(arena).wanted, MEBIBYTE);
  lido_arena_destroy(arena);
}

/* Uses alike come to one block of the right size, and no more calls for memory. */
static void check_steady(size_t bytes, size_t rounds) {
  arena_source source;
  lido_backing *backing = arena_source_backing(&source);
  lido_arena *arena = arena_with(&(lido_arena_options){.backing = backing});
  for (size_t i = 0; i < rounds; i++) one_use(arena, bytes);
  size_t calls = source.calls;
  size_t releases = source.releases;
  for (size_t i = 0; i < 300; i++) {
    arena_use(arena, bytes, 64);
    CHECK_EQ(arena_stats(arena).blocks, 1);
    lido_arena_reset(arena);
    CHECK_ARENA(arena);
  }
  CHECK_EQ(source.calls, calls);
  CHECK_EQ(source.releases, releases);
  CHECK_GE(arena_stats(arena).reserved, bytes);
  CHECK_LE(arena_stats(arena).reserved, 8 * bytes + 8 * KIB);
  lido_arena_destroy(arena);
  arena_source_end(&source, backing);
}

TEST(arena_retention, steady_use_becomes_one_block_and_no_more_calls) {
  check_steady(100, 100);
  check_steady(8 * KIB, 100);
  check_steady(30 * KIB, 100);
  check_steady(100 * KIB, 300);
  check_steady(700 * KIB, 300);
}

TEST(arena_retention, use_that_falls_gives_memory_back) {
  lido_arena *arena = arena_with(NULL);
  for (int i = 0; i < 300; i++) one_use(arena, 700 * KIB);
  CHECK_GE(arena_stats(arena).reserved, 700 * KIB);
  for (int i = 0; i < 3000; i++) one_use(arena, KIB);
  CHECK_LT(arena_stats(arena).reserved, 64 * KIB);
  lido_arena_destroy(arena);
}

TEST(arena_retention, all_keeps_every_block_but_large_ones) {
  arena_source source;
  lido_backing *backing = arena_source_backing(&source);
  lido_arena *arena = arena_with(&(lido_arena_options){.backing = backing, .retain = LIDO_ARENA_RETAIN_ALL});
  arena_use(arena, 2 * MEBIBYTE, 64);
  uint64_t reserved = arena_stats(arena).reserved;
  arena_piece(arena, 100000, 1);
  lido_arena_reset(arena);
  CHECK_EQ(arena_stats(arena).reserved, reserved);
  size_t calls = source.calls;
  for (int i = 0; i < 100; i++) one_use(arena, i % 10 == 0 ? 2 * MEBIBYTE : 100);
  CHECK_EQ(source.calls, calls);
  CHECK_EQ(arena_stats(arena).reserved, reserved);
  lido_arena_destroy(arena);
  arena_source_end(&source, backing);
}

TEST(arena_retention, none_keeps_nothing) {
  lido_arena *arena = arena_with(&(lido_arena_options){.retain = LIDO_ARENA_RETAIN_NONE});
  CHECK_EQ(arena_stats(arena).wanted, 0);
  for (size_t i = 0; i < 200; i++) {
    arena_use(arena, i * 100 + 1, 64);
    CHECK_GT(arena_stats(arena).reserved, 0);
    lido_arena_reset(arena);
    if (i > 100) CHECK_ARENA(arena);
    CHECK_EQ(arena_stats(arena).reserved, 0);
  }
  lido_arena_destroy(arena);
}

TEST(arena_retention, so_many_bytes_are_kept_at_most) {
  for (size_t retain = 1; retain < MEBIBYTE; retain = retain * 5 + 1000) {
    lido_arena *arena = arena_with(&(lido_arena_options){.retain = retain});
    CHECK_EQ(arena_stats(arena).wanted, retain);
    for (size_t use = 1; use < 2 * MEBIBYTE; use = use * 3 + 100) {
      arena_use(arena, use, 64);
      uint64_t reserved = arena_stats(arena).reserved;
      lido_arena_reset(arena);
      CHECK_LE(arena_stats(arena).reserved, retain);
      if (reserved <= retain) CHECK_EQ(arena_stats(arena).reserved, reserved);
      CHECK_ARENA(arena);
    }
    lido_arena_destroy(arena);
  }
}

TEST(arena_retention, large_pieces_that_come_every_time_find_room_in_the_block) {
  lido_arena *arena = arena_with(NULL);
  uint64_t made = 0;
  for (int round = 0; round < 200; round++) {
    if (round == 100) made = arena_stats(arena).blocks_made;
    arena_piece(arena, 100, 1);
    arena_piece(arena, 200000, 2);
    lido_arena_reset(arena);
    CHECK_EQ(arena_stats(arena).large, 0);
    CHECK_LE(arena_stats(arena).reserved, 400000);
  }
  CHECK_EQ(arena_stats(arena).blocks_made, made);
  lido_arena_destroy(arena);
}

/* Nobody asked to have them kept, so they say nothing about what should be. */
TEST(arena_retention, large_pieces_go_at_every_reset) {
  static const size_t retains[] = {LIDO_ARENA_RETAIN_ALL, LIDO_ARENA_RETAIN_NONE, MEBIBYTE};
  for (size_t i = 0; i < 3; i++) {
    lido_arena *arena = arena_with(&(lido_arena_options){.retain = retains[i]});
    for (int round = 0; round < 100; round++) {
      arena_piece(arena, 100, 1);
      arena_piece(arena, 200000, 2);
      lido_arena_reset(arena);
      CHECK_EQ(arena_stats(arena).large, 0);
      CHECK_LE(arena_stats(arena).reserved, 8 * KIB);
    }
    lido_arena_destroy(arena);
  }
}

TEST(arena_retention, a_block_that_a_reset_kept_is_never_too_small_for_the_next_use) {
  lido_arena *arena = arena_with(NULL);
  for (size_t i = 0; i < 3000; i++) {
    size_t bytes = i * 7919 % 50000;
    arena_use(arena, bytes, 16);
    char *piece = arena_piece(arena, i * 31 % 16000, i);
    CHECK(objects_hold(piece, i * 31 % 16000, i));
    lido_arena_reset(arena);
    CHECK_ARENA(arena);
  }
  lido_arena_destroy(arena);
}

TEST(arena_retention, uses_that_took_the_short_way_count_too) {
  lido_arena *arena = arena_with(NULL);
  for (int i = 0; i < 100; i++) one_use(arena, 60 * KIB);
  CHECK_GE(arena_stats(arena).reserved, 60 * KIB);
  for (int i = 0; i < 5000; i++) {
    lido_arena_alloc(arena, 16);
    lido_arena_reset(arena);
  }
  CHECK_LT(arena_stats(arena).reserved, 40 * KIB);
  CHECK_EQ(arena_stats(arena).resets, 5100);
  lido_arena_destroy(arena);
}
