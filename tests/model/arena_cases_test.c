/* arena_cases_test.c: what the random operations on arenas and a review found, one by one. */
#include "lido/arena.h"

#include <stdlib.h>

#include "tests/support/objects.h"

static lido_arena *arena_with(lido_arena_options options) {
  lido_arena *arena = lido_arena_create(&options);
  CHECK_NOT_NULL(arena);
  return arena;
}

static lido_arena_stats stats_of(const lido_arena *arena) {
  lido_arena_stats stats;
  lido_arena_stats_get(arena, &stats);
  return stats;
}

static void *filled(lido_arena *arena, size_t bytes, uint64_t stamp) {
  void *piece = lido_arena_alloc(arena, bytes);
  CHECK_NOT_NULL(piece);
  objects_fill(piece, bytes, stamp);
  return piece;
}

#define CHECK_ARENA(arena)                                      \
  do {                                                          \
    const char *cases_broken = lido_arena_check(arena);         \
    if (cases_broken != NULL) TESTING_FAIL("%s", cases_broken); \
  } while (0)

static void end(lido_arena *arena) {
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

/* ---- Marks ---- */

TEST(arena_cases, a_mark_is_good_when_the_piece_before_it_was_freed) {
  misuse_log log;
  lido_arena *arena = arena_with((lido_arena_options){0});
  void *kept = filled(arena, 100, 1);
  void *freed = lido_arena_alloc(arena, 100);
  lido_arena_mark mark = lido_arena_mark_get(arena);
  lido_arena_free(arena, freed, 100);
  misuse_log_start(&log);
  lido_arena_rewind(arena, mark);
  lido_arena_alloc(arena, 5000); /* another block */
  lido_arena_rewind(arena, mark);
  misuse_log_stop();
  CHECK_EQ(log.count, 0);
  CHECK(objects_hold(kept, 100, 1));
  end(arena);
}

/* ---- Join, then rewind: what was joined stays ---- */

static lido_arena *guest_with(void **piece, lido_arena_options options) {
  lido_arena *guest = arena_with(options);
  *piece = filled(guest, 200, 7);
  return guest;
}

static void check_that_a_rewind_keeps_the_joined(lido_arena_options options, size_t before, size_t after) {
  void *piece = NULL;
  lido_arena *arena = arena_with(options);
  lido_arena *guest = guest_with(&piece, options);
  if (before != 0) lido_arena_alloc(arena, before);
  lido_arena_mark mark = lido_arena_mark_get(arena);
  if (after != 0) lido_arena_alloc(arena, after);
  CHECK_EQ(lido_arena_join(arena, guest), 0);
  CHECK_ARENA(arena);
  lido_arena_rewind(arena, mark);
  for (int i = 0; i < 100; i++) filled(arena, 200, 8);
  CHECK(objects_hold(piece, 200, 7));
  CHECK(lido_arena_owns(arena, piece));
  lido_arena_mark_get(arena);
  lido_arena_reset(arena);
  CHECK_EQ(stats_of(arena).used, 0);
  end(arena);
  end(guest);
}

TEST(arena_cases, a_rewind_to_an_empty_arena_keeps_what_was_joined) {
  check_that_a_rewind_keeps_the_joined((lido_arena_options){0}, 0, 0);
  check_that_a_rewind_keeps_the_joined((lido_arena_options){0}, 0, 100);
}

TEST(arena_cases, a_rewind_to_an_older_block_keeps_what_was_joined) {
  check_that_a_rewind_keeps_the_joined((lido_arena_options){0}, 100, 4090);
  check_that_a_rewind_keeps_the_joined((lido_arena_options){.flags = LIDO_ARENA_REUSE}, 100, 4090);
}

TEST(arena_cases, a_rewind_keeps_joined_pieces_of_malloc) {
  check_that_a_rewind_keeps_the_joined((lido_arena_options){.flags = LIDO_ARENA_PASSTHROUGH}, 0, 100);
}

TEST(arena_cases, what_a_joined_arena_had_joined_comes_too) {
  void *piece = NULL;
  lido_arena *arena = arena_with((lido_arena_options){0});
  lido_arena *between = arena_with((lido_arena_options){0});
  lido_arena *guest = guest_with(&piece, (lido_arena_options){0});
  filled(arena, 10, 1);
  filled(between, 10, 1);
  CHECK_EQ(lido_arena_join(between, guest), 0);
  CHECK_EQ(lido_arena_join(arena, between), 0);
  CHECK_EQ(stats_of(between).used, 0);
  CHECK_EQ(stats_of(between).reserved, 0);
  char *kept = lido_arena_reset_keep(arena, piece, 200);
  CHECK(objects_hold(kept, 200, 7));
  end(between);
  end(guest);
  end(arena);
}

/* ---- Bytes that grow ---- */

TEST(arena_cases, bytes_that_failed_take_no_more_even_if_there_is_room) {
  lido_arena *arena = arena_with((lido_arena_options){0});
  lido_bytes bytes = lido_bytes_begin(arena, 0);
  CHECK(lido_bytes_add(&bytes, "ten bytes.", 10));
  CHECK(!lido_arena_failed(arena));
  CHECK_NULL(lido_bytes_room(&bytes, SIZE_MAX));
  CHECK(lido_arena_failed(arena));
  CHECK(!lido_bytes_add(&bytes, "x", 1));
  CHECK(!lido_bytes_add_byte(&bytes, 'x'));
  CHECK(!lido_bytes_add(&bytes, "", 0));
  CHECK(!lido_bytes_printf(&bytes, "x"));
  CHECK_EQ(bytes.count, 10);
  CHECK_TEXT(bytes.data, "ten bytes.");
  CHECK_NULL(lido_bytes_end(&bytes));
  end(arena);
}

TEST(arena_cases, bytes_that_get_just_enough_did_not_fail) {
  static char text[400];
  memset(text, 'a', sizeof text);
  lido_arena *arena = arena_with((lido_arena_options){.chunk_bytes = 512, .chunk_bytes_max = 4096, .max_bytes = 1360});
  lido_bytes bytes = lido_bytes_begin(arena, 0);
  lido_bytes_add(&bytes, text, sizeof text);
  filled(arena, 16, 1); /* it must move */
  errno = EXDEV;
  CHECK(lido_bytes_add(&bytes, text, 300));
  CHECK_EQ(errno, EXDEV);
  CHECK(!lido_arena_failed(arena));
  CHECK_EQ(stats_of(arena).failures, 0);
  end(arena);
}

/* ---- Errno ---- */

static void *allocate_little(size_t bytes, size_t align, void *context) {
  return bytes > *(size_t *)context ? NULL : aligned_alloc(align, (bytes + align - 1) / align * align);
}

static void release_little(void *block, size_t bytes, void *context) {
  (void)bytes;
  (void)context;
  free(block);
}

TEST(arena_cases, a_smaller_block_than_was_due_leaves_errno_alone) {
  size_t most = 1 << 16;
  lido_backing_functions functions = {.allocate = allocate_little, .release = release_little, .context = &most};
  lido_backing *backing = lido_backing_create(&functions);
  lido_arena *arena = arena_with((lido_arena_options){.backing = backing, .flags = LIDO_ARENA_REUSE});
  most = 1000;
  errno = EXDEV;
  void *piece = lido_arena_alloc(arena, 800);
  CHECK_NOT_NULL(piece);
  CHECK_EQ(errno, EXDEV);
  end(arena);
  CHECK_EQ(lido_backing_destroy(backing), 0);
}

/* ---- Retention ---- */

static void check_kept(lido_arena_options options, size_t bytes, size_t most) {
  lido_arena *arena = arena_with(options);
  for (int use = 0; use < 5; use++) {
    lido_arena_mark mark = lido_arena_mark_get(arena);
    CHECK_NOT_NULL(lido_arena_alloc(arena, bytes));
    if (use % 2 != 0) lido_arena_rewind(arena, mark);
    lido_arena_reset(arena);
    CHECK_LE(stats_of(arena).reserved, most);
    CHECK_ARENA(arena);
  }
  end(arena);
}

TEST(arena_cases, every_reset_keeps_what_the_caller_says) {
  check_kept((lido_arena_options){.retain = LIDO_ARENA_RETAIN_NONE}, 100, 0);
  check_kept((lido_arena_options){.retain = 1000}, 100, 1000);
  check_kept((lido_arena_options){.retain = 5000}, 3000, 5000);
  check_kept((lido_arena_options){.retain = 8000, .reserve_bytes = 1 << 20}, 100000, 3 * 4096);
}

TEST(arena_cases, a_class_keeps_what_the_caller_says) {
  lido_arena_class *cls = lido_arena_class_create(&(lido_arena_options){.retain = LIDO_ARENA_RETAIN_NONE});
  CHECK_NOT_NULL(cls);
  for (int use = 0; use < 5; use++) {
    lido_arena *arena = lido_arena_acquire(cls);
    CHECK_EQ(stats_of(arena).reserved, 0);
    CHECK_NOT_NULL(lido_arena_alloc(arena, 100));
    lido_arena_release(arena);
  }
  CHECK_EQ(lido_arena_class_destroy(cls), 0);
}

TEST(arena_cases, what_is_carried_over_is_more_than_is_kept) {
  lido_arena *arena = arena_with((lido_arena_options){.reserve_bytes = 1 << 20, .retain = LIDO_ARENA_RETAIN_NONE});
  filled(arena, 100, 1);
  char *piece = filled(arena, 100000, 2);
  piece = lido_arena_reset_keep(arena, piece, 100000);
  CHECK(objects_hold(piece, 100000, 2));
  CHECK_ARENA(arena);
  filled(arena, 100, 1);
  lido_arena_reset(arena);
  CHECK_LE(stats_of(arena).reserved, 4096);
  end(arena);
}

TEST(arena_cases, a_contiguous_arena_that_keeps_all) {
  lido_arena *arena = arena_with((lido_arena_options){.reserve_bytes = 1 << 20, .retain = LIDO_ARENA_RETAIN_ALL});
  for (int use = 0; use < 200; use++) {
    filled(arena, 200000, 1);
    lido_arena_reset(arena);
    CHECK_GE(stats_of(arena).reserved, 200000);
  }
  end(arena);
}

/* ---- Clean-ups that rewind ---- */

typedef struct rewinder {
  lido_arena *arena;
  lido_arena_mark *to; /* NULL: to one of its own */
} rewinder;

static void rewind_inside(void *argument) {
  rewinder *r = argument;
  lido_arena_mark mark = lido_arena_mark_get(r->arena);
  filled(r->arena, 5000, 1);
  lido_arena_rewind(r->arena, r->to != NULL ? *r->to : mark);
}

static void reset_inside(void *arena) { lido_arena_reset(arena); }

TEST(arena_cases, a_reset_in_a_clean_up_is_told_after_another_has_rewound) {
  misuse_log log;
  lido_arena *arena = arena_with((lido_arena_options){0});
  rewinder r = {.arena = arena};
  CHECK_EQ(lido_arena_on_reset(arena, reset_inside, arena), 0);
  CHECK_EQ(lido_arena_on_reset(arena, rewind_inside, &r), 0);
  misuse_log_start(&log);
  lido_arena_reset(arena);
  misuse_log_stop();
  CHECK_EQ(log.count, 1);
  CHECK_EQ(log.last.kind, LIDO_MISUSE_REENTRY);
  end(arena);
}

TEST(arena_cases, a_clean_up_may_rewind_further_than_the_rewind_that_runs_it) {
  lido_arena *arena = arena_with((lido_arena_options){0});
  lido_arena_mark outer = lido_arena_mark_get(arena);
  filled(arena, 4000, 1);
  filled(arena, 4000, 1);
  lido_arena_mark inner = lido_arena_mark_get(arena);
  rewinder r = {.arena = arena, .to = &outer};
  CHECK_EQ(lido_arena_on_reset(arena, rewind_inside, &r), 0);
  lido_arena_rewind(arena, inner);
  CHECK_EQ(stats_of(arena).used, 0);
  lido_arena_rewind(arena, outer);
  end(arena);
}

/* ---- Reuse ---- */

TEST(arena_cases, freed_pieces_of_every_size_come_again) {
  for (size_t bytes = 16; bytes < 16000; bytes += bytes / 2 - bytes / 2 % 16 + 16) {
    lido_arena *arena = arena_with((lido_arena_options){.flags = LIDO_ARENA_REUSE});
    void *piece = filled(arena, bytes, 1);
    void *other = filled(arena, bytes, 2);
    size_t used = stats_of(arena).used;
    for (int i = 0; i < 1000; i++) {
      lido_arena_free(arena, piece, bytes);
      piece = other;
      other = filled(arena, bytes, 3);
    }
    CHECK_EQ(stats_of(arena).used, used);
    end(arena);
  }
}

/* ---- Peak ---- */

TEST(arena_cases, the_peak_counts_what_was_given_back_at_once) {
  lido_arena *arena = arena_with((lido_arena_options){0});
  lido_arena_free(arena, filled(arena, 3000, 1), 3000);
  CHECK_GE(stats_of(arena).peak, 3000);
  lido_arena_free(arena, filled(arena, 50000, 1), 50000);
  CHECK_GE(stats_of(arena).peak, 50000);
  CHECK_NOT_NULL(lido_arena_alloc(arena, 60000));
  void *large = filled(arena, 60000, 1);
  lido_arena_detached_free(lido_arena_detach(arena, large));
  CHECK_GE(stats_of(arena).peak, 120000);
  end(arena);
}

/* ---- Join within limits ---- */

static void count_run(void *count) { ++*(int *)count; }

TEST(arena_cases, a_join_stays_within_the_limit_and_says_so) {
  int runs = 0;
  lido_arena_options options = {.max_bytes = 8200};
  lido_arena *arena = arena_with(options);
  lido_arena *guest = arena_with(options);
  CHECK_EQ(lido_arena_on_reset(guest, count_run, &runs), 0);
  CHECK_NOT_NULL(lido_arena_alloc(guest, 3500));
  CHECK_NOT_NULL(lido_arena_alloc(arena, 4030));
  CHECK_EQ(lido_arena_join(arena, guest), ENOMEM);
  CHECK(lido_arena_failed(arena));
  CHECK_LE(stats_of(arena).reserved, 8200);
  lido_arena_reset(arena);
  CHECK_EQ(runs, 0);
  end(guest);
  CHECK_EQ(runs, 1);
  end(arena);
}

TEST(arena_cases, a_join_counts_no_spare_blocks) {
  lido_arena_options options = {.max_bytes = 33000};
  lido_arena *arena = arena_with(options);
  lido_arena *guest = arena_with(options);
  filled(guest, 100, 1);
  lido_arena_mark mark = lido_arena_mark_get(guest);
  for (int i = 0; i < 5; i++) filled(guest, 2000, 1);
  lido_arena_rewind(guest, mark);
  for (int i = 0; i < 5; i++) filled(arena, 3500, 1);
  CHECK_EQ(lido_arena_join(arena, guest), 0);
  CHECK_EQ(stats_of(guest).reserved, 0);
  end(guest);
  end(arena);
}

TEST(arena_cases, a_parent_is_not_joined_to_its_child) {
  lido_arena *parent = arena_with((lido_arena_options){0});
  lido_arena *child = arena_with((lido_arena_options){.parent = parent});
  CHECK_EQ(lido_arena_join(child, parent), EINVAL);
  CHECK_EQ(lido_arena_join(parent, child), 0);
  end(parent);
}

/* ---- A reservation to its last byte ---- */

TEST(arena_cases, a_reservation_is_used_to_the_last_byte) {
  lido_arena *arena = arena_with((lido_arena_options){.reserve_bytes = 1 << 20});
  char *first = filled(arena, 16, 1);
#ifdef LIDO_ASAN
  size_t taken = 32; /* with a red zone */
#else
  size_t taken = 16;
#endif
  CHECK_NOT_NULL(lido_arena_alloc(arena, (1 << 20) - ((uintptr_t)first & 4095) - taken));
  CHECK_EQ(stats_of(arena).reserved, 1 << 20);
  end(arena);
}

/* ---- Budgets and classes ---- */

TEST(arena_cases, a_budget_outlives_the_classes_that_name_it) {
  lido_budget *budget = lido_budget_create(&(lido_budget_options){.hard_bytes = 1 << 20});
  lido_arena_class *cls = lido_arena_class_create(&(lido_arena_options){.budget = budget});
  CHECK_NOT_NULL(cls);
  CHECK_EQ(lido_budget_destroy(budget), EBUSY);
  CHECK_EQ(lido_arena_class_destroy(cls), 0);
  CHECK_EQ(lido_budget_destroy(budget), 0);
}

TEST(arena_cases, a_mark_of_a_released_arena_is_a_misuse) {
  misuse_log log;
  if (testing_on_valgrind()) return; /* nothing is kept there */
  lido_arena_class *cls = lido_arena_class_create(NULL);
  lido_arena *arena = lido_arena_acquire(cls);
  lido_arena_release(arena);
  misuse_log_start(&log);
  lido_arena_mark_get(arena);
  misuse_log_stop();
  CHECK_EQ(log.count, 1);
  CHECK_EQ(lido_arena_class_destroy(cls), 0);
}
