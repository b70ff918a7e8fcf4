/* heap_samples_test.c: which objects of pools become samples, what their sites say, and when they go. */
#include "lib/mem/heap_samples.h"

#include <pthread.h>
#include <sched.h>

#include "lib/base/fault.h"
#include "lib/mem/heap_chance.h"
#include "lib/mem/heap_tables.h"
#include "lib/os/os.h"
#include "pools/thread_cache.h"
#include "tests/support/child.h"
#include "tests/support/objects.h"
#include "tests/support/random.h"
#include "tests/support/site_sums.h"

#if LIDO_CHECKS != LIDO_CHECKS_NONE

enum { BYTES = 64, MOST = 40000 };

static void *objects[MOST];

static void start(size_t mean_bytes, uint64_t seed) {
  lido_heap_profile_stop(); /* of a test that ended early */
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

/* ---- All ways to get an object and to lose it ---- */

static void *sample_of(lido_pool *pool) {
  size_t before = heap_stats().live;
  void *object = often(pool);
  CHECK_NOT_NULL(object);
  CHECK_EQ(heap_stats().live, before + 1);
  return object;
}

TEST(heap_samples, a_sample_is_as_live_as_any_object) {
  lido_pool *pool = pool_named("live");
  start(1, 1);
  void *object = sample_of(pool);
  CHECK(lido_pool_owns(pool, object));
  lido_pool_trim(pool);
  CHECK(lido_pool_owns(pool, object));
  CHECK_EQ(objects_stats(pool).live, 1);
  CHECK_SOUND(pool);
  lido_pool_free(pool, object);
  CHECK(!lido_pool_owns(pool, object));
  CHECK_EQ(heap_stats().live, 0);
  stop();
  end(pool, 0);
}

TEST(heap_samples, a_pool_that_ends_takes_its_samples_along) {
  lido_pool *pool = pool_named("ends");
  lido_pool *other = pool_named("stays");
  start(1, 1);
  sample_of(pool);
  void *stays = sample_of(other);
  end(pool, 1);
  CHECK_EQ(heap_stats().live, 1);
  CHECK_EQ(heap_sum_of("pool", "ends", NULL).live_objects, 0);
  CHECK_EQ(heap_sum_of("pool", "ends", NULL).alloc_objects, 1);
  CHECK_EQ(heap_sum_of("pool", "stays", NULL).live_objects, 1);
  lido_pool_free(other, stays);
  stop();
  end(other, 0);
}

TEST(heap_samples, a_held_sample_goes_when_its_last_reference_goes) {
  lido_pool *pool =
      lido_pool_create(&(lido_pool_options){.name = "held", .object_size = BYTES, .flags = LIDO_POOL_HANDLES});
  start(1, 1);
  void *object = sample_of(pool);
  void *without_count = sample_of(pool);
  lido_pool_free(pool, without_count);
  CHECK_EQ(heap_stats().live, 1);
  lido_weak weak = lido_weak_make(object);
  lido_retain(object);
  lido_pool_free(pool, object);
  CHECK_EQ(heap_stats().live, 1);
  CHECK_SAME(lido_weak_acquire(weak), object);
  lido_release(object);
  CHECK_EQ(heap_stats().live, 1);
  lido_release(object);
  CHECK_EQ(heap_stats().live, 0);
  CHECK_NULL(lido_weak_acquire(weak));
  stop();
  end(pool, 0);
}

static void count_death(void *object, void *context) {
  (void)object;
  ++*(size_t *)context;
}

TEST(heap_samples, a_destructor_hears_of_a_sample_once) {
  size_t deaths = 0;
  lido_pool *pool = lido_pool_create(&(lido_pool_options){
      .name = "heard", .object_size = BYTES, .flags = LIDO_POOL_HANDLES, .destroy = count_death, .context = &deaths});
  start(1, 1);
  lido_pool_free(pool, sample_of(pool));
  CHECK_EQ(deaths, 1);
  CHECK_EQ(heap_stats().live, 0);
  stop();
  end(pool, 0);
}

TEST(heap_samples, what_comes_past_the_caches_is_counted_exactly) {
  const lido_pool_options kinds[] = {
      {.name = "direct", .object_size = BYTES, .cache_bytes = SIZE_MAX},
      {.name = "direct", .object_size = BYTES, .flags = LIDO_POOL_PASSTHROUGH},
      {.name = "direct", .object_size = BYTES, .on_exhausted = LIDO_EXHAUSTED_WAIT, .max_objects = 500},
  };
  for (size_t kind = 0; kind < 3; kind++) {
    lido_pool *pool = lido_pool_create(&kinds[kind]);
    CHECK_NOT_NULL(pool);
    start(BYTES * 4, kind + 1);
    size_t samples = 0;
    for (size_t i = 0; i < 500; i++) {
      objects[i] = often(pool);
      samples = heap_stats().samples;
    }
    CHECK_GT(samples, 60); /* 500 * (1 - exp(-1/4)) = 110.6 +- 9.3 */
    CHECK_LT(samples, 160);
    heap_sum sum = heap_sum_of("pool", "direct", NULL);
    CHECK_GT(sum.alloc_objects, 460);
    CHECK_LE(sum.alloc_objects, 500);
    CHECK_EQ(sum.live_objects, 500);
    lido_pool_free_batch(pool, objects, 500);
    CHECK_EQ(heap_stats().live, 0);
    stop();
    end(pool, 0);
  }
}

TEST(heap_samples, reserves_batches_and_explicit_caches_are_seen) {
  lido_pool *pool = pool_named("ways");
  lido_pool_cache *cache = lido_pool_cache_create(pool);
  lido_reserve *reserve = lido_reserve_create(pool, 10);
  start(1, 1);
  for (size_t i = 0; i < 10; i++) objects[i] = lido_reserve_alloc(reserve);
  CHECK_EQ(heap_stats().live, 10);
  CHECK_EQ(lido_pool_alloc_batch(pool, objects + 10, 128), 128);
  CHECK_EQ(heap_stats().live, 138);
  for (size_t i = 138; i < 200; i++) objects[i] = lido_pool_cache_alloc(cache);
  CHECK_EQ(heap_stats().live, 200);
  CHECK_EQ(heap_sum_of("pool", "ways", NULL).alloc_objects, 200);
  for (size_t i = 0; i < 100; i++) lido_pool_cache_free(cache, objects[i]);
  lido_pool_free_batch(pool, objects + 100, 100);
  CHECK_EQ(heap_stats().live, 0);
  lido_magazine *magazine = lido_pool_magazine_detach(pool);
  CHECK_SOUND(pool);
  lido_pool_magazine_attach(pool, magazine);
  lido_reserve_destroy(reserve);
  lido_pool_cache_destroy(cache);
  stop();
  end(pool, 0);
}

TEST(heap_samples, objects_beyond_a_limit_are_seen) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){
      .name = "beyond", .object_size = BYTES, .max_objects = 100, .on_exhausted = LIDO_EXHAUSTED_FALLBACK});
  start(1, 1);
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, 200), 200);
  CHECK_EQ(heap_stats().live, 200);
  CHECK_EQ(heap_sum_of("pool", "beyond", NULL).alloc_objects, 200);
  lido_pool_free_batch(pool, objects, 200);
  CHECK_EQ(heap_stats().live, 0);
  stop();
  end(pool, 0);
}

/* ---- The hot slot ---- */

TEST(heap_samples, a_loop_of_pairs_is_seen_after_a_nudge) {
  if (testing_on_valgrind()) return; /* there every call comes to the slow path */
  lido_pool *pool = pool_named("pairs");
  start(100000, 5);
  lido_pool_free(pool, lido_pool_alloc(pool));
  void *object = NULL;
  uint64_t pairs = 1;
  for (int round = 0; round < 20; round++) {
    for (int i = 0; i < 10000; i++, pairs++) {
      object = often(pool);
      if (i == 9999) CHECK_GE(lido_heap_profile_nudge(), 1); /* of other tests, too */
      lido_pool_free(pool, object);
    }
  }
  for (int i = 0; i < 100; i++, pairs++) lido_pool_free(pool, often(pool)); /* the last late turn */
  CHECK_GE(heap_stats().samples, 15);
  heap_sum sum = heap_sum_of("pool", "pairs", address_of(often));
  CHECK_GT(sum.alloc_objects, pairs * 9 / 10);
  CHECK_LE(sum.alloc_objects, pairs);
  CHECK_EQ(heap_stats().live, 0);
  CHECK_GE(heap_stats().nudges, 20);
  stop();
  for (int i = 0; i < 1000; i++) lido_pool_free(pool, often(pool));
  CHECK_SOUND(pool);
  end(pool, 0);
}

/* Which of a pair's two functions is sampled must not depend on where the slow path was visited. */
TEST(heap_samples, turns_that_have_passed_fall_to_all_alike) {
  if (testing_on_valgrind()) return;
  lido_pool *pool = pool_named("late");
  start(3000, 11);
  for (int i = 0; i < 40000; i++) {
    void *object = i % 2 == 0 ? often(pool) : seldom(pool);
    if (i % 97 == 0) lido_heap_profile_nudge();
    lido_pool_free(pool, object);
  }
  uint64_t samples = heap_stats().samples;
  heap_sum first = heap_sum_of("pool", "late", address_of(often));
  heap_sum second = heap_sum_of("pool", "late", address_of(seldom));
  CHECK_GT(samples, 250);
  double share = (double)first.alloc_bytes / (double)(first.alloc_bytes + second.alloc_bytes);
  CHECK(share > 0.5 - 0.2 && share < 0.5 + 0.2);
  stop();
  end(pool, 0);
}

/* ---- Limits, start, stop, capture ---- */

static size_t captures;
static size_t depth_wanted;

static size_t capture(void **frames, size_t count, void *context) {
  captures++;
  if (context != NULL) lido_pool_free(context, lido_pool_alloc(context)); /* it may allocate */
  for (size_t i = 0; i < depth_wanted && i < count; i++) frames[i] = (char *)objects + captures + i;
  return depth_wanted;
}

TEST(heap_samples, the_callers_capture_is_asked_and_may_allocate) {
  lido_pool *pool = pool_named("capture");
  captures = 0;
  depth_wanted = 1000; /* more than there is room for */
  lido_heap_profile_options options = {.mean_bytes = 1, .capture = capture, .context = pool, .cost_permille = 1000};
  lido_heap_profile_stop(); /* of a test that ended early */
  CHECK_EQ(lido_heap_profile_start(&options), 0);
  for (size_t i = 0; i < 100; i++) objects[i] = lido_pool_alloc(pool);
  CHECK_EQ(captures, heap_stats().samples);
  CHECK_GE(captures, 50);
  CHECK_EQ(heap_stats().stacks, captures);
  CHECK_SOUND(pool);
  lido_pool_free_batch(pool, objects, 100);
  CHECK_EQ(heap_stats().live, 0);
  stop();
  end(pool, 0);
}

TEST(heap_samples, beyond_its_limits_it_counts_what_it_drops) {
  lido_pool *pool = pool_named("limits");
  captures = 0;
  depth_wanted = 3;
  lido_heap_samples_seed(1);
  lido_heap_profile_options options = {
      .mean_bytes = 1, .capture = capture, .stacks_max = 5, .samples_max = 20, .cost_permille = 1000};
  lido_heap_profile_stop(); /* of a test that ended early */
  CHECK_EQ(lido_heap_profile_start(&options), 0);
  for (size_t i = 0; i < 100; i++) objects[i] = lido_pool_alloc(pool);
  lido_heap_profile_stats stats = heap_stats();
  CHECK_EQ(stats.stacks, 5);
  CHECK_EQ(stats.live, 20);
  CHECK_EQ(stats.dropped, 95);
  heap_sum sum = heap_sum_of("pool", "limits", NULL);
  CHECK_EQ(sum.alloc_objects, 100);
  CHECK_EQ(sum.live_objects, 100);
  lido_pool_free_batch(pool, objects, 100);
  stop();
  end(pool, 0);
}

/* Another sample took what it would have stood for. */
TEST(heap_samples, a_live_sample_that_stands_for_nothing_has_a_site) {
  start(1, 1);
  lido_heap_allocation allocation = {
      .run = lido_heap_run_now(), .kind = "arena", .name = "weightless", .address = objects, .bytes = 1000};
  CHECK_EQ(lido_heap_take(&allocation), LIDO_HEAP_KEPT);
  heap_sum sum = heap_sum_of("arena", "weightless", NULL);
  CHECK_EQ(sum.sites, 1);
  CHECK_EQ(sum.live_objects, 1);
  CHECK_EQ(sum.live_bytes, 1000);
  CHECK_EQ(sum.alloc_objects, 0);
  lido_heap_forget(objects);
  CHECK_EQ(heap_sum_of("arena", "weightless", NULL).sites, 0);
  stop();
}

TEST(heap_samples, start_and_stop) {
  CHECK(!lido_heap_profile_is_on());
  lido_heap_profile_options huge = {.mean_bytes = (size_t)1 << 41};
  CHECK_EQ(lido_heap_profile_start(&huge), EINVAL);
  lido_heap_profile_options greedy = {.cost_permille = 1001};
  CHECK_EQ(lido_heap_profile_start(&greedy), EINVAL);
  lido_pool *pool = pool_named("again");
  start(1, 1);
  CHECK_EQ(lido_heap_profile_start(NULL), EALREADY);
  for (size_t i = 0; i < 50; i++) objects[i] = often(pool);
  lido_heap_profile_stop();
  for (size_t i = 50; i < 150; i++) objects[i] = often(pool);
  CHECK_EQ(heap_stats().samples, 50);
  CHECK_EQ(heap_sum_of("pool", "again", NULL).live_objects, 150); /* readable, and scaled */
  lido_pool_free_batch(pool, objects, 25);
  CHECK_EQ(heap_stats().live, 25);
  start(1, 1); /* what was known is forgotten */
  CHECK_EQ(heap_stats().live, 0);
  for (size_t i = 0; i < 25; i++) objects[i] = often(pool);
  for (size_t i = 150; i < 1150; i++) objects[i] = often(pool);
  CHECK_SOUND(pool);
  CHECK_GE(heap_stats().live, 500); /* what the cache had in sight came unseen */
  lido_pool_free_batch(pool, objects, 1150);
  CHECK_EQ(heap_stats().live, 0);
  stop();
  CHECK_SOUND(pool);
  end(pool, 0);
}

TEST(heap_samples, a_start_without_memory_leaves_the_earlier_profile_as_it_was) {
  lido_pool *pool = pool_named("earlier");
  start(1, 1);
  objects[0] = often(pool);
  lido_heap_profile_stop();
  lido_heap_profile_options fewer = {.samples_max = 100}; /* tables of another size, which have to be made */
  for (unsigned nth = 1; nth <= 2; nth++) {
    lido_fault_arm(nth, true);
    CHECK_EQ(lido_heap_profile_start(&fewer), ENOMEM);
    CHECK_GT(lido_fault_disarm(), 0);
    CHECK(!lido_heap_profile_is_on());
    CHECK_EQ(heap_stats().live, 1);
    CHECK_EQ(heap_sum_of("pool", "earlier", address_of(often)).live_objects, 1);
    CHECK_HEAP_SOUND();
  }
  lido_pool_free(pool, objects[0]);
  CHECK_EQ(heap_stats().live, 0);
  stop();
  end(pool, 0);
}

TEST(heap_samples, a_start_like_the_one_before_needs_no_memory_and_knows_nothing) {
  lido_pool *pool = pool_named("again");
  start(1, 1);
  objects[0] = often(pool);
  lido_heap_profile_stop();
  lido_fault_arm(1, true);
  CHECK_EQ(lido_heap_profile_start(NULL), 0);
  lido_fault_disarm();
  CHECK_EQ(heap_stats().live, 0);
  CHECK_EQ(heap_stats().stacks, 0);
  CHECK_EQ(heap_sum_of("pool", "again", address_of(often)).alloc_objects, 0);
  lido_pool_free(pool, objects[0]);
  stop();
  end(pool, 0);
}

static size_t slow_capture(void **frames, size_t count, void *context) {
  (void)context;
  (void)count;
  uint64_t begin = lido_os_now_ns();
  while (lido_os_now_ns() - begin < 20000) {}
  frames[0] = (void *)frames;
  return 1;
}

/* 100,000 objects of 64 bytes, each due, with 20 us a sample would take two seconds. */
TEST(heap_samples, a_slow_capture_is_asked_less_often) {
  lido_pool *pool = pool_named("budget");
  lido_heap_samples_seed(9);
  CHECK_EQ(lido_heap_profile_start(&(lido_heap_profile_options){.mean_bytes = 1, .capture = slow_capture}), 0);
  for (size_t i = 0; i < 20; i++) {
    for (size_t j = 0; j < MOST; j++) objects[j] = lido_pool_alloc(pool);
    lido_pool_free_batch(pool, objects, MOST);
  }
  CHECK_LT(heap_stats().samples, 400);
  CHECK_GT(heap_sum_of("pool", "budget", NULL).alloc_objects, (uint64_t)MOST); /* they stand for all the same */
  stop();
  end(pool, 0);
}

/* ---- What the check finds ---- */

static void take_at(const char *address, size_t *count) {
  lido_heap_allocation a = {.run = lido_heap_run_now(),
                            .kind = "pool",
                            .name = "made up",
                            .address = address,
                            .bytes = BYTES,
                            .all_objects = 1,
                            .all_bytes = BYTES,
                            .count = count};
  CHECK_EQ(lido_heap_take(&a), LIDO_HEAP_KEPT);
}

static void crowd_add(const char *address, uint32_t by) {
  __atomic_fetch_add(&lido_heap_crowd[lido_heap_cell(address)], by, __ATOMIC_RELAXED);
}

static const char *in_the_cell_of(const char *address) {
  const char *other = address + BYTES;
  while (lido_heap_cell(other) != lido_heap_cell(address)) other += BYTES;
  return other;
}

TEST(heap_samples, a_crowd_with_the_right_sum_in_wrong_cells_is_found) {
  const char *first = (char *)objects;
  const char *second = in_the_cell_of(first);
  const char *elsewhere = first + BYTES;
  size_t count = 0;
  start(1, 1);
  take_at(first, &count);
  take_at(second, &count);
  take_at(elsewhere, &count);
  CHECK_HEAP_SOUND();
  crowd_add(first, UINT32_MAX);
  crowd_add(elsewhere, 1);
  CHECK_TEXT(lido_heap_profile_check(), "H4: the crowd counts other samples");
  crowd_add(first, 1);
  crowd_add(elsewhere, UINT32_MAX);
  lido_heap_forget_all_of(&count);
  CHECK_EQ(count, 0);
  stop();
}

TEST(heap_samples, a_pool_that_counts_other_samples_than_it_has_is_found) {
  size_t count = 0;
  start(1, 1);
  take_at((char *)objects, &count);
  take_at((char *)objects + BYTES, &count);
  CHECK_NULL(lido_heap_check_count(&count));
  count = 1;
  CHECK_TEXT(lido_heap_check_count(&count), "H1: a pool counts other samples than it has");
  count = 2;
  lido_heap_forget_all_of(&count);
  stop();
}

TEST(heap_samples, objects_hidden_in_a_cache_that_is_not_watched_are_found) {
  lido_pool *pool = pool_named("hidden");
  start(1 << 20, 1);
  lido_pool_cache *cache = lido_pool_cache_create(pool);
  lido_pool_cache_free(cache, lido_pool_cache_alloc(cache));
  lido_thread_cache_rest *rest = cache->rest;
  uint32_t run = rest->sampling.run;
  CHECK_NE(run, 0);
  lido_thread_cache_show(cache, 0);
  CHECK_SOUND(pool);
  rest->sampling.run = 0;
  CHECK_TEXT(lido_pool_check(pool), "G3: objects are hidden, or each call wanted, in a cache that is not watched");
  rest->sampling.run = run;
  lido_pool_cache_destroy(cache);
  stop();
  end(pool, 0);
}

/* ---- A stop while others are in a capture ---- */

typedef struct long_capture {
  pthread_barrier_t meet;
  lido_pool *pool;
  bool has_left; /* atomic */
} long_capture;

enum { TURNS = 2000 };

/* It goes on for a while after the profile was stopped. */
static size_t capture_beyond_the_stop(void **frames, size_t count, void *context) {
  long_capture *c = context;
  (void)frames;
  (void)count;
  pthread_barrier_wait(&c->meet);
  while (lido_heap_profile_is_on()) sched_yield();
  for (int i = 0; i < TURNS; i++) sched_yield();
  __atomic_store_n(&c->has_left, true, __ATOMIC_RELAXED);
  return 0;
}

static void *alloc_one(void *argument) {
  long_capture *c = argument;
  lido_pool_free(c->pool, lido_pool_alloc(c->pool));
  return NULL;
}

static pthread_t begin_long_capture(long_capture *c, size_t (*function)(void **, size_t, void *)) {
  pthread_t thread;
  lido_heap_profile_stop(); /* of a test that ended early */
  *c = (long_capture){.pool = pool_named("long")};
  pthread_barrier_init(&c->meet, NULL, 2);
  lido_heap_profile_options options = {.mean_bytes = 1, .capture = function, .context = c, .cost_permille = 1000};
  CHECK_EQ(lido_heap_profile_start(&options), 0);
  CHECK_EQ(pthread_create(&thread, NULL, alloc_one, c), 0);
  return thread;
}

static void end_long_capture(long_capture *c, pthread_t thread) {
  pthread_join(thread, NULL);
  pthread_barrier_destroy(&c->meet);
  stop();
  end(c->pool, 0);
}

TEST(heap_samples, a_stop_waits_for_captures_of_other_threads) {
  long_capture c;
  pthread_t thread = begin_long_capture(&c, capture_beyond_the_stop);
  pthread_barrier_wait(&c.meet);
  lido_heap_profile_stop();
  CHECK(__atomic_load_n(&c.has_left, __ATOMIC_RELAXED));
  end_long_capture(&c, thread);
}

static void stop_in_child(void *context) {
  (void)context;
  lido_heap_profile_stop();
  IN_CHILD(!lido_heap_profile_is_on());
}

TEST(heap_samples, a_stop_in_the_child_of_a_fork_waits_for_no_thread_of_the_parent) {
  long_capture c;
  pthread_t thread = begin_long_capture(&c, capture_beyond_the_stop);
  pthread_barrier_wait(&c.meet);
  check_child(stop_in_child, NULL);
  lido_heap_profile_stop();
  end_long_capture(&c, thread);
}

static size_t capture_and_stop(void **frames, size_t count, void *context) {
  (void)frames;
  (void)count;
  (void)context;
  lido_heap_profile_stop();
  return 0;
}

TEST(heap_samples, a_capture_may_stop_the_profile) {
  long_capture c;
  pthread_t thread = begin_long_capture(&c, capture_and_stop);
  pthread_join(thread, NULL);
  CHECK(!lido_heap_profile_is_on());
  CHECK_EQ(pthread_create(&thread, NULL, alloc_one, &c), 0);
  end_long_capture(&c, thread);
}

static size_t capture_and_end_the_thread(void **frames, size_t count, void *context) {
  (void)frames;
  (void)count;
  (void)context;
  pthread_exit(NULL);
}

TEST(heap_samples, a_thread_that_ends_in_its_capture_is_not_waited_for) {
  long_capture c;
  pthread_t thread = begin_long_capture(&c, capture_and_end_the_thread);
  pthread_join(thread, NULL);
  lido_heap_profile_stop();
  lido_heap_samples_clear();
  pthread_barrier_destroy(&c.meet);
  CHECK_EQ(lido_pool_destroy(c.pool), 1); /* the object that it was about to get */
}

/* ---- Threads and forks ---- */

static void *alloc_a_few(void *argument) {
  lido_pool *pool = argument;
  for (size_t i = 0; i < 40; i++) objects[i] = often(pool);
  return NULL;
}

TEST(heap_samples, what_a_thread_counted_is_not_lost_with_it) {
  lido_pool *pool = pool_named("threads");
  start(40 * BYTES * 10, 2);
  for (int i = 0; i < 200; i++) {
    objects_in_thread(alloc_a_few, pool);
    lido_pool_free_batch(pool, objects, 40);
  }
  heap_sum sum = heap_sum_of("pool", "threads", NULL);
  CHECK_GT(heap_stats().samples, 5); /* 20 +- 4.5 */
  CHECK_LT(heap_stats().samples, 45);
  CHECK_GT(sum.alloc_objects, 4000);
  CHECK_LE(sum.alloc_objects, 8000);
  stop();
  end(pool, 0);
}

TEST(heap_samples, the_child_of_a_fork_keeps_samples) {
  lido_pool *pool = pool_named("fork");
  start(1, 1);
  for (size_t i = 0; i < 50; i++) objects[i] = often(pool);
  pid_t child = fork();
  if (child == 0) {
    bool good = heap_stats().live == 50 && lido_heap_profile_check() == NULL;
    for (size_t i = 0; i < 50; i++) lido_pool_free(pool, objects[i]);
    good = good && heap_stats().live == 0 && lido_pool_check(pool) == NULL;
    for (size_t i = 0; i < 50; i++) objects[i] = often(pool);
    good = good && heap_stats().live >= 49 && lido_pool_check(pool) == NULL;
    _exit(good ? 0 : 1);
  }
  int status = -1;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  CHECK_EQ(heap_stats().live, 50);
  lido_pool_free_batch(pool, objects, 50);
  stop();
  end(pool, 0);
}

/* ---- Misuse ---- */

TEST(heap_samples, misuse_of_a_sample_is_found) {
  lido_pool *pool = pool_named("misuse");
  lido_pool *other = pool_named("other");
  misuse_log log;
  start(1, 1);
  char *object = sample_of(pool);
  misuse_log_start(&log);
  lido_pool_free(other, object);
  CHECK_EQ(log.last.kind, LIDO_MISUSE_WRONG_POOL);
  lido_pool_free(pool, object + 8);
  CHECK_EQ(log.last.kind, LIDO_MISUSE_INTERIOR);
  CHECK_EQ(heap_stats().live, 1);
  lido_pool_free(pool, object);
  CHECK_EQ(log.count, 2);
  CHECK_EQ(heap_stats().live, 0);
  lido_pool_free(pool, object);
  CHECK_EQ(log.count, 3);
  CHECK_EQ(log.last.kind, LIDO_MISUSE_DOUBLE_FREE);
  misuse_log_stop();
  stop();
  end(pool, 0);
  end(other, 0);
}

/* ---- Arenas ---- */

__attribute__((noinline, aligned(HEAP_FUNCTION_BYTES))) static void *grow(lido_arena *arena, size_t bytes) {
  void *piece = lido_arena_alloc(arena, bytes);
  __asm__ volatile("" : : "r"(piece) : "memory");
  return piece;
}

static const void *address_of_grow(void) { return (const void *)(uintptr_t)grow; }

TEST(heap_samples, blocks_of_an_arena_are_its_owners) {
  start(1, 1);
  lido_arena *arena = lido_arena_create(&(lido_arena_options){.name = "growing"});
  for (size_t i = 0; i < 1000; i++) CHECK_NOT_NULL(grow(arena, 100));
  lido_arena_stats stats;
  lido_arena_stats_get(arena, &stats);
  heap_sum sum = heap_sum_of("arena", "growing", address_of_grow());
  CHECK_EQ(sum.live_bytes, stats.reserved);
  CHECK_EQ(sum.alloc_objects, stats.blocks);
  void *large = grow(arena, 1 << 20);
  CHECK_EQ(heap_sum_of("arena", "growing", NULL).live_objects, stats.blocks + 1);
  void *detached = lido_arena_detach(arena, large);
  CHECK_SAME(detached, large);
  lido_arena_destroy(arena);
  CHECK_EQ(heap_stats().live, 1);
  lido_arena_detached_free(detached);
  CHECK_EQ(heap_stats().live, 0);
  stop();
}

TEST(heap_samples, arenas_of_a_class_are_one_owner) {
  start(1, 1);
  lido_arena_class *cls = lido_arena_class_create(&(lido_arena_options){.name = "request"});
  lido_arena *a = lido_arena_acquire(cls);
  lido_arena *b = lido_arena_acquire(cls);
  grow(a, 100);
  grow(b, 100);
  heap_sum sum = heap_sum_of("arena", "request", address_of_grow());
  CHECK_EQ(sum.alloc_objects, 2);
  lido_arena_release(a);
  lido_arena_release(b);
  lido_arena_trim();
  CHECK_EQ(heap_stats().live, 0);
  CHECK_EQ(lido_arena_class_destroy(cls), 0);
  stop();
}

TEST(heap_samples, joined_blocks_stay_their_makers) {
  start(1, 1);
  lido_arena *into = lido_arena_create(&(lido_arena_options){.name = "into"});
  lido_arena *from = lido_arena_create(&(lido_arena_options){.name = "from"});
  grow(into, 100);
  grow(from, 100);
  grow(from, 1 << 20);
  CHECK_EQ(lido_arena_join(into, from), 0);
  lido_arena_destroy(from);
  CHECK_EQ(heap_sum_of("arena", "from", NULL).live_objects, 2);
  lido_arena_destroy(into);
  CHECK_EQ(heap_stats().live, 0);
  stop();
}

/* The bytes of many blocks are known by few samples. */
TEST(heap_samples, bytes_of_arenas_are_estimated) {
  enum { ARENAS = 2000, PIECE = 30000 };
  static lido_arena *arenas[ARENAS];
  start(100000, 77);
  size_t held = 0;
  for (size_t i = 0; i < ARENAS; i++) {
    arenas[i] = lido_arena_create(&(lido_arena_options){.name = "many"});
    CHECK_NOT_NULL(grow(arenas[i], i % 2 == 0 ? PIECE : PIECE / 10));
    lido_arena_stats stats;
    lido_arena_stats_get(arenas[i], &stats);
    held += stats.reserved;
  }
  heap_sum sum = heap_sum_of("arena", "many", NULL);
  double share = (double)sum.live_bytes / (double)held;
  CHECK(share > 0.75 && share < 1.25); /* some 400 samples */
  for (size_t i = 0; i < ARENAS; i++) lido_arena_destroy(arenas[i]);
  CHECK_EQ(heap_stats().live, 0);
  stop();
}

/* Samples that come too early stretch the mean of gaps to come, not of the one that is under way. */
TEST(heap_samples, a_block_stands_for_what_its_gap_was_drawn_with) {
  const size_t mean = 1 << 16, large = 100 * mean; /* a gap of 50 means is once in 10^21 */
  lido_heap_profile_stop();                        /* of a test that ended early */
  lido_heap_samples_seed(1);
  CHECK_EQ(lido_heap_profile_start(&(lido_heap_profile_options){.mean_bytes = mean, .cost_permille = 1}), 0);
  lido_heap_allocation other = {
      .run = lido_heap_run_now(), .kind = "arena", .name = "other", .address = objects, .bytes = 64};
  for (int i = 0; i < 40; i++) CHECK_EQ(lido_heap_take(&other), LIDO_HEAP_KEPT);
  CHECK(lido_heap_thread_alloc("arena", "large", objects + 1, large));
  heap_sum sum = heap_sum_of("arena", "large", NULL);
  CHECK_EQ(sum.alloc_objects, 1);
  CHECK_EQ(sum.alloc_bytes, large);
  CHECK_EQ(sum.live_objects, 1);
  CHECK_EQ(sum.live_bytes, large);
  lido_heap_forget(objects);
  lido_heap_forget(objects + 1);
  stop();
}

#else

TEST(heap_samples, without_checks_there_is_no_profile) { CHECK_EQ(lido_heap_profile_start(NULL), ENOTSUP); }

#endif
