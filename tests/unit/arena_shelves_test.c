/* arena_shelves_test.c: classes used by several threads. */
#include <pthread.h>

#include "tests/support/arenas.h"

enum { THREADS = 4 };

static lido_arena_class *cls;
static pthread_barrier_t barrier;

static void begin(const lido_arena_options *options) {
  cls = lido_arena_class_create(options);
  CHECK_NOT_NULL(cls);
}

static void run_threads(void *(*body)(void *argument), size_t *wrong) {
  pthread_t threads[THREADS];
  CHECK_EQ(pthread_barrier_init(&barrier, NULL, THREADS), 0);
  for (int i = 0; i < THREADS; i++) CHECK_EQ(pthread_create(&threads[i], NULL, body, &wrong[i]), 0);
  for (int i = 0; i < THREADS; i++) CHECK_EQ(pthread_join(threads[i], NULL), 0);
  pthread_barrier_destroy(&barrier);
  for (int i = 0; i < THREADS; i++) CHECK_EQ(wrong[i], 0);
}

static size_t rounds(void) { return testing_scaled(5000) + 10; }

static void *serve(void *argument) {
  size_t *wrong = argument;
  pthread_barrier_wait(&barrier);
  for (size_t i = 0; i < rounds(); i++) {
    lido_arena *arena = lido_arena_acquire(cls);
    if (arena == NULL) {
      ++*wrong;
      continue;
    }
    size_t bytes = 1 + i * 37 % 6000;
    char *piece = lido_arena_alloc(arena, bytes);
    if (piece == NULL) {
      ++*wrong;
    } else {
      objects_fill(piece, bytes, i);
      *wrong += !objects_hold(piece, bytes, i);
    }
    if (i % 16 == 0) *wrong += lido_arena_check(arena) != NULL;
    lido_arena_release(arena);
    if (i % 512 == 0) lido_arena_trim();
    if (i % 64 == 0) (void)arena_class_stats(cls);
  }
  return NULL;
}

TEST(arena_shelves, statistics_are_exact_after_several_threads) {
  for (int round = 0; round < 2; round++) {
    begin(NULL);
    size_t wrong[THREADS] = {0};
    run_threads(serve, wrong);
    lido_arena_class_stats stats = arena_class_stats(cls);
    CHECK_EQ(stats.acquires, THREADS * rounds());
    CHECK_EQ(stats.live, 0);
    CHECK_EQ(stats.idle, 0); /* the threads are gone */
    CHECK_EQ(stats.idle_bytes, 0);
    CHECK_EQ(lido_arena_class_destroy(cls), 0);
  }
}

/* ---- Threads that end ---- */

static void *acquire_and_release(void *argument) {
  (void)argument;
  lido_arena *arenas[5];
  for (int i = 0; i < 5; i++) {
    arenas[i] = lido_arena_acquire(cls);
    if (arenas[i] != NULL) lido_arena_alloc(arenas[i], 3000);
  }
  for (int i = 0; i < 5; i++) lido_arena_release(arenas[i]);
  lido_scratch scratch = lido_scratch_begin(NULL, 0);
  if (scratch.arena != NULL) lido_arena_alloc(scratch.arena, 3000);
  lido_scratch_end(scratch);
  return NULL;
}

TEST(arena_shelves, a_thread_that_ends_gives_everything_back) {
  begin(NULL);
  int64_t before = 0;
  size_t threads = testing_scaled(300) + 20;
  for (size_t i = 0; i < threads; i++) {
    objects_in_thread(acquire_and_release, NULL);
    CHECK_EQ(arena_class_stats(cls).idle, 0);
    CHECK_EQ(arena_class_stats(cls).live, 0);
    CHECK_EQ(arena_class_stats(cls).acquires, 5 * (i + 1));
    if (i == 10) before = objects_bytes_held();
  }
  CHECK_EQ(objects_bytes_held(), before);
  CHECK_EQ(lido_arena_class_destroy(cls), 0);
}

/* ---- From one thread to another ---- */

static void *acquire_one(void *argument) {
  lido_arena *arena = lido_arena_acquire(cls);
  if (arena != NULL) objects_fill(lido_arena_alloc(arena, 5000), 5000, 1);
  *(lido_arena **)argument = arena;
  return NULL;
}

static void *release_one(void *argument) {
  lido_arena_release(argument);
  return NULL;
}

TEST(arena_shelves, an_arena_may_be_released_in_another_thread) {
  begin(NULL);
  misuse_log log;
  misuse_log_start(&log);
  for (int i = 0; i < 20; i++) {
    lido_arena *arena = NULL;
    objects_in_thread(acquire_one, &arena); /* whose thread is gone then */
    CHECK_NOT_NULL(arena);
    CHECK_EQ(arena_class_stats(cls).live, 1);
    CHECK_EQ(lido_arena_class_destroy(cls), EBUSY);
    lido_arena_release(arena);
    CHECK_EQ(arena_class_stats(cls).live, 0);
    lido_arena *here = lido_arena_acquire(cls);
    CHECK_NOT_NULL(here);
    arena_piece(here, 100, 2);
    objects_in_thread(release_one, here);
    CHECK_EQ(arena_class_stats(cls).live, 0);
  }
  misuse_log_stop();
  CHECK_EQ(log.count, 0);
  CHECK_EQ(lido_arena_class_destroy(cls), 0);
}

typedef struct passed_on {
  lido_arena *arena;
  bool right;
} passed_on;

static void *use_and_release(void *argument) {
  passed_on *passed = argument;
  void *piece = lido_arena_alloc(passed->arena, 200);
  passed->right = piece != NULL && lido_arena_check(passed->arena) == NULL;
  lido_arena_release(passed->arena);
  return NULL;
}

TEST(arena_shelves, an_arena_may_be_handed_over) {
  begin(NULL);
  misuse_log log;
  misuse_log_start(&log);
  for (int i = 0; i < 20; i++) {
    passed_on passed = {.arena = lido_arena_acquire(cls)};
    CHECK_NOT_NULL(passed.arena);
    arena_piece(passed.arena, 100, 1);
    lido_arena_hand_over(passed.arena);
    objects_in_thread(use_and_release, &passed);
    CHECK(passed.right);
  }
  misuse_log_stop();
  CHECK_EQ(log.count, 0);
  CHECK_EQ(lido_arena_class_destroy(cls), 0);
}

/* ---- A class that ends while threads have idle arenas of it ---- */

static void *wait_with_idle_arenas(void *argument) {
  size_t *wrong = argument;
  for (int i = 0; i < 5; i++) acquire_and_release(NULL);
  pthread_barrier_wait(&barrier); /* the class ends now */
  pthread_barrier_wait(&barrier);
  lido_arena *arena = lido_arena_acquire(cls); /* of the next class, with the same number perhaps */
  *wrong += arena == NULL || lido_arena_check(arena) != NULL;
  lido_arena_release(arena);
  return NULL;
}

TEST(arena_shelves, idle_arenas_of_other_threads_go_with_their_class) {
  begin(NULL);
  size_t wrong[THREADS] = {0};
  pthread_t threads[THREADS];
  CHECK_EQ(pthread_barrier_init(&barrier, NULL, THREADS + 1), 0);
  for (int i = 0; i < THREADS; i++) CHECK_EQ(pthread_create(&threads[i], NULL, wait_with_idle_arenas, &wrong[i]), 0);
  pthread_barrier_wait(&barrier);
  if (!testing_on_valgrind()) CHECK_EQ(arena_class_stats(cls).idle, THREADS * 5);
  CHECK_EQ(lido_arena_class_destroy(cls), 0);
  begin(NULL);
  CHECK_EQ(arena_class_stats(cls).idle, 0);
  pthread_barrier_wait(&barrier);
  for (int i = 0; i < THREADS; i++) CHECK_EQ(pthread_join(threads[i], NULL), 0);
  for (int i = 0; i < THREADS; i++) CHECK_EQ(wrong[i], 0);
  CHECK_EQ(arena_class_stats(cls).acquires, THREADS);
  CHECK_EQ(arena_class_stats(cls).live, 0);
  CHECK_EQ(lido_arena_class_destroy(cls), 0);
  pthread_barrier_destroy(&barrier);
}

/* ---- Destructors of the thread that come late ---- */

static pthread_key_t late_key;

typedef struct late_use {
  int round;
  int last;
  size_t wrong;
} late_use;

static void use_late(void *value) {
  late_use *use = value;
  lido_arena *arena = lido_arena_acquire(cls);
  use->wrong += arena == NULL || lido_arena_alloc(arena, 5000) == NULL;
  lido_scratch outer = lido_scratch_begin(NULL, 0);
  lido_scratch inner = lido_scratch_begin(&outer.arena, 1);
  use->wrong += outer.arena == NULL || inner.arena == NULL || inner.arena == outer.arena;
  use->wrong += lido_arena_alloc(inner.arena, 5000) == NULL;
  lido_scratch_end(inner);
  lido_scratch_end(outer);
  lido_arena_release(arena);
  if (++use->round < use->last) pthread_setspecific(late_key, use);
}

static void *exit_with_key(void *argument) {
  acquire_and_release(NULL);
  pthread_setspecific(late_key, argument);
  return NULL;
}

TEST(arena_shelves, destructors_of_a_thread_may_still_use_arenas) {
  begin(NULL);
  CHECK_EQ(pthread_key_create(&late_key, use_late), 0);
  int64_t before = 0;
  for (int i = 0; i < 40; i++) {
    late_use use = {.last = 1 + i % 2};
    objects_in_thread(exit_with_key, &use);
    CHECK_EQ(use.wrong, 0);
    CHECK_EQ(use.round, use.last);
    CHECK_EQ(arena_class_stats(cls).live, 0);
    if (i == 11) before = objects_bytes_held();
  }
  CHECK_EQ(objects_bytes_held(), before);
  pthread_key_delete(late_key);
  CHECK_EQ(lido_arena_class_destroy(cls), 0);
}
