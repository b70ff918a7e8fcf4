/* heap_samples_without_memory_test.c: requests for memory fail while objects are sampled: the program's calls notice
 * nothing of it, and what a sample that could not be kept stood for is not lost.
 */
#include "lib/mem/heap_samples.h"
#include "tests/faults/drill.h"
#include "tests/support/site_sums.h"

#if LIDO_CHECKS != LIDO_CHECKS_NONE

enum { BYTES = 64, COUNT = 300 };

static void *objects[COUNT];

static size_t capture(void **frames, size_t count, void *context) {
  static size_t captures;
  (void)context;
  captures++;
  for (size_t i = 0; i < 8 && i < count; i++) frames[i] = (char *)objects + captures % 5 + i;
  return 8;
}

static bool count_site(const lido_heap_site *site, void *arg) {
  *(uint64_t *)arg += strcmp(site->name, "sampled") == 0 ? site->live_objects : 0;
  return true;
}

/* As TRY, for a call that gives its error. */
static void try_error(drill_round *r, int (*call)(void *arg), void *arg) {
  CALM({
    int error = call(arg);
    if (error != 0) {
      CHECK_EQ(error, ENOMEM);
      r->failed_calls++;
      drill_relief(r);
      CHECK_EQ(call(arg), 0);
      drill_go_on(r);
    }
  });
}

static int start(void *arg) {
  (void)arg;
  return lido_heap_profile_start(
      &(lido_heap_profile_options){.mean_bytes = 1, .capture = capture, .cost_permille = 1000});
}

static int read_all(void *arg) {
  *(uint64_t *)arg = 0;
  return lido_heap_profile_read(count_site, arg);
}

static void sampled(drill_round *r, const lido_pool_options *options) {
  uint64_t live = 0;
  lido_heap_samples_seed(1);
  try_error(r, start, NULL);
  lido_pool *pool = drill_pool(r, options);
  drill_alloc(r, pool, BYTES, objects, COUNT);
  CHECK_NULL(lido_heap_profile_check());
  CHECK_SOUND(pool);
  try_error(r, read_all, &live);
  CHECK_GE(live, COUNT - 10); /* each site is rounded */
  CHECK_LE(live, COUNT + 10);
  drill_free(pool, BYTES, objects, COUNT);
  CHECK_EQ(heap_stats().live, 0);
  CHECK_NULL(lido_heap_profile_check());
  drill_end(pool);
  lido_heap_profile_stop();
  lido_heap_samples_clear();
}

static void cached(drill_round *r) { sampled(r, &(lido_pool_options){.name = "sampled", .object_size = BYTES}); }
static void direct(drill_round *r) {
  sampled(r, &(lido_pool_options){.name = "sampled", .object_size = BYTES, .cache_bytes = SIZE_MAX});
}
static void with_handles(drill_round *r) {
  sampled(r, &(lido_pool_options){.name = "sampled", .object_size = BYTES, .flags = LIDO_POOL_HANDLES});
}

TEST(heap_samples_without_memory, objects_of_caches) { drill(cached, 10); }
TEST(heap_samples_without_memory, objects_past_the_caches) { drill(direct, 10); }
TEST(heap_samples_without_memory, objects_with_handles) { drill(with_handles, 10); }

/* What a sample stood for that came to nothing is the next one's. */
TEST(heap_samples_without_memory, weights_are_not_lost) {
  CHECK_EQ(start(NULL), 0);
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.name = "sampled", .object_size = BYTES, .prealloc = COUNT});
  lido_fault_arm(1, true);
  size_t got = lido_pool_alloc_batch(pool, objects, COUNT - 1);
  CHECK_GT(lido_fault_disarm(), 0);
  CHECK_GE(got, COUNT / 2);
  CHECK_EQ(heap_stats().live, 0);
  CHECK_EQ(heap_stats().dropped, heap_stats().samples);
  objects[got] = lido_pool_alloc(pool);
  CHECK_EQ(heap_stats().live, 1);
  CHECK_EQ(heap_sum_of("pool", "sampled", NULL).alloc_objects, got + 1);
  lido_pool_free_batch(pool, objects, got + 1);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
  lido_heap_profile_stop();
  lido_heap_samples_clear();
}

static void arenas(drill_round *r) {
  lido_heap_samples_seed(1);
  try_error(r, start, NULL);
  lido_arena *arena = NULL;
  TRY(r, arena, lido_arena_create(&(lido_arena_options){.name = "sampled"}));
  for (size_t i = 0; i < 50; i++) {
    void *piece = NULL;
    TRY(r, piece, lido_arena_alloc(arena, i % 10 == 0 ? 1 << 20 : 1000));
    objects_fill(piece, 1000, i);
  }
  CALM(lido_arena_reset(arena));
  CALM(lido_arena_destroy(arena));
  CHECK_EQ(heap_stats().live, 0);
  lido_heap_profile_stop();
  lido_heap_samples_clear();
}

TEST(heap_samples_without_memory, blocks_of_arenas) { drill(arenas, 10); }

#endif
