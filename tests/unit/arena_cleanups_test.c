/* arena_cleanups_test.c: functions that are called when memory goes. */
#include "tests/support/arenas.h"

TEST(arena_cleanups, run_newest_first_at_a_reset) {
  lido_arena *arena = arena_with(NULL);
  arena_trace trace = {.count = 0};
  for (char letter = 'a'; letter <= 'z'; letter++) {
    arena_trace_add(arena, &trace, letter);
    arena_use(arena, 1000, 100);
  }
  CHECK_EQ(arena_stats(arena).cleanups, 26);
  lido_arena_reset(arena);
  CHECK_TEXT(trace.text, "zyxwvutsrqponmlkjihgfedcba");
  CHECK_EQ(arena_stats(arena).cleanups, 0);
  CHECK_ARENA(arena);
  lido_arena_reset(arena);
  lido_arena_destroy(arena);
  CHECK_EQ(trace.count, 26);
}

TEST(arena_cleanups, run_when_the_arena_ends) {
  lido_arena *arena = arena_with(NULL);
  arena_trace trace = {.count = 0};
  arena_trace_add(arena, &trace, 'a');
  arena_trace_add(arena, &trace, 'b');
  lido_arena_destroy(arena);
  CHECK_TEXT(trace.text, "ba");
}

static void count_call(void *arg) { ++*(size_t *)arg; }

TEST(arena_cleanups, a_plain_one_needs_no_handle) {
  lido_arena *arena = arena_with(NULL);
  size_t calls = 0;
  errno = 4242;
  for (int i = 0; i < 1000; i++) CHECK_EQ(lido_arena_on_reset(arena, count_call, &calls), 0);
  CHECK_EQ(errno, 4242);
  CHECK_ARENA(arena);
  lido_arena_reset(arena);
  CHECK_EQ(calls, 1000);
  lido_arena_destroy(arena);
  CHECK_EQ(calls, 1000);
}

TEST(arena_cleanups, a_stopped_one_does_not_run) {
  lido_arena *arena = arena_with(NULL);
  arena_trace trace = {.count = 0};
  lido_arena_cleanup *handles[5];
  for (int i = 0; i < 5; i++) handles[i] = arena_trace_add(arena, &trace, (char)('a' + i));
  CHECK_EQ(lido_arena_cleanup_stop(handles[4]), LIDO_CLEANUP_STOPPED);
  CHECK_EQ(lido_arena_cleanup_stop(handles[1]), LIDO_CLEANUP_STOPPED);
  CHECK_EQ(lido_arena_cleanup_stop(handles[1]), LIDO_CLEANUP_NOT_FOUND); /* twice is once */
  CHECK_EQ(lido_arena_cleanup_stop(NULL), LIDO_CLEANUP_NOT_FOUND);
  CHECK_ARENA(arena);
  lido_arena_reset(arena);
  CHECK_TEXT(trace.text, "dca");
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_cleanups, without_memory_none_is_registered) {
  lido_arena *arena = arena_with(&(lido_arena_options){.max_bytes = 4 * KIB});
  size_t calls = 0;
  while (lido_arena_alloc(arena, 16) != NULL) continue;
  errno = 4242;
  CHECK_EQ(lido_arena_on_reset(arena, count_call, &calls), ENOMEM);
  CHECK_FAILS(lido_arena_cleanup_add(arena, count_call, &calls), ENOMEM);
  CHECK_EQ(arena_stats(arena).cleanups, 0);
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
  CHECK_EQ(calls, 0);
}

/* ---- From inside ---- */

typedef struct chain_of_calls {
  lido_arena *arena;
  size_t left;
  size_t calls;
  size_t wrong;
} chain_of_calls;

static void register_another(void *arg) {
  chain_of_calls *chain = arg;
  chain->calls++;
  char *piece = lido_arena_alloc(chain->arena, 3000); /* may need a block */
  chain->wrong += piece == NULL;
  if (piece != NULL) memset(piece, 'c', 3000);
  chain->wrong += lido_arena_check(chain->arena) != NULL;
  if (chain->left == 0) return;
  chain->left--;
  chain->wrong += lido_arena_on_reset(chain->arena, register_another, chain) != 0;
}

TEST(arena_cleanups, may_alloc_and_register_more_which_run_too) {
  lido_arena *arena = arena_with(NULL);
  for (int round = 0; round < 3; round++) {
    chain_of_calls chain = {.arena = arena, .left = 50};
    CHECK_EQ(lido_arena_on_reset(arena, register_another, &chain), 0);
    lido_arena_reset(arena);
    CHECK_EQ(chain.calls, 51);
    CHECK_EQ(chain.wrong, 0);
    CHECK_EQ(arena_stats(arena).used, 0);
    CHECK_ARENA(arena);
  }
  chain_of_calls last = {.arena = arena, .left = 50};
  CHECK_EQ(lido_arena_on_reset(arena, register_another, &last), 0);
  lido_arena_destroy(arena);
  CHECK_EQ(last.calls, 51);
}

TEST(arena_cleanups, may_do_so_at_a_rewind) {
  lido_arena *arena = arena_with(NULL);
  char *kept = arena_piece(arena, 100, 1);
  size_t calls = 0;
  CHECK_EQ(lido_arena_on_reset(arena, count_call, &calls), 0);
  lido_arena_mark mark = lido_arena_mark_get(arena);
  uint64_t used = arena_stats(arena).used;
  chain_of_calls chain = {.arena = arena, .left = 30};
  CHECK_EQ(lido_arena_on_reset(arena, register_another, &chain), 0);
  lido_arena_rewind(arena, mark);
  CHECK_EQ(chain.calls, 31);
  CHECK_EQ(chain.wrong, 0);
  CHECK_EQ(calls, 0);
  CHECK_EQ(arena_stats(arena).used, used);
  CHECK(objects_hold(kept, 100, 1));
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
  CHECK_EQ(calls, 1);
}

static void mark_and_rewind(void *arg) {
  lido_arena *arena = arg;
  lido_arena_mark mark = lido_arena_mark_get(arena);
  memset(lido_arena_alloc(arena, 5000), 'm', 5000);
  lido_arena_rewind(arena, mark);
}

static void reset_it(void *arg) { lido_arena_reset(arg); }

/* After a rewind inside a clean-up the others still run inside a reset. */
TEST(arena_cleanups, may_rewind_to_a_mark_of_their_own) {
  lido_arena *arena = arena_with(NULL);
  size_t calls = 0;
  CHECK_EQ(lido_arena_on_reset(arena, count_call, &calls), 0);
  CHECK_EQ(lido_arena_on_reset(arena, reset_it, arena), 0);
  CHECK_EQ(lido_arena_on_reset(arena, mark_and_rewind, arena), 0);
  misuse_log log;
  misuse_log_start(&log);
  lido_arena_reset(arena);
  misuse_log_stop();
  CHECK_EQ(log.count, 1);
  CHECK_EQ(log.last.kind, LIDO_MISUSE_REENTRY);
  CHECK_EQ(calls, 1);
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

static void stop_it(void *arg) { lido_arena_cleanup_stop(arg); }

TEST(arena_cleanups, may_stop_an_older_one) {
  lido_arena *arena = arena_with(NULL);
  size_t calls = 0;
  lido_arena_cleanup *older = lido_arena_cleanup_add(arena, count_call, &calls);
  CHECK_EQ(lido_arena_on_reset(arena, stop_it, older), 0);
  lido_arena_reset(arena);
  CHECK_EQ(calls, 0);
  lido_arena_destroy(arena);
}

typedef struct suicide {
  lido_arena_cleanup *own;
  lido_cleanup_outcome outcome;
} suicide;

static void stop_itself(void *arg) {
  suicide *s = arg;
  s->outcome = lido_arena_cleanup_stop(s->own);
}

TEST(arena_cleanups, can_not_stop_themselves) {
  lido_arena *arena = arena_with(NULL);
  lido_arena *joined = arena_with(NULL);
  suicide first = {.outcome = LIDO_CLEANUP_NOT_FOUND};
  suicide second = first;
  first.own = lido_arena_cleanup_add(arena, stop_itself, &first);
  second.own = lido_arena_cleanup_add(joined, stop_itself, &second);
  CHECK_EQ(lido_arena_join(arena, joined), 0);
  lido_arena_reset(arena);
  CHECK_EQ(first.outcome, LIDO_CLEANUP_RUNNING);
  CHECK_EQ(second.outcome, LIDO_CLEANUP_RUNNING);
  lido_arena_destroy(joined);
  lido_arena_destroy(arena);
}

static void leave_errno(void *arg) {
  (void)arg;
  errno = EXDEV;
}

TEST(arena_cleanups, do_not_change_errno_for_the_caller) {
  lido_arena *arena = arena_with(NULL);
  CHECK_EQ(lido_arena_on_reset(arena, leave_errno, NULL), 0);
  lido_arena_mark mark = lido_arena_mark_get(arena);
  CHECK_EQ(lido_arena_on_reset(arena, leave_errno, NULL), 0);
  errno = 4242;
  lido_arena_rewind(arena, mark);
  CHECK_EQ(errno, 4242);
  lido_arena_reset(arena);
  CHECK_EQ(errno, 4242);
  CHECK_EQ(lido_arena_on_reset(arena, leave_errno, NULL), 0);
  CHECK_NOT_NULL(lido_arena_reset_keep(arena, arena_piece(arena, 10, 1), 10));
  CHECK_EQ(errno, 4242);
  CHECK_EQ(lido_arena_on_reset(arena, leave_errno, NULL), 0);
  lido_arena_destroy(arena);
  CHECK_EQ(errno, 4242);
}

/* ---- Children ---- */

TEST(arena_cleanups, children_end_with_their_parent) {
  int64_t before = 0;
  for (int round = 0; round < 20; round++) {
    lido_arena *parent = arena_with(NULL);
    arena_trace trace = {.count = 0};
    arena_trace_add(parent, &trace, 'p');
    lido_arena *child = arena_with(&(lido_arena_options){.parent = parent});
    arena_trace_add(child, &trace, 'c');
    lido_arena *grandchild = arena_with(&(lido_arena_options){.parent = child});
    arena_trace_add(grandchild, &trace, 'g');
    arena_trace_add(parent, &trace, 'q');
    arena_use(grandchild, 100 * KIB, 100);
    lido_arena_destroy(parent);
    CHECK_TEXT(trace.text, "qgcp");
    if (round == 5) before = objects_bytes_held();
  }
  CHECK_EQ(objects_bytes_held(), before);
}

TEST(arena_cleanups, children_end_at_the_parents_reset_or_rewind) {
  lido_arena *parent = arena_with(NULL);
  arena_trace trace = {.count = 0};
  arena_trace_add(arena_with(&(lido_arena_options){.parent = parent}), &trace, 'a');
  lido_arena_mark mark = lido_arena_mark_get(parent);
  arena_trace_add(arena_with(&(lido_arena_options){.parent = parent}), &trace, 'b');
  lido_arena_rewind(parent, mark);
  CHECK_TEXT(trace.text, "b");
  lido_arena_reset(parent);
  CHECK_TEXT(trace.text, "ba");
  CHECK_ARENA(parent);
  lido_arena_destroy(parent);
  CHECK_TEXT(trace.text, "ba");
}

TEST(arena_cleanups, a_child_may_end_before_its_parent) {
  lido_arena *parent = arena_with(NULL);
  arena_trace trace = {.count = 0};
  lido_arena *children[10];
  for (int i = 0; i < 10; i++) {
    children[i] = arena_with(&(lido_arena_options){.parent = parent});
    arena_trace_add(children[i], &trace, (char)('0' + i));
  }
  lido_arena_destroy(children[3]);
  lido_arena_destroy(children[9]);
  lido_arena_destroy(children[0]);
  CHECK_TEXT(trace.text, "390");
  CHECK_ARENA(parent);
  lido_arena_destroy(parent);
  CHECK_TEXT(trace.text, "3908765421");
}

TEST(arena_cleanups, a_child_in_a_buffer_of_its_parents_is_possible) {
  lido_arena *parent = arena_with(NULL);
  char *buffer = lido_arena_alloc(parent, 8000);
  lido_arena *child = arena_with(&(lido_arena_options){.buffer = buffer, .buffer_bytes = 8000, .parent = parent});
  arena_use(child, 20000, 100);
  CHECK_ARENA(child);
  lido_arena_reset(parent);
  CHECK_ARENA(parent);
  lido_arena_destroy(parent);
}

TEST(arena_cleanups, a_child_that_its_parent_has_no_memory_for_is_not_made) {
  lido_arena *parent = arena_with(&(lido_arena_options){.max_bytes = 4 * KIB});
  while (lido_arena_alloc(parent, 16) != NULL) continue;
  int64_t before = objects_bytes_held();
  for (int i = 0; i < 20; i++) {
    CHECK_FAILS(lido_arena_create(&(lido_arena_options){.parent = parent}), ENOMEM);
    CHECK_FAILS(lido_arena_create(&(lido_arena_options){.parent = parent, .reserve_bytes = MEBIBYTE}), ENOMEM);
  }
  CHECK_EQ(objects_bytes_held(), before);
  CHECK_ARENA(parent);
  lido_arena_destroy(parent);
}
