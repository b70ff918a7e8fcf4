/* misuse_of_threads_test.c: second threads on pools of one thread, and magazines attached to wrong pools.
 * Every level of checking finds these; with a handler that returns the call has no effect.
 */
#include "tests/model/watch.h"

typedef struct intruder {
  lido_pool *pool;
  void *object; /* to free; NULL: alloc */
  lido_magazine *magazine;
  void *got;
  int error;
} intruder;

static void *intrude(void *argument) {
  intruder *i = argument;
  errno = EXDEV;
  if (i->magazine != NULL) {
    lido_pool_magazine_attach(i->pool, i->magazine);
  } else if (i->object != NULL) {
    lido_pool_free(i->pool, i->object);
  } else {
    i->got = lido_pool_alloc(i->pool);
  }
  i->error = errno;
  return NULL;
}

static lido_pool *own_pool(size_t max_objects) {
  return lido_pool_create(&(lido_pool_options){
      .name = "own", .object_size = 64, .flags = LIDO_POOL_SINGLE_THREAD, .max_objects = max_objects});
}

static void intrude_all_ways(lido_pool *pool) {
  void *object = lido_pool_alloc(pool);
  CHECK_NOT_NULL(object);
  intruder i = {.pool = pool};
  watch w = watch_start(pool);
  objects_in_thread(intrude, &i);
  watch_end(&w, LIDO_MISUSE_WRONG_THREAD, NULL);
  CHECK_NULL(i.got);
  CHECK_EQ(i.error, EPERM);

  i.object = object;
  w = watch_start(pool);
  objects_in_thread(intrude, &i);
  watch_end(&w, LIDO_MISUSE_WRONG_THREAD, object);
  CHECK_EQ(i.error, EXDEV);
  lido_pool_free(pool, object);
}

TEST(misuse_of_threads, a_second_thread) {
  lido_pool *pool = own_pool(0);
  CHECK_NOT_NULL(pool);
  intrude_all_ways(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(misuse_of_threads, a_second_thread_beside_an_explicit_cache) {
  lido_pool *pool = own_pool(0);
  CHECK_NOT_NULL(pool);
  lido_pool_free(pool, lido_pool_alloc(pool));
  lido_pool_cache *cache = lido_pool_cache_create(pool);
  CHECK_NOT_NULL(cache);
  intrude_all_ways(pool);
  lido_pool_cache_destroy(cache);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(misuse_of_threads, a_second_thread_of_a_pool_of_few_objects) {
  lido_pool *pool = own_pool(10);
  CHECK_NOT_NULL(pool);
  intrude_all_ways(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(misuse_of_threads, a_magazine_in_a_second_thread) {
  lido_pool *pool = own_pool(0);
  CHECK_NOT_NULL(pool);
  void *batch[100];
  CHECK_EQ(lido_pool_alloc_batch(pool, batch, 100), 100);
  lido_pool_free_batch(pool, batch, 100);
  lido_magazine *magazine = lido_pool_magazine_detach(pool);
  CHECK_NOT_NULL(magazine);
  intruder i = {.pool = pool, .magazine = magazine};
  watch w = watch_start(pool);
  objects_in_thread(intrude, &i);
  watch_end(&w, LIDO_MISUSE_WRONG_THREAD, magazine);
  lido_pool_magazine_attach(pool, magazine); /* still the caller's */
  CHECK_EQ(objects_stats(pool).live, 0);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

LIDO_POOL_DEFINE(own_long, long, .flags = LIDO_POOL_SINGLE_THREAD)

/* No misuse: it is one thread, whichever way it comes. */
TEST(misuse_of_threads, one_thread_may_use_its_typed_pool_both_ways) {
  lido_pool *pool = own_long_pool();
  CHECK_NOT_NULL(pool);
  misuse_log_start(&seen);
  long *first = lido_pool_alloc(pool);
  long *second = own_long_alloc();
  misuse_log_stop();
  CHECK_EQ(seen.count, 0);
  CHECK_NOT_NULL(first);
  CHECK_NOT_NULL(second);
  own_long_free(first);
  lido_pool_free(pool, second);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

/* ---- Magazines of other pools ---- */

TEST(misuse_of_threads, a_magazine_of_another_pool) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.name = "wrong", .object_size = 64});
  lido_pool *other = lido_pool_create(&(lido_pool_options){.name = "right", .object_size = 64});
  CHECK_NOT_NULL(pool);
  CHECK_NOT_NULL(other);
  void *batch[100];
  CHECK_EQ(lido_pool_alloc_batch(other, batch, 100), 100);
  lido_pool_free_batch(other, batch, 100);
  lido_magazine *magazine = lido_pool_magazine_detach(other);
  CHECK_NOT_NULL(magazine);
  watch w = watch_start(pool);
  lido_pool_magazine_attach(pool, magazine);
  watch_end(&w, LIDO_MISUSE_WRONG_POOL, magazine);
  CHECK_TEXT(seen.other_pool, "right");
  lido_pool_magazine_attach(other, magazine);
  CHECK_SOUND(other);
  CHECK_EQ(lido_pool_destroy(pool), 0);
  CHECK_EQ(lido_pool_destroy(other), 0);
}
