/* prealloc_test.c: memory that is there when create returns. */
#include "lib/base/fault.h"
#include "tests/support/objects.h"

enum { MOST = 5000 };

/* As many allocs as were preallocated need no memory at all. */
static void check_prealloc(const lido_pool_options *options) {
  lido_pool *pool = lido_pool_create(options);
  CHECK_NOT_NULL(pool);
  CHECK_GE(objects_stats(pool).objects, options->prealloc);
  static void *objects[MOST];
  lido_fault_arm(1, true);
  size_t got = 0;
  while (got < options->prealloc && (objects[got] = lido_pool_alloc(pool)) != NULL) got++;
  lido_fault_disarm();
  CHECK_EQ(got, options->prealloc);
  for (size_t i = 0; i < got; i++) lido_pool_free(pool, objects[i]);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(prealloc, that_many_allocs_ask_for_no_memory) {
  static const size_t counts[] = {1, 2, 63, 64, 65, 255, 1000, MOST};
  for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
    check_prealloc(&(lido_pool_options){.object_size = 64, .prealloc = counts[i]});
    check_prealloc(&(lido_pool_options){.object_size = 64, .prealloc = counts[i], .flags = LIDO_POOL_ZERO});
    check_prealloc(&(lido_pool_options){.object_size = 64, .prealloc = counts[i], .flags = LIDO_POOL_SINGLE_THREAD});
    check_prealloc(
        &(lido_pool_options){.object_size = 3, .align = 1, .prealloc = counts[i], .flags = LIDO_POOL_SPREAD});
    check_prealloc(&(lido_pool_options){.object_size = 64, .prealloc = counts[i], .max_objects = counts[i]});
    check_prealloc(&(lido_pool_options){.object_size = 64, .prealloc = counts[i], .cache_bytes = SIZE_MAX});
    check_prealloc(&(lido_pool_options){.object_size = 4000, .prealloc = counts[i] / 10 + 1});
  }
  check_prealloc(&(lido_pool_options){.object_size = 1 << 20, .prealloc = 20});
}

TEST(prealloc, a_batch_finds_the_memory_too) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 200, .prealloc = 1000});
  CHECK_NOT_NULL(pool);
  static void *objects[1000];
  lido_fault_arm(1, true);
  size_t got = lido_pool_alloc_batch(pool, objects, 1000);
  lido_fault_disarm();
  CHECK_EQ(got, 1000);
  lido_pool_free_batch(pool, objects, got);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(prealloc, more_than_that_asks_for_memory_and_fails_without) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 1 << 20, .prealloc = 3});
  CHECK_NOT_NULL(pool);
  static void *objects[MOST];
  lido_fault_arm(1, true);
  size_t got = lido_pool_alloc_batch(pool, objects, MOST);
  int error = errno;
  CHECK_GT(lido_fault_disarm(), 0);
  CHECK_EQ(error, ENOMEM);
  CHECK_GE(got, 3);
  CHECK_LT(got, 100);
  lido_pool_free_batch(pool, objects, got);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

typedef struct worker {
  lido_pool *pool;
  size_t wanted;
  size_t got;
} worker;

static void *take_all(void *argument) {
  worker *w = argument;
  static void *objects[MOST];
  w->got = lido_pool_alloc_batch(w->pool, objects, w->wanted);
  lido_pool_free_batch(w->pool, objects, w->got);
  return NULL;
}

TEST(prealloc, it_is_there_for_any_thread) {
  worker w = {.wanted = 777};
  w.pool = lido_pool_create(&(lido_pool_options){.object_size = 64, .prealloc = w.wanted, .max_objects = w.wanted});
  CHECK_NOT_NULL(w.pool);
  lido_fault_arm(1, true);
  objects_in_thread(take_all, &w);
  lido_fault_disarm();
  CHECK_EQ(w.got, w.wanted);
  CHECK_SOUND(w.pool);
  CHECK_EQ(lido_pool_destroy(w.pool), 0);
}
