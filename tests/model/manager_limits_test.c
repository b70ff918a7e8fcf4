/* manager_limits_test.c: random allocs and frees on pools and arenas of one manager, passes, ticks, limits and policies
 * that change, members that end. After each step what is charged is the sum of what pools and arenas say they have, and
 * never above the hard limit, unless that was set below it: then it does not grow. An alloc fails only if the limit was
 * in the way. LIDO_SEED repeats a run.
 */
#include "tests/support/managed.h"
#include "tests/support/random.h"

enum { STEPS = 60000, POOLS = 4, ARENAS = 3, OBJECTS_MOST = 3000, LIMIT_STEP = 64 << 10 };

typedef struct model {
  lido_manager *manager;
  lido_budget *budget;
  testing_random random;
  size_t step;
  lido_pool *pools[POOLS];
  object_list objects[POOLS];
  lido_arena *arenas[ARENAS];
  size_t hard;
  size_t used_most; /* hard, or what was used when it was set below */
  size_t refused;
  size_t served;
} model;

static model m;

#define HOLD(condition)                                                         \
  do {                                                                          \
    if (!(condition)) TESTING_FAIL("step %zu: not so: %s", m.step, #condition); \
  } while (0)

static size_t below(size_t bound) { return testing_below(&m.random, bound); }

/* ---- What there is ---- */

static void make_pool(size_t i) {
  static const size_t sizes[POOLS] = {40, 200, 700, 4000};
  char name[32];
  snprintf(name, sizeof name, "pool %zu", i);
  m.pools[i] = lido_manager_pool(m.manager, &(lido_pool_options){.name = name, .object_size = sizes[i]});
  CHECK_NOT_NULL(m.pools[i]);
}

static size_t charged_to(size_t i) {
  lido_pool_stats stats = objects_stats(m.pools[i]);
  return stats.bytes_reserved - stats.bytes_metadata;
}

static size_t sum(void) {
  size_t bytes = 0;
  for (size_t i = 0; i < POOLS; i++) bytes += charged_to(i);
  for (size_t i = 0; i < ARENAS; i++) {
    lido_arena_stats stats;
    lido_arena_stats_get(m.arenas[i], &stats);
    bytes += stats.reserved;
  }
  return bytes;
}

static void check_step(void) {
  size_t used = lido_budget_used(m.budget);
  HOLD(used == sum());
  HOLD(used <= m.used_most);
  if (used <= m.hard) m.used_most = m.hard;
}

/* ---- Steps ---- */

static void note_outcome(bool served, size_t wanted) {
  m.served += served;
  m.refused += !served;
  if (!served) HOLD(lido_budget_used(m.budget) + wanted > m.hard);
}

static void take_some(void) {
  size_t i = below(POOLS);
  for (size_t count = 1 + below(200); count != 0 && m.objects[i].count < OBJECTS_MOST; count--) {
    void *object = lido_pool_alloc(m.pools[i]);
    note_outcome(object != NULL, 1 << 20);
    if (object == NULL) return;
    object_list_push(&m.objects[i], object);
  }
}

static void free_some(void) {
  size_t i = below(POOLS);
  for (size_t count = below(400); count != 0 && m.objects[i].count != 0; count--) {
    lido_pool_free(m.pools[i], object_list_pop(&m.objects[i]));
  }
}

static void use_arena(void) {
  lido_arena *arena = m.arenas[below(ARENAS)];
  if (below(4) == 0) {
    lido_arena_reset(arena);
    return;
  }
  char *bytes = lido_arena_alloc(arena, 1 + below(below(10) == 0 ? 300000 : 3000));
  note_outcome(bytes != NULL, 1 << 20);
  if (bytes != NULL) bytes[0] = 1;
}

static void set_limits(void) {
  size_t hard = (4 + below(100)) * LIMIT_STEP;
  size_t soft = below(3) == 0 ? 0 : hard / 2 + below(hard / 2); /* each step above it costs a pass */
  HOLD(lido_manager_limits_set(m.manager, soft, hard) == 0);
  size_t used = lido_budget_used(m.budget);
  m.hard = hard;
  m.used_most = used > hard ? used : hard;
  lido_manager_policy_set(m.manager, (lido_policy)below(LIDO_POLICY_COUNT));
}

static void pass(void) {
  lido_reclaim_report report;
  size_t before = lido_budget_used(m.budget);
  size_t freed = lido_manager_reclaim(m.manager, &report);
  HOLD(report.used_before == before && report.used_after <= before);
  HOLD(report.freed_bytes == freed && before - report.used_after == freed);
}

static void end_and_make(void) {
  size_t i = below(POOLS);
  objects_free_all(m.pools[i], &m.objects[i]);
  HOLD(lido_manager_pool_end(m.manager, m.pools[i]) == 0);
  make_pool(i);
}

static void one_step(void) {
  switch (below(200)) {
    case 0:
      set_limits();
      break;
    case 1:
    case 2:
      pass();
      break;
    case 3:
      end_and_make();
      break;
    case 4:
      managed_wait(MANAGED_SECOND / 10);
      lido_manager_tick(m.manager);
      break;
    default:
      if (m.step % 3 == 0) {
        use_arena();
      } else if (below(2) == 0) {
        take_some();
      } else {
        free_some();
      }
  }
}

/* ---- The run ---- */

static void begin(unsigned flags) {
  m = (model){.random = {testing_seed()}};
  m.manager = managed_manager(&(lido_manager_options){.samples = 2, .flags = flags});
  m.budget = lido_manager_budget(m.manager);
  for (size_t i = 0; i < POOLS; i++) make_pool(i);
  for (size_t i = 0; i < ARENAS; i++) {
    m.arenas[i] = lido_arena_create(&(lido_arena_options){.budget = m.budget, .chunk_bytes = 4096 << i});
    CHECK_NOT_NULL(m.arenas[i]);
  }
  set_limits();
}

static void end(void) {
  for (size_t i = 0; i < ARENAS; i++) lido_arena_destroy(m.arenas[i]);
  for (size_t i = 0; i < POOLS; i++) {
    objects_free_all(m.pools[i], &m.objects[i]);
    object_list_end(&m.objects[i]);
    CHECK_EQ(lido_manager_pool_end(m.manager, m.pools[i]), 0);
  }
  CHECK_EQ(lido_budget_used(m.budget), 0);
  CHECK_NULL(lido_manager_check(m.manager));
  CHECK_EQ(lido_manager_destroy(m.manager), 0);
}

static void run(unsigned flags) {
  begin(flags);
  for (m.step = 0; m.step < testing_scaled(STEPS); m.step++) {
    one_step();
    check_step();
  }
  CHECK_GT(m.served, m.refused);
  if (m.step == STEPS) CHECK_GT(m.refused, 100);
  end();
}

TEST(manager_limits, hold_at_every_step) { run(0); }

TEST(manager_limits, hold_with_passes_at_ticks) { run(LIDO_MANAGER_RECLAIM_AT_TICKS); }
