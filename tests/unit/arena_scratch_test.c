/* arena_scratch_test.c: memory for the length of a function. */
#include "tests/support/arenas.h"

static lido_scratch begun(lido_arena *const *conflicts, size_t count) {
  lido_scratch scratch = lido_scratch_begin(conflicts, count);
  CHECK_NOT_NULL(scratch.arena);
  CHECK_ARENA(scratch.arena);
  return scratch;
}

TEST(arena_scratch, is_there_again_after_the_end) {
  lido_scratch first = begun(NULL, 0);
  lido_arena *arena = first.arena;
  lido_scratch_end(first);
  for (int i = 0; i < 500; i++) {
    lido_scratch scratch = begun(NULL, 0);
    CHECK_SAME(scratch.arena, arena);
    CHECK_EQ(arena_stats(arena).used, 0);
    arena_use(arena, (size_t)i * 100, 100);
    lido_scratch_end(scratch);
  }
  CHECK_ARENA(arena);
}

/* Each level of calls has its own part. */
static void nest(int depth) {
  lido_scratch scratch = begun(NULL, 0);
  uint64_t used = arena_stats(scratch.arena).used;
  char *mine = arena_piece(scratch.arena, 100 + (size_t)depth, (uint64_t)depth);
  if (depth > 0) {
    nest(depth - 1);
    nest(depth - 1);
  }
  CHECK(objects_hold(mine, 100 + (size_t)depth, (uint64_t)depth));
  CHECK_GT(arena_stats(scratch.arena).used, used);
  CHECK_ARENA(scratch.arena);
  lido_scratch_end(scratch);
}

TEST(arena_scratch, nests) { nest(7); }

TEST(arena_scratch, nests_deep) {
  lido_scratch all[60];
  char *pieces[60];
  for (size_t i = 0; i < 60; i++) {
    all[i] = begun(NULL, 0);
    pieces[i] = arena_piece(all[i].arena, 50, i);
  }
  for (size_t i = 60; i-- > 0;) {
    CHECK(objects_hold(pieces[i], 50, i));
    lido_scratch_end(all[i]);
  }
}

/* The result is for the caller, in an arena of the caller's; the draft is the function's. */
static char *joined_twice(lido_arena *out, const char *text) {
  lido_scratch scratch = begun(&out, 1);
  CHECK(scratch.arena != out);
  char *draft = lido_arena_printf(scratch.arena, "%s%s", text, text);
  char *result = lido_arena_printf(out, "[%s]", draft);
  lido_scratch_end(scratch);
  return result;
}

TEST(arena_scratch, is_not_the_arena_of_a_conflict) {
  lido_scratch outer = begun(NULL, 0);
  char *once = joined_twice(outer.arena, "ab");
  char *twice = joined_twice(outer.arena, once);
  CHECK_TEXT(once, "[abab]");
  CHECK_TEXT(twice, "[[abab][abab]]");
  lido_scratch_end(outer);
}

TEST(arena_scratch, grows_in_number_with_the_conflicts) {
  lido_arena *arenas[6];
  lido_scratch all[6];
  for (size_t i = 0; i < 6; i++) {
    all[i] = begun(arenas, i);
    arenas[i] = all[i].arena;
    for (size_t j = 0; j < i; j++) CHECK(arenas[j] != arenas[i]);
    arena_piece(arenas[i], 100, i);
  }
  for (size_t i = 6; i-- > 0;) lido_scratch_end(all[i]);
  lido_arena *own = arena_with(NULL); /* a conflict with an arena that is no scratch is none */
  lido_scratch scratch = begun(&own, 1);
  bool known = false;
  for (size_t i = 0; i < 6; i++) known = known || scratch.arena == arenas[i];
  CHECK(known);
  lido_scratch_end(scratch);
  lido_arena_destroy(own);
}

TEST(arena_scratch, runs_clean_ups_at_its_end) {
  arena_trace trace = {.count = 0};
  lido_scratch outer = begun(NULL, 0);
  arena_trace_add(outer.arena, &trace, 'a');
  lido_scratch inner = begun(NULL, 0);
  arena_trace_add(inner.arena, &trace, 'b');
  lido_scratch_end(inner);
  CHECK_TEXT(trace.text, "b");
  lido_scratch_end(outer);
  CHECK_TEXT(trace.text, "ba");
}

static void use_scratch(void *arg) {
  lido_scratch scratch = lido_scratch_begin(NULL, 0);
  memset(lido_arena_alloc(scratch.arena, 3000), 's', 3000);
  lido_scratch_end(scratch);
  ++*(size_t *)arg;
}

TEST(arena_scratch, may_be_used_in_a_clean_up_of_it) {
  size_t calls = 0;
  misuse_log log;
  misuse_log_start(&log);
  for (int i = 0; i < 10; i++) {
    lido_scratch scratch = begun(NULL, 0);
    CHECK_EQ(lido_arena_on_reset(scratch.arena, use_scratch, &calls), 0);
    CHECK_EQ(lido_arena_on_reset(scratch.arena, use_scratch, &calls), 0);
    lido_scratch_end(scratch);
  }
  misuse_log_stop();
  CHECK_EQ(log.count, 0);
  CHECK_EQ(calls, 20);
}

TEST(arena_scratch, keeps_by_the_rule_of_retention) {
  lido_scratch scratch = begun(NULL, 0);
  lido_arena *arena = scratch.arena;
  arena_use(arena, 20 * MEBIBYTE, 1000);
  lido_scratch_end(scratch);
  for (int i = 0; i < 1000; i++) {
    scratch = begun(NULL, 0);
    CHECK_SAME(scratch.arena, arena);
    arena_use(arena, 8 * KIB, 100);
    lido_scratch_end(scratch);
  }
  CHECK_LT(arena_stats(arena).reserved, 256 * KIB);
}

TEST(arena_scratch, a_trim_gives_unused_ones_back) {
  lido_arena_trim();
  lido_scratch outer = begun(NULL, 0);
  char *kept = arena_piece(outer.arena, 1000, 1);
  lido_scratch inner = begun(&outer.arena, 1);
  arena_use(inner.arena, 3000, 100);
  CHECK_EQ(lido_arena_trim(), 0); /* both are in use */
  lido_scratch_end(inner);
  CHECK_GT(lido_arena_trim(), 0);
  CHECK(objects_hold(kept, 1000, 1));
  lido_scratch again = begun(&outer.arena, 1);
  lido_scratch_end(again);
  lido_scratch_end(outer);
  lido_arena_trim();
  CHECK_EQ(lido_arena_trim(), 0);
}

TEST(arena_scratch, an_end_without_memory_does_nothing) {
  lido_scratch none = {0};
  lido_scratch_end(none);
}

TEST(arena_scratch, ends_in_the_wrong_order_are_a_misuse) {
  lido_scratch outer = begun(NULL, 0);
  lido_scratch inner = begun(NULL, 0);
  arena_piece(inner.arena, 10, 1);
  lido_scratch_end(outer);
  misuse_log log;
  misuse_log_start(&log);
  lido_scratch_end(inner);
  misuse_log_stop();
  CHECK_EQ(log.count, 1);
  CHECK_EQ(log.last.kind, LIDO_MISUSE_STALE_MARK);
  CHECK_ARENA(inner.arena);
  lido_scratch_end(begun(NULL, 0));
}

static void *use_in_thread(void *argument) {
  lido_scratch scratch = lido_scratch_begin(NULL, 0);
  *(lido_arena **)argument = scratch.arena;
  if (scratch.arena != NULL) lido_arena_alloc(scratch.arena, 50000);
  return NULL; /* without an end */
}

TEST(arena_scratch, is_the_threads_own_and_goes_with_it) {
  lido_scratch scratch = begun(NULL, 0);
  int64_t before = 0;
  for (int i = 0; i < 30; i++) {
    lido_arena *theirs = NULL;
    objects_in_thread(use_in_thread, &theirs);
    CHECK_NOT_NULL(theirs);
    CHECK(theirs != scratch.arena);
    if (i == 5) before = objects_bytes_held();
  }
  CHECK_EQ(objects_bytes_held(), before);
  lido_scratch_end(scratch);
}
