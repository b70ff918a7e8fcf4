/* arena_marks_test.c: places to come back to. */
#include "tests/support/arenas.h"

static void check_rewind(const lido_arena_options *options) {
  static arena_pieces pieces;
  pieces.count = 0;
  lido_arena *arena = arena_with(options);
  misuse_log log;
  misuse_log_start(&log);
  for (size_t i = 0; i < 30; i++) {
    arena_pieces_add(&pieces, arena, i * 37);
    lido_arena_mark mark = lido_arena_mark_get(arena);
    uint64_t used = arena_stats(arena).used;
    for (size_t j = 0; j < 40; j++) arena_piece(arena, j * 101, j);
    arena_piece(arena, 50000, 99);
    CHECK_ARENA(arena);
    lido_arena_rewind(arena, mark);
    CHECK_ARENA(arena);
    CHECK_EQ(arena_stats(arena).used, used);
    CHECK(arena_pieces_hold(&pieces, arena));
  }
  misuse_log_stop();
  CHECK_EQ(log.count, 0);
  lido_arena_destroy(arena);
}

TEST(arena_marks, what_was_taken_since_is_gone_and_the_rest_stays) {
  static _Alignas(16) char buffer[16 * KIB];
  check_rewind(NULL);
  check_rewind(&(lido_arena_options){.chunk_bytes = 256, .chunk_bytes_max = 256});
  check_rewind(&(lido_arena_options){.reserve_bytes = 16 * MEBIBYTE});
  check_rewind(&(lido_arena_options){.buffer = buffer, .buffer_bytes = sizeof buffer});
  check_rewind(&(lido_arena_options){.flags = LIDO_ARENA_REUSE});
  check_rewind(&(lido_arena_options){.flags = LIDO_ARENA_PASSTHROUGH});
}

TEST(arena_marks, memory_taken_since_is_used_again) {
  lido_arena *arena = arena_with(NULL);
  arena_piece(arena, 10, 1);
  lido_arena_mark mark = lido_arena_mark_get(arena);
  char *first = arena_piece(arena, 100, 2);
  lido_arena_rewind(arena, mark);
  CHECK_SAME(arena_piece(arena, 100, 3), first);
  lido_arena_destroy(arena);
}

TEST(arena_marks, a_mark_may_be_used_again_and_again) {
  lido_arena *arena = arena_with(NULL);
  arena_piece(arena, 100, 1);
  lido_arena_mark mark = lido_arena_mark_get(arena);
  uint64_t used = arena_stats(arena).used;
  for (int i = 0; i < 1000; i++) {
    arena_use(arena, (size_t)i * 20, 60);
    lido_arena_rewind(arena, mark);
    CHECK_EQ(arena_stats(arena).used, used);
  }
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_marks, a_mark_of_an_empty_arena_is_its_beginning) {
  lido_arena *arena = arena_with(NULL);
  lido_arena_mark mark = lido_arena_mark_get(arena);
  for (int i = 0; i < 10; i++) {
    arena_use(arena, 100 * KIB, 99);
    arena_piece(arena, 100000, 1);
    CHECK_ARENA(arena);
    lido_arena_rewind(arena, mark);
    CHECK_ARENA(arena);
    CHECK_EQ(arena_stats(arena).used, 0);
    CHECK_EQ(arena_stats(arena).large, 0);
  }
  CHECK_LT(arena_stats(arena).blocks_made, 30);
  lido_arena_destroy(arena);
}

enum { DEEP = 40 };

TEST(arena_marks, nest_deeper_than_their_ids_are_known) {
  lido_arena *arena = arena_with(&(lido_arena_options){.chunk_bytes = 256, .chunk_bytes_max = 1024});
  lido_arena_mark marks[DEEP];
  uint64_t used[DEEP];
  char *pieces[DEEP];
  for (size_t i = 0; i < DEEP; i++) {
    marks[i] = lido_arena_mark_get(arena);
    used[i] = arena_stats(arena).used;
    pieces[i] = arena_piece(arena, 10 + i * 9, i);
  }
  misuse_log log;
  misuse_log_start(&log);
  for (size_t i = DEEP; i-- > 0;) {
    for (size_t j = 0; j <= i; j++) CHECK(objects_hold(pieces[j], 10 + j * 9, j));
    lido_arena_rewind(arena, marks[i]);
    CHECK_EQ(arena_stats(arena).used, used[i]);
    lido_arena_rewind(arena, marks[i]);
    CHECK_ARENA(arena);
  }
  misuse_log_stop();
  CHECK_EQ(log.count, 0);
  lido_arena_destroy(arena);
}

TEST(arena_marks, an_outer_one_takes_the_inner_ones_with_it) {
  lido_arena *arena = arena_with(NULL);
  lido_arena_mark marks[DEEP];
  for (size_t i = 0; i < DEEP; i++) {
    marks[i] = lido_arena_mark_get(arena);
    arena_piece(arena, 300, i);
  }
  lido_arena_rewind(arena, marks[20]);
  lido_arena_rewind(arena, marks[3]);
  CHECK_ARENA(arena);
  misuse_log log;
  misuse_log_start(&log);
  for (size_t i = 4; i < DEEP; i++) {
    lido_arena_rewind(arena, marks[i]);
    CHECK_EQ(log.count, i - 3);
    CHECK_EQ(log.last.kind, LIDO_MISUSE_STALE_MARK);
    CHECK_ARENA(arena);
  }
  lido_arena_rewind(arena, marks[3]);
  lido_arena_rewind(arena, marks[0]);
  misuse_log_stop();
  CHECK_EQ(log.count, DEEP - 4);
  lido_arena_destroy(arena);
}

TEST(arena_marks, a_closed_mark_is_told_from_the_one_opened_in_its_place) {
  lido_arena *arena = arena_with(NULL);
  lido_arena_mark outer = lido_arena_mark_get(arena);
  lido_arena_mark closed = lido_arena_mark_get(arena);
  lido_arena_rewind(arena, outer);
  lido_arena_mark opened = lido_arena_mark_get(arena);
  misuse_log log;
  misuse_log_start(&log);
  lido_arena_rewind(arena, closed);
  CHECK_EQ(log.count, 1);
  lido_arena_rewind(arena, opened);
  misuse_log_stop();
  CHECK_EQ(log.count, 1);
  lido_arena_destroy(arena);
}

TEST(arena_marks, go_back_over_many_blocks) {
  lido_arena *arena = arena_with(&(lido_arena_options){.chunk_bytes = 256, .chunk_bytes_max = 256});
  enum { STEPS = 100 };
  static lido_arena_mark marks[STEPS];
  static uint64_t used[STEPS];
  for (int i = 0; i < STEPS; i++) {
    marks[i] = lido_arena_mark_get(arena);
    used[i] = arena_stats(arena).used;
    arena_use(arena, 200, 50);
  }
  uint64_t blocks = arena_stats(arena).blocks;
  for (int i = STEPS - 1; i >= 0; i -= 7) {
    lido_arena_rewind(arena, marks[i]);
    CHECK_EQ(arena_stats(arena).used, used[i]);
    CHECK_EQ(arena_stats(arena).blocks, blocks); /* they are kept */
    CHECK_ARENA(arena);
  }
  lido_arena_destroy(arena);
}

TEST(arena_marks, large_pieces_from_before_stay_and_later_ones_go) {
  lido_arena *arena = arena_with(NULL);
  char *before = arena_piece(arena, 30000, 1);
  lido_arena_mark mark = lido_arena_mark_get(arena);
  uint64_t large = arena_stats(arena).large;
  for (int i = 0; i < 10; i++) {
    arena_piece(arena, 40000, 2);
    lido_arena_free(arena, arena_piece(arena, 50000, 3), 50000);
    arena_piece(arena, 60000, 4);
    lido_arena_rewind(arena, mark);
    CHECK_EQ(arena_stats(arena).large, large);
    CHECK(objects_hold(before, 30000, 1));
    CHECK_ARENA(arena);
  }
  lido_arena_free(arena, before, 30000); /* from before the mark, so the mark still stands */
  misuse_log log;
  misuse_log_start(&log);
  lido_arena_rewind(arena, mark);
  misuse_log_stop();
  CHECK_EQ(log.count, 0);
  CHECK_EQ(arena_stats(arena).large, 0);
  lido_arena_destroy(arena);
}

TEST(arena_marks, what_grew_in_place_is_cut) {
  if (testing_on_valgrind()) return; /* there nothing grows over a mark */
  lido_arena *arena = arena_with(NULL);
  char *piece = arena_piece(arena, 16, 1);
  lido_arena_mark mark = lido_arena_mark_get(arena);
  CHECK(lido_arena_try_extend(arena, piece, 16, 160));
  lido_arena_rewind(arena, mark);
  CHECK(objects_hold(piece, 16, 1));
  char *next = arena_piece(arena, 16, 2);
  CHECK_LT(next, piece + 160);
  CHECK(objects_hold(piece, 16, 1));
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

/* The arena is then below the mark; that is no misuse. */
TEST(arena_marks, what_was_given_back_after_the_mark_may_be_from_before_it) {
  for (int shrinks = 0; shrinks < 2; shrinks++) {
    lido_arena *arena = arena_with(NULL);
    char *first = arena_piece(arena, 100, 1);
    char *piece = arena_piece(arena, 1000, 2);
    lido_arena_mark mark = lido_arena_mark_get(arena);
    if (shrinks) {
      lido_arena_shrink(arena, piece, 1000, 10);
    } else {
      lido_arena_free(arena, piece, 1000);
    }
    uint64_t used = arena_stats(arena).used;
    misuse_log log;
    misuse_log_start(&log);
    lido_arena_rewind(arena, mark);
    CHECK_ARENA(arena);
    CHECK_EQ(arena_stats(arena).used, used);
    arena_piece(arena, 500, 3);
    lido_arena_rewind(arena, mark);
    CHECK_ARENA(arena);
    misuse_log_stop();
    CHECK_EQ(log.count, 0);
    CHECK_LE(arena_stats(arena).used, used + 1000);
    CHECK(objects_hold(first, 100, 1));
    if (shrinks) CHECK(objects_hold(piece, 10, 2));
    lido_arena_destroy(arena);
  }
}

TEST(arena_marks, a_row_of_bytes_from_before_may_end_after) {
  lido_arena *arena = arena_with(NULL);
  lido_bytes row = lido_bytes_begin(arena, 1000);
  CHECK(lido_bytes_add(&row, "text", 4));
  lido_arena_mark mark = lido_arena_mark_get(arena);
  char *text = lido_bytes_end(&row);
  misuse_log log;
  misuse_log_start(&log);
  lido_arena_rewind(arena, mark);
  misuse_log_stop();
  CHECK_EQ(log.count, 0);
  CHECK_TEXT(text, "text");
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

/* ---- Clean-ups ---- */

TEST(arena_marks, clean_ups_since_run_newest_first_and_the_others_stay) {
  lido_arena *arena = arena_with(NULL);
  arena_trace trace = {.count = 0};
  arena_trace_add(arena, &trace, 'a');
  lido_arena_mark first = lido_arena_mark_get(arena);
  arena_trace_add(arena, &trace, 'b');
  arena_use(arena, 20000, 100);
  lido_arena_mark second = lido_arena_mark_get(arena);
  arena_trace_add(arena, &trace, 'c');
  arena_piece(arena, 50000, 1);
  arena_trace_add(arena, &trace, 'd');
  lido_arena_rewind(arena, second);
  CHECK_TEXT(trace.text, "dc");
  lido_arena_rewind(arena, second);
  CHECK_TEXT(trace.text, "dc");
  CHECK_EQ(arena_stats(arena).cleanups, 2);
  CHECK_ARENA(arena);
  lido_arena_rewind(arena, first);
  CHECK_TEXT(trace.text, "dcb");
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
  CHECK_TEXT(trace.text, "dcba");
}

/* A half-handled overflow sends wrong replies, so going back does not make it undone. */
TEST(arena_marks, a_failure_survives_a_rewind) {
  static _Alignas(16) char buffer[4096];
  lido_arena *arena =
      arena_with(&(lido_arena_options){.buffer = buffer, .buffer_bytes = sizeof buffer, .flags = LIDO_ARENA_FIXED});
  lido_arena_mark mark = lido_arena_mark_get(arena);
  CHECK(!lido_arena_failed(arena));
  CHECK_FAILS(lido_arena_alloc(arena, 5000), ENOMEM);
  lido_arena_rewind(arena, mark);
  CHECK(lido_arena_failed(arena));
  arena_piece(arena, 100, 1);
  CHECK(lido_arena_failed(arena));
  lido_arena_reset(arena);
  CHECK(!lido_arena_failed(arena));
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}
