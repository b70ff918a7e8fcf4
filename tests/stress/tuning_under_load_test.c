/* tuning_under_load_test.c: a pool is tuned, made ready, trimmed, purged and looked at while threads alloc and free. */
#include <sys/wait.h>

#include "lib/mem/region.h"
#include "lib/os/os.h"
#include "tests/stress/crew.h"

enum { BYTES = 512, HELD = 400, WORKERS = 3, HELPERS = 2, SLABS_LOOKED_AT = 200 };

typedef struct field {
  lido_pool *pool;
  lido_backing *backing;
  size_t rounds;
  int working; /* atomic: workers still at it */
} field;

static uint64_t misuses;

static void breathe(crew_member *me) {
  field *f = me->shared;
  void *objects[HELD];
  for (size_t round = 0; round < f->rounds && crew_goes_on(me->crew); round++) {
    size_t count = 1 + testing_below(&me->random, HELD);
    for (size_t i = 0; i < count; i++) {
      objects[i] = lido_pool_alloc(f->pool);
      if (!CREW_HOLDS(me->crew, objects[i] != NULL)) return;
      stamp_put(objects[i], BYTES, me->index, i);
    }
    for (size_t i = 0; i < count; i++) {
      CREW_HOLDS(me->crew, stamp_is_of(objects[i], BYTES, me->index));
      lido_pool_free(f->pool, objects[i]);
    }
    if (round % 50 == 0) lido_thread_flush();
  }
}

static lido_pool_tuning any_tuning(testing_random *random) {
  static const lido_purge ways[] = {LIDO_PURGE_NOW, LIDO_PURGE_LAZY, LIDO_PURGE_NEVER};
  return (lido_pool_tuning){
      .magazine_objects = (uint32_t)testing_below(random, 4) * 25,
      .batch_objects = (uint32_t)testing_below(random, 30),
      .retain_bytes = 1 + testing_below(random, 1 << 20),
      .retain_percent = testing_below(random, 3) == 0 ? LIDO_RETAIN_NONE : (uint32_t)testing_below(random, 100),
      .purge = ways[testing_below(random, 3)],
      .purge_delay_ns = testing_below(random, 2) * testing_below(random, 1 << 20),
      .ready_bytes = testing_below(random, 1 << 19)};
}

static bool in_range(const lido_pool_tuning *tuning) {
  return tuning->magazine_objects <= 75 && tuning->batch_objects < 30 && tuning->purge <= LIDO_PURGE_NEVER;
}

static void look(crew_member *me, const field *f) {
  lido_slab_use map[SLABS_LOOKED_AT];
  uint64_t bins[LIDO_OCCUPANCY_BINS];
  lido_backing_stats stats;
  lido_pool_tuning tuning;
  size_t slabs = lido_pool_occupancy(f->pool, map, SLABS_LOOKED_AT);
  for (size_t i = 0; i < slabs && i < SLABS_LOOKED_AT; i++) {
    CREW_HOLDS(me->crew, map[i].objects >= 1 && map[i].used <= map[i].objects);
  }
  lido_pool_occupancy_histogram(f->pool, bins);
  lido_backing_stats_get(f->backing, &stats);
  CREW_HOLDS(me->crew, stats.bytes_dirty <= stats.bytes);
  lido_pool_tuning_get(f->pool, &tuning);
  CREW_HOLDS(me->crew, in_range(&tuning));
}

/* The first to come back tells the helpers to stop. */
static void help(crew_member *me) {
  field *f = me->shared;
  while (flag_get(&f->working) != 0 && crew_goes_on(me->crew)) {
    lido_pool_tuning tuning = any_tuning(&me->random);
    CREW_HOLDS(me->crew, lido_pool_tune(f->pool, &tuning) == 0);
    lido_pool_prepare(f->pool);
    lido_backing_purge(f->backing, testing_below(&me->random, 4) == 0 ? UINT64_MAX : lido_os_now_ns());
    if (testing_below(&me->random, 3) == 0) lido_pool_trim_to(f->pool, testing_below(&me->random, 1 << 20));
    if (testing_below(&me->random, 20) == 0) lido_pool_trim(f->pool);
    look(me, f);
  }
}

static void breathe_or_help(crew_member *me) {
  field *f = me->shared;
  if (me->index < WORKERS) {
    breathe(me);
    __atomic_sub_fetch(&f->working, 1, __ATOMIC_ACQ_REL);
  } else {
    help(me);
  }
}

static void breathe_while_tuned(lido_pool_options options, size_t rounds) {
  static crew team;
  static field f;
  f = (field){.rounds = testing_scaled(rounds), .working = WORKERS, .backing = options.backing};
  f.pool = lido_pool_create(&options);
  CHECK_NOT_NULL(f.pool);
  crew_misuses_begin(&misuses);
  crew_start(&team, WORKERS + HELPERS, testing_seed(), breathe_or_help, &f);
  CHECK_CREW(&team);
  CHECK_EQ(crew_misuses_end(&misuses), 0);
  CHECK_EQ(objects_stats(f.pool).live, 0);
  CHECK_SOUND(f.pool);
  CHECK_EQ(lido_pool_destroy(f.pool), 0);
}

TEST(tuning_under_load, on_the_system_s_pages) {
  breathe_while_tuned((lido_pool_options){.object_size = BYTES, .backing = lido_backing_pages()}, 6000);
}

TEST(tuning_under_load, without_caches) {
  breathe_while_tuned(
      (lido_pool_options){.object_size = BYTES, .backing = lido_backing_pages(), .cache_bytes = SIZE_MAX}, 2000);
}

TEST(tuning_under_load, zeroed_objects) {
  breathe_while_tuned(
      (lido_pool_options){.object_size = BYTES, .backing = lido_backing_pages(), .flags = LIDO_POOL_ZERO}, 3000);
}

/* ---- A backing of functions, which run one at a time ---- */

typedef struct ledger {
  int busy; /* atomic */
  int twice;
  size_t purges;
} ledger;

static void enter(ledger *l) { l->twice += __atomic_exchange_n(&l->busy, 1, __ATOMIC_ACQ_REL); }
static void leave(ledger *l) { __atomic_store_n(&l->busy, 0, __ATOMIC_RELEASE); }

static void *ledger_get(size_t bytes, size_t align, void *context) {
  enter(context);
  void *block = aligned_alloc(align, (bytes + align - 1) / align * align);
  leave(context);
  return block;
}

static void ledger_put(void *block, size_t bytes, void *context) {
  (void)bytes;
  enter(context);
  free(block);
  leave(context);
}

static void ledger_purge(void *range, size_t bytes, void *context) {
  enter(context);
  memset(range, 0x11, bytes);
  ((ledger *)context)->purges++;
  leave(context);
}

TEST(tuning_under_load, functions_purge_one_at_a_time_and_only_what_is_free) {
  ledger l = {0};
  lido_backing *backing = lido_backing_create(&(lido_backing_functions){
      .allocate = ledger_get, .release = ledger_put, .purge = ledger_purge, .context = &l, .region_bytes = 1 << 20});
  CHECK_NOT_NULL(backing);
  breathe_while_tuned((lido_pool_options){.object_size = BYTES, .backing = backing, .cache_bytes = 8192}, 3000);
  CHECK_EQ(l.twice, 0);
  CHECK_GT(l.purges, 0);
  CHECK_EQ(lido_backing_destroy(backing), 0);
}

/* ---- Many pools on one backing ---- */

static void make_and_end(crew_member *me) {
  field *f = me->shared;
  for (size_t round = 0; round < f->rounds && crew_goes_on(me->crew); round++) {
    lido_pool_options options = {.object_size = 4096, .backing = lido_backing_pages(), .retain_bytes = 1};
    lido_pool *pool = lido_pool_create(&options);
    if (!CREW_HOLDS(me->crew, pool != NULL)) return;
    lido_pool_tuning tuning = any_tuning(&me->random);
    lido_pool_tune(pool, &tuning);
    void *objects[64];
    size_t got = lido_pool_alloc_batch(pool, objects, 64);
    for (size_t i = 0; i < got; i++) stamp_put(objects[i], 4096, me->index, i);
    for (size_t i = 0; i < got; i++) CREW_HOLDS(me->crew, stamp_is_of(objects[i], 4096, me->index));
    lido_pool_free_batch(pool, objects, got);
    lido_backing_purge(lido_backing_pages(), round % 7 == 0 ? UINT64_MAX : lido_os_now_ns());
    CREW_HOLDS(me->crew, lido_pool_destroy(pool) == 0);
  }
}

TEST(tuning_under_load, pools_come_and_go_while_their_backing_is_purged) {
  static crew team;
  field f = {.rounds = testing_scaled(1500)};
  crew_start(&team, 4, testing_seed(), make_and_end, &f);
  CHECK_CREW(&team);
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .backing = lido_backing_pages()});
  CHECK_NOT_NULL(pool);
  CHECK_SOUND(pool); /* and its backing */
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

/* ---- Fork ---- */

/* In the child: what others were purging is free again, and can be purged. */
static int check_in_child(lido_backing *backing) {
  const char *broken = lido_region_check(backing);
  if (broken != NULL) return 1;
  lido_backing_purge(backing, UINT64_MAX);
  lido_backing_stats stats;
  lido_backing_stats_get(backing, &stats);
  if (stats.bytes_dirty != 0) return 2;
  return lido_region_check(backing) == NULL ? 0 : 3;
}

static void fork_and_look(crew_member *me) {
  field *f = me->shared;
  for (size_t round = 0; round < testing_scaled(100) && crew_goes_on(me->crew); round++) {
    pid_t child = fork();
    if (child == 0) _exit(check_in_child(f->backing));
    int status = -1;
    bool ended = child > 0 && waitpid(child, &status, 0) == child;
    CREW_HOLDS(me->crew, ended && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  flag_set(&f->working, 0);
}

static void fork_or_purge(crew_member *me) {
  field *f = me->shared;
  void *objects[HELD];
  if (me->index == 0) {
    fork_and_look(me);
    return;
  }
  while (flag_get(&f->working) != 0) {
    size_t got = lido_pool_alloc_batch(f->pool, objects, HELD);
    for (size_t i = 0; i < got; i++) stamp_put(objects[i], BYTES, me->index, i);
    lido_pool_free_batch(f->pool, objects, got);
    lido_pool_trim_to(f->pool, 0);
    lido_backing_purge(f->backing, UINT64_MAX);
  }
}

TEST(tuning_under_load, a_fork_in_the_middle_of_purges) {
  static crew team;
  static field f;
  f = (field){.working = 1, .backing = lido_backing_pages()};
  f.pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .backing = f.backing});
  CHECK_NOT_NULL(f.pool);
  lido_pool_tuning tuning = {.purge_delay_ns = 1, .retain_bytes = 1, .retain_percent = LIDO_RETAIN_NONE};
  CHECK_EQ(lido_pool_tune(f.pool, &tuning), 0);
  crew_start(&team, 3, testing_seed(), fork_or_purge, &f);
  CHECK_CREW(&team);
  CHECK_SOUND(f.pool);
  CHECK_EQ(lido_pool_destroy(f.pool), 0);
}
