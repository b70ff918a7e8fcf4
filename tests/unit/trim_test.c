/* trim_test.c: memory goes back, when asked and by itself. */
#include <pthread.h>
#include <stdlib.h>

#include "tests/support/objects.h"

enum { BYTES = 4096, MANY = 4000 };

static void *objects[MANY];

/* Fill `count` objects and see them again. */
static void take(lido_pool *pool, size_t count) {
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, count), count);
  for (size_t i = 0; i < count; i++) objects_fill(objects[i], BYTES, i);
}

TEST(trim, nothing_stays_once_everything_is_free) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
  CHECK_NOT_NULL(pool);
  for (int round = 0; round < 3; round++) {
    take(pool, MANY);
    lido_pool_stats full = objects_stats(pool);
    CHECK_GE(full.bytes_reserved, (uint64_t)MANY * BYTES);
    lido_pool_free_batch(pool, objects, MANY);
    size_t given_back = lido_pool_trim(pool);
    lido_pool_stats stats = objects_stats(pool);
    CHECK_EQ(stats.cached, 0);
    CHECK_LE(stats.slabs, 1); /* one may hold the object that was freed last */
    CHECK_LE(stats.bytes_reserved, full.bytes_reserved / 20);
    CHECK_GT(given_back, 0);
    CHECK_EQ(stats.slabs, stats.slabs_made - stats.slabs_released);
    CHECK_SOUND(pool);
  }
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(trim, the_number_it_returns_is_what_went_back) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .retain_bytes = SIZE_MAX});
  CHECK_NOT_NULL(pool);
  take(pool, MANY);
  lido_pool_free_batch(pool, objects, MANY);
  lido_pool_stats before = objects_stats(pool);
  size_t given_back = lido_pool_trim(pool);
  lido_pool_stats after = objects_stats(pool);
  uint64_t slab_bytes = (before.bytes_reserved - before.bytes_metadata) / before.slabs;
  CHECK_EQ(given_back, (before.slabs - after.slabs) * slab_bytes);
  CHECK_GE(given_back, (uint64_t)(MANY - 100) * BYTES);
  CHECK_EQ(lido_pool_trim(pool), 0); /* there is no more */
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

static void *get_block(size_t bytes, size_t align, void *context) {
  *(size_t *)context += bytes;
  return aligned_alloc(align, (bytes + align - 1) / align * align);
}

static void put_block(void *block, size_t bytes, void *context) {
  *(size_t *)context -= bytes;
  free(block);
}

TEST(trim, the_backing_gets_its_regions_back) {
  enum { LARGE = 16384, COUNT = 1000, REGION = 1 << 20 };
  size_t held = 0;
  lido_backing *backing = lido_backing_create(
      &(lido_backing_functions){.allocate = get_block, .release = put_block, .context = &held, .region_bytes = REGION});
  CHECK_NOT_NULL(backing);
  lido_pool *pool =
      lido_pool_create(&(lido_pool_options){.object_size = LARGE, .backing = backing, .retain_bytes = SIZE_MAX});
  CHECK_NOT_NULL(pool);
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, COUNT), COUNT);
  CHECK_GE(held, (size_t)COUNT * LARGE);
  CHECK_EQ(lido_backing_bytes(backing), held);
  lido_pool_free_batch(pool, objects, COUNT);
  lido_pool_trim(pool);
  CHECK_LE(held, 2 * REGION); /* the slab of the object that was freed last, and metadata */
  CHECK_EQ(lido_backing_bytes(backing), held);
  CHECK_EQ(lido_pool_destroy(pool), 0);
  CHECK_EQ(held, 0);
  CHECK_EQ(lido_backing_destroy(backing), 0);
}

TEST(trim, live_objects_stay_where_they_are) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
  CHECK_NOT_NULL(pool);
  take(pool, MANY);
  for (size_t i = 0; i < MANY; i++) {
    if (i % 97 != 0) lido_pool_free(pool, objects[i]);
  }
  lido_pool_trim(pool);
  CHECK_SOUND(pool);
  size_t live = 0;
  for (size_t i = 0; i < MANY; i += 97, live++) {
    CHECK(lido_pool_owns(pool, objects[i]));
    CHECK(objects_hold(objects[i], BYTES, i));
  }
  CHECK_EQ(objects_stats(pool).live, live);
  CHECK_LE(objects_stats(pool).slabs, live + 1);
  CHECK_EQ(lido_pool_destroy(pool), live);
}

TEST(trim, the_pool_works_on_after_it) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
  CHECK_NOT_NULL(pool);
  for (int round = 0; round < 20; round++) {
    take(pool, 200);
    if (round % 2) lido_pool_trim(pool);
    for (size_t i = 0; i < 200; i++) CHECK(objects_hold(objects[i], BYTES, i));
    lido_pool_free_batch(pool, objects, 200);
    lido_pool_trim(pool);
    /* The object freed last was hot: its slab may have gone, and the pair must still work. */
    void *object = lido_pool_alloc(pool);
    CHECK_NOT_NULL(object);
    memset(object, 1, BYTES);
    lido_pool_free(pool, object);
    CHECK_SOUND(pool);
  }
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(trim, free_memory_goes_back_by_itself) {
  enum { KEEP = 1 << 20 };
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .retain_bytes = KEEP});
  CHECK_NOT_NULL(pool);
  take(pool, MANY);
  lido_pool_free_batch(pool, objects, MANY);
  lido_pool_stats stats = objects_stats(pool);
  /* As much in the depot, as much again in empty slabs, and what the cache of this thread and their slabs' rests
   * add. */
  CHECK_LE(stats.bytes_reserved, 2 * KEEP + (512 << 10));
  CHECK_LE(stats.bytes_cached, KEEP + (256 << 10));
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(trim, a_pool_told_to_keep_everything_does) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .retain_bytes = SIZE_MAX});
  CHECK_NOT_NULL(pool);
  take(pool, MANY);
  lido_pool_free_batch(pool, objects, MANY);
  CHECK_EQ(objects_stats(pool).slabs_released, 0);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(trim, of_a_pool_that_was_never_used_gives_nothing) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
  CHECK_NOT_NULL(pool);
  CHECK_EQ(lido_pool_trim(pool), 0);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

/* ---- Other threads' caches ---- */

typedef struct holder {
  lido_pool *pool;
  pthread_barrier_t meet;
} holder;

static void *fill_cache_and_wait(void *argument) {
  holder *h = argument;
  void *mine[100];
  lido_pool_alloc_batch(h->pool, mine, 100);
  lido_pool_free_batch(h->pool, mine, 100);
  pthread_barrier_wait(&h->meet);                                      /* the cache is full */
  pthread_barrier_wait(&h->meet);                                      /* the trim was asked for */
  for (size_t i = 0; i < 100; i++) mine[i] = lido_pool_alloc(h->pool); /* past what any cache holds */
  for (size_t i = 0; i < 100; i++) lido_pool_free(h->pool, mine[i]);
  pthread_barrier_wait(&h->meet);
  pthread_barrier_wait(&h->meet);
  return NULL;
}

TEST(trim, other_threads_are_asked_and_do_it_at_their_next_slow_path) {
  if (testing_on_valgrind()) return; /* no caches */
  enum { OBJECT = 512 };
  holder h = {.pool = lido_pool_create(&(lido_pool_options){.object_size = OBJECT})};
  CHECK_NOT_NULL(h.pool);
  pthread_barrier_init(&h.meet, NULL, 2);
  pthread_t thread;
  CHECK_EQ(pthread_create(&thread, NULL, fill_cache_and_wait, &h), 0);
  pthread_barrier_wait(&h.meet);
  uint64_t cached = objects_stats(h.pool).cached;
  lido_pool_trim(h.pool); /* empties the depot, and asks the thread */
  uint64_t still_cached = objects_stats(h.pool).cached;
  pthread_barrier_wait(&h.meet);
  pthread_barrier_wait(&h.meet);
  lido_pool_stats stats = objects_stats(h.pool);
  const char *broken = lido_pool_check(h.pool);
  pthread_barrier_wait(&h.meet);
  pthread_join(thread, NULL);
  CHECK_GT(cached, 0);
  CHECK_LE(still_cached, cached);
  CHECK_GT(still_cached, 0); /* a thread's cache is its own */
  CHECK_TEXT(broken == NULL ? "sound" : broken, "sound");
  CHECK_EQ(stats.live, 0);
  CHECK_EQ(stats.frees, 200);
  lido_pool_trim(h.pool);
  CHECK_EQ(objects_stats(h.pool).cached, 0);
  CHECK_LE(objects_stats(h.pool).slabs, 1);
  CHECK_EQ(lido_pool_destroy(h.pool), 0);
  pthread_barrier_destroy(&h.meet);
}

/* One free after the request is enough, whatever the cache holds. */
static void *free_one_after_request(void *argument) {
  holder *h = argument;
  void *mine[31];
  lido_pool_alloc_batch(h->pool, mine, 31);
  lido_pool_free_batch(h->pool, mine, 30);
  pthread_barrier_wait(&h->meet);
  pthread_barrier_wait(&h->meet);
  lido_pool_free(h->pool, mine[30]);
  pthread_barrier_wait(&h->meet);
  pthread_barrier_wait(&h->meet);
  return NULL;
}

TEST(trim, a_thread_that_only_frees_honours_the_request_too) {
  if (testing_on_valgrind()) return;
  holder h = {.pool = lido_pool_create(&(lido_pool_options){.object_size = 512})};
  CHECK_NOT_NULL(h.pool);
  pthread_barrier_init(&h.meet, NULL, 2);
  pthread_t thread;
  misuse_log log;
  misuse_log_start(&log);
  CHECK_EQ(pthread_create(&thread, NULL, free_one_after_request, &h), 0);
  pthread_barrier_wait(&h.meet);
  lido_pool_trim(h.pool);
  pthread_barrier_wait(&h.meet);
  pthread_barrier_wait(&h.meet);
  lido_pool_trim(h.pool); /* takes from the depot what the thread gave */
  uint64_t cached = objects_stats(h.pool).cached;
  pthread_barrier_wait(&h.meet);
  pthread_join(thread, NULL);
  misuse_log_stop();
  CHECK_EQ(log.count, 0);
  CHECK_LE(cached, 1);
  CHECK_EQ(objects_stats(h.pool).live, 0);
  CHECK_SOUND(h.pool);
  CHECK_EQ(lido_pool_destroy(h.pool), 0);
  pthread_barrier_destroy(&h.meet);
}

TEST(trim, objects_are_taken_from_the_fullest_slab_so_that_others_empty) {
  lido_pool *pool =
      lido_pool_create(&(lido_pool_options){.object_size = BYTES, .retain_bytes = SIZE_MAX, .cache_bytes = SIZE_MAX});
  CHECK_NOT_NULL(pool);
  take(pool, 160); /* ten slabs or so */
  lido_pool_stats full = objects_stats(pool);
  CHECK_GE(full.slabs, 5);
  for (size_t i = 0; i < 160; i++) {
    if (i % 2) lido_pool_free(pool, objects[i]); /* each slab is half full */
  }
  /* A churn in which every object is replaced gathers them. */
  for (int round = 0; round < 50; round++) {
    for (size_t i = 0; i < 160; i += 2) {
      lido_pool_free(pool, objects[i]);
      CHECK_NOT_NULL(objects[i] = lido_pool_alloc(pool));
    }
  }
  for (size_t i = 0; i < 160; i += 4) lido_pool_free(pool, objects[i]);
  for (int round = 0; round < 50; round++) {
    for (size_t i = 2; i < 160; i += 4) {
      lido_pool_free(pool, objects[i]);
      CHECK_NOT_NULL(objects[i] = lido_pool_alloc(pool));
    }
  }
  lido_pool_trim(pool);
  CHECK_LT(objects_stats(pool).slabs, full.slabs);
  for (size_t i = 2; i < 160; i += 4) lido_pool_free(pool, objects[i]);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

/* ---- The object that a cache remembers ---- */

typedef struct rememberer {
  lido_pool *pool;
  void *remembered; /* was freed by this thread last, and allocated again */
  void *other;      /* in another region */
  pthread_barrier_t meet;
} rememberer;

static void *remember_and_free_another(void *argument) {
  rememberer *r = argument;
  lido_pool_free(r->pool, r->remembered);
  r->remembered = lido_pool_alloc(r->pool); /* the same: it was hot */
  pthread_barrier_wait(&r->meet);
  pthread_barrier_wait(&r->meet);
  lido_pool_free(r->pool, r->other); /* looks at the state of what was hot */
  return NULL;
}

TEST(trim, a_slab_stays_while_a_cache_remembers_an_object_of_it) {
  if (testing_on_valgrind()) return; /* no caches */
  enum { LARGE = 16384, COUNT = 80, REGION = 1 << 20 };
  size_t held = 0;
  lido_backing *backing = lido_backing_create(
      &(lido_backing_functions){.allocate = get_block, .release = put_block, .context = &held, .region_bytes = REGION});
  CHECK_NOT_NULL(backing);
  rememberer r = {.pool = lido_pool_create(&(lido_pool_options){.object_size = LARGE, .backing = backing})};
  CHECK_NOT_NULL(r.pool);
  lido_pool_cache *cache = lido_pool_cache_create(r.pool);
  CHECK_NOT_NULL(cache);
  for (size_t i = 0; i < COUNT; i++) CHECK_NOT_NULL(objects[i] = lido_pool_cache_alloc(cache));
  r.other = objects[0];
  r.remembered = objects[COUNT - 1];
  bool apart = (uintptr_t)r.other / REGION != (uintptr_t)r.remembered / REGION;
  pthread_barrier_init(&r.meet, NULL, 2);
  pthread_t thread;
  CHECK_EQ(pthread_create(&thread, NULL, remember_and_free_another, &r), 0);
  pthread_barrier_wait(&r.meet);
  bool same = r.remembered == objects[COUNT - 1];
  for (size_t i = 1; i < COUNT; i++) lido_pool_cache_free(cache, objects[i]);
  lido_pool_cache_destroy(cache);
  lido_pool_trim(r.pool);
  const char *broken = lido_pool_check(r.pool);
  pthread_barrier_wait(&r.meet);
  pthread_join(thread, NULL);
  CHECK(apart);
  CHECK(same);
  CHECK_TEXT(broken == NULL ? "sound" : broken, "sound");
  CHECK_EQ(objects_stats(r.pool).live, 0);
  CHECK_EQ(lido_pool_destroy(r.pool), 0);
  CHECK_EQ(held, 0);
  CHECK_EQ(lido_backing_destroy(backing), 0);
  pthread_barrier_destroy(&r.meet);
}
