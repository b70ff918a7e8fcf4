/* caches_managed_test.c: caches of a manager: found or created, charged to its budget, asked to let go of values when
 * too much is in use. */
#include <pthread.h>

#include "tests/support/child.h"
#include "tests/support/managed.h"

enum { SLAB = 64 << 10, MEBI = 1 << 20, KEPT = 64 };

typedef struct shelf {
  lido_manager *manager;
  lido_pool *values;
  lido_cache *cache;
  size_t evicted;
  void (*on_evict)(struct shelf *self);
  int pool_error;
  int cache_error;
} shelf;

static void note_evict(const void *key, size_t key_bytes, void *value, lido_cache_reason reason, void *context) {
  shelf *s = context;
  (void)key, (void)key_bytes, (void)value;
  if (reason == LIDO_CACHE_ENDED) return;
  CHECK_EQ(reason, LIDO_CACHE_SHED);
  s->evicted++;
  if (s->on_evict != NULL) s->on_evict(s);
}

/* Each value is a slab's sixteenth. */
static void shelf_begin(shelf *s, const lido_manager_options *options) {
  *s = (shelf){.manager = managed_manager(options)};
  s->values = lido_manager_pool(
      s->manager, &(lido_pool_options){.name = "values", .object_size = SLAB / 16, .flags = LIDO_POOL_HANDLES});
  s->cache = lido_manager_cache(
      s->manager,
      &(lido_cache_options){.name = "cache", .keep_count = 100 * KEPT, .on_evict = note_evict, .context = s});
  CHECK_NOT_NULL(s->values);
  CHECK_NOT_NULL(s->cache);
}

static void shelf_put(shelf *s, uint64_t first, size_t count) {
  for (uint64_t key = first; key < first + count; key++) {
    void *value = lido_pool_alloc(s->values);
    CHECK_NOT_NULL(value);
    CHECK_EQ(lido_cache_put(s->cache, &key, sizeof key, value), 0);
    lido_release(value);
  }
}

static void shelf_end(shelf *s) {
  lido_guard_synchronize();
  CHECK_NULL(lido_manager_check(s->manager));
  CHECK_EQ(lido_manager_destroy(s->manager), 0);
}

static uint64_t kept(const shelf *s) {
  lido_cache_stats stats;
  lido_cache_stats_get(s->cache, &stats);
  return stats.kept;
}

TEST(caches_managed, a_name_leads_to_the_same_cache) {
  shelf s;
  shelf_begin(&s, NULL);
  CHECK(lido_manager_cache_find(s.manager, "cache") == s.cache);
  CHECK_FAILS(lido_manager_cache(s.manager, &(lido_cache_options){.name = "cache"}), EEXIST);
  CHECK(lido_manager_cache(s.manager, &(lido_cache_options){.name = "cache", .on_evict = note_evict, .context = &s}) ==
        s.cache);
  CHECK_FAILS(lido_manager_cache(s.manager, &(lido_cache_options){.keep_count = 1}), EINVAL);
  CHECK_FAILS(lido_manager_cache(s.manager, NULL), EINVAL);
  size_t before = lido_budget_used(lido_manager_budget(s.manager));
  shelf_put(&s, 0, KEPT);
  CHECK_GT(lido_budget_used(lido_manager_budget(s.manager)), before);
  lido_snapshot *snapshot = lido_snapshot_create();
  CHECK_EQ(lido_snapshot_take(snapshot, s.manager), 0);
  CHECK_EQ(snapshot->cache_count, 1);
  CHECK_EQ(snapshot->caches[0].stats.kept, KEPT);
  lido_snapshot_destroy(snapshot);
  CHECK_EQ(lido_manager_cache_end(s.manager, s.cache), 0);
  CHECK_EQ(lido_manager_cache_end(s.manager, s.cache), ENOENT);
  CHECK_NULL(lido_manager_cache_find(s.manager, "cache"));
  shelf_end(&s);
}

TEST(caches_managed, values_are_let_go_only_above_the_soft_limit) {
  shelf s;
  shelf_begin(&s, &(lido_manager_options){.soft_bytes = 4 * MEBI});
  shelf_put(&s, 0, 40 * 16); /* 2.5 MiB */
  lido_reclaim_report report;
  lido_manager_reclaim(s.manager, &report);
  CHECK_EQ(report.evicted, 0);
  CHECK_EQ(kept(&s), 40 * 16);
  CHECK_EQ(lido_manager_limits_set(s.manager, MEBI, 0), 0); /* which runs a pass */
  CHECK_GT(s.evicted, 0);
  CHECK_EQ(kept(&s), 40 * 16 - s.evicted);
  lido_manager_reclaim(s.manager, &report);
  CHECK_EQ(report.evicted, 0);
  CHECK_LE(report.used_after, MEBI);
  CHECK_GT(kept(&s), 0); /* and not more than is needed, but for an eighth */
  shelf_end(&s);
}

TEST(caches_managed, a_pass_ends_when_there_is_nothing_more_to_let_go) {
  shelf s;
  shelf_begin(&s, NULL);
  shelf_put(&s, 0, KEPT);
  void *held[KEPT];
  for (uint64_t key = 0; key < KEPT; key++) held[key] = lido_cache_get(s.cache, &key, sizeof key);
  CHECK_EQ(lido_manager_limits_set(s.manager, 1, 0), 0);
  CHECK_EQ(s.evicted, KEPT);
  CHECK_EQ(kept(&s), 0);
  lido_reclaim_report report;
  lido_manager_reclaim(s.manager, &report);
  CHECK_EQ(report.evicted, 0);
  CHECK_GT(report.used_after, 1);
  for (uint64_t key = 0; key < KEPT; key++) lido_release(held[key]);
  shelf_end(&s);
}

static void use_manager(shelf *s) {
  CHECK(lido_manager_pool_find(s->manager, "values") == s->values);
  s->cache_error = lido_manager_cache_end(s->manager, s->cache); /* the pass is at it */
  if (s->evicted > 1) return;
  lido_pool *made = managed_pool(s->manager, "made");
  s->pool_error = lido_manager_pool_end(s->manager, made); /* nobody is at that */
  CHECK_NOT_NULL(lido_manager_cache(s->manager, &(lido_cache_options){.name = "another"}));
}

TEST(caches_managed, on_evict_may_use_the_manager_but_not_end_its_cache) {
  shelf s;
  shelf_begin(&s, NULL);
  s.on_evict = use_manager;
  s.pool_error = -1;
  shelf_put(&s, 0, KEPT);
  CHECK_EQ(lido_manager_limits_set(s.manager, 1, 0), 0);
  lido_manager_reclaim(s.manager, NULL);
  CHECK_EQ(s.evicted, KEPT);
  CHECK_EQ(s.pool_error, 0);
  CHECK_EQ(s.cache_error, EBUSY);
  CHECK(lido_manager_cache_find(s.manager, "cache") == s.cache);
  CHECK_NOT_NULL(lido_manager_cache_find(s.manager, "another"));
  shelf_end(&s);
}

TEST(caches_managed, with_passes_at_ticks_an_alloc_evicts_nothing) {
  shelf s;
  shelf_begin(&s, &(lido_manager_options){.soft_bytes = 2 * MEBI, .flags = LIDO_MANAGER_RECLAIM_AT_TICKS});
  shelf_put(&s, 0, 50 * 16);
  CHECK_EQ(s.evicted, 0);
  managed_wait(MANAGED_SECOND);
  lido_manager_tick(s.manager);
  CHECK_GT(s.evicted, 0);
  CHECK_LE(lido_budget_used(lido_manager_budget(s.manager)), 2 * MEBI);
  shelf_end(&s);
}

TEST(caches_managed, the_hard_limit_has_values_let_go_for_what_is_wanted) {
  shelf s;
  shelf_begin(&s, &(lido_manager_options){.hard_bytes = 4 * MEBI});
  shelf_put(&s, 0, 2000); /* 7.8 MiB */
  CHECK_GT(s.evicted, 0);
  CHECK_GT(kept(&s), 0);
  lido_budget_stats stats;
  lido_budget_stats_get(lido_manager_budget(s.manager), &stats);
  CHECK_EQ(stats.refusals, 0);
  CHECK_LE(stats.peak, 4 * MEBI);
  shelf_end(&s);
}

static void end_thread(shelf *s) {
  s->on_evict = NULL;
  pthread_exit(NULL);
}

static void *evict_and_end(void *argument) {
  shelf *s = argument;
  lido_manager_limits_set(s->manager, 1, 0);
  return NULL;
}

TEST(caches_managed, a_thread_that_ends_in_on_evict_holds_no_member) {
  shelf s;
  shelf_begin(&s, NULL);
  shelf_put(&s, 0, KEPT);
  s.on_evict = end_thread;
  objects_in_thread(evict_and_end, &s);
  CHECK_GE(s.evicted, 1);
  CHECK_NULL(lido_manager_check(s.manager));
  CHECK_EQ(lido_manager_limits_set(s.manager, 0, 0), 0);
  CHECK_EQ(lido_manager_cache_end(s.manager, s.cache), 0);
  CHECK_EQ(lido_manager_destroy(s.manager), 0); /* nor the value that it was being told of */
}

#if !defined( \
    __SANITIZE_THREAD__) /* its search for deadlocks follows no more than 64 locks; a fork takes all of caches */

enum { DEEP = 20 };
static shelf shelves[DEEP];

static void evict_in_the_next(shelf *s) {
  s->on_evict = NULL;
  if (s == &shelves[DEEP - 1]) pthread_exit(NULL);
  lido_manager_limits_set(s[1].manager, 1, 0);
}

static void end_thread_deep_inside(void *unused) {
  (void)unused;
  objects_in_thread(evict_and_end, shelves);
  for (size_t i = 0; i < DEEP; i++) {
    IN_CHILD(shelves[i].evicted >= 1);
    IN_CHILD(lido_manager_check(shelves[i].manager) == NULL);
    IN_CHILD(lido_manager_limits_set(shelves[i].manager, 0, 0) == 0);
    IN_CHILD(lido_manager_cache_end(shelves[i].manager, shelves[i].cache) == 0);
    IN_CHILD(lido_manager_destroy(shelves[i].manager) == 0);
  }
}

/* In a child, for so many managers at once. */
TEST(caches_managed, nor_one_that_ends_deep_inside_of_many_passes) {
  for (size_t i = 0; i < DEEP; i++) {
    shelf_begin(&shelves[i], NULL);
    shelf_put(&shelves[i], 0, KEPT);
    shelves[i].on_evict = evict_in_the_next;
  }
  check_child(end_thread_deep_inside, NULL);
  for (size_t i = 0; i < DEEP; i++) shelf_end(&shelves[i]);
}

#endif
