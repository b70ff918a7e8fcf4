/* manager_reclaim_test.c: when passes run, and what they call. What caches have to do with it is in
 * caches_managed_test.c. */
#include <pthread.h>

#include "tests/support/managed.h"

enum { SLAB = 64 << 10, MEBI = 1 << 20 };

static lido_manager_stats stats_of(lido_manager *manager) {
  lido_snapshot *snapshot = lido_snapshot_create();
  CHECK_NOT_NULL(snapshot);
  CHECK_EQ(lido_snapshot_take(snapshot, manager), 0);
  lido_manager_stats stats = snapshot->stats;
  lido_snapshot_destroy(snapshot);
  return stats;
}

static size_t used_by(lido_manager *manager) { return lido_budget_used(lido_manager_budget(manager)); }

/* ---- A cleanup that waits on a queue of the manager's ---- */

typedef struct pending {
  lido_manager *manager;
  lido_pool *pool;
  lido_cleanup_queue *queue;
  size_t ran;
} pending;

static void count_run(void *argument) { ((pending *)argument)->ran++; }

static void pending_add(pending *p) {
  p->queue = lido_manager_cleanup_queue(p->manager, &(lido_cleanup_queue_options){.name = "later"});
  p->pool = lido_manager_pool(p->manager,
                              &(lido_pool_options){.name = "handles", .object_size = 64, .flags = LIDO_POOL_HANDLES});
  void *object = lido_pool_alloc(p->pool);
  CHECK_NE(lido_cleanup_add_to(p->queue, object, count_run, p).bits, 0);
  lido_release(object);
}

static void count_pressure(lido_manager *manager, const lido_reclaim_report *report, void *context) {
  (void)manager;
  (void)report;
  (*(size_t *)context)++;
}

/* ---- Where a pass runs ---- */

TEST(manager_reclaim, a_pass_for_the_soft_limit_runs_in_the_alloc) {
  managed m = managed_begin(&(lido_manager_options){.soft_bytes = 4 * MEBI});
  pending p = {.manager = m.manager};
  pending_add(&p);
  managed_live(&m, 4 * MEBI / MANAGED_OBJECT + SLAB / MANAGED_OBJECT);
  CHECK_EQ(p.ran, 1);
  CHECK_EQ(stats_of(m.manager).passes_soft, 1);
  managed_end(&m);
}

TEST(manager_reclaim, or_at_the_next_tick) {
  size_t pressures = 0;
  managed m = managed_begin(&(lido_manager_options){.soft_bytes = 4 * MEBI,
                                                    .flags = LIDO_MANAGER_RECLAIM_AT_TICKS,
                                                    .on_pressure = count_pressure,
                                                    .context = &pressures});
  pending p = {.manager = m.manager};
  pending_add(&p);
  managed_tick(&m);
  CHECK_EQ(stats_of(m.manager).passes_soft, 0); /* nothing was due */
  managed_live(&m, 4 * MEBI / MANAGED_OBJECT + SLAB / MANAGED_OBJECT);
  CHECK_EQ(p.ran, 0);
  CHECK_EQ(pressures, 0);
  managed_tick(&m);
  CHECK_EQ(p.ran, 1);
  CHECK_EQ(pressures, 1);
  managed_tick(&m);
  CHECK_EQ(stats_of(m.manager).passes_soft, 1); /* once for each call of the budget */
  managed_end(&m);
}

TEST(manager_reclaim, or_not_at_all_if_the_memory_went_by_itself) {
  managed m = managed_begin(&(lido_manager_options){.soft_bytes = 4 * MEBI, .flags = LIDO_MANAGER_RECLAIM_AT_TICKS});
  managed_live(&m, 4 * MEBI / MANAGED_OBJECT + SLAB / MANAGED_OBJECT);
  managed_live(&m, 0);
  lido_pool_trim(m.pool);
  managed_tick(&m);
  CHECK_EQ(stats_of(m.manager).passes_soft, 0);
  managed_end(&m);
}

TEST(manager_reclaim, at_ticks_the_hard_limit_frees_without_calls) {
  size_t pressures = 0;
  managed m = managed_begin(&(lido_manager_options){.soft_bytes = 2 * MEBI,
                                                    .hard_bytes = 4 * MEBI,
                                                    .flags = LIDO_MANAGER_RECLAIM_AT_TICKS,
                                                    .on_pressure = count_pressure,
                                                    .context = &pressures});
  pending p = {.manager = m.manager};
  pending_add(&p);
  lido_pool *idle = lido_manager_pool(
      m.manager, &(lido_pool_options){.name = "idle", .object_size = MANAGED_OBJECT, .retain_bytes = SIZE_MAX / 2});
  object_list list = {0};
  objects_take_slabs(idle, &list, 2 * MEBI / SLAB);
  objects_free_all(idle, &list);
  managed_live(&m, 3 * MEBI / MANAGED_OBJECT); /* only if the idle ones go */
  CHECK_GE(stats_of(m.manager).passes_hard, 1);
  CHECK_EQ(p.ran, 0);
  CHECK_EQ(pressures, 0);
  CHECK_LE(used_by(m.manager), 4 * MEBI);
  managed_tick(&m);
  CHECK_EQ(p.ran, 1);
  CHECK_EQ(pressures, 1);
  object_list_end(&list);
  managed_end(&m);
}

TEST(manager_reclaim, flags_that_are_none_are_refused) {
  lido_message message;
  CHECK_FAILS(lido_manager_create(&(lido_manager_options){.flags = 1u << 20}, &message), EINVAL);
  CHECK(strncmp(message.text, "flags", 5) == 0);
}

/* ---- What a pass may be told from inside ---- */

typedef struct busy_callback {
  lido_manager *manager;
  size_t calls;
  lido_pool *made;
  size_t nested_freed;
} busy_callback;

/* It makes a pool, allocs from it beyond the limit, asks for a pass, ticks, and sets other limits. */
static void do_all(lido_manager *manager, const lido_reclaim_report *report, void *context) {
  busy_callback *b = context;
  if (b->calls++ != 0) return;
  b->made = managed_pool(manager, "made");
  object_list list = {0};
  objects_take_slabs(b->made, &list, 40);
  objects_free_all(b->made, &list);
  object_list_end(&list);
  b->nested_freed = lido_manager_reclaim(manager, NULL);
  lido_manager_tick(manager);
  CHECK_EQ(report->reason, LIDO_RECLAIM_SOFT);
  CHECK_EQ(lido_manager_limits_set(manager, 0, 0), 0);
}

TEST(manager_reclaim, on_pressure_may_make_pools_and_use_all_of_the_manager) {
  busy_callback b = {0};
  managed m = managed_begin(&(lido_manager_options){.soft_bytes = 2 * MEBI, .on_pressure = do_all, .context = &b});
  managed_live(&m, 2 * MEBI / MANAGED_OBJECT + SLAB / MANAGED_OBJECT);
  CHECK_EQ(b.calls, 1);
  CHECK_EQ(b.nested_freed, 0); /* it is in a pass already */
  CHECK(lido_manager_pool_find(m.manager, "made") == b.made);
  CHECK_EQ(stats_of(m.manager).passes_soft, 1);
  CHECK_EQ(stats_of(m.manager).passes_asked, 0);
  managed_live(&m, 8 * MEBI / MANAGED_OBJECT); /* there is no limit any more */
  CHECK_EQ(b.calls, 1);
  managed_end(&m);
}

typedef struct destroyer {
  lido_manager *manager;
  lido_pool *pool;
  size_t calls;
  int error;
} destroyer;

static int construct(void *object, void *context) {
  (void)object;
  (void)context;
  return 0;
}

static void end_own_pool(void *object, void *context) {
  destroyer *d = context;
  (void)object;
  if (d->calls++ == 0) d->error = lido_manager_pool_end(d->manager, d->pool);
}

TEST(manager_reclaim, a_pool_cannot_end_in_a_call_of_the_pass_that_is_at_it) {
  managed m = managed_begin(NULL);
  destroyer d = {.manager = m.manager};
  d.pool = lido_manager_pool(m.manager, &(lido_pool_options){.name = "made",
                                                             .object_size = MANAGED_OBJECT,
                                                             .construct = construct,
                                                             .destroy = end_own_pool,
                                                             .context = &d});
  object_list list = {0};
  objects_take_slabs(d.pool, &list, 4);
  objects_free_all(d.pool, &list);
  d.calls = 0;
  CHECK_GT(lido_manager_reclaim(m.manager, NULL), 0);
  CHECK_GT(d.calls, 0);
  CHECK_EQ(d.error, EBUSY);
  CHECK(lido_manager_pool_find(m.manager, "made") == d.pool);
  object_list_end(&list);
  managed_end(&m);
}

/* ---- Reports and counts ---- */

TEST(manager_reclaim, passes_are_counted_by_their_reason_and_timed) {
  managed m = managed_begin(&(lido_manager_options){.hard_bytes = 2 * MEBI});
  lido_snapshot *snapshot = lido_snapshot_create();
  for (int i = 0; i < 3; i++) lido_manager_reclaim(m.manager, NULL);
  size_t before = m.live.count;
  for (void *object; (object = lido_pool_alloc(m.pool)) != NULL;) object_list_push(&m.live, object);
  CHECK_EQ(errno, ENOMEM);
  CHECK_GT(m.live.count, before);
  CHECK_EQ(lido_snapshot_take(snapshot, m.manager), 0);
  CHECK_EQ(snapshot->stats.passes_asked, 3);
  CHECK_EQ(snapshot->stats.passes_hard, 1);
  CHECK_EQ(snapshot->passes.count, 4);
  uint64_t counted = 0;
  for (size_t i = 0; i < LIDO_DURATION_BUCKETS; i++) counted += snapshot->passes.buckets[i];
  CHECK_EQ(counted, 4);
  CHECK_GT(snapshot->passes.sum_ns, 0);
  CHECK_EQ(snapshot->budget.refusals, 1);
  lido_snapshot_destroy(snapshot);
  managed_end(&m);
}

TEST(manager_reclaim, a_pass_spoils_no_errno) {
  managed m = managed_begin(NULL);
  managed_live(&m, 1000);
  managed_live(&m, 0);
  errno = ERANGE;
  lido_manager_reclaim(m.manager, NULL);
  CHECK_EQ(errno, ERANGE);
  lido_manager_tick(m.manager);
  CHECK_EQ(errno, ERANGE);
  managed_end(&m);
}

/* Two managers, of which each one's callback uses the other. */
typedef struct neighbours {
  managed *other;
  size_t calls;
} neighbours;

static void use_the_other(lido_manager *manager, const lido_reclaim_report *report, void *context) {
  neighbours *n = context;
  (void)manager;
  (void)report;
  n->calls++;
  managed_live(n->other, 3 * MEBI / MANAGED_OBJECT); /* beyond its soft limit: another budget, so it is told */
  lido_manager_reclaim(n->other->manager, NULL);
}

TEST(manager_reclaim, managers_may_use_each_other_in_their_calls) {
  neighbours of_a = {0};
  managed a =
      managed_begin(&(lido_manager_options){.soft_bytes = 2 * MEBI, .on_pressure = use_the_other, .context = &of_a});
  managed b = managed_begin(&(lido_manager_options){.soft_bytes = 2 * MEBI, .hard_bytes = 8 * MEBI});
  of_a.other = &b;
  managed_live(&a, 2 * MEBI / MANAGED_OBJECT + SLAB / MANAGED_OBJECT);
  CHECK_EQ(of_a.calls, 1);
  CHECK_GE(stats_of(b.manager).passes_soft, 1);
  CHECK_EQ(stats_of(b.manager).passes_asked, 1);
  managed_end(&a);
  managed_end(&b);
}

/* ---- What two managers purge ---- */

typedef struct purger {
  size_t rounds;
  uint64_t purged; /* by its passes, as they say */
} purger;

/* Slabs that wait for their purge, and passes that purge them, its own and the other's. */
static void *purge_and_sum(void *argument) {
  purger *p = argument;
  lido_manager *manager = lido_manager_create(NULL, NULL);
  const lido_pool_options options = {
      .name = "late", .object_size = MANAGED_OBJECT, .cache_bytes = SIZE_MAX, .backing = lido_backing_pages()};
  lido_pool *pool = manager != NULL ? lido_manager_pool(manager, &options) : NULL;
  if (pool == NULL || lido_pool_tune(pool, &(lido_pool_tuning){.purge_delay_ns = UINT64_MAX / 2}) != 0) return p;
  void *objects[16 * SLAB / MANAGED_OBJECT];
  enum { COUNT = sizeof objects / sizeof objects[0] };
  for (size_t i = 0; i < p->rounds; i++) {
    lido_reclaim_report report;
    if (lido_pool_alloc_batch(pool, objects, COUNT) != COUNT) return p;
    lido_pool_free_batch(pool, objects, COUNT);
    lido_pool_trim_to(pool, 0);
    lido_manager_reclaim(manager, &report);
    p->purged += report.purged_bytes;
  }
  return lido_manager_destroy(manager) == 0 ? NULL : p;
}

static uint64_t pages_purged(void) {
  lido_backing_stats stats;
  lido_backing_stats_get(lido_backing_pages(), &stats);
  return stats.purged_bytes;
}

TEST(manager_reclaim, what_two_managers_purge_of_one_backing_is_counted_once) {
  purger purgers[2] = {{.rounds = testing_scaled(1000)}, {.rounds = testing_scaled(1000)}};
  pthread_t threads[2];
  uint64_t before = pages_purged();
  for (size_t t = 0; t < 2; t++) CHECK_EQ(pthread_create(&threads[t], NULL, purge_and_sum, &purgers[t]), 0);
  for (size_t t = 0; t < 2; t++) {
    void *failed = NULL;
    pthread_join(threads[t], &failed);
    CHECK(failed == NULL);
  }
  CHECK_GT(purgers[0].purged + purgers[1].purged, 0);
  CHECK_LE(purgers[0].purged + purgers[1].purged, pages_purged() - before);
}
