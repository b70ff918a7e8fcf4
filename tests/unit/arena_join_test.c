/* arena_join_test.c: one arena becomes a part of another. */
#include "tests/support/arenas.h"

static arena_pieces pieces;

static void fill(lido_arena *arena, size_t count, size_t step) {
  for (size_t i = 0; i < count; i++) arena_pieces_add(&pieces, arena, i * step % 5000);
}

static void join(lido_arena *into, lido_arena *from) {
  uint64_t resets = arena_stats(from).resets;
  errno = 4242;
  CHECK_EQ(lido_arena_join(into, from), 0);
  CHECK_EQ(errno, 4242);
  CHECK_ARENA(into);
  CHECK_ARENA(from);
  CHECK_EQ(arena_stats(from).used, 0);
  CHECK_EQ(arena_stats(from).large, 0);
  CHECK_EQ(arena_stats(from).cleanups, 0);
  CHECK_EQ(arena_stats(from).resets, resets);
  CHECK(!lido_arena_failed(from));
}

static void check_join(const lido_arena_options *options, size_t in_into, size_t in_from, size_t large) {
  pieces.count = 0;
  lido_arena *into = arena_with(options);
  lido_arena *from = arena_with(options);
  fill(into, in_into, 77);
  fill(from, in_from, 91);
  for (size_t i = 0; i < large; i++) arena_pieces_add(&pieces, i % 2 == 0 ? from : into, 20000 + i);
  uint64_t used = arena_stats(into).used + arena_stats(from).used;
  join(into, from);
  CHECK_EQ(arena_stats(into).used, used);
  CHECK(arena_pieces_hold(&pieces, into));
  fill(into, 100, 50);
  CHECK_ARENA(into);
  lido_arena_destroy(from);
  CHECK(arena_pieces_hold(&pieces, into));
  lido_arena_reset(into);
  CHECK_ARENA(into);
  CHECK_EQ(arena_stats(into).used, 0);
  CHECK_EQ(arena_stats(into).large, 0);
  lido_arena_destroy(into);
}

TEST(arena_join, pieces_live_on_in_the_other) {
  for (size_t into = 0; into < 200; into = into * 4 + 1) {
    for (size_t from = 0; from < 200; from = from * 4 + 1) {
      for (size_t large = 0; large < 4; large++) {
        check_join(NULL, into, from, large);
        check_join(&(lido_arena_options){.chunk_bytes = 256, .retain = LIDO_ARENA_RETAIN_ALL}, into, from, large);
        check_join(&(lido_arena_options){.flags = LIDO_ARENA_REUSE}, into, from, large);
        check_join(&(lido_arena_options){.flags = LIDO_ARENA_PASSTHROUGH}, into, from, large);
      }
    }
  }
}

TEST(arena_join, the_other_can_be_used_again_and_joined_again) {
  static const unsigned flags[] = {0, LIDO_ARENA_REUSE, LIDO_ARENA_PASSTHROUGH};
  for (size_t i = 0; i < 3; i++) {
    pieces.count = 0;
    lido_arena *into = arena_with(&(lido_arena_options){.flags = flags[i]});
    lido_arena *from = arena_with(&(lido_arena_options){.flags = flags[i]});
    for (size_t round = 0; round < 30; round++) {
      fill(from, round, 33);
      if (round % 4 == 0) arena_pieces_add(&pieces, from, 30000);
      join(into, from);
      fill(into, round / 2, 44);
      CHECK(arena_pieces_hold(&pieces, into));
    }
    lido_arena_destroy(from);
    CHECK(arena_pieces_hold(&pieces, into));
    lido_arena_destroy(into);
  }
}

TEST(arena_join, every_byte_comes_back_in_the_end) {
  arena_source source;
  lido_backing *backing = arena_source_backing(&source);
  lido_budget *budget = lido_budget_create(&(lido_budget_options){.hard_bytes = 100 * MEBIBYTE});
  lido_arena_options options = {.backing = backing, .budget = budget};
  pieces.count = 0;
  lido_arena *into = arena_with(&options);
  for (int i = 0; i < 20; i++) {
    lido_arena *from = arena_with(&options);
    fill(from, 50, 100);
    arena_pieces_add(&pieces, from, 70000);
    uint64_t reserved = arena_stats(into).reserved + arena_stats(from).reserved;
    join(into, from);
    CHECK_EQ(arena_stats(into).reserved + arena_stats(from).reserved, reserved);
    CHECK_EQ(lido_budget_used(budget), reserved);
    lido_arena_destroy(from);
  }
  lido_arena_destroy(into);
  CHECK_EQ(lido_budget_used(budget), 0);
  CHECK_EQ(lido_budget_destroy(budget), 0);
  arena_source_end(&source, backing);
}

/* ---- Clean-ups ---- */

TEST(arena_join, clean_ups_of_the_joined_run_first) {
  lido_arena *into = arena_with(NULL);
  lido_arena *from = arena_with(NULL);
  arena_trace trace = {.count = 0};
  arena_trace_add(into, &trace, 'a');
  arena_trace_add(into, &trace, 'b');
  arena_trace_add(from, &trace, 'x');
  lido_arena_cleanup *stopped = arena_trace_add(from, &trace, 'y');
  arena_trace_add(from, &trace, 'z');
  join(into, from);
  CHECK_EQ(trace.count, 0);
  arena_trace_add(into, &trace, 'c');
  lido_arena_cleanup_stop(stopped); /* its handle is still good */
  lido_arena_reset(from);
  CHECK_EQ(trace.count, 0);
  lido_arena_reset(into);
  CHECK_TEXT(trace.text, "czxba");
  CHECK_ARENA(into);
  lido_arena_destroy(from);
  lido_arena_destroy(into);
  CHECK_TEXT(trace.text, "czxba");
}

TEST(arena_join, children_of_the_joined_end_with_the_other) {
  lido_arena *into = arena_with(NULL);
  lido_arena *from = arena_with(NULL);
  arena_trace trace = {.count = 0};
  lido_arena *first = arena_with(&(lido_arena_options){.parent = from});
  lido_arena *second = arena_with(&(lido_arena_options){.parent = from});
  arena_trace_add(first, &trace, '1');
  arena_trace_add(second, &trace, '2');
  join(into, from);
  lido_arena_destroy(from);
  lido_arena_destroy(first);
  CHECK_TEXT(trace.text, "1");
  lido_arena_destroy(into);
  CHECK_TEXT(trace.text, "12");
}

/* ---- Marks ---- */

/* What came by a join after the mark stays until the reset. */
static void check_mark(const lido_arena_options *options, size_t before, size_t between, size_t behind) {
  pieces.count = 0;
  lido_arena *into = arena_with(options);
  lido_arena *from = arena_with(options);
  fill(into, before, 300);
  lido_arena_mark mark = lido_arena_mark_get(into);
  for (size_t i = 0; i < between; i++) arena_piece(into, i * 300 % 5000, i);
  fill(from, 30, 200);
  arena_pieces_add(&pieces, from, 30000);
  join(into, from);
  for (size_t round = 0; round < 3; round++) {
    for (size_t i = 0; i < behind; i++) arena_piece(into, i * 300 % 5000, i);
    lido_arena_rewind(into, mark);
    CHECK_ARENA(into);
    CHECK(arena_pieces_hold(&pieces, into));
  }
  fill(into, 50, 400);
  CHECK(arena_pieces_hold(&pieces, into));
  CHECK_ARENA(into);
  lido_arena_reset(into);
  CHECK_ARENA(into);
  CHECK_EQ(arena_stats(into).used, 0);
  lido_arena_destroy(from);
  lido_arena_destroy(into);
}

static void check_marks(const lido_arena_options *options) {
  for (size_t before = 0; before <= 40; before += 20) {
    for (size_t between = 0; between <= 40; between += 20) {
      for (size_t behind = 0; behind <= 40; behind += 20) check_mark(options, before, between, behind);
    }
  }
}

TEST(arena_join, a_rewind_keeps_what_was_joined_since) {
  check_marks(NULL);
  check_marks(&(lido_arena_options){.chunk_bytes = 1024, .chunk_bytes_max = 1024});
  check_marks(&(lido_arena_options){.flags = LIDO_ARENA_REUSE});
  check_marks(&(lido_arena_options){.flags = LIDO_ARENA_PASSTHROUGH});
}

TEST(arena_join, marks_of_both_stay_as_they_were) {
  pieces.count = 0;
  lido_arena *into = arena_with(NULL);
  lido_arena *from = arena_with(NULL);
  fill(into, 10, 100);
  lido_arena_mark mark = lido_arena_mark_get(into);
  fill(from, 10, 100);
  lido_arena_mark gone = lido_arena_mark_get(from);
  join(into, from);
  misuse_log log;
  misuse_log_start(&log);
  lido_arena_rewind(from, gone); /* it is empty, as after a reset */
  CHECK_EQ(log.count, 1);
  CHECK_EQ(log.last.kind, LIDO_MISUSE_STALE_MARK);
  lido_arena_rewind(into, mark);
  misuse_log_stop();
  CHECK_EQ(log.count, 1);
  CHECK(arena_pieces_hold(&pieces, into));
  lido_arena_destroy(from);
  lido_arena_destroy(into);
}

/* ---- What does not fit ---- */

TEST(arena_join, arenas_that_do_not_fit_are_refused) {
  static _Alignas(16) char buffer[4096];
  arena_source source;
  lido_backing *backing = arena_source_backing(&source);
  lido_budget *budget = lido_budget_create(&(lido_budget_options){.hard_bytes = MEBIBYTE});
  const lido_arena_options others[] = {
      {.buffer = buffer, .buffer_bytes = sizeof buffer},
      {.buffer = buffer, .buffer_bytes = sizeof buffer, .flags = LIDO_ARENA_FIXED},
      {.reserve_bytes = MEBIBYTE},
      {.backing = backing},
      {.budget = budget},
      {.flags = LIDO_ARENA_PASSTHROUGH},
  };
  lido_arena *plain = arena_with(NULL);
  char *mine = arena_piece(plain, 100, 1);
  CHECK_EQ(lido_arena_join(plain, plain), EINVAL);
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    lido_arena *other = arena_with(&others[i]);
    char *theirs = arena_piece(other, 100, 2);
    errno = 4242;
    CHECK_EQ(lido_arena_join(plain, other), EINVAL);
    CHECK_EQ(lido_arena_join(other, plain), EINVAL);
    CHECK_EQ(errno, 4242);
    CHECK(objects_hold(mine, 100, 1) && lido_arena_owns(plain, mine) && !lido_arena_owns(other, mine));
    CHECK(objects_hold(theirs, 100, 2) && lido_arena_owns(other, theirs) && !lido_arena_owns(plain, theirs));
    CHECK_ARENA(plain);
    CHECK_ARENA(other);
    lido_arena_destroy(other);
  }
  lido_arena_destroy(plain);
  CHECK_EQ(lido_budget_destroy(budget), 0);
  arena_source_end(&source, backing);
}

static void do_nothing(void *arg) { (void)arg; }

TEST(arena_join, a_join_beyond_the_limit_is_refused) {
  for (int with_cleanup = 0; with_cleanup < 2; with_cleanup++) {
    for (size_t most = 4 * KIB; most < 40 * KIB; most += 1000) {
      pieces.count = 0;
      lido_arena *into = arena_with(&(lido_arena_options){.max_bytes = most});
      lido_arena *from = arena_with(NULL);
      while (lido_arena_try_extend(into, lido_arena_alloc(into, 16), 16, 32)) continue;
      arena_pieces_add(&pieces, from, 3000);
      arena_pieces_add(&pieces, from, 5000);
      if (with_cleanup) CHECK_EQ(lido_arena_on_reset(from, do_nothing, NULL), 0);
      int error = lido_arena_join(into, from);
      CHECK(error == 0 || error == ENOMEM);
      CHECK_LE(arena_stats(into).reserved, most);
      CHECK(arena_pieces_hold(&pieces, error == 0 ? into : from));
      CHECK_ARENA(into);
      CHECK_ARENA(from);
      if (error != 0) CHECK_EQ(arena_stats(from).cleanups, with_cleanup);
      lido_arena_destroy(into);
      lido_arena_destroy(from);
    }
  }
}

TEST(arena_join, large_pieces_that_were_joined_can_be_given_back_and_detached) {
  lido_arena *into = arena_with(NULL);
  lido_arena *from = arena_with(NULL);
  char *first = arena_piece(from, 100000, 1);
  char *second = arena_piece(from, 100000, 2);
  char *third = arena_piece(from, 100000, 3);
  join(into, from);
  lido_arena_free(into, first, 100000);
  CHECK_ARENA(into);
  CHECK_SAME(lido_arena_detach(into, second), second);
  CHECK_FAILS(lido_arena_detach(from, third), EINVAL);
  CHECK_ARENA(into);
  third = lido_arena_realloc(into, third, 100000, 300000);
  CHECK(objects_hold(third, 100000, 3));
  CHECK_ARENA(into);
  lido_arena_destroy(from);
  lido_arena_destroy(into);
  CHECK(objects_hold(second, 100000, 2));
  lido_arena_detached_free(second);
}

TEST(arena_join, arenas_with_other_block_sizes_fit) {
  static const size_t sizes[] = {256, 4096, 65536, MEBIBYTE};
  for (size_t i = 0; i < 4; i++) {
    for (size_t j = 0; j < 4; j++) {
      pieces.count = 0;
      lido_arena *into = arena_with(&(lido_arena_options){.chunk_bytes_max = sizes[i], .flags = LIDO_ARENA_REUSE});
      lido_arena *from = arena_with(&(lido_arena_options){.chunk_bytes_max = sizes[j]});
      fill(from, 60, 700);
      arena_pieces_add(&pieces, from, 100000);
      join(into, from);
      for (size_t k = 0; k < pieces.count; k += 2) {
        lido_arena_free(into, pieces.items[k].data, pieces.items[k].bytes);
        pieces.items[k].bytes = 0;
        CHECK_ARENA(into);
      }
      for (size_t k = 0; k < 30; k++) arena_pieces_add(&pieces, into, k * 333);
      CHECK(arena_pieces_hold(&pieces, into));
      lido_arena_destroy(from);
      lido_arena_destroy(into);
    }
  }
}

TEST(arena_join, what_came_counts_for_the_peak_though_it_goes_again) {
  lido_arena_options options = {.flags = LIDO_ARENA_PASSTHROUGH};
  lido_arena *into = lido_arena_create(&options);
  lido_arena *from = lido_arena_create(&options);
  CHECK_NOT_NULL(lido_arena_alloc(into, 1000));
  void *piece = lido_arena_alloc(from, 2000);
  CHECK_EQ(lido_arena_join(into, from), 0);
  lido_arena_free(into, piece, 2000);
  lido_arena_stats stats;
  lido_arena_stats_get(into, &stats);
  CHECK_EQ(stats.used, 1000);
  CHECK_EQ(stats.peak, 3000);
  lido_arena_destroy(from);
  lido_arena_destroy(into);
}
