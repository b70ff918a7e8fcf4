/* snapshot_counters_test.c: while threads use a pool, no counter of it falls from one snapshot to the next. */
#include "lido/lido.h"
#include "tests/stress/crew.h"

enum { MOVERS = 2, BOXES = 64, BATCH = 200 };

typedef struct traffic {
  lido_pool *pool;
  void *boxes[BOXES]; /* atomic: objects on their way to whoever comes next */
  size_t moving;      /* atomic: movers that are at work */
} traffic;

/* Takes some objects, and leaves each in a box, for the one that was there. */
static void move_objects(crew_member *me) {
  traffic *all = me->shared;
  size_t rounds = testing_scaled(60000);
  for (size_t round = 0; round < rounds && crew_goes_on(me->crew); round++) {
    size_t count = 1 + testing_below(&me->random, BATCH);
    void *objects[BATCH];
    for (size_t i = 0; i < count; i++) objects[i] = lido_pool_alloc(all->pool);
    for (size_t i = 0; i < count; i++) {
      if (!CREW_HOLDS(me->crew, objects[i] != NULL)) continue;
      void **box = &all->boxes[testing_below(&me->random, BOXES)];
      lido_pool_free(all->pool, __atomic_exchange_n(box, objects[i], __ATOMIC_ACQ_REL));
    }
  }
  __atomic_sub_fetch(&all->moving, 1, __ATOMIC_ACQ_REL);
}

#define COUNTER_gauge(before, after) true
#define COUNTER_counter(before, after) ((before) <= (after))
#define CHECK_COUNTER(name, kind, unit, text)  \
  if (!COUNTER_##kind(before.name, now->name)) \
    TESTING_FAIL("%s fell by %llu", #name, (unsigned long long)(before.name - now->name));

static lido_pool_stats check_taken(lido_snapshot *snapshot, lido_manager *manager, lido_pool_stats before) {
  CHECK_EQ(lido_snapshot_take(snapshot, manager), 0);
  CHECK_EQ(snapshot->pool_count, 1);
  const lido_pool_stats *now = &snapshot->pools[0].stats;
  LIDO_POOL_STATISTICS(CHECK_COUNTER)
  lido_pool_alloc_paths paths;
  lido_pool_alloc_paths paths_before;
  lido_pool_alloc_paths_get(now, &paths);
  lido_pool_alloc_paths_get(&before, &paths_before);
  CHECK_GE(paths.thread_cache, paths_before.thread_cache);
  return *now;
}

TEST(snapshot_counters, never_fall_while_objects_move) {
  lido_manager *manager = lido_manager_create(NULL, NULL);
  lido_snapshot *snapshot = lido_snapshot_create();
  CHECK(manager != NULL && snapshot != NULL);
  static traffic all;
  all = (traffic){.moving = MOVERS};
  all.pool = lido_manager_pool(manager, &(lido_pool_options){.name = "moved", .object_size = 64});
  CHECK_NOT_NULL(all.pool);
  static crew team;
  crew_start(&team, MOVERS, testing_seed(), move_objects, &all);
  lido_pool_stats stats = {0};
  while (__atomic_load_n(&all.moving, __ATOMIC_ACQUIRE) != 0) stats = check_taken(snapshot, manager, stats);
  CHECK_CREW(&team);
  stats = check_taken(snapshot, manager, stats);
  CHECK_GT(stats.refills_depot + stats.refills_slab + stats.refills_backing, 0);
  for (size_t i = 0; i < BOXES; i++) lido_pool_free(all.pool, all.boxes[i]);
  CHECK_SOUND(all.pool);
  lido_snapshot_destroy(snapshot);
  CHECK_EQ(lido_manager_destroy(manager), 0);
}
