/* arena_errno_test.c: what succeeds leaves errno alone, and so does every call that returns nothing. */
#include "tests/support/arenas.h"

enum { STRANGE = 4242 };

/* Run `call` with a strange errno and see it again. */
#define KEEPS(call)                                                                       \
  do {                                                                                    \
    errno = STRANGE;                                                                      \
    call;                                                                                 \
    int testing_errno = errno;                                                            \
    if (testing_errno != STRANGE) TESTING_FAIL("%s left errno %d", #call, testing_errno); \
  } while (0)

static void use_pieces(lido_arena *arena) {
  char *piece = NULL;
  for (size_t bytes = 0; bytes < 60000; bytes = bytes * 2 + 10) {
    KEEPS(piece = lido_arena_alloc(arena, bytes));
    KEEPS(piece = lido_arena_realloc(arena, piece, bytes, bytes + 100));
    KEEPS(lido_arena_try_extend(arena, piece, bytes + 100, bytes + 1000000000));
    KEEPS(lido_arena_shrink(arena, piece, bytes + 100, bytes));
    KEEPS(lido_arena_alloc_aligned(arena, bytes, 64));
    KEEPS(lido_arena_calloc(arena, 3, bytes));
    KEEPS(lido_arena_alloc_array(arena, 3, bytes));
    KEEPS(lido_arena_owns(arena, piece));
    KEEPS(lido_arena_free(arena, piece, bytes));
    KEEPS(arena_stats(arena));
    KEEPS(lido_arena_check(arena));
  }
  CHECK(!lido_arena_failed(arena));
}

static void use_text(lido_arena *arena) {
  KEEPS(lido_arena_strdup(arena, "text"));
  KEEPS(lido_arena_strndup(arena, "text", 2));
  KEEPS(lido_arena_memdup(arena, "text", 4));
  KEEPS(lido_arena_printf(arena, "%d", 1));
  KEEPS(lido_arena_printf(arena, "%20000d", 1));
  lido_bytes row;
  KEEPS(row = lido_bytes_begin(arena, 100));
  for (int i = 0; i < 5000; i++) KEEPS(lido_bytes_add(&row, "text", 4));
  KEEPS(lido_bytes_printf(&row, "%10000d", 1));
  KEEPS(lido_bytes_room(&row, 50000));
  KEEPS(lido_bytes_end(&row));
}

static void do_nothing(void *arg) { (void)arg; }

static void use_everything(const lido_arena_options *options) {
  lido_arena *arena = NULL;
  KEEPS(arena = lido_arena_create(options));
  CHECK_NOT_NULL(arena);
  for (int round = 0; round < 3; round++) {
    lido_arena_mark mark;
    KEEPS(mark = lido_arena_mark_get(arena));
    use_pieces(arena);
    KEEPS(lido_arena_rewind(arena, mark));
    use_text(arena);
    KEEPS(lido_arena_on_reset(arena, do_nothing, NULL));
    KEEPS(lido_arena_cleanup_stop(lido_arena_cleanup_add(arena, do_nothing, NULL)));
    KEEPS(lido_arena_hand_over(arena));
    char *piece = arena_piece(arena, 500, 1);
    KEEPS(lido_arena_reset_keep(arena, piece, 500));
    KEEPS(lido_arena_reset(arena));
  }
  KEEPS(lido_arena_destroy(arena));
}

TEST(arena_errno, is_kept_by_every_call_that_succeeds) {
  arena_source source;
  lido_backing *backing = arena_source_backing(&source);
  use_everything(NULL);
  use_everything(&(lido_arena_options){.retain = LIDO_ARENA_RETAIN_NONE});
  use_everything(&(lido_arena_options){.reserve_bytes = 64 * MEBIBYTE});
  use_everything(&(lido_arena_options){.reserve_bytes = 64 * MEBIBYTE, .retain = LIDO_ARENA_RETAIN_NONE});
  use_everything(&(lido_arena_options){.flags = LIDO_ARENA_REUSE});
  use_everything(&(lido_arena_options){.flags = LIDO_ARENA_PASSTHROUGH});
  use_everything(&(lido_arena_options){.backing = lido_backing_pages()});
  use_everything(&(lido_arena_options){.backing = backing});
  arena_source_end(&source, backing);
}

TEST(arena_errno, is_kept_by_classes_and_scratch) {
  lido_arena_class *cls = NULL;
  KEEPS(cls = lido_arena_class_create(NULL));
  for (int i = 0; i < 200; i++) {
    lido_arena *arena = NULL;
    KEEPS(arena = lido_arena_acquire(cls));
    KEEPS(lido_arena_alloc(arena, (size_t)i * 100));
    KEEPS(lido_arena_release(arena));
    KEEPS(arena_class_stats(cls));
    lido_scratch scratch;
    KEEPS(scratch = lido_scratch_begin(NULL, 0));
    KEEPS(lido_arena_alloc(scratch.arena, (size_t)i * 100));
    KEEPS(lido_scratch_end(scratch));
  }
  KEEPS(lido_arena_trim());
  KEEPS(lido_arena_class_destroy(cls));
  KEEPS(lido_arena_idle_limit_set(0));
  KEEPS(lido_arena_passthrough_set(false));
}

TEST(arena_errno, is_kept_by_join_and_detach) {
  lido_budget *budget = NULL;
  KEEPS(budget = lido_budget_create(&(lido_budget_options){.hard_bytes = MEBIBYTE}));
  lido_arena *into = arena_with(&(lido_arena_options){.budget = budget});
  lido_arena *from = arena_with(&(lido_arena_options){.budget = budget});
  void *large = arena_piece(from, 100000, 1);
  CHECK_EQ(lido_arena_on_reset(from, do_nothing, NULL), 0);
  KEEPS(lido_arena_join(into, from));
  KEEPS(lido_arena_detach(into, large));
  KEEPS(lido_arena_detached_free(large));
  KEEPS(lido_arena_destroy(into));
  KEEPS(lido_budget_destroy(budget)); /* EBUSY is its result, not errno's */
  KEEPS(lido_arena_destroy(from));
  KEEPS(lido_budget_used(budget));
  KEEPS(lido_budget_destroy(budget));
}
