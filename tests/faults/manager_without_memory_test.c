/* manager_without_memory_test.c: every request for memory fails, once and for ever, under managers: when they are made,
 * when they find or create, watch, own, look, and when a rule or a thread is added. What fails says so, changes
 * nothing, leaks nothing, and succeeds when tried again with memory.
 */
#include "tests/faults/drill.h"
#include "tests/support/managed.h"

enum { POOLS = 12, LIVE = 100 };

/* A call that returns 0 or an errno value. */
#define TRY_ERROR(round, call)                                                        \
  do {                                                                                \
    errno = UNTOUCHED_ERRNO;                                                          \
    int try_error = (call);                                                           \
    if (try_error != 0) {                                                             \
      CHECK_EQ(try_error, ENOMEM);                                                    \
      (round)->failed_calls++;                                                        \
      drill_relief(round);                                                            \
      CHECK_GT((round)->failures, 0);                                                 \
      errno = UNTOUCHED_ERRNO;                                                        \
      try_error = (call);                                                             \
      if (try_error != 0) TESTING_FAIL("%s fails with memory, %d", #call, try_error); \
      drill_go_on(round);                                                             \
    }                                                                                 \
    CHECK_EQ(errno, UNTOUCHED_ERRNO);                                                 \
  } while (0)

static lido_manager *begin(drill_round *r, const lido_manager_options *options) {
  lido_manager *manager = NULL;
  lido_manager_options with_clock = *options;
  with_clock.now = managed_now;
  TRY(r, manager, lido_manager_create(&with_clock, NULL));
  CHECK_NULL(lido_manager_check(manager));
  return manager;
}

static void end(lido_manager *manager) {
  size_t live = 1;
  CHECK_NULL(lido_manager_check(manager));
  CALM(live = lido_manager_destroy(manager));
  CHECK_EQ(live, 0);
  lido_guard_synchronize();
}

static const char *name_of(size_t i) {
  static char name[32];
  snprintf(name, sizeof name, "member %zu", i);
  return name;
}

/* ---- Members of each kind ---- */

static void of_pools(drill_round *r) {
  lido_manager *manager = begin(r, &(lido_manager_options){.samples = 2});
  void *objects[LIVE];
  lido_pool *pool = NULL;
  for (size_t i = 0; i < POOLS; i++) {
    const lido_pool_options options = {.name = name_of(i), .object_size = 64};
    TRY(r, pool, lido_manager_pool(manager, &options));
    CHECK(lido_manager_pool_find(manager, name_of(i)) == pool);
    CHECK_NULL(lido_manager_check(manager));
  }
  for (size_t i = 0; i < LIVE; i++) TRY(r, objects[i], lido_pool_alloc(pool));
  for (size_t i = 0; i < LIVE; i++) CALM(lido_pool_free(pool, objects[i]));
  end(manager);
}

static void of_arena_classes(drill_round *r) {
  lido_manager *manager = begin(r, &(lido_manager_options){.samples = 2});
  lido_arena_class *cls = NULL;
  for (size_t i = 0; i < POOLS; i++) {
    const lido_arena_options options = {.name = name_of(i)};
    TRY(r, cls, lido_manager_arena_class(manager, &options));
  }
  lido_arena *arena = NULL;
  void *bytes = NULL;
  TRY(r, arena, lido_arena_acquire(cls));
  TRY(r, bytes, lido_arena_alloc(arena, 1000));
  CALM(lido_arena_release(arena));
  end(manager);
}

static void of_cleanup_queues(drill_round *r) {
  lido_manager *manager = begin(r, &(lido_manager_options){.samples = 2});
  lido_cleanup_queue *queue = NULL;
  for (size_t i = 0; i < POOLS; i++) {
    const lido_cleanup_queue_options options = {.name = name_of(i)};
    TRY(r, queue, lido_manager_cleanup_queue(manager, &options));
  }
  CHECK(lido_manager_cleanup_queue_find(manager, name_of(POOLS - 1)) == queue);
  end(manager);
}

TEST(manager_without_memory, members_of_each_kind) {
  drill(of_pools, 20);
  drill(of_arena_classes, 10);
  drill(of_cleanup_queues, 10);
}

/* ---- What others made ---- */

static void count_end(void *object) { ++*(size_t *)object; }

static void watch_and_own(drill_round *r) {
  size_t ended = 0;
  lido_manager *manager = begin(r, &(lido_manager_options){.samples = 2});
  lido_pool *own = drill_pool(r, &(lido_pool_options){.name = "own", .object_size = 64});
  TRY_ERROR(r, lido_manager_pool_watch(manager, own));
  for (size_t i = 0; i < POOLS; i++) {
    TRY_ERROR(r, lido_manager_own(manager, (lido_stage)(i % LIDO_STAGES), count_end, &ended));
  }
  TRY_ERROR(r, lido_manager_pool_unwatch(manager, own));
  drill_end(own);
  end(manager);
  CHECK_EQ(ended, POOLS);
}

TEST(manager_without_memory, what_others_made) { drill(watch_and_own, 5); }

/* ---- Snapshots ---- */

static void look(drill_round *r) {
  lido_manager *manager = begin(r, &(lido_manager_options){.name = "looked at", .samples = 2});
  lido_snapshot *snapshot = NULL;
  TRY(r, snapshot, lido_snapshot_create());
  for (size_t i = 0; i < POOLS; i++) {
    lido_pool *pool = NULL;
    const lido_pool_options options = {.name = name_of(i), .object_size = 64};
    TRY(r, pool, lido_manager_pool(manager, &options));
    int error = lido_snapshot_take(snapshot, manager);
    if (error != 0) {
      CHECK_EQ(error, ENOMEM);
      CHECK_EQ(snapshot->pool_count, i); /* as it was before */
      if (i != 0) CHECK_TEXT(snapshot->pools[0].name, "member 0");
      r->failed_calls++;
      drill_relief(r);
      CHECK_EQ(lido_snapshot_take(snapshot, manager), 0);
      drill_go_on(r);
    }
    CHECK_EQ(snapshot->pool_count, i + 1);
    CHECK_TEXT(snapshot->manager, "looked at");
  }
  CALM(lido_snapshot_destroy(snapshot));
  end(manager);
}

TEST(manager_without_memory, a_snapshot_is_as_it_was_before) { drill(look, 20); }

/* ---- Rules, and the thread ---- */

static void ignore(const lido_alert_event *event, void *context) { (void)event, (void)context; }

static bool count_visit(const lido_alert_event *last, lido_alert_state state, void *arg) {
  (void)last, (void)state;
  ++*(size_t *)arg;
  return true;
}

static void watch_over(drill_round *r) {
  lido_manager *manager = begin(r, &(lido_manager_options){.samples = 2});
  lido_alert alert = 0;
  for (size_t i = 0; i < POOLS; i++) {
    const lido_alert_rule rule = {.name = name_of(i), .above = true, .threshold = 1e9, .on_change = ignore};
    TRY_UNTIL(r, alert, lido_alert_add(manager, &rule), alert == 0);
    CALM(lido_manager_tick(manager));
  }
  size_t visited = 0;
  TRY_ERROR(r, lido_alert_for_each(manager, count_visit, &visited));
  CHECK_EQ(visited, POOLS);
  CHECK(lido_alert_remove(manager, alert));
  TRY_ERROR(r, lido_monitor_start(manager, UINT64_MAX));
  CHECK_EQ(lido_monitor_stop(manager), 0);
  end(manager);
}

TEST(manager_without_memory, rules_and_the_thread) { drill(watch_over, 10); }

/* ---- Passes ---- */

static void pass(drill_round *r) {
  lido_manager *manager =
      begin(r, &(lido_manager_options){.samples = 2, .soft_bytes = 256 << 10, .hard_bytes = 1 << 20});
  lido_pool *pool = NULL;
  void *objects[LIVE];
  TRY(r, pool, lido_manager_pool(manager, &(lido_pool_options){.name = "pool", .object_size = 4096}));
  for (size_t i = 0; i < LIVE; i++) TRY(r, objects[i], lido_pool_alloc(pool));
  for (size_t i = 0; i < LIVE; i++) CALM(lido_pool_free(pool, objects[i]));
  size_t freed = 0;
  CALM(freed = lido_manager_reclaim(manager, NULL));
  CHECK_GT(freed, 0);
  CALM(lido_manager_tick(manager));
  CHECK_LE(lido_budget_used(lido_manager_budget(manager)), 64 << 10);
  end(manager);
}

TEST(manager_without_memory, passes_need_none) { drill(pass, 5); }
