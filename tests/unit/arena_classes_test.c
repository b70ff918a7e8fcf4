/* arena_classes_test.c: arenas that are acquired and released. */
#include "tests/support/arenas.h"

static lido_arena_class *class_with(const lido_arena_options *options) {
  lido_arena_class *cls = lido_arena_class_create(options);
  CHECK_NOT_NULL(cls);
  return cls;
}

static lido_arena *acquired(lido_arena_class *cls) {
  lido_arena *arena = lido_arena_acquire(cls);
  CHECK_NOT_NULL(arena);
  CHECK_ARENA(arena);
  CHECK_EQ(arena_stats(arena).used, 0);
  return arena;
}

static void check_counts(lido_arena_class *cls, uint64_t live, uint64_t idle, uint64_t acquires) {
  lido_arena_class_stats stats = arena_class_stats(cls);
  CHECK_EQ(stats.live, live);
  if (!testing_on_valgrind()) CHECK_EQ(stats.idle, idle); /* there every arena is a new one */
  CHECK_EQ(stats.acquires, acquires);
}

TEST(arena_classes, bad_options_are_refused) {
  static _Alignas(16) char buffer[4096];
  CHECK_FAILS(lido_arena_class_create(&(lido_arena_options){.buffer = buffer, .buffer_bytes = sizeof buffer}), EINVAL);
  lido_arena *parent = arena_with(NULL);
  CHECK_FAILS(lido_arena_class_create(&(lido_arena_options){.parent = parent}), EINVAL);
  lido_arena_destroy(parent);
  CHECK_FAILS(lido_arena_class_create(&(lido_arena_options){.chunk_bytes = 1}), EINVAL);
  CHECK_FAILS(lido_arena_class_create(&(lido_arena_options){.buffer_bytes = 4096}), EINVAL);
  CHECK_FAILS(lido_arena_class_create(&(lido_arena_options){.flags = 1u << 20}), EINVAL);
  CHECK_FAILS(lido_arena_class_create(&(lido_arena_options){.flags = LIDO_ARENA_FIXED}), EINVAL);
  CHECK_EQ(lido_arena_class_destroy(NULL), 0);
}

TEST(arena_classes, a_released_arena_comes_again) {
  lido_arena_class *cls = class_with(NULL);
  lido_arena *first = acquired(cls);
  for (int i = 0; i < 1000; i++) {
    lido_arena *arena = i == 0 ? first : acquired(cls);
    if (!testing_on_valgrind()) CHECK_SAME(arena, first);
    arena_use(arena, (size_t)i * 10, 100);
    if (i % 100 == 0) arena_piece(arena, 30000, 1);
    lido_arena_release(arena);
    check_counts(cls, 0, 1, (uint64_t)i + 1);
  }
  if (!testing_on_valgrind()) CHECK_EQ(arena_class_stats(cls).misses, 1);
  CHECK_EQ(lido_arena_class_destroy(cls), 0);
}

TEST(arena_classes, the_newest_comes_first) {
  lido_arena_class *cls = class_with(NULL);
  lido_arena *arenas[10];
  for (int i = 0; i < 10; i++) arenas[i] = acquired(cls);
  check_counts(cls, 10, 0, 10);
  for (int i = 0; i < 10; i++) lido_arena_release(arenas[i]);
  check_counts(cls, 0, 10, 10);
  for (int i = 9; i >= 0; i--) CHECK_SAME(acquired(cls), arenas[i]);
  check_counts(cls, 10, 0, 20);
  for (int i = 0; i < 10; i++) lido_arena_release(arenas[i]);
  CHECK_EQ(lido_arena_class_destroy(cls), 0);
}

TEST(arena_classes, have_the_name_and_options_of_the_class) {
  char name[] = "request";
  lido_arena_class *cls = class_with(&(lido_arena_options){.name = name, .max_bytes = 8 * KIB});
  memset(name, 'x', sizeof name - 1);
  lido_arena *arena = acquired(cls);
  CHECK_TEXT(lido_arena_name(arena), "request");
  CHECK_FAILS(lido_arena_alloc(arena, 9 * KIB), ENOMEM);
  lido_arena_release(arena);
  arena = acquired(cls);
  CHECK(!lido_arena_failed(arena));
  lido_arena_release(arena);
  CHECK_EQ(lido_arena_class_destroy(cls), 0);
}

TEST(arena_classes, a_release_runs_clean_ups) {
  lido_arena_class *cls = class_with(NULL);
  arena_trace trace = {.count = 0};
  for (int i = 0; i < 10; i++) {
    lido_arena *arena = acquired(cls);
    arena_trace_add(arena, &trace, 'b');
    arena_trace_add(arena, &trace, 'a');
    lido_arena_release(arena);
  }
  CHECK_TEXT(trace.text, "abababababababababab");
  CHECK_EQ(lido_arena_class_destroy(cls), 0);
}

TEST(arena_classes, releasing_none_is_allowed) { lido_arena_release(NULL); }

TEST(arena_classes, end_only_when_no_arena_is_out) {
  lido_arena_class *cls = class_with(NULL);
  lido_arena *first = acquired(cls);
  lido_arena *second = acquired(cls);
  CHECK_EQ(lido_arena_class_destroy(cls), EBUSY);
  lido_arena_release(first);
  CHECK_EQ(lido_arena_class_destroy(cls), EBUSY);
  lido_arena_destroy(second); /* that is allowed too */
  check_counts(cls, 0, 1, 2);
  CHECK_EQ(lido_arena_class_destroy(cls), 0);
}

TEST(arena_classes, the_first_block_is_what_was_learnt) {
  arena_source source;
  lido_backing *backing = arena_source_backing(&source);
  lido_arena_class *cls = class_with(&(lido_arena_options){.backing = backing});
  for (int i = 0; i < 200; i++) {
    lido_arena *arena = acquired(cls);
    arena_use(arena, 50 * KIB, 100);
    lido_arena_release(arena);
  }
  CHECK_GE(arena_class_stats(cls).wanted, 40 * KIB);
  CHECK_GE(arena_class_stats(cls).peak, 50 * KIB);
  lido_arena_trim();
  lido_arena *fresh = acquired(cls);
  arena_piece(fresh, 16, 1);
  CHECK_GE(arena_stats(fresh).reserved, 40 * KIB);
  CHECK_LE(arena_stats(fresh).reserved, 200 * KIB);
  arena_use(fresh, 40 * KIB, 100);
  CHECK_EQ(arena_stats(fresh).blocks, 1);
  lido_arena_release(fresh);
  CHECK_EQ(lido_arena_class_destroy(cls), 0);
  arena_source_end(&source, backing);
}

TEST(arena_classes, one_huge_request_teaches_little) {
  lido_arena_class *cls = class_with(NULL);
  for (int i = 0; i < 1000; i++) {
    lido_arena *arena = acquired(cls);
    arena_use(arena, i == 500 ? 10 * MEBIBYTE : 2 * KIB, 100);
    lido_arena_release(arena);
  }
  lido_arena_trim();
  lido_arena *fresh = acquired(cls);
  arena_piece(fresh, 16, 1);
  CHECK_LE(arena_stats(fresh).reserved, 32 * KIB);
  lido_arena_release(fresh);
  CHECK_GE(arena_class_stats(cls).peak, 10 * MEBIBYTE);
  CHECK_EQ(lido_arena_class_destroy(cls), 0);
}

TEST(arena_classes, resets_and_failures_are_reported) {
  lido_arena_class *cls = class_with(&(lido_arena_options){.max_bytes = 8 * KIB});
  for (int i = 0; i < 200; i++) {
    lido_arena *arena = acquired(cls);
    CHECK_FAILS(lido_arena_alloc(arena, 9 * KIB), ENOMEM);
    lido_arena_release(arena);
  }
  CHECK_EQ(arena_class_stats(cls).failures, 200);
  CHECK_EQ(arena_class_stats(cls).resets, 200);
  CHECK_EQ(lido_arena_class_destroy(cls), 0);
}

static void check_resets(const lido_arena_options *options) {
  lido_arena_class *cls = class_with(options);
  uint64_t resets = 0;
  for (uint64_t of_one = 0; of_one < 150; of_one += 1 + of_one / 4) {
    lido_arena *arena = acquired(cls);
    for (uint64_t i = 0; i < of_one; i++) {
      arena_piece(arena, 100, 1);
      lido_arena_reset(arena);
    }
    lido_arena_release(arena); /* a reset, too */
    resets += of_one + 1;
    CHECK_LE(arena_class_stats(cls).resets, resets);
    CHECK_GE(arena_class_stats(cls).resets + 64, resets);
    lido_arena_trim(); /* its end, which is none */
    CHECK_EQ(arena_class_stats(cls).resets, resets);
  }
  lido_arena *arena = acquired(cls);
  CHECK_NOT_NULL(lido_arena_reset_keep(arena, arena_piece(arena, 100, 1), 100));
  arena_piece(arena, 100, 1);
  lido_arena_destroy(arena);
  CHECK_EQ(arena_class_stats(cls).resets, resets + 1);
  CHECK_EQ(lido_arena_class_destroy(cls), 0);
}

TEST(arena_classes, resets_are_counted_and_ends_of_arenas_are_not) {
  check_resets(NULL);
  check_resets(&(lido_arena_options){.retain = LIDO_ARENA_RETAIN_NONE});
  check_resets(&(lido_arena_options){.flags = LIDO_ARENA_PASSTHROUGH});
}

/* ---- How much waits ---- */

TEST(arena_classes, a_trim_gives_idle_arenas_back) {
  int64_t before = 0;
  lido_arena_class *cls = class_with(NULL);
  for (int round = 0; round < 10; round++) {
    lido_arena *arenas[20];
    for (int i = 0; i < 20; i++) {
      arenas[i] = acquired(cls);
      arena_use(arenas[i], 4 * KIB, 100);
    }
    for (int i = 0; i < 20; i++) lido_arena_release(arenas[i]);
    uint64_t idle_bytes = arena_class_stats(cls).idle_bytes;
    CHECK_EQ(lido_arena_trim(), idle_bytes);
    CHECK_EQ(lido_arena_trim(), 0);
    check_counts(cls, 0, 0, 20 * ((uint64_t)round + 1));
    CHECK_EQ(arena_class_stats(cls).idle_bytes, 0);
    if (round == 3) before = objects_bytes_held();
  }
  CHECK_EQ(objects_bytes_held(), before);
  CHECK_EQ(lido_arena_class_destroy(cls), 0);
}

typedef struct limited_thread {
  lido_arena_class *cls;
  uint64_t idle_bytes;
  uint64_t idle;
} limited_thread;

static void *release_many(void *argument) {
  limited_thread *thread = argument;
  lido_arena *arenas[100];
  for (int i = 0; i < 100; i++) {
    arenas[i] = lido_arena_acquire(thread->cls);
    if (arenas[i] != NULL && lido_arena_alloc(arenas[i], 3000) == NULL) return NULL;
  }
  for (int i = 0; i < 100; i++) lido_arena_release(arenas[i]);
  lido_arena_class_stats stats = arena_class_stats(thread->cls);
  thread->idle_bytes = stats.idle_bytes;
  thread->idle = stats.idle;
  return NULL;
}

TEST(arena_classes, so_many_idle_bytes_wait_in_a_thread_at_most) {
  if (testing_on_valgrind()) return;
  lido_arena_class *cls = class_with(NULL);
  static const size_t limits[] = {1, 4 * KIB, 50 * KIB, 100 * KIB};
  for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
    lido_arena_idle_limit_set(limits[i]);
    limited_thread thread = {.cls = cls};
    objects_in_thread(release_many, &thread);
    CHECK_LE(thread.idle_bytes, limits[i]);
    CHECK_EQ(thread.idle, limits[i] / (4 * KIB));
  }
  lido_arena_idle_limit_set(0); /* the default */
  limited_thread thread = {.cls = cls};
  objects_in_thread(release_many, &thread);
  CHECK_EQ(thread.idle, 100);
  check_counts(cls, 0, 0, 500);
  CHECK_EQ(lido_arena_class_destroy(cls), 0);
}

TEST(arena_classes, there_may_be_a_thousand) {
  enum { CLASSES = 1000 };
  static lido_arena_class *classes[CLASSES];
  int64_t before = 0;
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < CLASSES; i++) classes[i] = class_with(NULL);
    for (int i = 0; i < CLASSES; i++) lido_arena_release(acquired(classes[i]));
    for (int i = 0; i < CLASSES; i++) {
      lido_arena *arena = acquired(classes[i]);
      arena_piece(arena, 10, 1);
      lido_arena_release(arena);
      check_counts(classes[i], 0, 1, 2);
    }
    for (int i = 0; i < CLASSES; i++) CHECK_EQ(lido_arena_class_destroy(classes[i]), 0);
    if (round == 1) before = objects_bytes_held();
  }
  CHECK_EQ(objects_bytes_held(), before);
}

TEST(arena_classes, more_than_there_are_numbers_for_are_refused_cleanly) {
  enum { CLASSES = 2000 };
  static lido_arena_class *classes[CLASSES];
  size_t made = 0;
  errno = 0;
  while (made < CLASSES && (classes[made] = lido_arena_class_create(NULL)) != NULL) made++;
  CHECK_GE(made, 1000);
  if (made < CLASSES) CHECK_EQ(errno, ENOMEM);
  while (made-- > 0) CHECK_EQ(lido_arena_class_destroy(classes[made]), 0);
  lido_arena_class *again = class_with(NULL);
  check_counts(again, 0, 0, 0);
  CHECK_EQ(lido_arena_class_destroy(again), 0);
}

TEST(arena_classes, every_kind_of_arena_can_be_released_and_acquired) {
  lido_budget *budget = lido_budget_create(&(lido_budget_options){.hard_bytes = 64 * MEBIBYTE});
  const lido_arena_options all[] = {
      {.reserve_bytes = MEBIBYTE},       {.flags = LIDO_ARENA_PASSTHROUGH},  {.flags = LIDO_ARENA_REUSE},
      {.retain = LIDO_ARENA_RETAIN_ALL}, {.retain = LIDO_ARENA_RETAIN_NONE}, {.retain = 3000, .budget = budget},
  };
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    lido_arena_class *cls = class_with(&all[i]);
    for (int round = 0; round < 100; round++) {
      lido_arena *arena = acquired(cls);
      void *piece = arena_piece(arena, 5000, 1);
      arena_piece(arena, 100, 1);
      lido_arena_free(arena, piece, 5000);
      lido_arena_mark_get(arena);
      CHECK_ARENA(arena);
      lido_arena_release(arena);
    }
    CHECK_EQ(lido_arena_class_destroy(cls), 0);
  }
  CHECK_EQ(lido_budget_used(budget), 0);
  CHECK_EQ(lido_budget_destroy(budget), 0);
}

TEST(arena_classes, a_class_on_a_backing_gives_everything_back) {
  arena_source source;
  lido_backing *backing = arena_source_backing(&source);
  lido_arena_class *cls = class_with(&(lido_arena_options){.backing = backing});
  CHECK_EQ(lido_backing_destroy(backing), EBUSY);
  for (int i = 0; i < 10; i++) {
    lido_arena *arena = acquired(cls);
    arena_use(arena, 10 * KIB, 100);
    lido_arena_release(arena);
  }
  CHECK_EQ(lido_arena_class_destroy(cls), 0);
  arena_source_end(&source, backing);
}

/* ---- Trimming ---- */

typedef struct trimmed {
  lido_arena_class *cls;
  size_t bytes;
} trimmed;

static void *trim_class(void *argument) {
  trimmed *t = argument;
  t->bytes = lido_arena_class_trim(t->cls);
  return NULL;
}

TEST(arena_classes, a_trim_takes_what_is_idle_here_at_once) {
  lido_arena_class *cls = class_with(NULL);
  lido_arena *arenas[3];
  for (int i = 0; i < 3; i++) arenas[i] = acquired(cls);
  for (int i = 0; i < 3; i++) arena_use(arenas[i], 10000, 100);
  for (int i = 0; i < 2; i++) lido_arena_release(arenas[i]);
  uint64_t idle_bytes = arena_class_stats(cls).idle_bytes;
  CHECK_EQ(lido_arena_class_trim(cls), idle_bytes);
  check_counts(cls, 1, 0, 3);
  lido_arena_release(arenas[2]); /* and then it keeps again */
  check_counts(cls, 0, 1, 3);
  CHECK_EQ(lido_arena_class_destroy(cls), 0);
}

TEST(arena_classes, a_trim_elsewhere_is_honoured_at_the_next_release) {
  trimmed t = {.cls = class_with(NULL)};
  lido_arena *arenas[3];
  for (int i = 0; i < 3; i++) arenas[i] = acquired(t.cls);
  for (int i = 0; i < 3; i++) arena_use(arenas[i], 10000, 100);
  for (int i = 0; i < 2; i++) lido_arena_release(arenas[i]);
  objects_in_thread(trim_class, &t);
  CHECK_EQ(t.bytes, 0);
  check_counts(t.cls, 1, 2, 3);
  lido_arena_release(arenas[2]);
  check_counts(t.cls, 0, 1, 3);
  lido_arena_release(acquired(t.cls));
  check_counts(t.cls, 0, 1, 4);
  CHECK_EQ(lido_arena_class_destroy(t.cls), 0);
}
