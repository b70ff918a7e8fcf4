/* stats_test.c: the numbers of a pool agree with each other and with what was done. */
#include <pthread.h>

#include "lib/base/atomic.h"
#include "pools/pool_core.h"
#include "tests/support/objects.h"
#include "tests/support/random.h"

enum { BYTES = 100, STRIDE = 128, MOST = 3000 };

static void *objects[MOST];

/* Every object is in exactly one place. */
static void check_conservation(lido_pool *pool) {
  lido_pool_core *core = lido_core_of(pool);
  lido_pool_stats stats = objects_stats(pool);
  CHECK_EQ(stats.allocs - stats.frees, stats.live);
  CHECK_EQ(stats.live + stats.cached + core->set_aside + core->slabs.free_objects, stats.objects);
  CHECK_EQ(stats.slabs, stats.slabs_made - stats.slabs_released);
  CHECK_LE(stats.slabs_empty, stats.slabs);
  CHECK_LE(stats.live, stats.peak);
  CHECK_LE(stats.peak, stats.live + stats.peak); /* no wrap */
  CHECK_EQ(stats.bytes_live, stats.live * core->geometry.stride);
  CHECK_EQ(stats.bytes_cached, stats.cached * core->geometry.stride);
  CHECK_EQ(stats.bytes_reserved, stats.slabs * core->geometry.slab_bytes + stats.bytes_metadata);
  CHECK_GE(stats.slabs * core->geometry.slab_bytes, stats.objects * core->geometry.stride);
  CHECK_GT(stats.bytes_metadata, 0);
}

TEST(stats, of_a_new_pool_are_zero_but_for_its_metadata) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
  CHECK_NOT_NULL(pool);
  lido_pool_stats stats = objects_stats(pool);
  CHECK_GT(stats.bytes_metadata, 0);
  CHECK_EQ(stats.bytes_reserved, stats.bytes_metadata);
  stats.bytes_metadata = 0;
  stats.bytes_reserved = 0;
  lido_pool_stats zero;
  memset(&zero, 0, sizeof zero);
  CHECK_EQ(memcmp(&stats, &zero, sizeof zero), 0);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(stats, count_each_alloc_and_free) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
  CHECK_NOT_NULL(pool);
  for (size_t i = 0; i < MOST; i++) {
    objects[i] = lido_pool_alloc(pool);
    lido_pool_stats stats = objects_stats(pool);
    CHECK_EQ(stats.live, i + 1);
    CHECK_EQ(stats.allocs, i + 1);
    CHECK_EQ(stats.frees, 0);
    CHECK_EQ(stats.bytes_live, (i + 1) * STRIDE);
  }
  for (size_t i = 0; i < MOST; i++) {
    lido_pool_free(pool, objects[i]);
    CHECK_EQ(objects_stats(pool).frees, i + 1);
    CHECK_EQ(objects_stats(pool).live, MOST - 1 - i);
  }
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(stats, every_object_is_in_one_place) {
  testing_random random = {testing_seed()};
  const lido_pool_options kinds[] = {{.object_size = BYTES},
                                     {.object_size = BYTES, .flags = LIDO_POOL_ZERO},
                                     {.object_size = BYTES, .flags = LIDO_POOL_SINGLE_THREAD},
                                     {.object_size = BYTES, .flags = LIDO_POOL_SPREAD},
                                     {.object_size = BYTES, .cache_bytes = SIZE_MAX},
                                     {.object_size = BYTES, .cache_bytes = 2000},
                                     {.object_size = BYTES, .max_objects = 1500},
                                     {.object_size = BYTES, .max_objects = 30},
                                     {.object_size = 9000, .retain_bytes = 1}};
  for (size_t kind = 0; kind < sizeof kinds / sizeof kinds[0]; kind++) {
    lido_pool *pool = lido_pool_create(&kinds[kind]);
    CHECK_NOT_NULL(pool);
    size_t live = 0;
    for (int round = 0; round < 300; round++) {
      live += lido_pool_alloc_batch(pool, objects + live, testing_below(&random, (MOST - live) / 4 + 1));
      for (size_t n = testing_below(&random, live + 1); n > 0; n--) lido_pool_free(pool, objects[--live]);
      if (round % 40 == 0) lido_thread_flush();
      if (round % 50 == 0) lido_pool_trim(pool);
      CHECK_EQ(objects_stats(pool).live, live);
      check_conservation(pool);
    }
    CHECK_SOUND(pool);
    CHECK_EQ(lido_pool_destroy(pool), live);
  }
}

TEST(stats, the_peak_is_between_the_most_live_and_that_with_the_caches) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
  CHECK_NOT_NULL(pool);
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, 1000), 1000);
  CHECK_GE(objects_stats(pool).peak, 1000);
  CHECK_LE(objects_stats(pool).peak, 1000 + (128 << 10) / STRIDE + 1);
  uint64_t peak = objects_stats(pool).peak;
  lido_pool_free_batch(pool, objects, 1000);
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, 100), 100);
  CHECK_EQ(objects_stats(pool).peak, peak);
  CHECK_EQ(lido_pool_destroy(pool), 100);
}

TEST(stats, the_hit_rate_is_the_share_of_calls_without_a_miss) {
  lido_pool_stats stats;
  memset(&stats, 0, sizeof stats);
  CHECK(lido_pool_hit_rate(&stats) == 0);
  stats.allocs = 60;
  stats.frees = 40;
  CHECK(lido_pool_hit_rate(&stats) == 1);
  stats.misses = 25;
  CHECK(lido_pool_hit_rate(&stats) == 0.75);
  stats.misses = 100;
  CHECK(lido_pool_hit_rate(&stats) == 0);
  stats.misses = 101; /* numbers of different moments */
  CHECK(lido_pool_hit_rate(&stats) == 0);
}

TEST(stats, a_pair_on_a_warm_cache_never_misses) {
  if (testing_on_valgrind()) return; /* no caches */
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
  CHECK_NOT_NULL(pool);
  lido_pool_free(pool, lido_pool_alloc(pool));
  uint64_t misses = objects_stats(pool).misses;
  CHECK_GT(misses, 0); /* the first ones */
  CHECK_LE(misses, 2);
  for (int i = 0; i < 10000; i++) lido_pool_free(pool, lido_pool_alloc(pool));
  lido_pool_stats stats = objects_stats(pool);
  CHECK_EQ(stats.misses, misses);
  CHECK(lido_pool_hit_rate(&stats) > 0.999);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(stats, a_pool_without_caches_always_misses) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .cache_bytes = SIZE_MAX});
  CHECK_NOT_NULL(pool);
  for (int i = 0; i < 100; i++) lido_pool_free(pool, lido_pool_alloc(pool));
  lido_pool_stats stats = objects_stats(pool);
  CHECK_EQ(stats.misses, 200);
  CHECK(lido_pool_hit_rate(&stats) == 0);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

/* A magazine counts wherever it is. */
TEST(stats, a_flush_makes_no_metadata) {
  if (testing_on_valgrind()) return;
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
  CHECK_NOT_NULL(pool);
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, 1000), 1000);
  lido_pool_free_batch(pool, objects, 1000);
  uint64_t before = objects_stats(pool).bytes_metadata;
  lido_thread_flush();
  uint64_t after = objects_stats(pool).bytes_metadata;
  CHECK_LE(after, before + 128); /* two of the smallest magazines for those that went */
  CHECK_LE(before, after);
  lido_pool_cache *cache = lido_pool_cache_create(pool);
  CHECK_NOT_NULL(cache);
  lido_pool_cache_destroy(cache);
  CHECK_GE(objects_stats(pool).bytes_metadata, after);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(stats, batches_up_to_the_cache_mostly_hit) {
  if (testing_on_valgrind()) return;
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
  CHECK_NOT_NULL(pool);
  for (int round = 0; round < 1000; round++) {
    CHECK_EQ(lido_pool_alloc_batch(pool, objects, 128), 128);
    lido_pool_free_batch(pool, objects, 128);
  }
  lido_pool_stats stats = objects_stats(pool);
  CHECK(lido_pool_hit_rate(&stats) > 0.95);
  CHECK(lido_pool_hit_rate(&stats) <= 1);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(stats, a_pool_without_caches_hits_never_and_holds_none) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .cache_bytes = SIZE_MAX});
  CHECK_NOT_NULL(pool);
  for (int round = 0; round < 100; round++) {
    CHECK_EQ(lido_pool_alloc_batch(pool, objects, 50), 50);
    lido_pool_free_batch(pool, objects, 50);
    CHECK_EQ(objects_stats(pool).cached, 0);
    CHECK_EQ(objects_stats(pool).thread_caches, 0);
  }
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(stats, a_cache_holds_at_most_its_bytes) {
  if (testing_on_valgrind()) return;
  static const size_t bounds[] = {1000, 4096, 20000, 131072};
  for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
    lido_pool *pool =
        lido_pool_create(&(lido_pool_options){.object_size = BYTES, .cache_bytes = bounds[i], .retain_bytes = 1});
    CHECK_NOT_NULL(pool);
    for (int round = 0; round < 20; round++) { /* magazines have grown by then */
      CHECK_EQ(lido_pool_alloc_batch(pool, objects, MOST), MOST);
      lido_pool_free_batch(pool, objects, MOST);
    }
    CHECK_LE(objects_stats(pool).bytes_cached, bounds[i] + STRIDE); /* and the hot one */
    CHECK_EQ(lido_pool_destroy(pool), 0);
  }
}

typedef struct worker {
  lido_pool *pool;
  uint64_t seed;
  size_t allocs;
  size_t frees;
} worker;

static void *work(void *argument) {
  worker *w = argument;
  testing_random random = {w->seed};
  void *mine[200];
  size_t held = 0;
  for (size_t i = 0; i < testing_scaled(20000); i++) {
    if (held < 200 && testing_next(&random) % 2 == 0) {
      mine[held] = lido_pool_alloc(w->pool);
      if (mine[held] != NULL) {
        w->allocs++;
        held++;
      }
    } else if (held > 0) {
      lido_pool_free(w->pool, mine[--held]);
      w->frees++;
    }
  }
  return NULL; /* what is held stays live */
}

TEST(stats, add_up_over_threads_that_come_and_go) {
  enum { THREADS = 4 };
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
  CHECK_NOT_NULL(pool);
  uint64_t allocs = 0;
  uint64_t frees = 0;
  uint64_t seed = testing_seed();
  for (int round = 0; round < 5; round++) {
    worker workers[THREADS];
    pthread_t threads[THREADS];
    for (int t = 0; t < THREADS; t++) {
      workers[t] = (worker){.pool = pool, .seed = seed + (uint64_t)(round * THREADS + t)};
      CHECK_EQ(pthread_create(&threads[t], NULL, work, &workers[t]), 0);
    }
    for (int t = 0; t < THREADS; t++) {
      pthread_join(threads[t], NULL);
      allocs += workers[t].allocs;
      frees += workers[t].frees;
    }
    lido_pool_stats stats = objects_stats(pool);
    CHECK_EQ(stats.allocs, allocs);
    CHECK_EQ(stats.frees, frees);
    check_conservation(pool);
    CHECK_SOUND(pool);
  }
  CHECK_EQ(lido_pool_destroy(pool), allocs - frees);
}

#define KIND_IS_KNOWN(name, kind, unit, text) (void)kind_is_##kind, (void)unit_is_##unit, (void)text;

TEST(stats, are_generated_from_the_list) {
  enum { kind_is_gauge, kind_is_counter };
  enum { unit_is_objects, unit_is_calls, unit_is_slabs, unit_is_caches, unit_is_bytes };
  LIDO_POOL_STATISTICS(KIND_IS_KNOWN)
#define ONE(name, kind, unit, text) +1
  CHECK_EQ(sizeof(lido_pool_stats), (0 LIDO_POOL_STATISTICS(ONE)) * sizeof(uint64_t));
#undef ONE
}
