/* heap_samples_test.c: which objects of pools become samples, what their sites say, and when they go. */
#include "lib/mem/heap_samples.h"
#include "lib/mem/heap_chance.h"
#include "pools/thread_cache.h"
#include "tests/support/site_sums.h"
#include "tests/support/objects.h"
#include "tests/support/random.h"

#if LIDO_CHECKS != LIDO_CHECKS_NONE

enum { BYTES = 64, MOST = 40000 };

static void *objects[MOST];

static void start(size_t mean_bytes, uint64_t seed) {
  lido_heap_samples_seed(seed);
  CHECK_EQ(lido_heap_profile_start(&(lido_heap_profile_options){.mean_bytes = mean_bytes, .cost_permille = 1000}), 0);
}

static void stop(void) {
  CHECK_HEAP_SOUND();
  lido_heap_profile_stop();
  CHECK(!lido_heap_profile_is_on());
  lido_heap_samples_clear();
  CHECK_EQ(heap_stats().bytes, 0);
}

static lido_pool *pool_named(const char *name) {
  return lido_pool_create(&(lido_pool_options){.name = name, .object_size = BYTES});
}

static void end(lido_pool *pool, size_t live) {
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), live);
}

/* Not inlined, and with something after the call, so that each has a frame of its own; far enough from each other. */
__attribute__((noinline, aligned(HEAP_FUNCTION_BYTES))) static void *often(lido_pool *pool) {
  void *object = lido_pool_alloc(pool);
  __asm__ volatile("" : : "r"(object) : "memory");
  return object;
}

__attribute__((noinline, aligned(HEAP_FUNCTION_BYTES))) static void *seldom(lido_pool *pool) {
  void *object = lido_pool_alloc(pool);
  __asm__ volatile("nop" : : "r"(object) : "memory");
  return object;
}

static const void *address_of(void *(*function)(lido_pool *)) { return (const void *)(uintptr_t)function; }

/* ---- Stacks ---- */

TEST(heap_samples, two_functions_get_their_shares) {
  double often_share = 0;
  const int seeds = 8;
  for (uint64_t seed = 1; seed <= (uint64_t)seeds; seed++) {
    lido_pool *pool = pool_named("shares");
    start(4096, seed);
    for (size_t i = 0; i < MOST; i++) objects[i] = i % 4 == 0 ? seldom(pool) : often(pool);
    heap_sum all = heap_sum_of("pool", "shares", NULL);
    heap_sum most = heap_sum_of("pool", "shares", address_of(often));
    heap_sum least = heap_sum_of("pool", "shares", address_of(seldom));
    CHECK_EQ(all.sites, 2);
    CHECK_LE(all.live_bytes - most.live_bytes - least.live_bytes + 2, 4); /* each is rounded */
    CHECK_LE(all.alloc_objects, MOST);
    CHECK_GE(all.alloc_objects, MOST - 2000); /* those since the last sample */
    often_share += (double)most.live_bytes / (double)all.live_bytes;
    /* 625 samples; the share of one is uncertain by sqrt(0.75 * 0.25 / 625) = 0.017. */
    CHECK((double)most.live_bytes / (double)all.live_bytes > 0.75 - 5 * 0.018);
    CHECK((double)most.live_bytes / (double)all.live_bytes < 0.75 + 5 * 0.018);
    lido_pool_free_batch(pool, objects, MOST);
    CHECK_EQ(heap_stats().live, 0);
    stop();
    end(pool, 0);
  }
  CHECK(often_share / seeds > 0.75 - 0.025);
  CHECK(often_share / seeds < 0.75 + 0.025);
}

TEST(heap_samples, live_numbers_of_a_pool_are_its_own) {
  lido_pool *pool = pool_named("exact");
  start(1000, 7);
  for (size_t i = 0; i < 5000; i++) objects[i] = often(pool);
  for (size_t i = 0; i < 5000; i += 2) lido_pool_free(pool, objects[i]);
  heap_sum sum = heap_sum_of("pool", "exact", NULL);
  CHECK_GE(sum.live_objects, 2498); /* each site is rounded */
  CHECK_LE(sum.live_objects, 2502);
  CHECK_EQ(sum.live_bytes / BYTES, 2500);
  for (size_t i = 1; i < 5000; i += 2) lido_pool_free(pool, objects[i]);
  sum = heap_sum_of("pool", "exact", NULL);
  CHECK_EQ(sum.live_objects, 0);
  CHECK_GT(sum.alloc_objects, 4000);
  stop();
  end(pool, 0);
}

/* ---- When ---- */

/* The objects that became samples, of `count` in a row that come from magazines. */
static size_t sampled_of(lido_pool *pool, size_t count, size_t *positions) {
  size_t samples = 0;
  for (size_t i = 0; i < count; i++) {
    uint64_t before = heap_stats().samples;
    objects[i] = often(pool);
    if (heap_stats().samples != before) positions[samples++] = i;
  }
  return samples;
}

TEST(heap_samples, gaps_follow_the_law_of_poisson) {
  static size_t positions[MOST];
  const double mean_bytes = 1280;
  lido_pool *pool = pool_named("law");
  start((size_t)mean_bytes, 42);
  size_t samples = sampled_of(pool, MOST, positions);
  /* Gaps are geometric: p = 1 - exp(-64 / 1280), so the mean is 1 / p and the variance (1 - p) / p^2. */
  double p = lido_one_minus_exp(BYTES / mean_bytes);
  double sum = 0;
  double squares = 0;
  for (size_t i = 1; i < samples; i++) {
    double gap = (double)(positions[i] - positions[i - 1]);
    sum += gap;
    squares += gap * gap;
  }
  double mean = sum / (double)(samples - 1);
  double variance = squares / (double)(samples - 1) - mean * mean;
  CHECK_GT(samples, 1800);
  CHECK(mean > 0.93 / p);
  CHECK(mean < 1.07 / p);
  CHECK(variance > 0.85 * (1 - p) / (p * p));
  CHECK(variance < 1.15 * (1 - p) / (p * p));
  lido_pool_free_batch(pool, objects, MOST);
  stop();
  end(pool, 0);
}

TEST(heap_samples, with_a_mean_of_one_byte_every_object_from_a_magazine_is_one) {
  lido_pool *pool = pool_named("all");
  start(1, 3);
  for (size_t i = 0; i < 1000; i++) objects[i] = often(pool);
  CHECK_EQ(heap_stats().live, 1000);
  CHECK_EQ(heap_sum_of("pool", "all", NULL).alloc_objects, 1000);
  CHECK_SOUND(pool);
  lido_pool_free_batch(pool, objects, 1000);
  CHECK_EQ(heap_stats().live, 0);
  stop();
  end(pool, 0);
}

TEST(heap_samples, chance_is_what_it_says) {
  lido_chance chance;
  lido_chance_begin(&chance, 1);
  double sum = 0;
  for (int i = 0; i < 100000; i++) sum += lido_chance_exponential(&chance);
  CHECK(sum / 100000 > 0.98);
  CHECK(sum / 100000 < 1.02);
  CHECK(lido_minus_log(0.1) > 2.3025850);
  CHECK(lido_minus_log(0.1) < 2.3025852);
  CHECK(lido_one_minus_exp(1) > 0.6321205);
  CHECK(lido_one_minus_exp(1) < 0.6321207);
  CHECK(lido_one_minus_exp(1e-9) > 0.999e-9);
}

/* Allocs that the inlined path served are known by what the slow paths moved. */
TEST(heap_samples, a_cache_knows_its_allocs) {
  lido_pool *pool = pool_named("allocs");
  testing_random random = {.state = testing_seed()};
  uint64_t allocs = 0;
  size_t live = 0;
  lido_pool_free(pool, lido_pool_alloc(pool));
  allocs++;
  for (size_t step = 0; step < 200000; step++) {
    if (live < MOST && testing_below(&random, 100) < (step / 5000 % 2 == 0 ? 60u : 40u)) {
      objects[live++] = lido_pool_alloc(pool);
      allocs++;
    } else if (live != 0) {
      lido_pool_free(pool, objects[--live]);
    }
    if (testing_below(&random, 3000) == 0) lido_pool_trim(pool);
    if (testing_below(&random, 3000) == 0) lido_pool_magazine_attach(pool, lido_pool_magazine_detach(pool));
  }
  const lido_thread_cache_rest *rest = lido_pool_cache_of_thread(pool)->rest;
  if (rest != NULL) CHECK_EQ((uint64_t)lido_thread_cache_allocs(rest), allocs);
  lido_pool_free_batch(pool, objects, live);
  end(pool, 0);
}

#else

TEST(heap_samples, without_checks_there_is_no_profile) { CHECK_EQ(lido_heap_profile_start(NULL), ENOTSUP); }

#endif
