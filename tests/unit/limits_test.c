/* limits_test.c: max_objects, and what happens when they are out. */
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/atomic.h"
#include "tests/support/objects.h"

static const size_t limits[] = {1, 2, 5, 63, 64, 65, 100, 255, 256, 1000, 4096};
enum { LIMITS = sizeof limits / sizeof limits[0], MOST = 4096, HANG_SECONDS = 30 };

static void *objects[MOST + 8];

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

TEST(limits, exactly_max_objects_are_handed_out) {
  for (size_t i = 0; i < LIMITS; i++) {
    lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 40, .align = 8, .max_objects = limits[i]});
    CHECK_NOT_NULL(pool);
    for (int round = 0; round < 3; round++) {
      for (size_t n = 0; n < limits[i]; n++) {
        objects[n] = lido_pool_alloc(pool);
        CHECK_NOT_NULL(objects[n]);
      }
      uint64_t exhausted = objects_stats(pool).exhausted;
      CHECK_FAILS(lido_pool_alloc(pool), ENOMEM);
      CHECK_EQ(objects_stats(pool).exhausted, exhausted + 1);
      CHECK_EQ(objects_stats(pool).live, limits[i]);
      lido_pool_free(pool, objects[limits[i] / 2]);
      objects[limits[i] / 2] = lido_pool_alloc(pool);
      CHECK_NOT_NULL(objects[limits[i] / 2]);
      CHECK_FAILS(lido_pool_alloc(pool), ENOMEM);
      for (size_t n = 0; n < limits[i]; n++) lido_pool_free(pool, objects[n]);
      if (round == 1) lido_pool_trim(pool);
    }
    CHECK_SOUND(pool);
    CHECK_EQ(lido_pool_destroy(pool), 0);
  }
}

TEST(limits, the_peak_reaches_the_limit_and_no_more) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 40, .max_objects = 1000});
  CHECK_NOT_NULL(pool);
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, MOST), 1000);
  CHECK_EQ(objects_stats(pool).peak, 1000);
  lido_pool_free_batch(pool, objects, 1000);
  CHECK_EQ(objects_stats(pool).peak, 1000);
  lido_pool_destroy(pool);
}

TEST(limits, a_fallback_hands_out_more_and_counts_them) {
  for (size_t i = 0; i < LIMITS; i++) {
    lido_pool *pool = lido_pool_create(&(lido_pool_options){
        .object_size = 40, .align = 8, .max_objects = limits[i], .on_exhausted = LIDO_EXHAUSTED_FALLBACK});
    CHECK_NOT_NULL(pool);
    for (size_t n = 0; n < limits[i] + 5; n++) {
      objects[n] = lido_pool_alloc(pool);
      CHECK_NOT_NULL(objects[n]);
      CHECK_EQ(objects_stats(pool).fallbacks, n < limits[i] ? 0 : n + 1 - limits[i]);
      objects_fill(objects[n], 40, n);
    }
    lido_pool_stats stats = objects_stats(pool);
    CHECK_EQ(stats.live, limits[i] + 5);
    CHECK_EQ(stats.fallbacks, 5);
    CHECK_EQ(stats.exhausted, 5);
    for (size_t n = 0; n < limits[i] + 5; n++) {
      CHECK(objects_hold(objects[n], 40, n));
      CHECK(lido_pool_owns(pool, objects[n]));
      lido_pool_free(pool, objects[n]);
    }
    CHECK_EQ(objects_stats(pool).live, 0);
    CHECK_SOUND(pool);
    CHECK_EQ(lido_pool_destroy(pool), 0);
  }
}

/* ---- Objects that another thread keeps ---- */

typedef struct keeper {
  lido_pool *pool;
  size_t count;
  pthread_barrier_t freed;
  pthread_barrier_t go_on;
} keeper;

static void *free_and_keep(void *argument) {
  keeper *k = argument;
  lido_pool_free_batch(k->pool, objects, k->count); /* to this thread's cache, as far as they fit */
  pthread_barrier_wait(&k->freed);
  pthread_barrier_wait(&k->go_on);
  lido_thread_flush();
  pthread_barrier_wait(&k->freed);
  pthread_barrier_wait(&k->go_on);
  return NULL;
}

TEST(limits, objects_in_another_threads_cache_are_out_until_it_flushes) {
  keeper k = {.count = 400};
  pthread_barrier_init(&k.freed, NULL, 2);
  pthread_barrier_init(&k.go_on, NULL, 2);
  k.pool = lido_pool_create(&(lido_pool_options){.object_size = 40, .max_objects = k.count});
  CHECK_NOT_NULL(k.pool);
  CHECK_EQ(lido_pool_alloc_batch(k.pool, objects, MOST), k.count);
  pthread_t thread;
  CHECK_EQ(pthread_create(&thread, NULL, free_and_keep, &k), 0);
  pthread_barrier_wait(&k.freed);
  size_t some = lido_pool_alloc_batch(k.pool, objects, MOST);
  bool bounded = some <= k.count;
  lido_pool_free_batch(k.pool, objects, some);
  lido_thread_flush();
  pthread_barrier_wait(&k.go_on);
  pthread_barrier_wait(&k.freed);
  size_t all = lido_pool_alloc_batch(k.pool, objects, MOST);
  lido_pool_free_batch(k.pool, objects, all);
  pthread_barrier_wait(&k.go_on);
  pthread_join(thread, NULL);
  CHECK(bounded);
  CHECK_EQ(all, k.count);
  CHECK_SOUND(k.pool);
  CHECK_EQ(lido_pool_destroy(k.pool), 0);
  pthread_barrier_destroy(&k.freed);
  pthread_barrier_destroy(&k.go_on);
}

static void *free_most_and_keep(void *argument) {
  keeper *k = argument;
  lido_pool_free_batch(k->pool, objects + 1, k->count - 1);
  pthread_barrier_wait(&k->freed);
  pthread_barrier_wait(&k->go_on); /* the other thread has met the limit */
  lido_pool_free(k->pool, objects[0]);
  pthread_barrier_wait(&k->freed);
  pthread_barrier_wait(&k->go_on);
  return NULL;
}

TEST(limits, a_thread_that_finds_none_asks_the_others_for_theirs) {
  if (testing_on_valgrind()) return; /* no caches */
  keeper k = {.count = 100};
  pthread_barrier_init(&k.freed, NULL, 2);
  pthread_barrier_init(&k.go_on, NULL, 2);
  k.pool = lido_pool_create(&(lido_pool_options){.object_size = 40, .max_objects = k.count});
  CHECK_NOT_NULL(k.pool);
  CHECK_EQ(lido_pool_alloc_batch(k.pool, objects, MOST), k.count);
  pthread_t thread;
  CHECK_EQ(pthread_create(&thread, NULL, free_most_and_keep, &k), 0);
  pthread_barrier_wait(&k.freed);
  static void *mine[MOST];
  size_t first = lido_pool_alloc_batch(k.pool, mine, MOST);
  pthread_barrier_wait(&k.go_on);
  pthread_barrier_wait(&k.freed); /* it freed one object, and with it gave back what it had cached */
  size_t more = lido_pool_alloc_batch(k.pool, mine + first, MOST - first);
  pthread_barrier_wait(&k.go_on);
  pthread_join(thread, NULL);
  CHECK_LT(first, k.count - 1); /* or there was nothing to ask for */
  CHECK_GE(first + more, k.count - 1);
  lido_pool_free_batch(k.pool, mine, first + more);
  CHECK_SOUND(k.pool);
  CHECK_EQ(lido_pool_destroy(k.pool), 0);
  pthread_barrier_destroy(&k.freed);
  pthread_barrier_destroy(&k.go_on);
}

/* ---- Waiting ---- */

static lido_pool *waiting_pool(size_t max_objects, uint64_t wait_ns) {
  return lido_pool_create(&(lido_pool_options){
      .object_size = 64, .max_objects = max_objects, .on_exhausted = LIDO_EXHAUSTED_WAIT, .wait_ns = wait_ns});
}

TEST(limits, a_wait_ends_no_sooner_than_its_time) {
  static const uint64_t waits[] = {1, 1000000, 20000000};
  for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
    lido_pool *pool = waiting_pool(2, waits[i]);
    CHECK_NOT_NULL(pool);
    CHECK_EQ(lido_pool_alloc_batch(pool, objects, 2), 2);
    uint64_t start = now_ns();
    CHECK_FAILS(lido_pool_alloc(pool), ENOMEM);
    CHECK_GE(now_ns() - start, waits[i]);
    CHECK_EQ(objects_stats(pool).waits, 1);
    CHECK_EQ(objects_stats(pool).exhausted, 1);
    lido_pool_free_batch(pool, objects, 2);
    CHECK_NOT_NULL(objects[0] = lido_pool_alloc(pool));
    lido_pool_free(pool, objects[0]);
    CHECK_SOUND(pool);
    CHECK_EQ(lido_pool_destroy(pool), 0);
  }
}

TEST(limits, waiting_for_no_time_fails_at_once) {
  lido_pool *pool = waiting_pool(1, 0);
  CHECK_NOT_NULL(pool);
  void *object = lido_pool_alloc(pool);
  CHECK_FAILS(lido_pool_alloc(pool), ENOMEM);
  lido_pool_free(pool, object);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(limits, a_batch_waits_for_what_is_missing) {
  lido_pool *pool = waiting_pool(2, 1000000);
  CHECK_NOT_NULL(pool);
  errno = 0;
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, 3), 2);
  CHECK_EQ(errno, ENOMEM);
  CHECK_EQ(objects_stats(pool).waits, 1);
  lido_pool_free_batch(pool, objects, 2);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

typedef struct waiter {
  lido_pool *pool;
  void *object;
} waiter;

static void *wait_for_one(void *argument) {
  waiter *w = argument;
  w->object = lido_pool_alloc(w->pool);
  return NULL;
}

TEST(limits, a_free_in_another_thread_wakes_the_waiter) {
  waiter w = {.pool = waiting_pool(1, UINT64_MAX)};
  CHECK_NOT_NULL(w.pool);
  void *only = lido_pool_alloc(w.pool);
  CHECK_NOT_NULL(only);
  pthread_t thread;
  alarm(HANG_SECONDS);
  CHECK_EQ(pthread_create(&thread, NULL, wait_for_one, &w), 0);
  while (objects_stats(w.pool).waits == 0) sched_yield(); /* until it waits */
  lido_pool_free(w.pool, only);
  pthread_join(thread, NULL);
  alarm(0);
  CHECK_SAME(w.object, only);
  lido_pool_free(w.pool, w.object);
  CHECK_EQ(lido_pool_destroy(w.pool), 0);
}

/* The slab of the object that was freed may go back before the waiter has looked: then the pool must grow again. */
TEST(limits, a_waiter_is_served_though_the_slab_went_back) {
  for (size_t round = 0; round < testing_scaled(200); round++) {
    waiter w = {.pool = lido_pool_create(&(lido_pool_options){.object_size = 4096,
                                                              .max_objects = 1,
                                                              .on_exhausted = LIDO_EXHAUSTED_WAIT,
                                                              .wait_ns = UINT64_MAX,
                                                              .retain_bytes = 1})};
    CHECK_NOT_NULL(w.pool);
    void *only = lido_pool_alloc(w.pool);
    CHECK_NOT_NULL(only);
    pthread_t thread;
    alarm(HANG_SECONDS);
    CHECK_EQ(pthread_create(&thread, NULL, wait_for_one, &w), 0);
    while (objects_stats(w.pool).waits == 0) sched_yield();
    lido_pool_free(w.pool, only);
    lido_pool_trim(w.pool);
    pthread_join(thread, NULL);
    alarm(0);
    CHECK_NOT_NULL(w.object);
    lido_pool_free(w.pool, w.object);
    CHECK_EQ(lido_pool_destroy(w.pool), 0);
  }
}

typedef struct contender {
  lido_pool *pool;
  size_t rounds;
  size_t failures;
} contender;

static void *take_and_give(void *argument) {
  contender *c = argument;
  for (size_t i = 0; i < c->rounds; i++) {
    void *object = lido_pool_alloc(c->pool);
    if (object == NULL) {
      c->failures++;
    } else {
      lido_pool_free(c->pool, object);
    }
  }
  return NULL;
}

/* A free that falls between a look and a wait must not be missed: with a wait without end that would hang. */
TEST(limits, no_wake_up_is_lost) {
  enum { THREADS = 3 };
  lido_pool *pool = waiting_pool(1, UINT64_MAX);
  CHECK_NOT_NULL(pool);
  contender contenders[THREADS];
  pthread_t threads[THREADS];
  alarm(HANG_SECONDS);
  for (int i = 0; i < THREADS; i++) {
    contenders[i] = (contender){.pool = pool, .rounds = testing_scaled(200000)};
    CHECK_EQ(pthread_create(&threads[i], NULL, take_and_give, &contenders[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  alarm(0);
  for (int i = 0; i < THREADS; i++) CHECK_EQ(contenders[i].failures, 0);
  CHECK_EQ(objects_stats(pool).live, 0);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(limits, each_of_many_waiters_gets_its_turn) {
  enum { WAITERS = 6 };
  lido_pool *pool = waiting_pool(3, UINT64_MAX);
  CHECK_NOT_NULL(pool);
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, 3), 3);
  waiter waiters[WAITERS];
  pthread_t threads[WAITERS];
  alarm(HANG_SECONDS);
  for (int i = 0; i < WAITERS; i++) {
    waiters[i] = (waiter){.pool = pool};
    CHECK_EQ(pthread_create(&threads[i], NULL, wait_for_one, &waiters[i]), 0);
  }
  while (objects_stats(pool).waits < WAITERS) sched_yield();
  lido_pool_free_batch(pool, objects, 3);
  size_t served = 0;
  bool joined[WAITERS] = {false};
  while (served < WAITERS) { /* who has an object gives it on */
    for (int i = 0; i < WAITERS; i++) {
      if (joined[i] || pthread_tryjoin_np(threads[i], NULL) != 0) continue;
      joined[i] = true;
      served++;
      lido_pool_free(pool, waiters[i].object);
    }
    sched_yield();
  }
  alarm(0);
  for (int i = 0; i < WAITERS; i++) CHECK_NOT_NULL(waiters[i].object);
  CHECK_EQ(objects_stats(pool).live, 0);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

/* ---- The limit under several threads ---- */

typedef struct counter {
  lido_pool *pool;
  int64_t *out; /* objects in all hands */
  int64_t most; /* seen by this thread */
  size_t rounds;
} counter;

static void *take_and_count(void *argument) {
  counter *c = argument;
  void *mine[8];
  for (size_t round = 0; round < c->rounds; round++) {
    size_t got = 0;
    while (got < 8 && (mine[got] = lido_pool_alloc(c->pool)) != NULL) {
      int64_t out = lido_add_relaxed(c->out, 1) + 1;
      if (out > c->most) c->most = out;
      got++;
    }
    while (got > 0) {
      lido_sub_relaxed(c->out, 1);
      lido_pool_free(c->pool, mine[--got]);
    }
  }
  return NULL;
}

TEST(limits, threads_together_never_hold_more_than_the_limit) {
  static const size_t small[] = {3, 10, 64, 70};
  for (size_t i = 0; i < sizeof small / sizeof small[0]; i++) {
    enum { THREADS = 4 };
    int64_t out = 0;
    counter counters[THREADS];
    pthread_t threads[THREADS];
    lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 64, .max_objects = small[i]});
    CHECK_NOT_NULL(pool);
    for (int t = 0; t < THREADS; t++) {
      counters[t] = (counter){.pool = pool, .out = &out, .rounds = testing_scaled(3000)};
      CHECK_EQ(pthread_create(&threads[t], NULL, take_and_count, &counters[t]), 0);
    }
    for (int t = 0; t < THREADS; t++) pthread_join(threads[t], NULL);
    for (int t = 0; t < THREADS; t++) CHECK_LE(counters[t].most, small[i]);
    CHECK_EQ(objects_stats(pool).live, 0);
    CHECK_LE(objects_stats(pool).peak, small[i]);
    CHECK_SOUND(pool);
    CHECK_EQ(lido_pool_destroy(pool), 0);
  }
}
