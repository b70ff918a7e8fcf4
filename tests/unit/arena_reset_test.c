/* arena_reset_test.c: everything goes, or everything but one piece. */
#include "tests/support/arenas.h"

static void check_reset(const lido_arena_options *options) {
  static arena_pieces pieces;
  lido_arena *arena = arena_with(options);
  for (size_t round = 0; round < 200; round++) {
    pieces.count = 0;
    for (size_t i = 0; i < round % 7 * 20; i++) arena_pieces_add(&pieces, arena, i * round % 3000);
    if (round % 5 == 0) arena_pieces_add(&pieces, arena, 30000);
    CHECK(arena_pieces_hold(&pieces, arena));
    CHECK_ARENA(arena);
    lido_arena_reset(arena);
    CHECK_ARENA(arena);
    lido_arena_stats stats = arena_stats(arena);
    CHECK_EQ(stats.used, 0);
    CHECK_EQ(stats.large, 0);
    CHECK_EQ(stats.resets, round + 1);
    for (size_t i = 0; i < pieces.count; i++) CHECK(!lido_arena_owns(arena, pieces.items[i].data));
  }
  lido_arena_destroy(arena);
}

TEST(arena_reset, every_piece_is_gone) {
  static _Alignas(16) char buffer[32 * KIB];
  check_reset(NULL);
  check_reset(&(lido_arena_options){.retain = LIDO_ARENA_RETAIN_ALL});
  check_reset(&(lido_arena_options){.retain = LIDO_ARENA_RETAIN_NONE});
  check_reset(&(lido_arena_options){.retain = 10000});
  check_reset(&(lido_arena_options){.chunk_bytes = 256, .chunk_bytes_max = 256, .retain = LIDO_ARENA_RETAIN_ALL});
  check_reset(&(lido_arena_options){.reserve_bytes = 16 * MEBIBYTE});
  check_reset(&(lido_arena_options){.reserve_bytes = 16 * MEBIBYTE, .retain = LIDO_ARENA_RETAIN_ALL});
  check_reset(&(lido_arena_options){.reserve_bytes = 16 * MEBIBYTE, .retain = SIZE_MAX - 2});
  check_reset(&(lido_arena_options){.reserve_bytes = 16 * MEBIBYTE, .retain = LIDO_ARENA_RETAIN_NONE});
  check_reset(&(lido_arena_options){.buffer = buffer, .buffer_bytes = sizeof buffer});
  check_reset(&(lido_arena_options){.flags = LIDO_ARENA_REUSE});
  check_reset(&(lido_arena_options){.flags = LIDO_ARENA_PASSTHROUGH});
}

TEST(arena_reset, memory_stays_warm) {
  lido_arena *arena = arena_with(NULL);
  char *first = arena_piece(arena, 100, 1);
  for (int i = 0; i < 1000; i++) {
    lido_arena_reset(arena);
    CHECK_SAME(arena_piece(arena, 100, 1), first);
  }
  CHECK_EQ(arena_stats(arena).blocks_made, 1);
  lido_arena_destroy(arena);
}

TEST(arena_reset, every_mark_is_gone) {
  lido_arena *arena = arena_with(NULL);
  arena_piece(arena, 100, 1);
  lido_arena_mark mark = lido_arena_mark_get(arena);
  arena_piece(arena, 100, 2);
  lido_arena_reset(arena);
  misuse_log log;
  misuse_log_start(&log);
  lido_arena_rewind(arena, mark);
  lido_arena_mark later = lido_arena_mark_get(arena);
  lido_arena_rewind(arena, mark);
  lido_arena_rewind(arena, later);
  misuse_log_stop();
  CHECK_EQ(log.count, 2);
  CHECK_EQ(log.last.kind, LIDO_MISUSE_STALE_MARK);
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_reset, a_failure_is_forgotten) {
  lido_arena *arena = arena_with(NULL);
  for (int i = 0; i < 100; i++) {
    CHECK(!lido_arena_failed(arena));
    CHECK_FAILS(lido_arena_alloc(arena, SIZE_MAX), ENOMEM);
    CHECK(lido_arena_failed(arena));
    arena_piece(arena, 100, 1);
    CHECK(lido_arena_failed(arena));
    lido_arena_reset(arena);
  }
  CHECK_EQ(arena_stats(arena).failures, 100);
  lido_arena_destroy(arena);
}

/* ---- Reset that keeps a piece ---- */

static void check_kept(lido_arena *arena, const char *data, size_t bytes, uint64_t stamp) {
  char *kept = lido_arena_reset_keep(arena, data, bytes);
  CHECK_NOT_NULL(kept);
  CHECK_EQ((uintptr_t)kept % LIDO_ARENA_ALIGN, 0);
  CHECK(objects_hold(kept, bytes, stamp));
  CHECK(lido_arena_owns(arena, kept));
  CHECK(lido_arena_owns(arena, kept + bytes - 1));
  CHECK_ARENA(arena);
  CHECK_LE(arena_stats(arena).used, bytes + 256);
  CHECK_EQ(arena_stats(arena).cleanups, 0);
  char *next = arena_piece(arena, 1000, 77);
  CHECK(objects_hold(kept, bytes, stamp));
  CHECK(objects_hold(next, 1000, 77));
  arena_use(arena, 100000, 1000);
  CHECK(objects_hold(kept, bytes, stamp));
  CHECK_ARENA(arena);
  lido_arena_reset(arena);
  CHECK_ARENA(arena);
}

static void check_keeping(const lido_arena_options *options) {
  static const size_t sizes[] = {1, 15, 16, 100, 1000, 4000, 16000, 17000, 100000, 300000};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    for (size_t before = 0; before < 40000; before = before * 3 + 1000) {
      for (size_t behind = 0; behind < 40000; behind = behind * 3 + 1000) {
        lido_arena *arena = arena_with(options);
        arena_use(arena, before, 500);
        char *data = arena_piece(arena, sizes[i], i);
        arena_use(arena, behind, 500);
        check_kept(arena, data, sizes[i], i);
        lido_arena_destroy(arena);
      }
    }
  }
}

TEST(arena_reset, a_piece_may_be_carried_over) {
  static _Alignas(16) char buffer[32 * KIB];
  check_keeping(NULL);
  check_keeping(&(lido_arena_options){.chunk_bytes = 256, .chunk_bytes_max = 256});
  check_keeping(&(lido_arena_options){.retain = LIDO_ARENA_RETAIN_ALL});
  check_keeping(&(lido_arena_options){.retain = LIDO_ARENA_RETAIN_NONE});
  check_keeping(&(lido_arena_options){.buffer = buffer, .buffer_bytes = sizeof buffer});
  check_keeping(&(lido_arena_options){.flags = LIDO_ARENA_REUSE});
  check_keeping(&(lido_arena_options){.flags = LIDO_ARENA_PASSTHROUGH});
}

TEST(arena_reset, a_piece_of_a_contiguous_arena_may_be_carried_over) {
  check_keeping(&(lido_arena_options){.reserve_bytes = 16 * MEBIBYTE});
  check_keeping(&(lido_arena_options){.reserve_bytes = 16 * MEBIBYTE, .retain = LIDO_ARENA_RETAIN_ALL});
  check_keeping(&(lido_arena_options){.reserve_bytes = 16 * MEBIBYTE, .retain = LIDO_ARENA_RETAIN_NONE});
  check_keeping(&(lido_arena_options){.reserve_bytes = 16 * MEBIBYTE, .retain = 5000});
}

TEST(arena_reset, a_part_of_a_piece_may_be_carried_over) {
  static char expected[3000];
  objects_fill(expected, sizeof expected, 5);
  for (size_t from = 0; from < 3000; from += 111) {
    for (size_t bytes = 1; bytes <= 3000 - from; bytes += 333) {
      lido_arena *arena = arena_with(NULL);
      arena_piece(arena, 50, 1);
      char *data = arena_piece(arena, 3000, 5);
      char *kept = lido_arena_reset_keep(arena, data + from, bytes);
      CHECK_NOT_NULL(kept);
      CHECK_EQ(memcmp(kept, expected + from, bytes), 0);
      CHECK_ARENA(arena);
      lido_arena_destroy(arena);
    }
  }
}

TEST(arena_reset, what_overlaps_its_new_place_is_moved_rightly) {
  for (size_t shift = 16; shift < 400; shift += 16) {
    lido_arena *arena = arena_with(NULL);
    arena_piece(arena, shift, 1);
    check_kept(arena, arena_piece(arena, 2000, 2), 2000, 2);
    lido_arena_destroy(arena);
  }
}

TEST(arena_reset, pipelined_input_is_carried_over_for_ever) {
  lido_arena *arena = arena_with(NULL);
  char *rest = arena_piece(arena, 300, 8);
  for (int i = 0; i < 1000; i++) {
    arena_use(arena, (size_t)(i % 10) * 1000, 100);
    rest = lido_arena_reset_keep(arena, rest, 300);
    CHECK_NOT_NULL(rest);
    CHECK(objects_hold(rest, 300, 8));
    CHECK_ARENA(arena);
  }
  CHECK_EQ(arena_stats(arena).resets, 1000);
  CHECK_LT(arena_stats(arena).reserved, 64 * KIB);
  lido_arena_destroy(arena);
}

TEST(arena_reset, carrying_nothing_over_is_a_reset) {
  lido_arena *arena = arena_with(NULL);
  arena_piece(arena, 1000, 1);
  CHECK_NOT_NULL(lido_arena_reset_keep(arena, NULL, 0));
  CHECK_LE(arena_stats(arena).used, 16);
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_reset, clean_ups_run_and_marks_and_failures_go_when_something_is_kept) {
  lido_arena *arena = arena_with(NULL);
  arena_trace trace = {.count = 0};
  arena_trace_add(arena, &trace, 'a');
  char *data = arena_piece(arena, 100, 1);
  arena_trace_add(arena, &trace, 'b');
  lido_arena_mark mark = lido_arena_mark_get(arena);
  CHECK_FAILS(lido_arena_alloc(arena, SIZE_MAX), ENOMEM);
  CHECK(objects_hold(lido_arena_reset_keep(arena, data, 100), 100, 1));
  CHECK_TEXT(trace.text, "ba");
  CHECK(!lido_arena_failed(arena));
  misuse_log log;
  misuse_log_start(&log);
  lido_arena_rewind(arena, mark);
  misuse_log_stop();
  CHECK_EQ(log.count, 1);
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
  CHECK_EQ(trace.count, 2);
}

static void use_much(void *arg) { memset(lido_arena_alloc(arg, 5000), 'u', 5000); }

TEST(arena_reset, a_clean_up_that_allocs_does_not_disturb_what_is_kept) {
  lido_arena *arena = arena_with(NULL);
  for (int i = 0; i < 10; i++) CHECK_EQ(lido_arena_on_reset(arena, use_much, arena), 0);
  char *data = arena_piece(arena, 1000, 1);
  for (int i = 0; i < 10; i++) CHECK_EQ(lido_arena_on_reset(arena, use_much, arena), 0);
  check_kept(arena, data, 1000, 1);
  lido_arena_destroy(arena);
}

TEST(arena_reset, without_memory_to_keep_it_nothing_is_reset) {
  arena_source source;
  lido_backing *backing = arena_source_backing(&source);
  lido_arena *arena = arena_with(&(lido_arena_options){.backing = backing});
  arena_trace trace = {.count = 0};
  char *small = arena_piece(arena, 100, 1);
  arena_trace_add(arena, &trace, 'a');
  char *large = arena_piece(arena, 100000, 2);
  source.fails = true;
  CHECK_FAILS(lido_arena_reset_keep(arena, large, 100000), ENOMEM);
  CHECK(objects_hold(small, 100, 1));
  CHECK(objects_hold(large, 100000, 2));
  CHECK_EQ(trace.count, 0);
  CHECK_ARENA(arena);
  source.fails = false;
  check_kept(arena, large, 100000, 2);
  CHECK_TEXT(trace.text, "a");
  lido_arena_destroy(arena);
  arena_source_end(&source, backing);
}

/* The red zone behind what was kept counts as it does behind any piece. */
TEST(arena_reset, what_was_kept_is_not_taken_for_the_newest) {
  lido_arena *arena = lido_arena_create(&(lido_arena_options){.chunk_bytes = 256, .retain = LIDO_ARENA_RETAIN_NONE});
  for (size_t first = 1; first < 64; first++) {
    char *kept = lido_arena_reset_keep(arena, lido_arena_memdup(arena, "abcdefgh", 2), 2);
    char *moved = lido_arena_realloc(arena, kept, 2, first);
    CHECK_NOT_NULL(moved);
    memset(moved, 'm', first);
    char *next = lido_arena_alloc(arena, 32);
    memset(next, 'n', 32);
    for (size_t i = 0; i < first; i++) CHECK_EQ(moved[i], 'm');
    lido_arena_reset(arena);
  }
  lido_arena_destroy(arena);
}
