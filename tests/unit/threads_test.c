/* threads_test.c: caches of threads: flush, exit, more threads than hot slots. */
#include <pthread.h>
#include <stdlib.h>

#include "lib/base/bitmap.h"
#include "pools/pool_core.h"
#include "tests/support/objects.h"

enum { BYTES = 64, MANY_THREADS = 300 };

static lido_pool *plain_pool(void) { return lido_pool_create(&(lido_pool_options){.object_size = BYTES}); }

TEST(threads, a_flush_moves_what_is_cached_to_the_depot) {
  if (testing_on_valgrind()) return; /* no caches */
  lido_pool *pool = plain_pool();
  CHECK_NOT_NULL(pool);
  void *objects[100];
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, 100), 100);
  lido_pool_free_batch(pool, objects, 100);
  uint64_t cached = objects_stats(pool).cached;
  CHECK_GE(cached, 100);
  lido_thread_flush();
  lido_thread_flush();
  CHECK_EQ(objects_stats(pool).live, 0);
  CHECK_LE(objects_stats(pool).cached, cached);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(threads, a_flush_reaches_every_pool) {
  enum { POOLS = 40, LIMIT = 100 };
  lido_pool *pools[POOLS];
  void *objects[LIMIT];
  for (size_t i = 0; i < POOLS; i++) {
    pools[i] = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .max_objects = LIMIT});
    CHECK_NOT_NULL(pools[i]);
    CHECK_EQ(lido_pool_alloc_batch(pools[i], objects, LIMIT), LIMIT);
    lido_pool_free_batch(pools[i], objects, LIMIT);
  }
  lido_thread_flush();
  for (size_t i = 0; i < POOLS; i++) {
    lido_pool_cache *cache = lido_pool_cache_create(pools[i]); /* another cache finds them all */
    CHECK_NOT_NULL(cache);
    for (size_t n = 0; n < LIMIT; n++) CHECK_NOT_NULL(objects[n] = lido_pool_cache_alloc(cache));
    for (size_t n = 0; n < LIMIT; n++) lido_pool_cache_free(cache, objects[n]);
    lido_pool_cache_destroy(cache);
    CHECK_SOUND(pools[i]);
  }
  for (size_t i = 0; i < POOLS; i++) CHECK_EQ(lido_pool_destroy(pools[i]), 0);
}

static void *flush_without_pools(void *argument) {
  lido_thread_flush();
  return argument;
}

TEST(threads, a_flush_before_any_use_does_nothing) {
  objects_in_thread(flush_without_pools, NULL);
  lido_thread_flush();
  lido_pool *pool = plain_pool();
  CHECK_NOT_NULL(pool);
  lido_thread_flush();
  CHECK_EQ(lido_pool_destroy(pool), 0);
  lido_thread_flush();
}

/* ---- Exit ---- */

enum { LIMIT = 500 };

typedef struct user {
  lido_pool *pool;
  size_t got;
  void *kept;
} user;

static void *use_all_and_exit(void *argument) {
  user *u = argument;
  void *objects[LIMIT];
  u->got = lido_pool_alloc_batch(u->pool, objects, LIMIT);
  lido_pool_free_batch(u->pool, objects, u->got);
  return NULL;
}

TEST(threads, an_exit_gives_everything_back) {
  user u = {.pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .max_objects = LIMIT})};
  CHECK_NOT_NULL(u.pool);
  for (int round = 0; round < 100; round++) {
    objects_in_thread(use_all_and_exit, &u);
    CHECK_EQ(u.got, LIMIT);
  }
  lido_pool_stats stats = objects_stats(u.pool);
  CHECK_EQ(stats.live, 0);
  CHECK_EQ(stats.thread_caches, 0);
  CHECK_EQ(stats.allocs, 100 * LIMIT);
  CHECK_EQ(stats.frees, 100 * LIMIT);
  CHECK_SOUND(u.pool);
  CHECK_EQ(lido_pool_destroy(u.pool), 0);
}

static void *alloc_one_and_exit(void *argument) {
  user *u = argument;
  u->kept = lido_pool_alloc(u->pool);
  if (u->kept != NULL) objects_fill(u->kept, BYTES, 5);
  return NULL;
}

TEST(threads, an_object_outlives_the_thread_that_allocated_it) {
  user u = {.pool = plain_pool()};
  CHECK_NOT_NULL(u.pool);
  objects_in_thread(alloc_one_and_exit, &u);
  CHECK_NOT_NULL(u.kept);
  CHECK(objects_hold(u.kept, BYTES, 5));
  CHECK(lido_pool_owns(u.pool, u.kept));
  lido_pool_free(u.pool, u.kept);
  CHECK_EQ(lido_pool_destroy(u.pool), 0);
}

/* ---- Many at once: a state byte has room for some 250 claims ---- */

typedef struct crowd {
  lido_pool *pool;
  pthread_barrier_t meet;
  size_t wrong[MANY_THREADS];
} crowd;

typedef struct member {
  crowd *in;
  size_t number;
} member;

static void *crowd_member(void *argument) {
  member *m = argument;
  lido_pool *pool = m->in->pool;
  size_t wrong = 0;
  void *held = lido_pool_alloc(pool);
  if (held != NULL) objects_fill(held, BYTES, m->number);
  pthread_barrier_wait(&m->in->meet); /* all have a cache */
  for (size_t round = 0; round < 50; round++) {
    void *first = lido_pool_alloc(pool);
    void *second = lido_pool_alloc(pool);
    if (first == NULL || second == NULL || first == second) {
      wrong++;
      break;
    }
    objects_fill(first, BYTES, m->number * 1000 + round);
    objects_fill(second, BYTES, m->number * 1000 + round + 500);
    wrong += !objects_hold(first, BYTES, m->number * 1000 + round);
    wrong += !objects_hold(second, BYTES, m->number * 1000 + round + 500);
    lido_pool_free(pool, first);
    lido_pool_free(pool, second);
  }
  wrong += held == NULL || !objects_hold(held, BYTES, m->number);
  lido_pool_free(pool, held);
  pthread_barrier_wait(&m->in->meet);
  pthread_barrier_wait(&m->in->meet); /* somebody counted */
  m->in->wrong[m->number] = wrong;
  return NULL;
}

TEST(threads, three_hundred_at_once_on_one_pool) {
  static crowd c;
  static member members[MANY_THREADS];
  static pthread_t threads[MANY_THREADS];
  size_t count = testing_on_valgrind() ? 20 : MANY_THREADS;
  c.pool = plain_pool();
  CHECK_NOT_NULL(c.pool);
  pthread_barrier_init(&c.meet, NULL, (unsigned)count + 1);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 256 << 10);
  misuse_log log;
  misuse_log_start(&log);
  for (size_t i = 0; i < count; i++) {
    members[i] = (member){&c, i};
    if (pthread_create(&threads[i], &attributes, crowd_member, &members[i]) != 0) {
      fprintf(stderr, "threads: only %zu could be started\n", i);
      abort();
    }
  }
  pthread_barrier_wait(&c.meet);
  pthread_barrier_wait(&c.meet);
  lido_pool_stats stats = objects_stats(c.pool);
  const char *broken = lido_pool_check(c.pool);
  pthread_barrier_wait(&c.meet);
  for (size_t i = 0; i < count; i++) pthread_join(threads[i], NULL);
  misuse_log_stop();
  CHECK_EQ(log.count, 0);
  CHECK_TEXT(broken == NULL ? "sound" : broken, "sound");
  CHECK_EQ(stats.live, 0);
  if (!testing_on_valgrind()) CHECK_EQ(stats.thread_caches, count);
  for (size_t i = 0; i < count; i++) CHECK_EQ(c.wrong[i], 0);
  stats = objects_stats(c.pool);
  CHECK_EQ(stats.frees, count * 101);
  CHECK_EQ(stats.thread_caches, 0);
  CHECK_SOUND(c.pool);
  CHECK_EQ(lido_pool_destroy(c.pool), 0);
  pthread_barrier_destroy(&c.meet);
  pthread_attr_destroy(&attributes);
}

static size_t free_claims(lido_pool *pool) {
  return lido_bitmap_count(lido_core_of(pool)->free_claims, LIDO_CLAIM_WORDS * 64);
}

TEST(threads, the_claim_of_a_thread_that_is_gone_serves_another) {
  user u = {.pool = plain_pool()};
  CHECK_NOT_NULL(u.pool);
  size_t before = free_claims(u.pool);
  CHECK_EQ(before, 256 - LIDO_STATE_CLAIMS);
  for (int i = 0; i < 20; i++) objects_in_thread(use_all_and_exit, &u);
  CHECK_EQ(free_claims(u.pool), before);
  CHECK_EQ(lido_pool_destroy(u.pool), 0);
}

/* ---- Many pools in one thread ---- */

TEST(threads, one_thread_may_use_a_thousand_pools) {
  enum { POOLS = 1000 };
  static lido_pool *pools[POOLS];
  static void *objects[POOLS];
  for (size_t i = 0; i < POOLS; i++) {
    pools[i] = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
    CHECK_NOT_NULL(pools[i]);
    CHECK_NOT_NULL(objects[i] = lido_pool_alloc(pools[i]));
    objects_fill(objects[i], BYTES, i);
  }
  for (size_t i = 0; i < POOLS; i++) {
    CHECK(objects_hold(objects[i], BYTES, i));
    CHECK(lido_pool_owns(pools[i], objects[i]));
  }
  for (size_t i = 0; i < POOLS; i += 2) CHECK_EQ(lido_pool_destroy(pools[i]), 1);
  for (size_t i = 1; i < POOLS; i += 2) {
    CHECK(objects_hold(objects[i], BYTES, i));
    lido_pool_free(pools[i], objects[i]);
    CHECK_SAME(lido_pool_alloc(pools[i]), objects[i]);
    lido_pool_free(pools[i], objects[i]);
    CHECK_EQ(lido_pool_destroy(pools[i]), 0);
  }
}

static size_t bytes_after_flushes(lido_pool *pool, size_t flushes) {
  void *objects[40];
  for (size_t i = 0; i < flushes; i++) {
    CHECK_EQ(lido_pool_alloc_batch(pool, objects, 40), 40);
    lido_pool_free_batch(pool, objects, 40);
    lido_thread_flush();
  }
  return objects_stats(pool).bytes_metadata;
}

TEST(threads, flushes_use_the_same_magazines_again) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 64});
  size_t before = bytes_after_flushes(pool, 1000); /* until magazines have grown */
  CHECK_EQ(bytes_after_flushes(pool, 1000), before);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}
