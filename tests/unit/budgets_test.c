/* budgets_test.c: one limit over pools, arenas and caches. What arenas alone do with it is in arena_limits_test.c. */
#include <pthread.h>

#include "lib/mem/budgets.h"
#include "tests/support/objects.h"
#include "tests/support/random.h"

enum { SLAB = 64 << 10, OBJECT = 1024, MEBI = 1 << 20 };

typedef struct calls {
  size_t soft;
  size_t hard;
  size_t used;   /* of the last soft call */
  size_t wanted; /* of the last hard call */
  lido_pool *trimmed;
  lido_pool *taken_from;
  void *object;
} calls;

static void on_soft(lido_budget *budget, size_t used, void *context) {
  calls *c = context;
  c->soft++;
  c->used = used;
  CHECK_EQ(used, lido_budget_used(budget));
  if (c->trimmed != NULL) lido_pool_trim(c->trimmed);
}

static void on_hard(lido_budget *budget, size_t wanted, void *context) {
  calls *c = context;
  (void)budget;
  c->hard++;
  c->wanted = wanted;
  if (c->trimmed != NULL) lido_pool_trim(c->trimmed);
  if (c->taken_from != NULL) c->object = lido_pool_alloc(c->taken_from);
}

static lido_pool *pool_on(lido_budget *budget) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = OBJECT, .budget = budget});
  CHECK_NOT_NULL(pool);
  return pool;
}

static void end(lido_budget *budget) {
  CHECK_NULL(lido_budget_check(budget));
  CHECK_EQ(lido_budget_used(budget), 0);
  CHECK_EQ(lido_budget_destroy(budget), 0);
}

static lido_budget_stats stats_of(const lido_budget *budget) {
  lido_budget_stats stats;
  lido_budget_stats_get(budget, &stats);
  return stats;
}

TEST(budgets, limits_that_contradict_each_other_are_refused) {
  CHECK_FAILS(lido_budget_create(&(lido_budget_options){.soft_bytes = 2, .hard_bytes = 1}), EINVAL);
  lido_budget *budget = lido_budget_create(&(lido_budget_options){.soft_bytes = 2});
  CHECK_NOT_NULL(budget);
  CHECK_EQ(lido_budget_limits_set(budget, 3, 2), EINVAL);
  CHECK_EQ(stats_of(budget).soft, 2);
  CHECK_EQ(lido_budget_limits_set(budget, 0, 2), 0);
  CHECK_EQ(stats_of(budget).soft, 0);
  CHECK_EQ(stats_of(budget).hard, 2);
  end(budget);
}

TEST(budgets, a_pool_is_charged_for_its_slabs) {
  lido_budget *budget = lido_budget_create(&(lido_budget_options){.hard_bytes = 100 * MEBI});
  lido_pool *pool = pool_on(budget);
  CHECK_EQ(lido_budget_used(budget), 0);
  object_list list = {0};
  objects_take_slabs(pool, &list, 5);
  CHECK_EQ(lido_budget_used(budget), objects_stats(pool).slabs * SLAB);
  CHECK_EQ(lido_budget_destroy(budget), EBUSY);
  objects_free_all(pool, &list);
  lido_pool_trim(pool);
  CHECK_EQ(lido_budget_used(budget), objects_stats(pool).slabs * SLAB);
  CHECK_GE(stats_of(budget).peak, 5 * SLAB);
  lido_pool_destroy(pool);
  end(budget);
  object_list_end(&list);
}

TEST(budgets, pools_arenas_and_caches_share_one) {
  lido_budget *budget = lido_budget_create(&(lido_budget_options){.hard_bytes = 10 * SLAB});
  lido_pool *pool = pool_on(budget);
  lido_arena *arena = lido_arena_create(&(lido_arena_options){.budget = budget, .chunk_bytes = SLAB});
  CHECK_NOT_NULL(arena);
  object_list list = {0};
  objects_take_slabs(pool, &list, 6);
  CHECK_NOT_NULL(lido_arena_alloc(arena, 3 * SLAB));
  CHECK_GT(lido_budget_used(budget), 9 * SLAB);
  CHECK_FAILS(lido_arena_alloc(arena, SLAB), ENOMEM);
  CHECK_GT(stats_of(budget).refusals, 0);
  CHECK_LE(lido_budget_used(budget), 10 * SLAB);
  objects_free_all(pool, &list);
  lido_pool_trim(pool);
  CHECK_NOT_NULL(lido_arena_alloc(arena, SLAB));
  CHECK_NULL(lido_pool_check(pool));
  lido_arena_destroy(arena);
  lido_pool_destroy(pool);
  end(budget);
  object_list_end(&list);
}

TEST(budgets, a_pool_stops_at_the_hard_limit_and_loses_nothing) {
  lido_budget *budget = lido_budget_create(&(lido_budget_options){.hard_bytes = 3 * SLAB});
  lido_pool *pool = pool_on(budget);
  object_list list = {0};
  for (void *object; (object = lido_pool_alloc(pool)) != NULL;) object_list_push(&list, object);
  CHECK_EQ(errno, ENOMEM);
  CHECK_EQ(list.count, 3 * (SLAB / OBJECT));
  CHECK_EQ(lido_budget_used(budget), 3 * SLAB);
  lido_pool_free(pool, object_list_pop(&list));
  void *again = lido_pool_alloc(pool);
  CHECK_NOT_NULL(again);
  object_list_push(&list, again);
  objects_free_all(pool, &list);
  CHECK_NULL(lido_pool_check(pool));
  lido_pool_destroy(pool);
  end(budget);
  object_list_end(&list);
}

TEST(budgets, a_preallocation_beyond_the_limit_makes_no_pool) {
  lido_budget *budget = lido_budget_create(&(lido_budget_options){.hard_bytes = 3 * SLAB});
  CHECK_FAILS(lido_pool_create(&(lido_pool_options){.object_size = OBJECT, .prealloc = 1000, .budget = budget}),
              ENOMEM);
  end(budget);
}

/* A step is a sixteenth of the soft limit, here one MiB. */
TEST(budgets, beyond_the_soft_limit_each_step_is_told_once) {
  calls c = {0};
  lido_budget *budget =
      lido_budget_create(&(lido_budget_options){.soft_bytes = 16 * MEBI, .on_soft = on_soft, .context = &c});
  lido_pool *pool = pool_on(budget);
  object_list list = {0};
  objects_take_slabs(pool, &list, 16 * MEBI / SLAB);
  CHECK_EQ(c.soft, 0);
  objects_take_slabs(pool, &list, 16 * MEBI / SLAB + 1);
  CHECK_EQ(c.soft, 1);
  CHECK_GT(c.used, 16 * MEBI);
  objects_take_slabs(pool, &list, 17 * MEBI / SLAB + 1);
  CHECK_EQ(c.soft, 1);
  objects_take_slabs(pool, &list, 17 * MEBI / SLAB + 2);
  CHECK_EQ(c.soft, 2);
  objects_take_slabs(pool, &list, 26 * MEBI / SLAB);
  CHECK_LE(c.soft, 11);
  CHECK_GE(c.soft, 9);
  CHECK_EQ(stats_of(budget).soft_calls, c.soft);
  /* Down below the limit, and up again: it is the first crossing again. */
  size_t before = c.soft;
  objects_free_all(pool, &list);
  lido_pool_trim(pool);
  objects_take_slabs(pool, &list, 16 * MEBI / SLAB + 2);
  CHECK_EQ(c.soft, before + 1);
  objects_free_all(pool, &list);
  lido_pool_destroy(pool);
  end(budget);
  object_list_end(&list);
}

TEST(budgets, use_that_hovers_about_the_soft_limit_is_not_told_each_time) {
  calls c = {0};
  lido_budget *budget =
      lido_budget_create(&(lido_budget_options){.soft_bytes = 16 * MEBI, .on_soft = on_soft, .context = &c});
  lido_arena *base = lido_arena_create(&(lido_arena_options){.budget = budget});
  CHECK_NOT_NULL(lido_arena_alloc(base, 16 * MEBI - 200000));
  lido_arena *arena = lido_arena_create(&(lido_arena_options){.budget = budget, .retain = LIDO_ARENA_RETAIN_NONE});
  for (int i = 0; i < 1000; i++) {
    CHECK_NOT_NULL(lido_arena_alloc(arena, 300000));
    lido_arena_reset(arena);
  }
  CHECK_EQ(c.soft, 1);
  lido_arena_destroy(arena);
  lido_arena_destroy(base);
  end(budget);
}

TEST(budgets, who_is_asked_to_free_for_the_hard_limit_saves_the_alloc) {
  calls c = {0};
  lido_budget *budget =
      lido_budget_create(&(lido_budget_options){.hard_bytes = 8 * SLAB, .on_hard = on_hard, .context = &c});
  lido_pool *idle = pool_on(budget);
  lido_pool *busy = pool_on(budget);
  object_list list = {0};
  objects_take_slabs(idle, &list, 7);
  objects_free_all(idle, &list);
  c.trimmed = idle;
  objects_take_slabs(busy, &list, 5);
  CHECK_GE(c.hard, 1);
  CHECK_EQ(c.wanted, SLAB);
  CHECK_EQ(stats_of(budget).refusals, 0);
  objects_free_all(busy, &list);
  lido_pool_destroy(idle);
  lido_pool_destroy(busy);
  end(budget);
  object_list_end(&list);
}

TEST(budgets, what_a_call_allocates_brings_no_further_call) {
  calls c = {0};
  lido_budget *budget =
      lido_budget_create(&(lido_budget_options){.hard_bytes = 2 * SLAB, .on_hard = on_hard, .context = &c});
  lido_pool *pool = pool_on(budget);
  lido_pool *other = pool_on(budget);
  c.taken_from = other;
  object_list list = {0};
  for (void *object; (object = lido_pool_alloc(pool)) != NULL;) object_list_push(&list, object);
  CHECK_EQ(c.hard, 1);
  CHECK(c.object == NULL);
  CHECK_EQ(errno, ENOMEM);
  objects_free_all(pool, &list);
  lido_pool_destroy(pool);
  lido_pool_destroy(other);
  end(budget);
  object_list_end(&list);
}

TEST(budgets, a_lower_limit_refuses_until_enough_is_free) {
  lido_budget *budget = lido_budget_create(&(lido_budget_options){0});
  lido_pool *pool = pool_on(budget);
  object_list list = {0};
  objects_take_slabs(pool, &list, 8);
  CHECK_EQ(lido_budget_limits_set(budget, 0, 4 * SLAB), 0);
  lido_arena *arena = lido_arena_create(&(lido_arena_options){.budget = budget});
  CHECK_FAILS(lido_arena_alloc(arena, 10), ENOMEM);
  objects_free_all(pool, &list);
  lido_pool_trim(pool);
  CHECK_NOT_NULL(lido_arena_alloc(arena, 10));
  lido_arena_destroy(arena);
  lido_pool_destroy(pool);
  end(budget);
  object_list_end(&list);
}

TEST(budgets, slabs_made_ready_come_to_an_end_though_each_is_trimmed_at_once) {
  calls c = {0};
  lido_budget *budget = lido_budget_create(&(lido_budget_options){.soft_bytes = 1, .on_soft = on_soft, .context = &c});
  lido_pool *pool = pool_on(budget);
  c.trimmed = pool;
  CHECK_EQ(lido_pool_tune(pool, &(lido_pool_tuning){.ready_bytes = 8 * SLAB}), 0);
  CHECK_LE(lido_pool_prepare(pool), 8 * SLAB);
  CHECK_GE(c.soft, 1);
  CHECK_EQ(lido_pool_destroy(pool), 0);
  end(budget);
}

/* ---- Threads ---- */

enum { THREADS = 4, HELD = 200, HARD = 40 * SLAB };

typedef struct spender {
  lido_budget *budget;
  lido_pool *shared;
  uint64_t seed;
  size_t rounds;
  size_t served;
  size_t refused;
  size_t above; /* times that more was used than is allowed */
} spender;

/* It holds objects of a shared pool, and bytes of an arena of its own. */
static void *spend(void *argument) {
  spender *s = argument;
  testing_random random = {s->seed};
  void *held[HELD] = {0};
  lido_arena *arena = lido_arena_create(&(lido_arena_options){.budget = s->budget, .retain = LIDO_ARENA_RETAIN_NONE});
  for (size_t i = 0; i < s->rounds && arena != NULL; i++) {
    void **place = &held[testing_below(&random, HELD)];
    lido_pool_free(s->shared, *place);
    *place = lido_pool_alloc(s->shared);
    bool served = *place != NULL;
    if (i % 64 == 0) served = lido_arena_alloc(arena, testing_below(&random, 4 * SLAB)) != NULL;
    if (i % 256 == 0) lido_arena_reset(arena);
    if (i % 1024 == 0) lido_pool_trim(s->shared);
    s->served += served;
    s->refused += !served;
    s->above += lido_budget_used(s->budget) > HARD;
  }
  for (size_t i = 0; i < HELD; i++) lido_pool_free(s->shared, held[i]);
  lido_arena_destroy(arena);
  return NULL;
}

static size_t charged_for(const lido_pool *pool) {
  lido_pool_stats stats = objects_stats(pool);
  return stats.bytes_reserved - stats.bytes_metadata;
}

TEST(budgets, threads_never_pass_the_hard_limit_and_the_sum_is_exact) {
  lido_budget *budget = lido_budget_create(&(lido_budget_options){.soft_bytes = HARD / 2, .hard_bytes = HARD});
  lido_pool *pool = pool_on(budget);
  spender spenders[THREADS];
  pthread_t threads[THREADS];
  uint64_t seed = testing_seed();
  size_t served = 0;
  size_t refused = 0;
  for (size_t t = 0; t < THREADS; t++) {
    spenders[t] = (spender){.budget = budget, .shared = pool, .seed = seed + t, .rounds = testing_scaled(100000)};
    CHECK_EQ(pthread_create(&threads[t], NULL, spend, &spenders[t]), 0);
  }
  for (size_t t = 0; t < THREADS; t++) {
    pthread_join(threads[t], NULL);
    CHECK_EQ(spenders[t].above, 0);
    served += spenders[t].served;
    refused += spenders[t].refused;
  }
  CHECK_GT(served, 0);
  CHECK_LE(stats_of(budget).peak, HARD);
  CHECK_EQ(refused != 0, stats_of(budget).refusals != 0);
  CHECK_EQ(lido_budget_used(budget), charged_for(pool));
  CHECK_EQ(lido_pool_destroy(pool), 0);
  end(budget);
}

typedef struct limit_setter {
  lido_budget *budget;
  size_t soft;
  size_t hard;
  bool *is_over; /* atomic */
} limit_setter;

static void *set_limits(void *argument) {
  const limit_setter *s = argument;
  size_t failed = 0;
  while (!__atomic_load_n(s->is_over, __ATOMIC_RELAXED)) {
    failed += lido_budget_limits_set(s->budget, s->soft, s->hard) != 0;
    failed += lido_budget_check(s->budget) != NULL;
  }
  return failed == 0 ? NULL : argument;
}

TEST(budgets, limits_that_two_threads_set_are_those_of_one) {
  lido_budget *budget = lido_budget_create(&(lido_budget_options){0});
  bool is_over = false;
  limit_setter setters[] = {{budget, 10 * MEBI, 20 * MEBI, &is_over}, {budget, 0, 5 * MEBI, &is_over}};
  pthread_t threads[2];
  void *failed[2] = {NULL};
  size_t mixed = 0;
  CHECK_EQ(lido_budget_limits_set(budget, setters[0].soft, setters[0].hard), 0);
  for (size_t t = 0; t < 2; t++) CHECK_EQ(pthread_create(&threads[t], NULL, set_limits, &setters[t]), 0);
  for (size_t i = 0; i < testing_scaled(200000); i++) {
    lido_budget_stats stats = stats_of(budget);
    mixed += (stats.soft == 0) != (stats.hard == 5 * MEBI);
  }
  __atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
  for (size_t t = 0; t < 2; t++) pthread_join(threads[t], &failed[t]);
  CHECK_EQ(mixed, 0);
  CHECK(failed[0] == NULL && failed[1] == NULL);
  end(budget);
}
