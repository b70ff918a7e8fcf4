/* zero_test.c: objects of LIDO_POOL_ZERO come zeroed, whatever became of them before. */
#include "tests/support/objects.h"

static const size_t sizes[] = {1, 7, 8, 24, 63, 64, 65, 200, 4096, 5000, 100000};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

/* Take every object of two slabs, see that each is zeroed, make it dirty, give it back. */
static void take_and_soil(lido_pool *pool, size_t size) {
  object_list taken = {0};
  objects_take_slabs(pool, &taken, 2);
  for (size_t i = 0; i < taken.count; i++) {
    if (!objects_are_all(taken.items[i], size, 0)) TESTING_FAIL("an object of %zu bytes is not zeroed", size);
    memset(taken.items[i], 0xa5, size);
  }
  objects_free_all(pool, &taken);
  object_list_end(&taken);
}

static void check_zeroed(size_t size, unsigned flags) {
  lido_pool *pool =
      lido_pool_create(&(lido_pool_options){.object_size = size, .align = 8, .flags = LIDO_POOL_ZERO | flags});
  CHECK_NOT_NULL(pool);
  take_and_soil(pool, size); /* fresh */
  take_and_soil(pool, size); /* from the caches */
  lido_thread_flush();
  take_and_soil(pool, size); /* from the depot */
  lido_pool_trim(pool);
  take_and_soil(pool, size); /* from new slabs, perhaps in memory of old ones */
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(zero, objects_come_zeroed_fresh_and_reused) {
  for (size_t i = 0; i < SIZES; i++) check_zeroed(sizes[i], 0);
}

TEST(zero, objects_come_zeroed_in_single_thread_pools) {
  for (size_t i = 0; i < SIZES; i++) check_zeroed(sizes[i], LIDO_POOL_SINGLE_THREAD);
}

TEST(zero, objects_come_zeroed_in_passthrough_pools) {
  lido_pool *pool =
      lido_pool_create(&(lido_pool_options){.object_size = 300, .flags = LIDO_POOL_ZERO | LIDO_POOL_PASSTHROUGH});
  CHECK_NOT_NULL(pool);
  for (int i = 0; i < 100; i++) {
    void *object = lido_pool_alloc(pool);
    CHECK_NOT_NULL(object);
    CHECK(objects_are_all(object, 300, 0));
    memset(object, 0xff, 300);
    lido_pool_free(pool, object);
  }
  lido_pool_destroy(pool);
}

TEST(zero, a_pair_of_alloc_and_free_zeroes_each_time) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 64, .flags = LIDO_POOL_ZERO});
  CHECK_NOT_NULL(pool);
  for (int i = 0; i < 1000; i++) {
    void *object = lido_pool_alloc(pool);
    CHECK(objects_are_all(object, 64, 0));
    memset(object, i | 1, 64);
    lido_pool_free(pool, object);
  }
  lido_pool_destroy(pool);
}

TEST(zero, batches_reserves_and_explicit_caches_zero_too) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 72, .flags = LIDO_POOL_ZERO});
  CHECK_NOT_NULL(pool);
  lido_pool_cache *cache = lido_pool_cache_create(pool);
  CHECK_NOT_NULL(cache);
  void *objects[300];
  for (int round = 0; round < 3; round++) {
    CHECK_EQ(lido_pool_alloc_batch(pool, objects, 300), 300);
    for (size_t i = 0; i < 300; i++) {
      CHECK(objects_are_all(objects[i], 72, 0));
      memset(objects[i], 0x77, 72);
    }
    lido_pool_free_batch(pool, objects, 300);
    lido_reserve *reserve = lido_reserve_create(pool, 50);
    CHECK_NOT_NULL(reserve);
    for (size_t i = 0; i < 50; i++) {
      objects[i] = lido_reserve_alloc(reserve);
      CHECK_NOT_NULL(objects[i]);
      CHECK(objects_are_all(objects[i], 72, 0));
      memset(objects[i], 0x77, 72);
    }
    lido_reserve_destroy(reserve);
    for (size_t i = 0; i < 50; i++) lido_pool_cache_free(cache, objects[i]);
    for (size_t i = 0; i < 50; i++) {
      objects[i] = lido_pool_cache_alloc(cache);
      CHECK_NOT_NULL(objects[i]);
      CHECK(objects_are_all(objects[i], 72, 0));
      memset(objects[i], 0x77, 72);
    }
    lido_pool_free_batch(pool, objects, 50);
  }
  lido_pool_cache_destroy(cache);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(zero, what_was_in_an_object_is_gone_when_it_is_freed) {
  /* The promise is that secrets do not stay: a peer who gets the memory of a dead pool finds none. */
  static _Alignas(64) unsigned char memory[1 << 18];
  lido_backing *buffer = lido_backing_create_buffer(memory, sizeof memory);
  CHECK_NOT_NULL(buffer);
  lido_pool *pool =
      lido_pool_create(&(lido_pool_options){.object_size = 256, .flags = LIDO_POOL_ZERO, .backing = buffer});
  CHECK_NOT_NULL(pool);
  void *objects[100];
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, 100), 100);
  for (size_t i = 0; i < 100; i++) memset(objects[i], 0xc3, 256);
  lido_pool_free_batch(pool, objects, 100);
  CHECK_EQ(lido_pool_destroy(pool), 0);
  CHECK_EQ(lido_backing_destroy(buffer), 0);
  /* Sixteen in a row: addresses that were noted here may have such a byte each. */
  size_t found = 0;
  size_t row = 0;
  for (size_t i = 0; i < sizeof memory; i++) {
    row = memory[i] == 0xc3 ? row + 1 : 0;
    found += row == 16;
  }
  CHECK_EQ(found, 0);
}
