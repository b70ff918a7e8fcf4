/* flags_test.c: passthrough, single thread, spread, huge pages. */
#include <stdlib.h>

#include "pools/pool_core.h"
#include "tests/support/objects.h"

enum { BYTES = 200, COUNT = 500 };

static void *objects[COUNT];

static void fill_verify_free(lido_pool *pool, size_t count) {
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, count), count);
  for (size_t i = 0; i < count; i++) objects_fill(objects[i], BYTES, i);
  for (size_t i = 0; i < count; i++) CHECK(objects_hold(objects[i], BYTES, i));
  CHECK_EQ(objects_stats(pool).live, count);
  lido_pool_free_batch(pool, objects, count);
  CHECK_EQ(objects_stats(pool).live, 0);
  CHECK_SOUND(pool);
}

/* ---- Passthrough ---- */

static bool visit(void *object, void *arg) {
  (void)object;
  ++*(size_t *)arg;
  return true;
}

static void check_passthrough(lido_pool *pool) {
  fill_verify_free(pool, COUNT);
  lido_pool_stats stats = objects_stats(pool);
  CHECK_EQ(stats.allocs, COUNT);
  CHECK_EQ(stats.frees, COUNT);
  CHECK_EQ(stats.slabs, 0);
  void *object = lido_pool_alloc(pool);
  CHECK_NOT_NULL(object);
  size_t visited = 0;
  CHECK_EQ(lido_pool_for_each(pool, visit, &visited), 0);
  CHECK_EQ(visited, 0);
  CHECK_NULL(lido_pool_of(object));
  CHECK(!lido_pool_owns(pool, object));
  CHECK_EQ(lido_pool_trim(pool), 0);
  CHECK_EQ(objects_stats(pool).live, 1);
  lido_pool_free(pool, object);
  lido_thread_flush();
  lido_pool_free(pool, NULL);
  CHECK_SOUND(pool);
}

TEST(flags, a_passthrough_pool_takes_each_object_from_malloc) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .flags = LIDO_POOL_PASSTHROUGH});
  CHECK_NOT_NULL(pool);
  check_passthrough(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(flags, a_passthrough_pool_aligns_and_limits) {
  for (size_t align = 1; align <= 4096; align *= 2) {
    lido_pool *pool = lido_pool_create(
        &(lido_pool_options){.object_size = BYTES, .align = align, .max_objects = 10, .flags = LIDO_POOL_PASSTHROUGH});
    CHECK_NOT_NULL(pool);
    for (size_t i = 0; i < 10; i++) {
      CHECK_NOT_NULL(objects[i] = lido_pool_alloc(pool));
      CHECK_EQ((uintptr_t)objects[i] % align, 0);
    }
    CHECK_FAILS(lido_pool_alloc(pool), ENOMEM);
    lido_pool_free_batch(pool, objects, 10);
    CHECK_EQ(lido_pool_destroy(pool), 0);
  }
}

static int build(void *object, void *context) {
  memset(object, 7, BYTES);
  ++*(int *)context;
  return *(int *)context > 5 ? ENOSPC : 0;
}

static void tear_down(void *object, void *context) {
  (void)object;
  *(int *)context -= 100;
}

TEST(flags, a_passthrough_pool_builds_and_destroys_each_object) {
  int calls = 0;
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES,
                                                          .construct = build,
                                                          .destroy = tear_down,
                                                          .context = &calls,
                                                          .flags = LIDO_POOL_PASSTHROUGH});
  CHECK_NOT_NULL(pool);
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, 5), 5);
  CHECK_EQ(calls, 5);
  CHECK(objects_are_all(objects[4], BYTES, 7));
  CHECK_FAILS(lido_pool_alloc(pool), ENOSPC);
  CHECK_EQ(objects_stats(pool).live, 5);
  lido_pool_free_batch(pool, objects, 5);
  CHECK_EQ(calls, 6 - 500);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(flags, passthrough_can_be_made_the_rule) {
  lido_pool *before = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
  lido_pool_passthrough_set(true);
  lido_pool *during = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
  lido_pool_passthrough_set(false);
  lido_pool *after = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
  CHECK_NOT_NULL(before);
  CHECK_NOT_NULL(during);
  CHECK_NOT_NULL(after);
  check_passthrough(during);
  for (int i = 0; i < 2; i++) {
    lido_pool *pool = i == 0 ? before : after;
    void *object = lido_pool_alloc(pool);
    CHECK_SAME(lido_pool_of(object), pool);
    lido_pool_free(pool, object);
  }
  CHECK_EQ(lido_pool_destroy(before), 0);
  CHECK_EQ(lido_pool_destroy(during), 0);
  CHECK_EQ(lido_pool_destroy(after), 0);
}

TEST(flags, a_passthrough_pool_has_no_magazines) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .flags = LIDO_POOL_PASSTHROUGH});
  CHECK_NOT_NULL(pool);
  lido_pool_free(pool, lido_pool_alloc(pool));
  CHECK_NULL(lido_pool_magazine_detach(pool));
  lido_pool_cache *cache = lido_pool_cache_create(pool);
  if (cache != NULL) {
    void *object = lido_pool_cache_alloc(cache);
    CHECK_NOT_NULL(object);
    memset(object, 1, BYTES);
    lido_pool_cache_free(cache, object);
    lido_pool_cache_flush(cache);
    lido_pool_cache_destroy(cache);
  }
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(flags, a_reserve_of_a_passthrough_pool_holds_objects_of_malloc) {
  lido_pool *pool =
      lido_pool_create(&(lido_pool_options){.object_size = BYTES, .max_objects = 5, .flags = LIDO_POOL_PASSTHROUGH});
  CHECK_NOT_NULL(pool);
  CHECK_FAILS(lido_reserve_create(pool, 6), ENOMEM);
  lido_reserve *reserve = lido_reserve_create(pool, 4);
  CHECK_NOT_NULL(reserve);
  CHECK_EQ(objects_stats(pool).live, 0);
  void *one = lido_pool_alloc(pool);
  CHECK_NOT_NULL(one);
  CHECK_FAILS(lido_pool_alloc(pool), ENOMEM); /* the others are set aside */
  void *other = lido_reserve_alloc(reserve);
  CHECK_NOT_NULL(other);
  objects_fill(other, BYTES, 7);
  CHECK_EQ(objects_stats(pool).live, 2);
  lido_pool_free(pool, other);
  lido_pool_free(pool, one);
  CHECK_EQ(lido_reserve_refill(reserve), 0);
  CHECK_EQ(lido_reserve_count(reserve), 4);
  lido_reserve_destroy(reserve);
  CHECK_EQ(objects_stats(pool).live, 0);
  CHECK_EQ(objects_stats(pool).frees, 2);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(flags, a_passthrough_pool_counts_what_met_its_limit) {
  static const lido_exhausted policies[] = {LIDO_EXHAUSTED_FAIL, LIDO_EXHAUSTED_FALLBACK, LIDO_EXHAUSTED_WAIT};
  for (size_t i = 0; i < 3; i++) {
    bool falls_back = policies[i] == LIDO_EXHAUSTED_FALLBACK;
    lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES,
                                                            .max_objects = 2,
                                                            .on_exhausted = policies[i],
                                                            .wait_ns = UINT64_MAX,
                                                            .flags = LIDO_POOL_PASSTHROUGH});
    CHECK_NOT_NULL(pool);
    void *five[5];
    size_t got = lido_pool_alloc_batch(pool, five, 5);
    CHECK_EQ(got, falls_back ? 5 : 2); /* nobody waits */
    lido_pool_free_batch(pool, five, got);
    lido_pool_stats stats = objects_stats(pool);
    CHECK_EQ(stats.exhausted, falls_back ? 3 : 1);
    CHECK_EQ(stats.fallbacks, falls_back ? 3 : 0);
    CHECK_EQ(stats.waits, 0);
    CHECK_EQ(stats.peak, got);
    CHECK_EQ(stats.live, 0);
    CHECK_EQ(stats.misses, 2 * got);
    CHECK_EQ(lido_pool_destroy(pool), 0);
  }
}

TEST(flags, live_objects_of_a_passthrough_pool_are_counted_at_its_end) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .flags = LIDO_POOL_PASSTHROUGH});
  CHECK_NOT_NULL(pool);
  void *object = lido_pool_alloc(pool);
  void *other = lido_pool_alloc(pool);
  CHECK_NOT_NULL(other);
  lido_pool_free(pool, object);
  CHECK_EQ(lido_pool_destroy(pool), 1);
  free(other); /* it is malloc's */
}

/* ---- Single thread ---- */

TEST(flags, a_single_thread_pool_works_for_its_thread) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .flags = LIDO_POOL_SINGLE_THREAD});
  CHECK_NOT_NULL(pool);
  for (int round = 0; round < 5; round++) {
    fill_verify_free(pool, COUNT);
    lido_pool_trim(pool);
    lido_thread_flush();
  }
  CHECK_EQ(objects_stats(pool).contended, 0);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

typedef struct lonely {
  lido_pool *pool;
  size_t live;
} lonely;

static void *live_alone(void *argument) {
  lonely *l = argument;
  l->pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .flags = LIDO_POOL_SINGLE_THREAD});
  if (l->pool == NULL) return NULL;
  void *mine[100];
  lido_pool_alloc_batch(l->pool, mine, 100);
  lido_pool_free_batch(l->pool, mine, 90);
  l->live = lido_pool_destroy(l->pool);
  return NULL;
}

TEST(flags, a_single_thread_pool_may_live_in_any_thread) {
  lonely l = {0};
  objects_in_thread(live_alone, &l);
  CHECK_NOT_NULL(l.pool);
  CHECK_EQ(l.live, 10);
}

static void *use_and_exit(void *pool) {
  lido_pool_free(pool, lido_pool_alloc(pool));
  return NULL;
}

TEST(flags, a_single_thread_pool_may_change_hands_when_its_thread_has_ended) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .flags = LIDO_POOL_SINGLE_THREAD});
  CHECK_NOT_NULL(pool);
  misuse_log log;
  misuse_log_start(&log);
  objects_in_thread(use_and_exit, pool);
  objects_in_thread(use_and_exit, pool);
  lido_pool_free(pool, lido_pool_alloc(pool));
  misuse_log_stop();
  CHECK_EQ(log.count, 0);
  CHECK_EQ(objects_stats(pool).frees, 3);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(flags, a_single_thread_pool_without_caches_may_do_so_too) {
  for (int round = 0; round < 20; round++) { /* a new thread may get the place of the last one, or not */
    lido_pool *pool = lido_pool_create(
        &(lido_pool_options){.object_size = BYTES, .max_objects = 10, .flags = LIDO_POOL_SINGLE_THREAD});
    CHECK_NOT_NULL(pool);
    misuse_log log;
    misuse_log_start(&log);
    objects_in_thread(use_and_exit, pool);
    lido_pool_free(pool, lido_pool_alloc(pool));
    CHECK_EQ(log.count, 0);
    objects_in_thread(use_and_exit, pool);
    CHECK_EQ(log.count, 1); /* now it is this thread's */
    misuse_log_stop();
    CHECK_EQ(lido_pool_destroy(pool), 0);
  }
}

/* ---- Spread ---- */

TEST(flags, spread_objects_that_share_no_line_share_no_line_of_state_bytes) {
  static const size_t sizes[] = {8, 24, 64, 200, 512, 1000, 4096};
  for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
    lido_pool *pool =
        lido_pool_create(&(lido_pool_options){.object_size = sizes[s], .align = 8, .flags = LIDO_POOL_SPREAD});
    CHECK_NOT_NULL(pool);
    object_list taken = {0};
    objects_take_slabs(pool, &taken, 1);
    object_list_sort(&taken);
    lido_pool_core *core = lido_core_of(pool);
    size_t shared_lines = 0;
    for (size_t i = 1; i < taken.count; i++) {
      uintptr_t before = (uintptr_t)lido_core_state_of(core, (uintptr_t)taken.items[i - 1]);
      uintptr_t state = (uintptr_t)lido_core_state_of(core, (uintptr_t)taken.items[i]);
      bool share = (uintptr_t)taken.items[i - 1] / 64 == (uintptr_t)taken.items[i] / 64;
      shared_lines += !share && before / 64 == state / 64;
    }
    CHECK_EQ(shared_lines, 0);
    objects_free_all(pool, &taken);
    CHECK_SOUND(pool);
    CHECK_EQ(lido_pool_destroy(pool), 0);
    object_list_end(&taken);
  }
}

/* ---- Huge pages ---- */

TEST(flags, a_pool_that_wishes_for_huge_pages_works_with_or_without) {
  lido_pool *wish = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .flags = LIDO_POOL_HUGE_PAGES});
  lido_pool *plain = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
  CHECK_NOT_NULL(wish);
  CHECK_NOT_NULL(plain);
  fill_verify_free(wish, COUNT);
  fill_verify_free(plain, COUNT);
  void *of_wish = lido_pool_alloc(wish);
  void *of_plain = lido_pool_alloc(plain);
  CHECK((uintptr_t)of_wish >> 24 != (uintptr_t)of_plain >> 24); /* regions of 16 MiB are not shared */
  lido_pool_free(wish, of_wish);
  lido_pool_free(plain, of_plain);
  CHECK_EQ(lido_pool_destroy(wish), 0);
  CHECK_EQ(lido_pool_destroy(plain), 0);
}
