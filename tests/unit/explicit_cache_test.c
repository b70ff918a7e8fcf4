/* explicit_cache_test.c: caches of one's own beside those of the threads. */
#include "lib/base/fault.h"
#include "tests/support/objects.h"

enum { BYTES = 80, MOST = 2000 };

static void *objects[MOST];

static lido_pool *plain_pool(void) { return lido_pool_create(&(lido_pool_options){.object_size = BYTES}); }

TEST(explicit_cache, allocs_and_frees) {
  lido_pool *pool = plain_pool();
  CHECK_NOT_NULL(pool);
  lido_pool_cache *cache = lido_pool_cache_create(pool);
  CHECK_NOT_NULL(cache);
  for (int round = 0; round < 3; round++) {
    for (size_t i = 0; i < MOST; i++) {
      objects[i] = lido_pool_cache_alloc(cache);
      CHECK_NOT_NULL(objects[i]);
      objects_fill(objects[i], BYTES, i);
    }
    CHECK_EQ(objects_stats(pool).live, MOST);
    for (size_t i = 0; i < MOST; i++) {
      CHECK(objects_hold(objects[i], BYTES, i));
      lido_pool_cache_free(cache, objects[i]);
    }
    CHECK_EQ(objects_stats(pool).live, 0);
    CHECK_SOUND(pool);
  }
  lido_pool_cache_destroy(cache);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(explicit_cache, freeing_null_does_nothing) {
  lido_pool *pool = plain_pool();
  CHECK_NOT_NULL(pool);
  lido_pool_cache *cache = lido_pool_cache_create(pool);
  CHECK_NOT_NULL(cache);
  misuse_log log;
  misuse_log_start(&log);
  lido_pool_cache_free(cache, NULL);
  misuse_log_stop();
  CHECK_EQ(log.count, 0);
  CHECK_EQ(objects_stats(pool).frees, 0);
  lido_pool_cache_destroy(cache);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(explicit_cache, objects_may_be_mixed_with_those_of_the_threads) {
  lido_pool *pool = plain_pool();
  CHECK_NOT_NULL(pool);
  lido_pool_cache *first = lido_pool_cache_create(pool);
  lido_pool_cache *second = lido_pool_cache_create(pool);
  CHECK_NOT_NULL(first);
  CHECK_NOT_NULL(second);
  object_list all = {0};
  for (size_t round = 0; round < 600; round++) {
    object_list_push(&all, lido_pool_alloc(pool));
    object_list_push(&all, lido_pool_cache_alloc(first));
    object_list_push(&all, lido_pool_cache_alloc(second));
    if (round % 3 == 0) lido_pool_cache_free(first, object_list_pop(&all));  /* the second's */
    if (round % 5 == 0) lido_pool_cache_free(second, object_list_pop(&all)); /* the first's or the second's */
    if (round % 7 == 0) lido_pool_free(pool, object_list_pop(&all));
  }
  for (size_t i = 0; i < all.count; i++) CHECK_NOT_NULL(all.items[i]);
  CHECK(objects_are_distinct(&all));
  CHECK_EQ(objects_stats(pool).live, all.count);
  CHECK_SOUND(pool);
  while (all.count > 0) {
    lido_pool_cache_free(all.count % 2 ? first : second, object_list_pop(&all));
  }
  CHECK_EQ(objects_stats(pool).live, 0);
  lido_pool_cache_destroy(first);
  lido_pool_cache_destroy(second);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
  object_list_end(&all);
}

TEST(explicit_cache, a_flush_gives_its_objects_to_everyone) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .max_objects = 100});
  CHECK_NOT_NULL(pool);
  lido_pool_cache *cache = lido_pool_cache_create(pool);
  CHECK_NOT_NULL(cache);
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, MOST), 100);
  for (size_t i = 0; i < 100; i++) lido_pool_cache_free(cache, objects[i]);
  lido_pool_cache_flush(cache);
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, MOST), 100);
  lido_pool_free_batch(pool, objects, 100);
  lido_pool_cache_flush(cache); /* of nothing */
  lido_thread_flush();
  for (size_t i = 0; i < 100; i++) CHECK_NOT_NULL(objects[i] = lido_pool_cache_alloc(cache));
  for (size_t i = 0; i < 100; i++) lido_pool_cache_free(cache, objects[i]);
  lido_pool_cache_destroy(cache);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(explicit_cache, its_end_gives_its_objects_to_everyone) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .max_objects = 100});
  CHECK_NOT_NULL(pool);
  for (int round = 0; round < 10; round++) {
    lido_pool_cache *cache = lido_pool_cache_create(pool);
    CHECK_NOT_NULL(cache);
    CHECK_EQ(lido_pool_alloc_batch(pool, objects, MOST), 100);
    for (size_t i = 0; i < 100; i++) lido_pool_cache_free(cache, objects[i]);
    lido_pool_cache_destroy(cache);
    CHECK_SOUND(pool);
  }
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, MOST), 100);
  CHECK_EQ(lido_pool_destroy(pool), 100);
}

TEST(explicit_cache, live_objects_outlive_it) {
  lido_pool *pool = plain_pool();
  CHECK_NOT_NULL(pool);
  lido_pool_cache *cache = lido_pool_cache_create(pool);
  CHECK_NOT_NULL(cache);
  for (size_t i = 0; i < 10; i++) {
    CHECK_NOT_NULL(objects[i] = lido_pool_cache_alloc(cache));
    objects_fill(objects[i], BYTES, i);
  }
  lido_pool_cache_destroy(cache);
  for (size_t i = 0; i < 10; i++) {
    CHECK(objects_hold(objects[i], BYTES, i));
    CHECK(lido_pool_owns(pool, objects[i]));
    lido_pool_free(pool, objects[i]);
  }
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(explicit_cache, statistics_count_it) {
  lido_pool *pool = plain_pool();
  CHECK_NOT_NULL(pool);
  uint64_t before = objects_stats(pool).thread_caches;
  lido_pool_cache *cache = lido_pool_cache_create(pool);
  CHECK_NOT_NULL(cache);
  CHECK_EQ(objects_stats(pool).thread_caches, before + 1);
  void *object = lido_pool_cache_alloc(cache);
  lido_pool_cache_free(cache, object);
  CHECK_EQ(objects_stats(pool).allocs, 1);
  CHECK_EQ(objects_stats(pool).frees, 1);
  lido_pool_cache_destroy(cache);
  CHECK_EQ(objects_stats(pool).thread_caches, before);
  CHECK_EQ(objects_stats(pool).allocs, 1);
  CHECK_EQ(objects_stats(pool).frees, 1);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(explicit_cache, without_memory_none_is_made) {
  lido_pool *pool = plain_pool();
  CHECK_NOT_NULL(pool);
  lido_fault_arm(1, true);
  size_t made = 0;
  lido_pool_cache *caches[4096];
  errno = 0;
  while (made < 4096 && (caches[made] = lido_pool_cache_create(pool)) != NULL) made++;
  int error = errno;
  lido_fault_disarm();
  CHECK_LT(made, 4096); /* what metadata has left serves some */
  CHECK_EQ(error, ENOMEM);
  while (made > 0) lido_pool_cache_destroy(caches[--made]);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

static void *alloc_through(void *cache) { return lido_pool_cache_alloc(cache); }

TEST(explicit_cache, it_may_wander_from_thread_to_thread) {
  lido_pool *pool = plain_pool();
  CHECK_NOT_NULL(pool);
  lido_pool_cache *cache = lido_pool_cache_create(pool);
  CHECK_NOT_NULL(cache);
  void *object = lido_pool_cache_alloc(cache);
  CHECK_NOT_NULL(object);
  lido_pool_cache_free(cache, object);
  objects_in_thread(alloc_through, cache);
  CHECK_EQ(objects_stats(pool).live, 1);
  lido_pool_cache_destroy(cache);
  CHECK_EQ(lido_pool_destroy(pool), 1);
}
