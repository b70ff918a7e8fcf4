/* batch_test.c: many objects by one call. */
#include "lib/base/fault.h"
#include "tests/support/objects.h"

enum { MOST = 3000, BYTES = 96 };

static void *objects[MOST + 1];

TEST(batch, gives_as_many_as_were_asked_for) {
  static const size_t counts[] = {0, 1, 2, 3, 7, 63, 64, 65, 127, 128, 129, 500, 1000, MOST};
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
  CHECK_NOT_NULL(pool);
  for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
    objects[counts[i]] = &objects; /* a sentinel: nothing is written beyond the count */
    CHECK_EQ(lido_pool_alloc_batch(pool, objects, counts[i]), counts[i]);
    CHECK_SAME(objects[counts[i]], &objects);
    for (size_t n = 0; n < counts[i]; n++) {
      CHECK_NOT_NULL(objects[n]);
      objects_fill(objects[n], BYTES, n);
    }
    for (size_t n = 0; n < counts[i]; n++) CHECK(objects_hold(objects[n], BYTES, n));
    CHECK_EQ(objects_stats(pool).live, counts[i]);
    lido_pool_free_batch(pool, objects, counts[i]);
    CHECK_EQ(objects_stats(pool).live, 0);
    CHECK_SOUND(pool);
  }
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(batch, gives_what_is_left_when_the_limit_is_met) {
  static const size_t limits[] = {1, 10, 64, 100, 1000};
  for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
    lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .max_objects = limits[i]});
    CHECK_NOT_NULL(pool);
    errno = 0;
    CHECK_EQ(lido_pool_alloc_batch(pool, objects, MOST), limits[i]);
    CHECK_EQ(errno, ENOMEM);
    errno = 0;
    void *none[3] = {NULL, NULL, NULL};
    CHECK_EQ(lido_pool_alloc_batch(pool, none, 3), 0);
    CHECK_EQ(errno, ENOMEM);
    lido_pool_free_batch(pool, objects, limits[i]);
    errno = 0;
    CHECK_EQ(lido_pool_alloc_batch(pool, objects, limits[i]), limits[i]);
    CHECK_EQ(errno, 0);
    lido_pool_free_batch(pool, objects, limits[i]);
    CHECK_SOUND(pool);
    CHECK_EQ(lido_pool_destroy(pool), 0);
  }
}

TEST(batch, gives_what_there_is_when_memory_runs_out) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 65536});
  CHECK_NOT_NULL(pool);
  lido_pool_free(pool, lido_pool_alloc(pool)); /* a region is there now, and no other will come */
  lido_fault_arm(1, true);
  size_t got = lido_pool_alloc_batch(pool, objects, MOST);
  int error = errno;
  CHECK_GT(lido_fault_disarm(), 0);
  CHECK_EQ(error, ENOMEM);
  CHECK_GT(got, 0);
  CHECK_LT(got, MOST);
  CHECK_EQ(objects_stats(pool).live, got);
  lido_pool_free_batch(pool, objects, got);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(batch, frees_nothing_for_null) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
  CHECK_NOT_NULL(pool);
  misuse_log log;
  misuse_log_start(&log);
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, 10), 10);
  void *holes[12] = {NULL,       objects[0], objects[1], NULL,       objects[2], objects[3],
                     objects[4], objects[5], objects[6], objects[7], NULL,       objects[8]};
  lido_pool_free_batch(pool, holes, 12);
  CHECK_EQ(objects_stats(pool).live, 1);
  CHECK_EQ(objects_stats(pool).frees, 9);
  lido_pool_free_batch(pool, holes, 0);
  CHECK_EQ(objects_stats(pool).frees, 9);
  misuse_log_stop();
  CHECK_EQ(log.count, 0);
  CHECK_EQ(lido_pool_destroy(pool), 1);
}

TEST(batch, objects_may_be_mixed_with_single_ones) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
  CHECK_NOT_NULL(pool);
  object_list all = {0};
  for (size_t round = 0; round < 50; round++) {
    CHECK_EQ(lido_pool_alloc_batch(pool, objects, 20), 20);
    for (size_t i = 0; i < 20; i++) object_list_push(&all, objects[i]);
    for (size_t i = 0; i < 10; i++) object_list_push(&all, lido_pool_alloc(pool));
    lido_pool_free_batch(pool, all.items + all.count - 5, 5);
    all.count -= 5;
    lido_pool_free(pool, object_list_pop(&all));
  }
  CHECK_EQ(objects_stats(pool).live, all.count);
  CHECK(objects_are_distinct(&all));
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), all.count);
  object_list_end(&all);
}
