/* control_rows.c: what a manager costs those who look, those who are looked at, and whoever is in a pass.
 *
 *     control_look       per pool, of 1,000: snapshot, tick; the same while another thread allocs and frees on all of
 *                        them (_loaded)
 *     control_load       a pair on pools of the manager in turns: alone; while another thread ticks a hundred times a
 *                        second
 *     control_nothing    a pass with nothing to free: one pool of 1,000 live objects, one of 1,000,000; per pool, of
 *                        1,000
 *     control_free       a pass with that many MiB to free, per MiB
 */
#include <lido/lido.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "timed_row.h"

enum { POOLS = 1000, FEW = 1000, MANY = 1000000, OBJECT = 64, PAGE_OBJECT = 4096, LIVE = 50 };

static lido_manager *manager;
static lido_snapshot *snapshot;
static lido_pool *pools[POOLS];

static lido_manager *make_manager(void) {
  lido_manager *made = lido_manager_create(NULL, NULL);
  if (made == NULL) bench_die("no manager");
  return made;
}

static lido_pool *make_pool(lido_manager *of, int number, size_t object_size) {
  char name[32];
  snprintf(name, sizeof name, "pool %d", number);
  lido_pool *pool = lido_manager_pool(of, &(lido_pool_options){.name = name, .object_size = object_size});
  if (pool == NULL) bench_die("no pool");
  return pool;
}

static void fill(lido_pool *pool, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (lido_pool_alloc(pool) == NULL) bench_die("no memory for objects");
  }
}

static void make_thousand(void) {
  manager = make_manager();
  snapshot = lido_snapshot_create();
  if (snapshot == NULL) bench_die("no memory");
  for (int i = 0; i < POOLS; i++) {
    pools[i] = make_pool(manager, i, OBJECT);
    fill(pools[i], LIVE);
  }
}

/* Pairs on one pool after the other. */
static void pairs(size_t count) {
  static size_t turn;
  for (size_t i = 0; i < count; i++) {
    lido_pool *pool = pools[turn++ % POOLS];
    uint64_t *object = lido_pool_alloc(pool);
    if (object == NULL) bench_die("no memory for objects");
    *object = i;
    lido_pool_free(pool, object);
  }
}

/* ---- Looking ---- */

static int goes_on; /* atomic */

static bool shall_go_on(void) { return __atomic_load_n(&goes_on, __ATOMIC_RELAXED) != 0; }

/* On the two processors; a thread that this one made would share its own. `there` ends when `here` has. */
static void beside(void (*here)(void *options), void (*there)(void *unused), const bench_options *options) {
  bench_job jobs[] = {{.run = here, .argument = (void *)(uintptr_t)options}, {.run = there}};
  __atomic_store_n(&goes_on, 1, __ATOMIC_RELAXED);
  bench_together(&jobs[0], &jobs[1]);
}

static void load(void *unused) {
  (void)unused;
  while (shall_go_on()) pairs(10 * (size_t)POOLS);
}

static void take(size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (lido_snapshot_take(snapshot, manager) != 0) bench_die("no memory for a snapshot");
  }
}

static void tick(size_t count) {
  for (size_t i = 0; i < count; i++) lido_manager_tick(manager);
}

static void look_loaded(void *options) {
  const timed_subject loaded[] = {{.name = "snapshot_loaded", .run = take, .parts = POOLS},
                                  {.name = "tick_loaded", .run = tick, .parts = POOLS}};
  timed_row(options, "control_look", loaded, 2);
  __atomic_store_n(&goes_on, 0, __ATOMIC_RELAXED);
}

static void look_row(const bench_options *options) {
  const timed_subject quiet[] = {{.name = "snapshot", .run = take, .parts = POOLS},
                                 {.name = "tick", .run = tick, .parts = POOLS}};
  timed_row(options, "control_look", quiet, 2);
  if (bench_two_cores()) {
    beside(look_loaded, load, options);
  } else {
    bench_skipped("control_look", "under load: there is one processor");
  }
}

/* ---- Being looked at ---- */

static int ticks; /* atomic: the other thread does, each time it wakes */

/* It wakes alike in both cases, so that only the ticks differ. */
static void wake_often(void *unused) {
  const struct timespec hundredth = {.tv_nsec = 10000000};
  (void)unused;
  while (shall_go_on()) {
    nanosleep(&hundredth, NULL);
    if (__atomic_load_n(&ticks, __ATOMIC_RELAXED)) lido_manager_tick(manager);
  }
}

static void pairs_with(size_t count, int with_ticks) {
  __atomic_store_n(&ticks, with_ticks, __ATOMIC_RELAXED);
  pairs(count);
}

static void pairs_alone(size_t count) { pairs_with(count, 0); }
static void pairs_with_ticks(size_t count) { pairs_with(count, 1); }

static void be_looked_at(void *options) {
  const timed_subject subjects[] = {{.name = "alone", .run = pairs_alone},
                                    {.name = "ticks_10ms", .run = pairs_with_ticks}};
  timed_row(options, "control_load", subjects, 2);
  __atomic_store_n(&goes_on, 0, __ATOMIC_RELAXED);
}

static void load_row(const bench_options *options) {
  if (bench_two_cores()) {
    beside(be_looked_at, wake_often, options);
  } else {
    bench_skipped("control_load", "there is one processor");
  }
}

/* ---- Passes ---- */

static lido_manager *with_few, *with_many;

static void reclaim(lido_manager *of, size_t count) {
  for (size_t i = 0; i < count; i++) lido_manager_reclaim(of, NULL);
}

static void reclaim_few(size_t count) { reclaim(with_few, count); }
static void reclaim_many(size_t count) { reclaim(with_many, count); }
static void reclaim_thousand(size_t count) { reclaim(manager, count); }

static void nothing_row(const bench_options *options) {
  const timed_subject subjects[] = {{.name = "live_1k", .run = reclaim_few},
                                    {.name = "live_1m", .run = reclaim_many},
                                    {.name = "pools_1k", .run = reclaim_thousand, .parts = POOLS}};
  with_few = make_manager();
  with_many = make_manager();
  fill(make_pool(with_few, 0, OBJECT), FEW);
  fill(make_pool(with_many, 0, OBJECT), MANY);
  timed_row(options, "control_nothing", subjects, 3);
}

/* What is freed stays in the pool until the pass. */
static double free_sample(lido_manager *of, lido_pool *pool, size_t mebibytes, void **objects) {
  size_t count = (mebibytes << 20) / PAGE_OBJECT;
  for (size_t i = 0; i < count; i++) {
    objects[i] = lido_pool_alloc(pool);
    if (objects[i] == NULL) bench_die("no memory for objects");
    memset(objects[i], 1, PAGE_OBJECT);
  }
  for (size_t i = 0; i < count; i++) lido_pool_free(pool, objects[i]);
  lido_reclaim_report report;
  lido_manager_reclaim(of, &report);
  if (report.freed_bytes >> 20 < mebibytes * 9 / 10) bench_die("a pass left too much");
  return (double)report.ns / (double)mebibytes;
}

static void free_row(const bench_options *options) {
  static const size_t sizes[] = {1, 10, 100};
  static double samples[BENCH_SAMPLES_MAX];
  lido_manager *of = make_manager();
  lido_pool *pool = lido_manager_pool(
      of, &(lido_pool_options){.name = "idle", .object_size = PAGE_OBJECT, .retain_bytes = SIZE_MAX - 1});
  void **objects = bench_pages(sizeof *objects * ((100u << 20) / PAGE_OBJECT));
  if (pool == NULL) bench_die("no pool");
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    char name[32];
    snprintf(name, sizeof name, "mebibytes_%zu", sizes[i]);
    for (unsigned s = 0; s < options->slices; s++) samples[s] = free_sample(of, pool, sizes[i], objects);
    bench_figure("control_free", name, "ns", samples, options->slices);
  }
}

/* ---- Rows ---- */

int main(int argc, char **argv) {
  bench_options options = bench_begin(argc, argv);
  bench_fact("peer", "lido");
  bench_fact("version", lido_version());
  make_thousand();
  if (bench_wants(&options, "control_look")) look_row(&options);
  if (bench_wants(&options, "control_load")) load_row(&options);
  if (bench_wants(&options, "control_nothing")) nothing_row(&options);
  if (bench_wants(&options, "control_free")) free_row(&options);
  return 0;
}
