/* frees_at_once_test.c: two threads free at the same moment, even the same objects. With LIDO_CHECKS=full one
 * of the two is told; at the default level both may pass, and yet no object is handed out twice.
 */
#include <pthread.h>

#include "lib/base/atomic.h"
#include "tests/support/objects.h"

enum { MOST = 3000 };

static void *objects[2 * MOST];

typedef struct racer {
  lido_pool *pool;
  size_t first; /* the object it begins with */
  size_t step;
  pthread_barrier_t *start;
} racer;

static void *free_some(void *argument) {
  racer *r = argument;
  pthread_barrier_wait(r->start);
  for (size_t i = r->first; i < MOST; i += r->step) lido_pool_free(r->pool, objects[i]);
  return NULL;
}

/* Two threads free the first MOST of `objects` at once: every one by both, or each by one of the two. */
static void free_in_two_threads(lido_pool *pool, bool twice) {
  pthread_barrier_t start;
  pthread_barrier_init(&start, NULL, 2);
  racer racers[2];
  for (size_t i = 0; i < 2; i++) {
    racers[i] = (racer){.pool = pool, .first = twice ? 0 : i, .step = twice ? 1 : 2, .start = &start};
  }
  pthread_t thread;
  CHECK_EQ(pthread_create(&thread, NULL, free_some, &racers[1]), 0);
  free_some(&racers[0]);
  pthread_join(thread, NULL);
  pthread_barrier_destroy(&start);
}

/* Alloc twice as many: no object comes twice. */
static void check_distinct(lido_pool *pool) {
  object_list all = {0};
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, 2 * MOST), 2 * MOST);
  for (size_t i = 0; i < 2 * MOST; i++) object_list_push(&all, objects[i]);
  CHECK(objects_are_distinct(&all));
  object_list_end(&all);
}

TEST(frees_at_once, of_neighbours_are_none_of_each_others_business) {
  for (size_t round = testing_scaled(30); round > 0; round--) {
    lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 64});
    CHECK_NOT_NULL(pool);
    CHECK_EQ(lido_pool_alloc_batch(pool, objects, MOST), MOST);
    free_in_two_threads(pool, false);
    CHECK_EQ(objects_stats(pool).live, 0);
    CHECK_EQ(objects_stats(pool).frees, MOST);
    CHECK_SOUND(pool);
    check_distinct(pool);
    CHECK_EQ(lido_pool_destroy(pool), 2 * MOST);
  }
}

#if LIDO_CHECKS != LIDO_CHECKS_NONE

/* Called by two threads at once. RELAXED: read after the join. */
static void count_misuse(const lido_misuse *misuse, void *context) {
  if (misuse->kind == LIDO_MISUSE_DOUBLE_FREE) lido_add_relaxed((size_t *)context, 1);
}

/* What that level promises of one object that two threads free. */
static void check_freed_twice(lido_pool *pool, size_t found) {
#if LIDO_CHECKS == LIDO_CHECKS_FULL
  CHECK_EQ(found, MOST);
  CHECK_EQ(objects_stats(pool).live, 0);
  CHECK_EQ(objects_stats(pool).frees, MOST);
  CHECK_SOUND(pool);
#else
  CHECK_LE(found, MOST);
  (void)pool;
#endif
}

TEST(frees_at_once, of_one_object_hand_it_out_once) {
  for (size_t round = testing_scaled(30); round > 0; round--) {
    lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 64});
    CHECK_NOT_NULL(pool);
    CHECK_EQ(lido_pool_alloc_batch(pool, objects, MOST), MOST);
    size_t found = 0;
    lido_misuse_handler_set(count_misuse, &found);
    free_in_two_threads(pool, true);
    check_freed_twice(pool, found);
    check_distinct(pool);
    lido_misuse_handler_set(NULL, NULL);
    lido_pool_destroy(pool);
  }
}

#endif
