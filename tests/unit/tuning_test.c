/* tuning_test.c: each knob of a pool, seen in what the pool then does. */
#include "lib/base/atomic.h"
#include "lib/mem/region_purge.h"
#include "pools/registry.h"
#include "pools/thread_cache.h"
#include "tests/support/objects.h"
#include "tests/support/resident.h"

enum { BYTES = 64, MOST = 4000, LARGE = 4096, SLAB = 65536 };

#define HOUR UINT64_C(3600000000000)

static void *objects[MOST];

static lido_pool *pool_of(lido_pool_options options) {
  lido_pool *pool = lido_pool_create(&options);
  CHECK_NOT_NULL(pool);
  return pool;
}

static void tune(lido_pool *pool, lido_pool_tuning tuning) { CHECK_EQ(lido_pool_tune(pool, &tuning), 0); }

static void churn(lido_pool *pool, size_t count) {
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, count), count);
  lido_pool_free_batch(pool, objects, count);
}

static bool tuned_as(const lido_pool *pool, const lido_pool_tuning *tuning) {
  lido_pool_tuning now;
  memset(&now, 0xEE, sizeof now);
  lido_pool_tuning_get(pool, &now);
  return now.magazine_objects == tuning->magazine_objects && now.batch_objects == tuning->batch_objects &&
         now.retain_bytes == tuning->retain_bytes && now.retain_percent == tuning->retain_percent &&
         now.purge == tuning->purge && now.purge_delay_ns == tuning->purge_delay_ns &&
         now.ready_bytes == tuning->ready_bytes;
}

/* ---- The call ---- */

TEST(tuning, a_new_pool_is_not_tuned_and_tells_what_was_set_last) {
  lido_pool *pool = pool_of((lido_pool_options){.object_size = BYTES, .retain_bytes = 12345});
  CHECK(tuned_as(pool, &(lido_pool_tuning){0}));
  lido_pool_tuning tuning = {.magazine_objects = 1,
                             .batch_objects = 2,
                             .retain_bytes = 3,
                             .retain_percent = LIDO_RETAIN_NONE,
                             .purge = LIDO_PURGE_LAZY,
                             .purge_delay_ns = 5,
                             .ready_bytes = 6};
  tune(pool, tuning);
  CHECK(tuned_as(pool, &tuning));
  CHECK_SOUND(pool);
  tune(pool, (lido_pool_tuning){0});
  CHECK(tuned_as(pool, &(lido_pool_tuning){0}));
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(tuning, what_is_out_of_range_is_refused_and_changes_nothing) {
  lido_pool *pool = pool_of((lido_pool_options){.object_size = BYTES});
  const lido_pool_tuning wrong[] = {{.magazine_objects = 7, .purge = (lido_purge)3},
                                    {.magazine_objects = 7, .purge = (lido_purge)-1},
                                    {.magazine_objects = 7, .retain_percent = 1001},
                                    {.magazine_objects = 7, .retain_percent = LIDO_RETAIN_NONE - 1},
                                    {.magazine_objects = 7, .ready_bytes = SIZE_MAX}};
  CHECK_EQ(lido_pool_tune(pool, NULL), EINVAL);
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    CHECK_EQ(lido_pool_tune(pool, &wrong[i]), EINVAL);
    CHECK(tuned_as(pool, &(lido_pool_tuning){0}));
  }
  tune(pool, (lido_pool_tuning){.retain_percent = 1000, .retain_bytes = SIZE_MAX, .purge_delay_ns = UINT64_MAX});
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

/* ---- Magazines ---- */

/* Of this thread's one cache. */
static uint32_t loaded_capacity(lido_pool *pool) { return lido_core_of(pool)->caches->loaded->capacity; }
static uint32_t previous_capacity(lido_pool *pool) { return lido_core_of(pool)->caches->previous->capacity; }

static void check_capacities(lido_pool *pool, uint32_t capacity) {
  CHECK_EQ(loaded_capacity(pool), capacity);
  CHECK_EQ(previous_capacity(pool), capacity);
  CHECK_SOUND(pool);
}

TEST(tuning, magazines_get_the_tuned_size_whatever_it_was_before) {
  if (testing_on_valgrind()) return; /* no caches */
  static const uint32_t sizes[] = {40, 252, 8, 1, 100, 3};
  lido_pool *pool = pool_of((lido_pool_options){.object_size = BYTES});
  churn(pool, 600);
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    tune(pool, (lido_pool_tuning){.magazine_objects = sizes[i]});
    lido_pool_trim(pool); /* the depot has none of the old size */
    churn(pool, 1000);
    churn(pool, 1000);
    check_capacities(pool, sizes[i]);
  }
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

/* Also without a trim: full ones of the old size leave as they are used up. */
TEST(tuning, magazines_of_the_old_size_leave_by_use) {
  if (testing_on_valgrind()) return;
  lido_pool *pool = pool_of((lido_pool_options){.object_size = BYTES});
  tune(pool, (lido_pool_tuning){.magazine_objects = 200});
  churn(pool, MOST / 2);
  tune(pool, (lido_pool_tuning){.magazine_objects = 10});
  for (int i = 0; i < 5; i++) churn(pool, MOST);
  check_capacities(pool, 10);
  for (const lido_magazine *m = lido_core_of(pool)->depot.full; m != NULL; m = m->next) CHECK_EQ(m->capacity, 10);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(tuning, magazines_are_as_at_first_when_they_are_tuned_no_more) {
  if (testing_on_valgrind()) return;
  lido_pool *pool = pool_of((lido_pool_options){.object_size = BYTES});
  for (int i = 0; i < 5; i++) churn(pool, MOST);
  uint32_t untuned = loaded_capacity(pool);
  tune(pool, (lido_pool_tuning){.magazine_objects = 252});
  for (int i = 0; i < 5; i++) churn(pool, MOST);
  check_capacities(pool, 252);
  tune(pool, (lido_pool_tuning){0});
  for (int i = 0; i < 5; i++) churn(pool, MOST);
  check_capacities(pool, untuned);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(tuning, cache_bytes_bound_tuned_magazines) {
  if (testing_on_valgrind()) return;
  lido_pool *pool = pool_of((lido_pool_options){.object_size = BYTES, .cache_bytes = 40 * BYTES, .retain_bytes = 1});
  tune(pool, (lido_pool_tuning){.magazine_objects = UINT32_MAX, .retain_bytes = 1});
  for (int i = 0; i < 5; i++) churn(pool, 1000);
  check_capacities(pool, 20);
  CHECK_LE(objects_stats(pool).bytes_cached, 40 * BYTES + BYTES);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

/* As if the depot's lock had been busy, again and again. */
static void contend(lido_pool *pool) {
  for (int i = 0; i < 6; i++) {
    lido_add_relaxed(&lido_core_of(pool)->depot.contended, 10); /* RELAXED: nobody else is here */
    churn(pool, MOST);
  }
}

TEST(tuning, tuned_magazines_do_not_grow_with_contention_and_others_do) {
  if (testing_on_valgrind()) return;
  lido_pool *pool = pool_of((lido_pool_options){.object_size = 1024});
  churn(pool, MOST);
  uint32_t at_first = lido_core_of(pool)->magazine_target;
  tune(pool, (lido_pool_tuning){.magazine_objects = at_first});
  contend(pool);
  CHECK_EQ(lido_core_of(pool)->magazine_target, at_first);
  tune(pool, (lido_pool_tuning){0});
  contend(pool);
  CHECK_GT(lido_core_of(pool)->magazine_target, at_first);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(tuning, a_refill_takes_a_batch_from_the_slabs) {
  if (testing_on_valgrind()) return;
  lido_pool *pool = pool_of((lido_pool_options){.object_size = BYTES});
  tune(pool, (lido_pool_tuning){.magazine_objects = 100, .batch_objects = 5});
  for (size_t i = 0; i < 11; i++) {
    CHECK_NOT_NULL(objects[i] = lido_pool_alloc(pool));
    lido_pool_stats stats = objects_stats(pool);
    CHECK_EQ(stats.refills_backing, 1);
    CHECK_EQ(stats.refills_slab, i / 5);
    CHECK_EQ(stats.cached, 4 - i % 5);
  }
  tune(pool, (lido_pool_tuning){.magazine_objects = 100, .batch_objects = 1000}); /* more than fit */
  lido_thread_flush();
  lido_pool_trim(pool);
  CHECK_NOT_NULL(objects[11] = lido_pool_alloc(pool));
  CHECK_EQ(objects_stats(pool).cached, 99);
  lido_pool_free_batch(pool, objects, 12);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

/* ---- What is retained ---- */

static uint64_t empty_after_all_freed(lido_pool *pool, size_t count) {
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, count), count);
  lido_pool_free_batch(pool, objects, count);
  return objects_stats(pool).slabs_empty;
}

TEST(tuning, retained_bytes_change_what_stays) {
  lido_pool *pool =
      pool_of((lido_pool_options){.object_size = LARGE, .cache_bytes = SIZE_MAX, .retain_bytes = 4 * SLAB});
  uint64_t slab_bytes = lido_core_of(pool)->geometry.slab_bytes;
  CHECK_LE(empty_after_all_freed(pool, 1000) * slab_bytes, 4 * SLAB);
  tune(pool, (lido_pool_tuning){.retain_bytes = SIZE_MAX});
  uint64_t released = objects_stats(pool).slabs_released;
  CHECK_GE(empty_after_all_freed(pool, 1000), 60);
  CHECK_EQ(objects_stats(pool).slabs_released, released);
  tune(pool, (lido_pool_tuning){0}); /* as the option says; what is there stays until the next free that looks */
  CHECK_EQ(objects_stats(pool).slabs_released, released);
  CHECK_LE(empty_after_all_freed(pool, 1) * slab_bytes, 4 * SLAB);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(tuning, retained_bytes_bound_the_depot) {
  if (testing_on_valgrind()) return;
  lido_pool *pool = pool_of((lido_pool_options){.object_size = LARGE, .cache_bytes = 8 * LARGE});
  tune(pool, (lido_pool_tuning){.retain_bytes = 40 * LARGE});
  churn(pool, 1000);
  CHECK_LE(lido_depot_counts_get(&lido_core_of(pool)->depot).objects, 40);
  tune(pool, (lido_pool_tuning){.retain_bytes = SIZE_MAX});
  churn(pool, 1000);
  CHECK_GE(lido_depot_counts_get(&lido_core_of(pool)->depot).objects, 900);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

/* The most empty slabs that were ever left when an object was freed, while most of a hundred slabs are in use. */
static size_t most_empty(uint32_t percent) {
  lido_pool *pool = pool_of((lido_pool_options){.object_size = LARGE, .cache_bytes = SIZE_MAX, .retain_bytes = 1});
  tune(pool, (lido_pool_tuning){.retain_percent = percent});
  size_t each = lido_core_of(pool)->geometry.slab_objects;
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, 100 * each), 100 * each);
  size_t most = 0;
  for (size_t i = 0; i < 60 * each; i++) {
    lido_pool_free(pool, objects[i]);
    size_t empty = objects_stats(pool).slabs_empty;
    if (empty > most) most = empty;
  }
  lido_pool_free_batch(pool, objects + 60 * each, 40 * each);
  CHECK_EQ(lido_pool_destroy(pool), 0);
  return most;
}

TEST(tuning, a_share_of_the_slabs_in_use_is_retained) {
  CHECK_EQ(most_empty(LIDO_RETAIN_NONE), 0);
  size_t quarter = most_empty(25);
  CHECK_EQ(most_empty(0), quarter);
  CHECK_GE(quarter, 15);
  CHECK_LE(quarter, 25);
  CHECK_GE(most_empty(50), 30);
  CHECK_EQ(most_empty(1000), 60);
}

/* ---- Purging ---- */

static lido_backing_stats pages_stats(void) {
  lido_backing_stats stats;
  lido_backing_stats_get(lido_backing_pages(), &stats);
  return stats;
}

/* A pool that gives every empty slab back, and a live object that keeps their region. -> the first of 32 slabs. */
typedef struct purged {
  lido_pool *pool;
  void *stays;
  uintptr_t start;
  size_t bytes;
  lido_backing_stats before;
} purged;

static purged give_back_slabs(lido_pool_tuning tuning) {
  lido_backing_purge(lido_backing_pages(), UINT64_MAX);
  purged p = {.pool = pool_of((lido_pool_options){.object_size = LARGE,
                                                  .align = LARGE,
                                                  .cache_bytes = SIZE_MAX,
                                                  .backing = lido_backing_pages(),
                                                  .flags = LIDO_POOL_SPREAD, /* regions of its own */
                                                  .retain_bytes = 1})};
  tuning.retain_percent = LIDO_RETAIN_NONE;
  tune(p.pool, tuning);
  p.before = pages_stats();
  size_t each = lido_core_of(p.pool)->geometry.slab_objects;
  CHECK_NOT_NULL(p.stays = lido_pool_alloc(p.pool));
  CHECK_EQ(lido_pool_alloc_batch(p.pool, objects, 33 * each), 33 * each);
  p.start = (uintptr_t)objects[each];
  p.bytes = 32 * SLAB;
  for (size_t i = each; i < 33 * each; i++) objects_fill(objects[i], LARGE, i);
  for (size_t i = 0; i < 33 * each; i++) p.start = (uintptr_t)objects[i] < p.start ? (uintptr_t)objects[i] : p.start;
  p.start = (p.start + SLAB) & ~(uintptr_t)(SLAB - 1);
  lido_pool_free_batch(p.pool, objects, 33 * each);
  CHECK_LE(objects_stats(p.pool).slabs, 2);
  return p;
}

static void end_purged(const purged *p) {
  CHECK_SOUND(p->pool);
  lido_pool_free(p->pool, p->stays);
  CHECK_EQ(lido_pool_destroy(p->pool), 0);
}

static size_t resident_of(const purged *p) { return pages_resident(p->start, p->bytes); }

TEST(tuning, slabs_that_go_back_are_purged_at_once) {
  purged p = give_back_slabs((lido_pool_tuning){0});
  CHECK_LE(resident_of(&p), pages_in(SLAB));
  CHECK_GE(pages_stats().purged_bytes - p.before.purged_bytes, 32 * SLAB);
  CHECK_EQ(pages_stats().bytes_dirty, 0);
  end_purged(&p);
}

TEST(tuning, slabs_that_go_back_are_purged_when_their_time_has_come) {
  purged p = give_back_slabs((lido_pool_tuning){.purge_delay_ns = HOUR});
  CHECK_GE(resident_of(&p), pages_in(31 * SLAB));
  CHECK_GE(pages_stats().bytes_dirty, 32 * SLAB);
  CHECK_EQ(lido_backing_purge(lido_backing_pages(), lido_os_now_ns()), 0);
  CHECK_GE(lido_backing_purge(lido_backing_pages(), lido_os_now_ns() + 2 * HOUR), 32 * SLAB);
  CHECK_LE(resident_of(&p), pages_in(SLAB));
  end_purged(&p);
}

TEST(tuning, a_slab_made_before_its_purge_has_its_pages_still) {
  purged p = give_back_slabs((lido_pool_tuning){.purge_delay_ns = HOUR});
  uint64_t purged_bytes = pages_stats().purged_bytes;
  size_t there = resident_of(&p);
  size_t each = lido_core_of(p.pool)->geometry.slab_objects;
  CHECK_EQ(lido_pool_alloc_batch(p.pool, objects, 32 * each), 32 * each); /* not touched */
  CHECK_EQ(lido_backing_purge(lido_backing_pages(), UINT64_MAX - 1), pages_stats().purged_bytes - purged_bytes);
  CHECK_LE(pages_stats().purged_bytes - purged_bytes, 2 * SLAB);
  CHECK_GE(resident_of(&p) + pages_in(2 * SLAB), there);
  lido_pool_free_batch(p.pool, objects, 32 * each);
  end_purged(&p);
}

TEST(tuning, lazy_slabs_stay_until_the_system_wants_them) {
  purged p = give_back_slabs((lido_pool_tuning){.purge = LIDO_PURGE_LAZY});
  CHECK_GE(pages_stats().purged_bytes - p.before.purged_bytes, 32 * SLAB);
  CHECK_EQ(pages_stats().bytes_dirty, 0);
  end_purged(&p);
}

TEST(tuning, slabs_are_never_purged_but_by_a_trim) {
  purged p = give_back_slabs((lido_pool_tuning){.purge = LIDO_PURGE_NEVER});
  CHECK_GE(resident_of(&p), pages_in(31 * SLAB));
  CHECK_EQ(lido_backing_purge(lido_backing_pages(), UINT64_MAX - 1), 0);
  CHECK_GE(resident_of(&p), pages_in(31 * SLAB));
  lido_pool_trim(p.pool);
  CHECK_LE(resident_of(&p), pages_in(SLAB));
  CHECK_EQ(pages_stats().bytes_dirty, 0);
  end_purged(&p);
}

TEST(tuning, the_end_of_a_pool_purges_at_once) {
  lido_pool *other = pool_of((lido_pool_options){.object_size = BYTES, .backing = lido_backing_pages()});
  purged p = give_back_slabs((lido_pool_tuning){.purge = LIDO_PURGE_NEVER});
  uint64_t dirty = pages_stats().bytes_dirty;
  CHECK_GT(dirty, 0);
  CHECK_EQ(lido_pool_destroy(p.pool), 1);
  CHECK_EQ(pages_stats().bytes_dirty, dirty); /* what it had given back before is the backing's affair */
  lido_backing_purge(lido_backing_pages(), UINT64_MAX);
  CHECK_EQ(pages_stats().bytes_dirty, 0);
  CHECK_EQ(lido_pool_destroy(other), 0);
}

TEST(tuning, zeroed_objects_are_zeroed_in_slabs_that_were_not_purged) {
  lido_pool *pool = pool_of((lido_pool_options){
      .object_size = LARGE, .flags = LIDO_POOL_ZERO, .backing = lido_backing_pages(), .cache_bytes = SIZE_MAX});
  lido_pool *plain =
      pool_of((lido_pool_options){.object_size = LARGE, .backing = lido_backing_pages(), .cache_bytes = SIZE_MAX});
  tune(plain, (lido_pool_tuning){.purge = LIDO_PURGE_NEVER, .retain_bytes = 1, .retain_percent = LIDO_RETAIN_NONE});
  CHECK_EQ(lido_pool_alloc_batch(plain, objects, 200), 200);
  for (size_t i = 0; i < 200; i++) memset(objects[i], 0xFF, LARGE);
  lido_pool_free_batch(plain, objects, 200);
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, 200), 200);
  for (size_t i = 0; i < 200; i++) CHECK(objects_are_all(objects[i], LARGE, 0));
  lido_pool_free_batch(pool, objects, 200);
  CHECK_EQ(lido_pool_destroy(pool), 0);
  CHECK_EQ(lido_pool_destroy(plain), 0);
}

/* ---- Trim to ---- */

TEST(tuning, a_trim_to_keeps_so_much_and_this_thread_s_cache) {
  if (testing_on_valgrind()) return;
  lido_pool *pool = pool_of((lido_pool_options){.object_size = LARGE, .retain_bytes = SIZE_MAX});
  churn(pool, MOST);
  size_t slab_bytes = lido_core_of(pool)->geometry.slab_bytes;
  size_t own = lido_thread_cache_objects(lido_core_of(pool)->caches);
  CHECK_GT(own, 0);
  lido_pool_stats before = objects_stats(pool);
  size_t bytes = lido_pool_trim_to(pool, 20 * slab_bytes);
  lido_pool_stats after = objects_stats(pool);
  CHECK_EQ(after.cached, own);
  CHECK_EQ(after.slabs_empty, 20);
  CHECK_EQ(bytes, (before.slabs - after.slabs) * slab_bytes);
  CHECK_GT(bytes, 0);
  CHECK_EQ(lido_pool_trim_to(pool, 20 * slab_bytes), 0);
  CHECK_EQ(lido_pool_trim_to(pool, SIZE_MAX), 0);
  CHECK_EQ(lido_pool_trim_to(pool, 0), 20 * slab_bytes);
  CHECK_EQ(objects_stats(pool).cached, own);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(tuning, a_trim_to_leaves_the_backing_as_it_is) {
  lido_pool *pool = pool_of((lido_pool_options){
      .object_size = LARGE, .backing = lido_backing_pages(), .retain_bytes = SIZE_MAX, .cache_bytes = SIZE_MAX});
  tune(pool, (lido_pool_tuning){.retain_bytes = SIZE_MAX, .purge = LIDO_PURGE_NEVER});
  lido_backing_purge(lido_backing_pages(), UINT64_MAX);
  churn(pool, 500);
  size_t bytes = lido_pool_trim_to(pool, 0);
  CHECK_GE(bytes, 500 * LARGE);
  CHECK_EQ(pages_stats().bytes_dirty, bytes);
  lido_pool_trim(pool);
  CHECK_EQ(pages_stats().bytes_dirty, 0);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

/* ---- By which path objects came ---- */

TEST(tuning, every_alloc_came_by_one_path) {
  if (testing_on_valgrind()) return;
  lido_pool *pool = pool_of((lido_pool_options){.object_size = BYTES});
  tune(pool, (lido_pool_tuning){.magazine_objects = 10});
  churn(pool, 100);
  lido_pool_stats first = objects_stats(pool);
  CHECK_EQ(first.refills_backing, 1); /* which made a slab of more objects than all these */
  CHECK_EQ(first.refills_slab, 9);
  CHECK_EQ(first.refills_depot, 0);
  churn(pool, 100); /* two magazines are in the cache, and one object is hot */
  lido_pool_stats second = objects_stats(pool);
  CHECK_GE(second.refills_depot, 7);
  CHECK_LE(second.refills_depot + second.refills_slab - first.refills_slab, 9);
  CHECK_EQ(second.allocs_direct, 0);
  CHECK_EQ(lido_pool_destroy(pool), 0);

  lido_pool *direct = pool_of((lido_pool_options){.object_size = BYTES, .cache_bytes = SIZE_MAX});
  churn(direct, 100);
  CHECK_EQ(objects_stats(direct).allocs_direct, 100);
  CHECK_EQ(objects_stats(direct).refills_slab, 0);
  CHECK_EQ(lido_pool_destroy(direct), 0);
}

TEST(tuning, slabs_made_ahead_are_there_when_an_alloc_comes) {
  if (testing_on_valgrind()) return;
  lido_pool *pool = pool_of((lido_pool_options){.object_size = BYTES});
  tune(pool, (lido_pool_tuning){.ready_bytes = SLAB});
  lido_pool_prepare(pool);
  churn(pool, 1);
  CHECK_EQ(objects_stats(pool).refills_slab, 1);
  CHECK_EQ(objects_stats(pool).refills_backing, 0);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

static void *use_for_a_while(void *argument) {
  void *mine[50];
  lido_pool_alloc_batch(argument, mine, 50);
  lido_pool_free_batch(argument, mine, 50);
  return NULL;
}

TEST(tuning, refills_of_threads_that_are_gone_still_count) {
  if (testing_on_valgrind()) return;
  lido_pool *pool = pool_of((lido_pool_options){.object_size = BYTES});
  tune(pool, (lido_pool_tuning){.magazine_objects = 10});
  objects_in_thread(use_for_a_while, pool);
  CHECK_EQ(objects_stats(pool).refills_backing, 1);
  CHECK_EQ(objects_stats(pool).refills_slab, 4);
  objects_in_thread(use_for_a_while, pool);
  CHECK_EQ(objects_stats(pool).thread_caches, 0);
  CHECK_EQ(objects_stats(pool).refills_slab, 5); /* for what was hot when the first one ended */
  CHECK_EQ(objects_stats(pool).refills_depot, 5);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

/* ---- Others ---- */

static void *tune_another_s(void *argument) {
  lido_pool_tuning tuning = {.magazine_objects = 5, .batch_objects = 2};
  lido_pool_tune(argument, &tuning);
  return NULL;
}

TEST(tuning, a_pool_of_a_single_thread_is_tuned_by_others) {
  lido_pool *pool = pool_of((lido_pool_options){.object_size = BYTES, .flags = LIDO_POOL_SINGLE_THREAD});
  misuse_log log;
  misuse_log_start(&log);
  churn(pool, 100);
  objects_in_thread(tune_another_s, pool);
  churn(pool, 100);
  misuse_log_stop();
  CHECK_EQ(log.count, 0);
  CHECK(tuned_as(pool, &(lido_pool_tuning){.magazine_objects = 5, .batch_objects = 2}));
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

static bool broken_is(lido_pool *pool, const char *number) {
  const char *broken = lido_pool_check(pool);
  return broken != NULL && strncmp(broken, number, strlen(number)) == 0;
}

TEST(tuning, checks_find_what_is_wrong) {
  lido_pool *pool = pool_of((lido_pool_options){.object_size = BYTES});
  lido_pool_core *core = lido_core_of(pool);
  churn(pool, 1000);
  CHECK_SOUND(pool);
  core->tuning.retain_percent = 2000;
  CHECK(broken_is(pool, "T1"));
  core->tuning.retain_percent = 0;
  core->magazine_target += 1000;
  CHECK(broken_is(pool, "T1"));
  core->magazine_target -= 1000;
  core->tuning.retain_bytes = 12345;
  CHECK(broken_is(pool, "T2"));
  core->tuning.retain_bytes = 0;
  core->depot.bytes += 64;
  CHECK(broken_is(pool, "D4"));
  core->depot.bytes -= 64;
  core->slabs.in_bin[LIDO_BIN_FULL]++;
  CHECK(broken_is(pool, "L2"));
  core->slabs.in_bin[LIDO_BIN_FULL]--;
  core->slabs.ready_slabs++;
  CHECK(broken_is(pool, "L2"));
  core->slabs.ready_slabs--;
  lido_slab *oldest = core->slabs.oldest;
  core->slabs.oldest = oldest->newer;
  CHECK(broken_is(pool, "L4"));
  core->slabs.oldest = oldest;
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}
