/* for_each_test.c: a walk over the live objects, exactly. */
#include "tests/support/objects.h"
#include "tests/support/random.h"

enum { BYTES = 200, MOST = 2000 };

static void *objects[MOST];

typedef struct visitor {
  lido_pool *pool;
  object_list seen;
  size_t stop_after; /* 0 = never */
  bool frees;
  bool allocs;
  object_list made;
} visitor;

static bool visit(void *object, void *arg) {
  visitor *v = arg;
  object_list_push(&v->seen, object);
  if (v->frees) lido_pool_free(v->pool, object);
  if (v->allocs && v->made.count < 500) object_list_push(&v->made, lido_pool_alloc(v->pool));
  return v->seen.count != v->stop_after;
}

static bool lists_are_equal(object_list *left, object_list *right) {
  if (left->count != right->count) return false;
  object_list_sort(left);
  object_list_sort(right);
  return left->count == 0 || memcmp(left->items, right->items, left->count * sizeof *left->items) == 0;
}

static void check_set(lido_pool *pool, object_list *expected) {
  visitor v = {.pool = pool};
  CHECK_EQ(lido_pool_for_each(pool, visit, &v), expected->count);
  CHECK(lists_are_equal(&v.seen, expected));
  object_list_end(&v.seen);
}

TEST(for_each, of_an_unused_pool_visits_nothing) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
  CHECK_NOT_NULL(pool);
  object_list none = {0};
  check_set(pool, &none);
  void *object = lido_pool_alloc(pool);
  lido_pool_free(pool, object);
  check_set(pool, &none);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(for_each, visits_exactly_the_live_objects) {
  testing_random random = {testing_seed()};
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
  CHECK_NOT_NULL(pool);
  object_list live = {0};
  for (int round = 0; round < 60; round++) {
    size_t more = testing_below(&random, 300);
    for (size_t i = 0; i < more; i++) object_list_push(&live, lido_pool_alloc(pool));
    size_t fewer = testing_below(&random, live.count + 1);
    for (size_t i = 0; i < fewer; i++) {
      size_t place = testing_below(&random, live.count);
      lido_pool_free(pool, live.items[place]);
      live.items[place] = live.items[--live.count];
    }
    if (round % 7 == 0) lido_thread_flush();
    if (round % 11 == 0) lido_pool_trim(pool);
    check_set(pool, &live);
    CHECK_EQ(objects_stats(pool).live, live.count);
  }
  CHECK_EQ(lido_pool_destroy(pool), live.count);
  object_list_end(&live);
}

TEST(for_each, the_visitor_may_free_what_it_is_given) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .retain_bytes = 1});
  CHECK_NOT_NULL(pool);
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, MOST), MOST);
  visitor v = {.pool = pool, .frees = true};
  CHECK_EQ(lido_pool_for_each(pool, visit, &v), MOST);
  CHECK_EQ(objects_stats(pool).live, 0);
  CHECK(objects_are_distinct(&v.seen));
  CHECK_SOUND(pool);
  object_list_end(&v.seen);
  v = (visitor){.pool = pool};
  CHECK_EQ(lido_pool_for_each(pool, visit, &v), 0);
  lido_pool_trim(pool); /* what could not go during the walk can go now */
  CHECK_LE(objects_stats(pool).slabs, 1);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(for_each, the_visitor_may_stop_it) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
  CHECK_NOT_NULL(pool);
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, 1000), 1000);
  static const size_t stops[] = {1, 2, 500, 999, 1000};
  for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++) {
    visitor v = {.pool = pool, .stop_after = stops[i]};
    CHECK_EQ(lido_pool_for_each(pool, visit, &v), stops[i]);
    CHECK_EQ(v.seen.count, stops[i]);
    object_list_end(&v.seen);
  }
  lido_pool_free_batch(pool, objects, 1000);
  lido_pool_trim(pool); /* no walk is left open */
  CHECK_LE(objects_stats(pool).slabs, 1);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(for_each, the_visitor_may_alloc) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
  CHECK_NOT_NULL(pool);
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, 100), 100);
  visitor v = {.pool = pool, .allocs = true};
  size_t visited = lido_pool_for_each(pool, visit, &v);
  CHECK_GE(visited, 100);
  CHECK_LE(visited, 100 + v.made.count);
  CHECK(objects_are_distinct(&v.seen));
  CHECK_EQ(objects_stats(pool).live, 100 + v.made.count);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 100 + v.made.count);
  object_list_end(&v.seen);
  object_list_end(&v.made);
}

static bool visit_with_trim(void *object, void *arg) {
  visitor *v = arg;
  object_list_push(&v->seen, object);
  lido_pool_free(v->pool, object);
  lido_pool_trim(v->pool);
  return true;
}

TEST(for_each, a_trim_during_the_walk_takes_no_slab_away_from_it) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 4096, .retain_bytes = 1});
  CHECK_NOT_NULL(pool);
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, 200), 200);
  visitor v = {.pool = pool};
  CHECK_EQ(lido_pool_for_each(pool, visit_with_trim, &v), 200);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
  object_list_end(&v.seen);
}

static bool visit_with_walk(void *object, void *arg) {
  visitor *v = arg;
  object_list_push(&v->seen, object);
  visitor inner = {.pool = v->pool};
  size_t visited = lido_pool_for_each(v->pool, visit, &inner);
  object_list_end(&inner.seen);
  return visited == 50;
}

TEST(for_each, a_walk_may_hold_another_walk) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
  CHECK_NOT_NULL(pool);
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, 50), 50);
  visitor v = {.pool = pool};
  CHECK_EQ(lido_pool_for_each(pool, visit_with_walk, &v), 50);
  lido_pool_free_batch(pool, objects, 50);
  lido_pool_trim(pool);
  CHECK_LE(objects_stats(pool).slabs, 1);
  CHECK_EQ(lido_pool_destroy(pool), 0);
  object_list_end(&v.seen);
}

TEST(for_each, works_in_buffers_and_for_single_threads_and_spread_pools) {
  static _Alignas(64) char memory[1 << 17];
  lido_backing *buffer = lido_backing_create_buffer(memory, sizeof memory);
  CHECK_NOT_NULL(buffer);
  const lido_pool_options kinds[] = {{.object_size = BYTES, .backing = buffer},
                                     {.object_size = BYTES, .flags = LIDO_POOL_SINGLE_THREAD},
                                     {.object_size = BYTES, .flags = LIDO_POOL_SPREAD},
                                     {.object_size = BYTES, .flags = LIDO_POOL_ZERO},
                                     {.object_size = 1, .align = 1},
                                     {.object_size = BYTES, .cache_bytes = SIZE_MAX}};
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    lido_pool *pool = lido_pool_create(&kinds[i]);
    CHECK_NOT_NULL(pool);
    object_list live = {0};
    for (size_t n = 0; n < 200; n++) object_list_push(&live, lido_pool_alloc(pool));
    for (size_t n = 0; n < 50; n++) lido_pool_free(pool, object_list_pop(&live));
    check_set(pool, &live);
    CHECK_EQ(lido_pool_destroy(pool), 150);
    object_list_end(&live);
  }
  CHECK_EQ(lido_backing_destroy(buffer), 0);
}
