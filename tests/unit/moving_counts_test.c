/* moving_counts_test.c: counters of a pool whose numbers were read while threads moved objects: then some live ones are
 * seen twice or not at all, and the allocs, which are put together of them, seem to fall. Here objects that are set
 * aside stand for those that were not seen.
 */
#include "lib/control/manager_core.h"
#include "pools/pool_core.h"
#include "tests/support/managed.h"

enum { LIVE = 3000 };

static void hide(lido_pool *pool, size_t count) { lido_core_of(pool)->set_aside += count; }
static void show(lido_pool *pool, size_t count) { lido_core_of(pool)->set_aside -= count; }

static lido_pool_stats taken(lido_snapshot *snapshot, managed *m) {
  CHECK_EQ(lido_snapshot_take(snapshot, m->manager), 0);
  return snapshot->pools[0].stats;
}

TEST(moving_counts, of_a_snapshot_do_not_fall) {
  managed m = managed_begin(NULL);
  lido_snapshot *snapshot = lido_snapshot_create();
  managed_live(&m, LIVE);
  lido_pool_stats before = taken(snapshot, &m);
  CHECK_EQ(before.allocs, LIVE);
  for (size_t hidden = 1; hidden <= LIVE; hidden += LIVE / 7) {
    hide(m.pool, hidden);
    CHECK_EQ(taken(snapshot, &m).allocs, LIVE);
    show(m.pool, hidden);
  }
  managed_live(&m, LIVE + 10);
  CHECK_EQ(taken(snapshot, &m).allocs, LIVE + 10);
  lido_snapshot_destroy(snapshot);
  managed_end(&m);
}

static void note_value(const lido_alert_event *event, void *context) { *(double *)context = event->value; }

TEST(moving_counts, of_an_alert_do_not_fall_and_rise_again) {
  managed m = managed_begin(NULL);
  double value = 0;
  lido_alert alert = lido_alert_add(m.manager, &(lido_alert_rule){.name = "much",
                                                                  .pool = "pool",
                                                                  .pool_field = "allocs",
                                                                  .rate = true,
                                                                  .above = true,
                                                                  .threshold = 5,
                                                                  .on_change = note_value,
                                                                  .context = &value});
  CHECK_NE(alert, 0);
  managed_live(&m, LIVE);
  managed_tick(&m);
  hide(m.pool, LIVE);
  managed_tick(&m);
  show(m.pool, LIVE);
  managed_tick(&m);
  CHECK(value == 0);
  managed_live(&m, LIVE + 10);
  managed_tick(&m);
  CHECK(value == 10);
  managed_end(&m);
}

/* ---- Paths ---- */

TEST(moving_counts, paths_add_up_to_the_allocs) {
  lido_pool_stats stats = {.allocs = 100, .refills_depot = 3, .refills_slab = 4, .refills_backing = 5, .fallbacks = 6};
  lido_pool_alloc_paths paths;
  lido_pool_alloc_paths_get(&stats, &paths);
  CHECK_EQ(paths.thread_cache, 82);
  CHECK_EQ(paths.depot + paths.slab + paths.backing, 12);
  CHECK_EQ(paths.fallback, 6);
  stats.allocs = 7; /* fewer than slow paths */
  lido_pool_alloc_paths_get(&stats, &paths);
  CHECK_EQ(paths.thread_cache, 0);
  stats = (lido_pool_stats){.allocs = 50, .allocs_direct = 50, .fallbacks = 8}; /* without caches */
  lido_pool_alloc_paths_get(&stats, &paths);
  CHECK_EQ(paths.direct, 42);
  CHECK_EQ(paths.fallback, 8);
  CHECK_EQ(paths.thread_cache, 0);
}
