/* arena_limits_test.c: no more than so many bytes, in one arena or in many. */
#include <pthread.h>

#include "tests/support/arenas.h"

static void check_limit(size_t most, size_t step) {
  lido_arena *arena = arena_with(&(lido_arena_options){.max_bytes = most});
  for (int round = 0; round < 3; round++) {
    size_t taken = 0;
    while (lido_arena_alloc(arena, step) != NULL) {
      taken += step;
      CHECK_LE(arena_stats(arena).reserved, most);
    }
    CHECK_EQ(errno, ENOMEM);
    CHECK_LE(taken, most);
    CHECK_GE(taken + most / 2 + most / 8 + 2 * step + 256, most); /* most of it could be had */
    CHECK(lido_arena_failed(arena));
    CHECK_ARENA(arena);
    lido_arena_reset(arena);
    CHECK_ARENA(arena);
  }
  lido_arena_destroy(arena);
}

TEST(arena_limits, blocks_are_never_more_than_max_bytes_together) {
  for (size_t most = 1000; most < MEBIBYTE; most = most * 2 + 77) {
    check_limit(most, 16);
    check_limit(most, 200);
    check_limit(most, 20000);
  }
}

TEST(arena_limits, hold_for_blocks_that_are_kept) {
  lido_arena *arena = arena_with(&(lido_arena_options){.max_bytes = 100 * KIB, .retain = LIDO_ARENA_RETAIN_ALL});
  for (int i = 0; i < 50; i++) {
    while (lido_arena_alloc(arena, 100) != NULL) continue;
    CHECK_FAILS(lido_arena_alloc(arena, 60 * KIB), ENOMEM);
    CHECK_LE(arena_stats(arena).reserved, 100 * KIB);
    lido_arena_reset(arena);
    CHECK_LE(arena_stats(arena).reserved, 100 * KIB);
    CHECK_ARENA(arena);
  }
  lido_arena_destroy(arena);
}

TEST(arena_limits, what_is_given_back_can_be_had_again) {
  lido_arena *arena = arena_with(&(lido_arena_options){.max_bytes = 200 * KIB});
  for (int i = 0; i < 100; i++) {
    void *first = arena_piece(arena, 90 * KIB, 1);
    void *second = arena_piece(arena, 90 * KIB, 2);
    CHECK_FAILS(lido_arena_alloc(arena, 90 * KIB), ENOMEM);
    lido_arena_free(arena, first, 90 * KIB);
    lido_arena_free(arena, second, 90 * KIB);
    CHECK_ARENA(arena);
  }
  lido_arena_destroy(arena);
}

TEST(arena_limits, a_limit_holds_in_every_mode) {
  static _Alignas(16) char buffer[2048];
  const lido_arena_options all[] = {
      {.max_bytes = 64 * KIB, .reserve_bytes = MEBIBYTE},
      {.max_bytes = 64 * KIB, .flags = LIDO_ARENA_PASSTHROUGH},
      {.max_bytes = 64 * KIB, .flags = LIDO_ARENA_REUSE},
      {.max_bytes = 64 * KIB, .buffer = buffer, .buffer_bytes = sizeof buffer},
  };
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    lido_arena *arena = arena_with(&all[i]);
    for (int round = 0; round < 3; round++) {
      while (lido_arena_alloc(arena, 500) != NULL) CHECK_LE(arena_stats(arena).reserved, 64 * KIB);
      CHECK_FAILS(lido_arena_alloc(arena, 65 * KIB), ENOMEM);
      CHECK_GE(arena_stats(arena).used, 30 * KIB);
      CHECK_ARENA(arena);
      lido_arena_reset(arena);
    }
    lido_arena_destroy(arena);
  }
}

/* ---- Budgets ---- */

TEST(arena_limits, a_budget_of_nothing_is_refused) {
  CHECK_FAILS(lido_budget_create(NULL), EINVAL);
  CHECK_EQ(lido_budget_destroy(NULL), 0);
}

TEST(arena_limits, a_budget_is_the_sum_of_its_arenas) {
  enum { ARENAS = 10 };
  lido_budget *budget = lido_budget_create(&(lido_budget_options){.hard_bytes = 500 * KIB});
  CHECK_NOT_NULL(budget);
  lido_arena *arenas[ARENAS];
  for (size_t i = 0; i < ARENAS; i++) arenas[i] = arena_with(&(lido_arena_options){.budget = budget});
  size_t failures = 0;
  for (size_t i = 0; failures < ARENAS; i++) {
    void *piece = lido_arena_alloc(arenas[i % ARENAS], i % 50 == 0 ? 20000 : 300);
    failures = piece == NULL ? failures + 1 : 0;
    uint64_t sum = 0;
    for (size_t j = 0; j < ARENAS; j++) sum += arena_stats(arenas[j]).reserved;
    CHECK_EQ(lido_budget_used(budget), sum);
    CHECK_LE(sum, 500 * KIB);
  }
  for (size_t i = 0; i < ARENAS; i++) {
    CHECK_ARENA(arenas[i]);
    CHECK_EQ(lido_budget_destroy(budget), EBUSY);
    lido_arena_destroy(arenas[i]);
  }
  CHECK_EQ(lido_budget_used(budget), 0);
  CHECK_EQ(lido_budget_destroy(budget), 0);
}

TEST(arena_limits, an_arena_without_blocks_holds_its_budget_too) {
  lido_budget *budget = lido_budget_create(&(lido_budget_options){.hard_bytes = SIZE_MAX});
  lido_arena *arena = arena_with(&(lido_arena_options){.budget = budget});
  CHECK_EQ(lido_budget_used(budget), 0);
  CHECK_EQ(lido_budget_destroy(budget), EBUSY);
  lido_arena_destroy(arena);
  CHECK_EQ(lido_budget_destroy(budget), 0);
}

TEST(arena_limits, arenas_that_can_not_be_made_leave_their_budget) {
  lido_budget *budget = lido_budget_create(&(lido_budget_options){.hard_bytes = 2000});
  for (int i = 0; i < 10; i++) {
    CHECK_FAILS(lido_arena_create(&(lido_arena_options){.budget = budget, .reserve_bytes = MEBIBYTE}), ENOMEM);
  }
  CHECK_EQ(lido_budget_used(budget), 0);
  CHECK_EQ(lido_budget_destroy(budget), 0);
}

TEST(arena_limits, every_mode_gives_its_budget_back) {
  static _Alignas(16) char buffer[4096];
  lido_budget *budget = lido_budget_create(&(lido_budget_options){.hard_bytes = 4 * MEBIBYTE});
  const lido_arena_options all[] = {
      {.budget = budget, .reserve_bytes = 8 * MEBIBYTE},
      {.budget = budget, .flags = LIDO_ARENA_PASSTHROUGH},
      {.budget = budget, .flags = LIDO_ARENA_REUSE},
      {.budget = budget, .retain = LIDO_ARENA_RETAIN_ALL},
      {.budget = budget, .buffer = buffer, .buffer_bytes = sizeof buffer},
      {.budget = budget, .buffer = buffer, .buffer_bytes = sizeof buffer, .flags = LIDO_ARENA_FIXED},
  };
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    lido_arena *arena = arena_with(&all[i]);
    for (size_t bytes = 0; bytes < 200000; bytes = bytes * 2 + 100) {
      lido_arena_mark mark = lido_arena_mark_get(arena);
      void *piece = lido_arena_alloc(arena, bytes);
      piece = lido_arena_realloc(arena, piece, bytes, bytes + 50);
      CHECK_EQ(lido_budget_used(budget), arena_stats(arena).reserved);
      if (bytes % 3 == 0) lido_arena_free(arena, piece, bytes + 50);
      if (bytes % 5 == 0) lido_arena_rewind(arena, mark);
      CHECK_EQ(lido_budget_used(budget), arena_stats(arena).reserved);
      CHECK_ARENA(arena);
    }
    lido_arena_reset(arena);
    CHECK_EQ(lido_budget_used(budget), arena_stats(arena).reserved);
    lido_arena_destroy(arena);
    CHECK_EQ(lido_budget_used(budget), 0);
  }
  CHECK_EQ(lido_budget_destroy(budget), 0);
}

/* ---- A budget of several threads ---- */

enum { THREADS = 4, BUDGET = 300 * KIB };

static lido_budget *shared;
static pthread_barrier_t start;

typedef struct spender {
  size_t overshoots;
  size_t refused;
  size_t wrong;
} spender;

static void *spend(void *argument) {
  spender *result = argument;
  pthread_barrier_wait(&start);
  size_t rounds = testing_scaled(300) + 3;
  for (size_t round = 0; round < rounds; round++) {
    lido_arena *arena = lido_arena_create(&(lido_arena_options){.budget = shared});
    if (arena == NULL) continue;
    for (size_t i = 0; i < 400; i++) {
      result->refused += lido_arena_alloc(arena, i % 40 == 0 ? 20000 : 500) == NULL;
      result->overshoots += lido_budget_used(shared) > BUDGET;
    }
    result->wrong += lido_arena_check(arena) != NULL;
    if (round % 2 == 0) lido_arena_reset(arena);
    lido_arena_destroy(arena);
  }
  return NULL;
}

TEST(arena_limits, threads_never_overshoot_a_budget_and_give_it_all_back) {
  shared = lido_budget_create(&(lido_budget_options){.hard_bytes = BUDGET});
  CHECK_NOT_NULL(shared);
  pthread_t threads[THREADS];
  spender results[THREADS] = {{0}};
  CHECK_EQ(pthread_barrier_init(&start, NULL, THREADS), 0);
  for (int i = 0; i < THREADS; i++) CHECK_EQ(pthread_create(&threads[i], NULL, spend, &results[i]), 0);
  for (int i = 0; i < THREADS; i++) CHECK_EQ(pthread_join(threads[i], NULL), 0);
  size_t refused = 0;
  for (int i = 0; i < THREADS; i++) {
    CHECK_EQ(results[i].overshoots, 0);
    CHECK_EQ(results[i].wrong, 0);
    refused += results[i].refused;
  }
  CHECK_GT(refused, 0);
  CHECK_EQ(lido_budget_used(shared), 0);
  CHECK_EQ(lido_budget_destroy(shared), 0);
  pthread_barrier_destroy(&start);
}
