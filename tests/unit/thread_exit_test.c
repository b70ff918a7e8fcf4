/* thread_exit_test.c: what threads do with pools while they end: destructors of pthread keys, in all their rounds, some
 * of keys made before Lido's own and some after (but all called before it, os_test.c), run by threads that used the
 * pool before and by threads that did not.
 *
 * Criterion runs each test in a process of its own; there a key made first in a test is older than Lido's.
 */
#include <pthread.h>

#include "tests/support/objects.h"

/* ThreadSanitizer ends its own part of a thread in the last of four rounds, and nothing that it instruments can run
 * after that. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ROUNDS 2
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define ROUNDS 2
#elif !defined(ROUNDS)
#define ROUNDS 4
#endif

enum { BYTES = 128, LIMIT = 200 };

static lido_pool *pool;

static lido_pool *limited_pool(void) {
  return lido_pool_create(&(lido_pool_options){.object_size = BYTES, .max_objects = LIMIT});
}

/* ---- A key whose destructor uses the pool in chosen rounds ---- */

typedef struct exit_work {
  pthread_key_t key;
  int round;          /* that runs now, from 1 */
  bool uses[ROUNDS];  /* alloc and free in this round */
  void *late[ROUNDS]; /* objects to free in this round */
  size_t wrong;
} exit_work;

static void use_pool(exit_work *work) {
  void *objects[50];
  size_t got = lido_pool_alloc_batch(pool, objects, 50);
  work->wrong += got != 50;
  for (size_t i = 0; i < got; i++) objects_fill(objects[i], BYTES, i);
  for (size_t i = 0; i < got; i++) work->wrong += !objects_hold(objects[i], BYTES, i);
  for (size_t i = 0; i < got; i++) lido_pool_free(pool, objects[i]);
}

static void on_exit_round(void *value) {
  exit_work *work = value;
  int round = work->round++;
  if (work->late[round] != NULL) lido_pool_free(pool, work->late[round]);
  if (work->uses[round]) use_pool(work);
  if (work->round < ROUNDS) pthread_setspecific(work->key, work);
}

typedef struct exiting_thread {
  exit_work *works[2];
  bool uses_before;
} exiting_thread;

static void *exiting_thread_body(void *argument) {
  exiting_thread *thread = argument;
  if (thread->uses_before) use_pool(thread->works[0] != NULL ? thread->works[0] : thread->works[1]);
  for (int i = 0; i < 2; i++) {
    exit_work *work = thread->works[i];
    if (work == NULL) continue;
    for (int round = 0; round < ROUNDS; round++) {
      if (work->late[round] != NULL) work->late[round] = lido_pool_alloc(pool);
    }
    pthread_setspecific(work->key, work);
  }
  return NULL;
}

/* No cache is left of the thread, and all of the pool can be had again. */
static void check_all_back(void) {
  lido_pool_stats stats = objects_stats(pool);
  CHECK_EQ(stats.live, 0);
  lido_thread_flush();
  void *objects[LIMIT];
  size_t got = lido_pool_alloc_batch(pool, objects, LIMIT);
  lido_pool_free_batch(pool, objects, got);
  CHECK_EQ(got, LIMIT);
  CHECK_SOUND(pool);
  CHECK_LE(objects_stats(pool).thread_caches, 1); /* this thread's */
}

/* One thread with this work, in a key older than Lido's or younger. */
static void check_exit(bool uses_before, bool older, bool younger, unsigned use_rounds, unsigned late_rounds) {
  static void *const some_object = &pool; /* stands for an object that the thread will alloc */
  exit_work works[2];
  memset(works, 0, sizeof works);
  CHECK_EQ(pthread_key_create(&works[0].key, on_exit_round), 0);
  pool = limited_pool();
  CHECK_NOT_NULL(pool);
  lido_pool_free(pool, lido_pool_alloc(pool)); /* Lido's key is there now */
  CHECK_EQ(pthread_key_create(&works[1].key, on_exit_round), 0);
  for (int i = 0; i < 2; i++) {
    for (unsigned round = 0; round < ROUNDS; round++) {
      works[i].uses[round] = (use_rounds >> round & 1) != 0;
      if (late_rounds >> round & 1) works[i].late[round] = some_object;
    }
  }
  exiting_thread thread = {.uses_before = uses_before};
  if (older) thread.works[0] = &works[0];
  if (younger) thread.works[1] = &works[1];
  misuse_log log;
  misuse_log_start(&log);
  objects_in_thread(exiting_thread_body, &thread);
  objects_in_thread(exiting_thread_body, &(exiting_thread){.uses_before = false}); /* another, in the same stack */
  misuse_log_stop();
  CHECK_EQ(log.count, 0);
  CHECK_EQ(works[0].wrong + works[1].wrong, 0);
  CHECK_EQ(works[0].round, older ? ROUNDS : 0);
  CHECK_EQ(works[1].round, younger ? ROUNDS : 0);
  check_all_back();
  lido_pool_trim(pool); /* looks at every cache there is */
  CHECK_EQ(lido_pool_destroy(pool), 0);
  pthread_key_delete(works[0].key);
  pthread_key_delete(works[1].key);
}

TEST(thread_exit, objects_may_be_freed_in_every_round) {
  for (unsigned rounds = 1; rounds < 1u << ROUNDS; rounds++) {
    check_exit(true, true, false, 0, rounds);
    check_exit(true, false, true, 0, rounds);
    check_exit(true, true, true, 0, rounds);
  }
}

TEST(thread_exit, objects_may_be_allocated_in_every_round) {
  for (unsigned rounds = 1; rounds < 1u << ROUNDS; rounds++) {
    check_exit(true, true, false, rounds, 0);
    check_exit(true, false, true, rounds, 0);
    check_exit(true, true, true, rounds, rounds);
  }
}

TEST(thread_exit, a_pool_may_be_used_for_the_first_time_in_a_destructor) {
  for (unsigned rounds = 1; rounds < 1u << ROUNDS; rounds++) {
    check_exit(false, true, false, rounds, 0);
    check_exit(false, false, true, rounds, 0);
    check_exit(false, true, true, rounds, 0);
  }
}

/* ---- Bytes ---- */

static void *first_use_in_last_round(void *argument) {
  exit_work *work = argument;
  pthread_setspecific(work->key, work);
  return NULL;
}

TEST(thread_exit, threads_that_use_pools_only_while_they_end_leave_no_byte) {
  for (int round = 0; round < ROUNDS; round++) {
    pool = limited_pool();
    CHECK_NOT_NULL(pool);
    pthread_key_t key;
    CHECK_EQ(pthread_key_create(&key, on_exit_round), 0);
    int64_t before = 0;
    for (int i = 0; i < 300; i++) {
      exit_work work = {.key = key};
      work.uses[round] = true;
      objects_in_thread(first_use_in_last_round, &work);
      CHECK_EQ(work.wrong, 0);
      CHECK_EQ(objects_stats(pool).thread_caches, 0);
      if (i == 10) before = objects_bytes_held();
    }
    CHECK_EQ(objects_bytes_held(), before);
    pthread_key_delete(key);
    CHECK_EQ(lido_pool_destroy(pool), 0);
  }
}

static void *use_and_exit(void *argument) {
  (void)argument;
  lido_pool_free(pool, lido_pool_alloc(pool));
  return NULL;
}

TEST(thread_exit, many_short_threads_leave_no_byte) {
  pool = limited_pool();
  CHECK_NOT_NULL(pool);
  int64_t before = 0;
  size_t threads = testing_scaled(2000) + 20;
  for (size_t i = 0; i < threads; i++) {
    objects_in_thread(use_and_exit, NULL);
    if (i == 10) before = objects_bytes_held();
  }
  CHECK_EQ(objects_bytes_held(), before);
  CHECK_EQ(objects_stats(pool).frees, threads);
  CHECK_EQ(objects_stats(pool).thread_caches, 0);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

/* ---- Typed pools, whose caches lie in the thread itself ---- */

struct part {
  char bytes[100];
};

LIDO_POOL_DEFINE(exit_part, struct part)

enum { AT_EXIT = 20 }; /* objects */

typedef struct typed_work {
  pthread_key_t key;
  int round; /* that runs now, from 1 */
  int use_in;
} typed_work;

static void use_typed_at_exit(void *value) {
  typed_work *work = value;
  if (++work->round == work->use_in) {
    struct part *parts[AT_EXIT];
    for (int i = 0; i < AT_EXIT; i++) parts[i] = exit_part_alloc();
    for (int i = 0; i < AT_EXIT; i++) exit_part_free(parts[i]);
  }
  if (work->round < ROUNDS) pthread_setspecific(work->key, work);
}

static void *set_typed_work(void *argument) {
  typed_work *work = argument;
  pthread_setspecific(work->key, work);
  return NULL;
}

static void check_typed_exit(int use_in) {
  exit_part_free(exit_part_alloc());
  typed_work work;
  CHECK_EQ(pthread_key_create(&work.key, use_typed_at_exit), 0);
  for (int i = 0; i < 50; i++) {
    work.round = 0;
    work.use_in = use_in;
    objects_in_thread(set_typed_work, &work);
    lido_pool_trim(exit_part_pool()); /* looks at every cache there is */
    CHECK_EQ(objects_stats(exit_part_pool()).live, 0);
    CHECK_LE(objects_stats(exit_part_pool()).thread_caches, 1);
  }
  CHECK_SOUND(exit_part_pool());
  CHECK_EQ(lido_pool_destroy(exit_part_pool()), 0);
  pthread_key_delete(work.key);
}

TEST(thread_exit, typed_pools_may_be_used_in_destructors_too) {
  for (int round = 1; round < ROUNDS; round++) check_typed_exit(round);
}

TEST(thread_exit, typed_pools_may_be_used_for_the_first_time_in_the_last_round) { check_typed_exit(ROUNDS); }

/* ---- Destroy before exit ---- */

static void *use_destroy_exit(void *argument) {
  (void)argument;
  lido_pool *own = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
  if (own == NULL) return NULL;
  void *object = lido_pool_alloc(own);
  lido_pool_free(own, object);
  lido_pool_destroy(own);
  return object;
}

TEST(thread_exit, a_pool_may_end_before_the_thread_that_used_it) {
  pool = limited_pool();
  CHECK_NOT_NULL(pool);
  int64_t before = 0;
  for (int i = 0; i < 50; i++) {
    objects_in_thread(use_destroy_exit, NULL);
    if (i == 10) before = objects_bytes_held();
  }
  CHECK_EQ(objects_bytes_held(), before);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}
