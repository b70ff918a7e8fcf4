/* manager_test.c: find or create, limits, reclaim, the end of a manager. */
#include <pthread.h>

#include "lido/lido.h"
#include "tests/support/objects.h"

enum { SLAB = 64 << 10, OBJECT = 1024, MEBI = 1 << 20 };

static lido_manager *manager_with(const lido_manager_options *options) {
  lido_message message;
  lido_manager *manager = lido_manager_create(options, &message);
  if (manager == NULL) TESTING_FAIL("no manager: %s", message.text);
  return manager;
}

static lido_pool *pool_of(lido_manager *manager, const char *name, size_t object_size) {
  return lido_manager_pool(manager, &(lido_pool_options){.name = name, .object_size = object_size});
}

/* ---- Options ---- */

TEST(manager, nonsense_is_refused_with_the_name_of_the_field) {
  static const struct {
    lido_manager_options options;
    const char *field;
  } cases[] = {
      {{.soft_bytes = 2, .hard_bytes = 1}, "soft_bytes"},
      {{.retain_percent = 1001}, "retain_percent"},
      {{.samples = 1}, "samples"},
      {{.samples = 1000001}, "samples"},
      {{.policy = LIDO_POLICY_COUNT}, "policy"},
      {{.name = ""}, "name"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    lido_message message;
    CHECK_FAILS(lido_manager_create(&cases[i].options, &message), EINVAL);
    CHECK(strncmp(message.text, cases[i].field, strlen(cases[i].field)) == 0);
    CHECK_FAILS(lido_manager_create(&cases[i].options, NULL), EINVAL);
  }
  lido_message message = {"something"};
  CHECK_EQ(lido_manager_options_check(NULL, &message), 0);
  CHECK_EQ(strlen(message.text), 0);
}

TEST(manager, one_without_options_is_complete) {
  lido_manager *manager = manager_with(NULL);
  CHECK(strcmp(lido_manager_name(manager), "lido") == 0);
  CHECK_EQ(lido_manager_policy(manager, NULL), LIDO_POLICY_NONE);
  CHECK_EQ(lido_manager_destroy(manager), 0);
  CHECK_EQ(lido_manager_destroy(NULL), 0);
}

/* ---- Find or create ---- */

TEST(manager, a_name_leads_to_the_same_pool) {
  lido_manager *manager = manager_with(NULL);
  CHECK_NULL(lido_manager_pool_find(manager, "conns"));
  lido_pool *conns = pool_of(manager, "conns", 100);
  CHECK_NOT_NULL(conns);
  CHECK(pool_of(manager, "conns", 100) == conns);
  CHECK(lido_manager_pool_find(manager, "conns") == conns);
  CHECK(pool_of(manager, "others", 100) != conns);
  CHECK_NULL(lido_manager_check(manager));
  CHECK_EQ(lido_manager_destroy(manager), 0);
}

static int build_nothing(void *object, void *context) {
  (void)object;
  (void)context;
  return 0;
}

TEST(manager, the_same_name_for_something_else_is_refused) {
  lido_manager *manager = manager_with(NULL);
  const lido_pool_options first = {.name = "conns", .object_size = 100};
  CHECK_NOT_NULL(lido_manager_pool(manager, &first));
  const lido_pool_options others[] = {
      {.name = "conns", .object_size = 101},
      {.name = "conns", .object_size = 100, .align = 128},
      {.name = "conns", .object_size = 100, .flags = LIDO_POOL_ZERO},
      {.name = "conns", .object_size = 100, .construct = build_nothing},
      {.name = "conns", .object_size = 100, .context = manager},
      {.name = "conns", .object_size = 100, .backing = lido_backing_pages()},
  };
  bool pages_are_default = lido_backing_default() == lido_backing_pages();
  for (size_t i = 0; i < sizeof others / sizeof others[0] - pages_are_default; i++) {
    CHECK_FAILS(lido_manager_pool(manager, &others[i]), EEXIST);
  }
  CHECK_NOT_NULL(lido_manager_pool(manager, &(lido_pool_options){.name = "conns", .object_size = 100, .align = 64}));
  CHECK_NOT_NULL(
      lido_manager_pool(manager, &(lido_pool_options){.name = "conns", .object_size = 100, .max_objects = 5}));
  CHECK_FAILS(lido_manager_pool(manager, &(lido_pool_options){.object_size = 100}), EINVAL);
  CHECK_FAILS(lido_manager_pool(manager, NULL), EINVAL);
  CHECK_NOT_NULL(lido_manager_arena_class(manager, &(lido_arena_options){.name = "requests"}));
  CHECK_FAILS(lido_manager_arena_class(manager, &(lido_arena_options){.name = "requests", .max_bytes = 1 << 20}),
              EEXIST);
  CHECK_EQ(lido_manager_destroy(manager), 0);
}

TEST(manager, thousands_of_pools_are_found_and_end_one_by_one) {
  enum { POOLS = 2000 };
  lido_manager *manager = manager_with(NULL);
  lido_pool *pools[POOLS];
  char name[20];
  for (int i = 0; i < POOLS; i++) {
    snprintf(name, sizeof name, "pool %d", i * 7919 % POOLS);
    pools[i] = pool_of(manager, name, 64);
    CHECK_NOT_NULL(pools[i]);
  }
  CHECK_NULL(lido_manager_check(manager));
  for (int i = 0; i < POOLS; i++) {
    snprintf(name, sizeof name, "pool %d", i * 7919 % POOLS);
    CHECK(lido_manager_pool_find(manager, name) == pools[i]);
    if (i % 2 == 0) CHECK_EQ(lido_manager_pool_end(manager, pools[i]), 0);
    if (i % 2 == 0) CHECK_NULL(lido_manager_pool_find(manager, name));
  }
  CHECK_EQ(lido_manager_pool_end(manager, pools[0]), ENOENT);
  CHECK_NULL(lido_manager_check(manager));
  CHECK_EQ(lido_manager_destroy(manager), 0);
}

TEST(manager, two_managers_know_nothing_of_each_other) {
  lido_manager *a = manager_with(&(lido_manager_options){.name = "a", .hard_bytes = SLAB});
  lido_manager *b = manager_with(&(lido_manager_options){.name = "b"});
  lido_pool *in_a = pool_of(a, "pool", OBJECT);
  lido_pool *in_b = pool_of(b, "pool", 2 * OBJECT);
  CHECK_NOT_NULL(in_b);
  object_list list = {0};
  objects_take_slabs(in_b, &list, 5);
  CHECK_EQ(lido_budget_used(lido_manager_budget(a)), 0);
  CHECK_EQ(lido_manager_pool_end(a, in_b), ENOENT);
  objects_free_all(in_b, &list);
  CHECK_EQ(lido_manager_destroy(b), 0);
  lido_pool_free(in_a, lido_pool_alloc(in_a));
  CHECK_EQ(lido_manager_destroy(a), 0);
  object_list_end(&list);
}

/* ---- The end ---- */

static char order[16];

static void note_end(void *object) {
  size_t count = strlen(order);
  order[count] = *(const char *)object;
}

static void note_destroy(void *object, void *context) {
  (void)object;
  note_end(context);
}

TEST(manager, the_end_goes_by_stages) {
  memset(order, 0, sizeof order);
  lido_manager *manager = manager_with(NULL);
  static char names[] = "012345Q";
  CHECK_EQ(lido_manager_own(manager, LIDO_STAGE_ARENAS, note_end, &names[5]), 0);
  CHECK_EQ(lido_manager_own(manager, LIDO_STAGE_POOLS, note_end, &names[3]), 0);
  CHECK_EQ(lido_manager_own(manager, LIDO_STAGE_CLEANUPS, note_end, &names[2]), 0);
  CHECK_EQ(lido_manager_own(manager, LIDO_STAGE_OBSERVERS, note_end, &names[1]), 0);
  CHECK_EQ(lido_manager_own(manager, LIDO_STAGE_OBSERVERS, note_end, &names[0]), 0);
  CHECK_EQ(lido_manager_own(manager, LIDO_STAGES, note_end, names), EINVAL);
  CHECK_EQ(lido_manager_own(manager, LIDO_STAGE_POOLS, NULL, names), EINVAL);
  lido_cleanup_queue *queue = lido_manager_cleanup_queue(manager, &(lido_cleanup_queue_options){.name = "later"});
  lido_pool *pool = lido_manager_pool(manager, &(lido_pool_options){.name = "pool",
                                                                    .object_size = 64,
                                                                    .flags = LIDO_POOL_HANDLES,
                                                                    .destroy = note_destroy,
                                                                    .context = &names[4]});
  void *live = lido_pool_alloc(pool);
  void *dead = lido_pool_alloc(pool);
  lido_weak weak = lido_weak_make(live);
  lido_cleanup_add_to(queue, dead, note_end, &names[6]);
  lido_release(dead);
  order[0] = '\0';
  CHECK_EQ(lido_manager_destroy(manager), 1);
  CHECK(strcmp(order, "012Q345") == 0);
  CHECK_NULL(lido_weak_acquire(weak));
}

static void make_more(void *object) {
  lido_manager *manager = object;
  static char late = 'L';
  static char later = 'M';
  CHECK_EQ(lido_manager_own(manager, LIDO_STAGE_OBSERVERS, note_end, &late), 0);
  CHECK_EQ(lido_manager_own(manager, LIDO_STAGE_ARENAS, note_end, &later), 0);
  lido_cleanup_queue *queue = lido_manager_cleanup_queue(manager, &(lido_cleanup_queue_options){.name = "late"});
  lido_pool *pool =
      lido_manager_pool(manager, &(lido_pool_options){.name = "late", .object_size = 64, .flags = LIDO_POOL_HANDLES});
  static char last = 'Q';
  void *dead = lido_pool_alloc(pool);
  CHECK_NOT_NULL(lido_pool_alloc(pool));
  lido_cleanup_add_to(queue, dead, note_end, &last);
  lido_release(dead);
}

TEST(manager, what_is_made_by_the_end_ends_too) {
  memset(order, 0, sizeof order);
  lido_manager *manager = manager_with(NULL);
  CHECK_EQ(lido_manager_own(manager, LIDO_STAGE_ARENAS, make_more, manager), 0);
  CHECK_EQ(lido_manager_destroy(manager), 1);
  CHECK_TEXT(order, "MLQ");
}

TEST(manager, arenas_that_are_out_stay_valid) {
  lido_manager *manager = manager_with(&(lido_manager_options){.hard_bytes = MEBI});
  lido_arena_class *cls = lido_manager_arena_class(manager, &(lido_arena_options){.name = "requests"});
  lido_arena *arena = lido_arena_acquire(cls);
  CHECK_NOT_NULL(lido_arena_alloc(arena, 100));
  CHECK_EQ(lido_manager_arena_class_end(manager, cls), EBUSY);
  CHECK(lido_manager_arena_class_find(manager, "requests") == cls);
  CHECK_EQ(lido_manager_destroy(manager), 1);
  CHECK_NOT_NULL(lido_arena_alloc(arena, 2 * MEBI));
  lido_arena_release(arena);
  CHECK_EQ(lido_arena_class_destroy(cls), 0);
}

TEST(manager, a_watched_pool_is_seen_and_not_ended) {
  lido_manager *manager = manager_with(NULL);
  lido_pool *own = lido_pool_create(&(lido_pool_options){.name = "own", .object_size = OBJECT});
  CHECK_EQ(lido_manager_pool_watch(manager, own), 0);
  CHECK_EQ(lido_manager_pool_watch(manager, own), EEXIST);
  CHECK_FAILS(pool_of(manager, "own", OBJECT + 1), EEXIST);
  CHECK(lido_manager_pool_find(manager, "own") == own);
  CHECK_EQ(lido_manager_pool_unwatch(manager, own), 0);
  CHECK_EQ(lido_manager_pool_unwatch(manager, own), ENOENT);
  CHECK_EQ(lido_manager_pool_watch(manager, own), 0);
  CHECK_EQ(lido_manager_destroy(manager), 0);
  lido_pool_free(own, lido_pool_alloc(own));
  CHECK_EQ(lido_pool_destroy(own), 0);
}

/* ---- Snapshots ---- */

TEST(manager, who_made_a_pool_ends_it) {
  lido_manager *manager = manager_with(NULL);
  lido_pool *own = lido_pool_create(&(lido_pool_options){.name = "own", .object_size = 64});
  void *object = lido_pool_alloc(own);
  CHECK_EQ(lido_manager_pool_watch(manager, own), 0);
  CHECK_EQ(lido_manager_pool_end(manager, own), ENOENT);
  CHECK_SAME(lido_manager_pool_find(manager, "own"), own);
  lido_pool_free(own, object);
  CHECK_EQ(lido_manager_pool_unwatch(manager, own), 0);
  CHECK_EQ(lido_pool_destroy(own), 0);
  lido_pool *made = pool_of(manager, "made", 64);
  CHECK_EQ(lido_manager_pool_unwatch(manager, made), ENOENT);
  CHECK_SAME(lido_manager_pool_find(manager, "made"), made);
  CHECK_EQ(lido_manager_pool_end(manager, made), 0);
  CHECK_EQ(lido_manager_destroy(manager), 0);
}

TEST(manager, a_snapshot_has_everything_by_name) {
  lido_manager *manager = manager_with(&(lido_manager_options){.name = "server", .hard_bytes = 100 * MEBI});
  lido_pool *b = pool_of(manager, "b", 100);
  lido_pool *a = pool_of(manager, "a", 200);
  lido_manager_arena_class(manager, &(lido_arena_options){.name = "requests"});
  lido_manager_cleanup_queue(manager, &(lido_cleanup_queue_options){.name = "later"});
  void *objects[] = {lido_pool_alloc(a), lido_pool_alloc(b), lido_pool_alloc(b)};
  lido_snapshot *snapshot = lido_snapshot_create();
  CHECK_EQ(lido_snapshot_take(snapshot, manager), 0);
  CHECK(strcmp(snapshot->manager, "server") == 0);
  CHECK_EQ(snapshot->pool_count, 2);
  CHECK(strcmp(snapshot->pools[0].name, "a") == 0);
  CHECK_EQ(snapshot->pools[0].object_size, 200);
  CHECK_EQ(snapshot->pools[0].stats.live, 1);
  CHECK_EQ(snapshot->pools[1].stats.live, 2);
  CHECK_EQ(snapshot->arena_class_count, 1);
  CHECK(strcmp(snapshot->arena_classes[0].name, "requests") == 0);
  CHECK(strcmp(snapshot->cleanup_queues[0].name, "later") == 0);
  CHECK_EQ(snapshot->stats.allocs, 3);
  CHECK_EQ(snapshot->stats.bytes_live, 256 + 2 * 128);
  CHECK_EQ(snapshot->budget.hard, 100 * MEBI);
  CHECK_EQ(snapshot->budget.used, 2 * SLAB);
  lido_pool_free(a, objects[0]);
  lido_pool_free(b, objects[1]);
  lido_pool_free(b, objects[2]);
  CHECK_EQ(lido_manager_destroy(manager), 0);
  CHECK(strcmp(snapshot->pools[1].name, "b") == 0); /* it is its own */
  lido_snapshot_destroy(snapshot);
}

/* ---- Limits and reclaim ---- */

TEST(manager, the_hard_limit_holds_for_pools_and_arenas_together) {
  lido_manager *manager = manager_with(&(lido_manager_options){.hard_bytes = 8 * SLAB});
  lido_pool *pool = pool_of(manager, "pool", OBJECT);
  lido_arena_class *cls = lido_manager_arena_class(manager, &(lido_arena_options){.name = "requests"});
  object_list list = {0};
  objects_take_slabs(pool, &list, 7);
  lido_arena *arena = lido_arena_acquire(cls);
  CHECK_FAILS(lido_arena_alloc(arena, 2 * SLAB), ENOMEM);
  objects_free_all(pool, &list);
  CHECK_NOT_NULL(lido_arena_alloc(arena, 2 * SLAB)); /* a pass found what the pool did not need */
  CHECK_LE(lido_budget_used(lido_manager_budget(manager)), 8 * SLAB);
  lido_arena_release(arena);
  CHECK_EQ(lido_manager_destroy(manager), 0);
  object_list_end(&list);
}

typedef struct pressures {
  size_t calls;
  lido_reclaim_report last;
} pressures;

static void on_pressure(lido_manager *manager, const lido_reclaim_report *report, void *context) {
  pressures *p = context;
  p->calls++;
  p->last = *report;
  CHECK_GT(report->used_after, 4 * MEBI);
  CHECK_NOT_NULL(lido_manager_pool_find(manager, "idle")); /* no lock is held */
}

TEST(manager, beyond_the_soft_limit_idle_memory_goes_first_and_then_somebody_is_told) {
  pressures p = {0};
  lido_manager *manager =
      manager_with(&(lido_manager_options){.soft_bytes = 4 * MEBI, .on_pressure = on_pressure, .context = &p});
  lido_pool *idle = lido_manager_pool(
      manager, &(lido_pool_options){.name = "idle", .object_size = OBJECT, .retain_bytes = SIZE_MAX / 2});
  lido_pool *busy = pool_of(manager, "busy", OBJECT);
  object_list list = {0};
  objects_take_slabs(idle, &list, 2 * MEBI / SLAB);
  objects_free_all(idle, &list);
  objects_take_slabs(busy, &list, 3 * MEBI / SLAB);
  CHECK_EQ(p.calls, 0);
  CHECK_LE(lido_budget_used(lido_manager_budget(manager)), 4 * MEBI);
  objects_take_slabs(busy, &list, 6 * MEBI / SLAB);
  CHECK_GE(p.calls, 1);
  CHECK_EQ(p.last.reason, LIDO_RECLAIM_SOFT);
  objects_free_all(busy, &list);
  lido_reclaim_report report;
  size_t freed = lido_manager_reclaim(manager, &report);
  CHECK_EQ(freed, report.freed_bytes);
  CHECK_GT(freed, 0);
  CHECK_EQ(report.reason, LIDO_RECLAIM_ASKED);
  CHECK_EQ(report.used_before - report.used_after, report.freed_bytes);
  CHECK_LE(report.used_after, SLAB * 2);
  CHECK_EQ(lido_manager_destroy(manager), 0);
  object_list_end(&list);
}

/* ---- Maps ---- */

static void *ask_for_a_map(void *manager) {
  size_t slabs = 0;
  return lido_manager_pool_occupancy(manager, "alone", NULL, 0, &slabs) == 0 ? (void *)(uintptr_t)slabs : NULL;
}

TEST(manager, a_map_of_slabs_is_had_by_name) {
  lido_manager *manager = manager_with(NULL);
  lido_pool *pool = pool_of(manager, "pool", OBJECT);
  object_list list = {0};
  objects_take_slabs(pool, &list, 3);
  lido_slab_use uses[10];
  size_t slabs = 0;
  CHECK_EQ(lido_manager_pool_occupancy(manager, "pool", uses, 10, &slabs), 0);
  CHECK_EQ(slabs, objects_stats(pool).slabs);
  CHECK_GT(uses[0].used, 0);
  CHECK_LE(uses[0].used, uses[0].objects);
  CHECK_EQ(lido_manager_pool_occupancy(manager, "another", uses, 10, &slabs), ENOENT);
  objects_free_all(pool, &list);
  object_list_end(&list);
  pool = lido_manager_pool(manager,
                           &(lido_pool_options){.name = "alone", .object_size = 64, .flags = LIDO_POOL_SINGLE_THREAD});
  lido_pool_free(pool, lido_pool_alloc(pool)); /* now it is this thread's */
  CHECK_EQ(lido_manager_pool_occupancy(manager, "alone", uses, 10, &slabs), 0);
  pthread_t stranger;
  void *seen = NULL;
  CHECK_EQ(pthread_create(&stranger, NULL, ask_for_a_map, manager), 0);
  CHECK_EQ(pthread_join(stranger, &seen), 0);
  CHECK_EQ((uintptr_t)seen, 1); /* a manager's pools have locks */
  CHECK_NULL(lido_manager_check(manager));
  CHECK_EQ(lido_manager_destroy(manager), 0);
}
