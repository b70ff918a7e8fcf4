/* arena_questions_test.c: what an arena says of itself. */
#include "tests/support/arenas.h"

#define COUNT_STATISTIC(name, kind, unit, text) +1
#define STATISTIC_TEXT(name, kind, unit, text) #name " " #kind " " #unit ": " text "\n"

TEST(arena_questions, the_lists_of_statistics_are_the_structures) {
  CHECK_EQ((0 LIDO_ARENA_STATISTICS(COUNT_STATISTIC)) * sizeof(uint64_t), sizeof(lido_arena_stats));
  CHECK_EQ((0 LIDO_ARENA_CLASS_STATISTICS(COUNT_STATISTIC)) * sizeof(uint64_t), sizeof(lido_arena_class_stats));
  static const char all[] = LIDO_ARENA_STATISTICS(STATISTIC_TEXT) LIDO_ARENA_CLASS_STATISTICS(STATISTIC_TEXT);
  CHECK_NOT_NULL(strstr(all, "blocks_made counter blocks: "));
  CHECK_NOT_NULL(strstr(all, "idle gauge arenas: "));
}

TEST(arena_questions, a_new_arena_has_nothing_to_tell) {
  lido_arena *arena = arena_with(NULL);
  lido_arena_stats stats = arena_stats(arena);
  CHECK_EQ(stats.used + stats.peak + stats.reserved + stats.large + stats.blocks + stats.resets, 0);
  CHECK_EQ(stats.slow + stats.blocks_made + stats.failures + stats.cleanups, 0);
  CHECK_GT(stats.wanted, 0);
  lido_arena_destroy(arena);
}

TEST(arena_questions, used_is_what_was_handed_out) {
  lido_arena *arena = arena_with(NULL);
  size_t asked = 0;
  for (size_t bytes = 0; bytes < 40000; bytes += 999) {
    arena_piece(arena, bytes, 1);
    asked += bytes;
    lido_arena_stats stats = arena_stats(arena);
    CHECK_GE(stats.used, asked);
    CHECK_LE(stats.used, stats.reserved);
    CHECK_LE(stats.large, stats.used);
    CHECK_GE(stats.peak, stats.used);
    CHECK_GE(stats.slow, stats.blocks);
    CHECK_EQ(stats.blocks, stats.blocks_made);
  }
  lido_arena_destroy(arena);
}

TEST(arena_questions, peak_is_the_most_of_any_use) {
  lido_arena *arena = arena_with(NULL);
  size_t most = 0;
  for (size_t i = 0; i < 300; i++) {
    size_t bytes = i * 7919 % 30000;
    arena_use(arena, bytes, 500);
    if (arena_stats(arena).used > most) most = arena_stats(arena).used;
    lido_arena_reset(arena);
    CHECK_EQ(arena_stats(arena).peak, most);
  }
  lido_arena_mark mark = lido_arena_mark_get(arena);
  arena_use(arena, 100000, 500);
  most = arena_stats(arena).used;
  lido_arena_rewind(arena, mark);
  CHECK_EQ(arena_stats(arena).peak, most);
  lido_arena_destroy(arena);
}

TEST(arena_questions, resets_are_counted_however_short) {
  lido_arena *arena = arena_with(NULL);
  for (size_t i = 1; i < 500; i++) {
    lido_arena_alloc(arena, i % 100 == 0 ? 50000 : 10);
    lido_arena_reset(arena);
    CHECK_EQ(arena_stats(arena).resets, i);
  }
  lido_arena_destroy(arena);
}

TEST(arena_questions, failures_are_counted) {
  lido_arena *arena = arena_with(&(lido_arena_options){.max_bytes = 4 * KIB});
  for (size_t i = 1; i < 50; i++) {
    CHECK_NULL(lido_arena_alloc(arena, 5000));
    CHECK_EQ(arena_stats(arena).failures, i);
    if (i % 7 == 0) lido_arena_reset(arena);
  }
  lido_arena_destroy(arena);
}

/* ---- Owns ---- */

static void check_owns(const lido_arena_options *options) {
  static char of_nobody[64];
  char on_stack = 0;
  lido_arena *arena = arena_with(options);
  lido_arena *other = arena_with(NULL);
  char *foreign = arena_piece(other, 1000, 1);
  for (size_t bytes = 1; bytes < 70000; bytes = bytes * 3 + 1) {
    char *piece = arena_piece(arena, bytes, 1);
    for (size_t at = 0; at < bytes; at += bytes / 5 + 1) CHECK(lido_arena_owns(arena, piece + at));
    CHECK(lido_arena_owns(arena, piece + bytes - 1));
    CHECK(!lido_arena_owns(other, piece));
  }
  CHECK(!lido_arena_owns(arena, foreign));
  CHECK(!lido_arena_owns(arena, NULL));
  CHECK(!lido_arena_owns(arena, &on_stack));
  CHECK(!lido_arena_owns(arena, of_nobody));
  for (uintptr_t address = 1; address != 0; address *= 2) {
    CHECK(!lido_arena_owns(arena, (const void *)(address - 1)));
    CHECK(!lido_arena_owns(arena, (const void *)~(address - 1)));
  }
  lido_arena_destroy(arena);
  lido_arena_destroy(other);
}

TEST(arena_questions, an_arena_owns_its_pieces_and_no_other_address) {
  check_owns(NULL);
  check_owns(&(lido_arena_options){.reserve_bytes = MEBIBYTE});
  check_owns(&(lido_arena_options){.flags = LIDO_ARENA_PASSTHROUGH});
  check_owns(&(lido_arena_options){.flags = LIDO_ARENA_REUSE});
}

TEST(arena_questions, memory_that_is_not_handed_out_is_not_owned) {
  lido_arena *arena = arena_with(NULL);
  char *piece = arena_piece(arena, 64, 1);
  CHECK(!lido_arena_owns(arena, piece + 200));
  CHECK(!lido_arena_owns(arena, piece - 1)); /* the block's header */
  CHECK(!lido_arena_owns(arena, arena));
  lido_arena_mark mark = lido_arena_mark_get(arena);
  char *later = arena_piece(arena, 10000, 2);
  char *large = arena_piece(arena, 50000, 3);
  lido_arena_rewind(arena, mark);
  CHECK(lido_arena_owns(arena, piece));
  CHECK(!lido_arena_owns(arena, later));
  CHECK(!lido_arena_owns(arena, large));
  lido_arena_reset(arena);
  CHECK(!lido_arena_owns(arena, piece));
  lido_arena_destroy(arena);
}
