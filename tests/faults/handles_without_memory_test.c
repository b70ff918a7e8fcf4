/* handles_without_memory_test.c: every request for memory fails, once and for ever, under pools with handles. What
 * needs none, the life and death of objects that are there, goes on all the while.
 */
#include "lib/refs/slots.h"
#include "tests/faults/drill.h"

enum { MOST = 400 };

static void *objects[MOST];
static lido_weak weaks[MOST];

/* Handles, counts and deaths ask for nothing. */
static void live_without_memory(size_t count) {
  for (size_t i = 0; i < count; i++) {
    CALM(weaks[i] = lido_weak_make(objects[i]));
    CHECK(weaks[i].bits != 0);
    CALM(CHECK_SAME(lido_weak_acquire(weaks[i]), objects[i]));
    CALM(CHECK_SAME(lido_retain_n(objects[i], 5), objects[i]));
    if (i % 3 == 0) CALM(CHECK(lido_weak_kill(weaks[i])));
    CALM(lido_release_n(objects[i], 6));
    CHECK_EQ(lido_reference_count(objects[i]), 1);
  }
}

static void die_without_memory(size_t bytes, size_t count) {
  for (size_t i = 0; i < count; i++) {
    CHECK(objects_hold(objects[i], bytes, i));
    CALM(lido_release(objects[i]));
    CHECK_EQ(lido_weak_state_get(weaks[i]), LIDO_WEAK_STALE);
  }
}

static void use_pool(drill_round *r, lido_pool_options options) {
  options.flags |= LIDO_POOL_HANDLES;
  lido_pool *pool = drill_pool(r, &options);
  size_t bytes = options.object_size < 64 ? options.object_size : 64;
  for (int again = 0; again < 2; again++) {
    drill_alloc(r, pool, bytes, objects, MOST);
    live_without_memory(MOST);
    die_without_memory(bytes, MOST);
    CHECK_EQ(objects_stats(pool).live, 0);
    CALM(lido_pool_trim(pool));
    CHECK_NULL(lido_weak_check());
  }
  drill_end(pool);
}

static void small(drill_round *r) { use_pool(r, (lido_pool_options){.object_size = 64}); }
static void several_slabs(drill_round *r) { use_pool(r, (lido_pool_options){.object_size = 4000}); }
static void in_53_bits(drill_round *r) {
  use_pool(r, (lido_pool_options){.object_size = 4000, .flags = LIDO_POOL_HANDLES_53});
}
static void direct(drill_round *r) {
  use_pool(r, (lido_pool_options){.object_size = 2000, .cache_bytes = SIZE_MAX, .flags = LIDO_POOL_ZERO});
}
static void preallocated(drill_round *r) { use_pool(r, (lido_pool_options){.object_size = 4000, .prealloc = 200}); }

TEST(handles_without_memory, one_slab) { drill(small, 2); }
TEST(handles_without_memory, growth_over_several_slabs) { drill(several_slabs, 4); }
TEST(handles_without_memory, handles_as_numbers) { drill(in_53_bits, 4); }
TEST(handles_without_memory, no_caches) { drill(direct, 4); }
TEST(handles_without_memory, preallocation) { drill(preallocated, 4); }

/* ---- The end of a pool ---- */

static size_t deaths;

static void count_death(void *object, void *context) {
  (void)object;
  (void)context;
  deaths++;
}

static void ended_with_objects(drill_round *r) {
  lido_pool_options options = {.object_size = 3000, .flags = LIDO_POOL_HANDLES, .destroy = count_death};
  lido_pool *pool = drill_pool(r, &options);
  drill_alloc(r, pool, 64, objects, MOST);
  deaths = 0;
  for (size_t i = 0; i < MOST; i += 2) CALM(weaks[i] = lido_weak_make(lido_retain(objects[i])));
  size_t live = 0;
  CALM(live = lido_pool_destroy(pool));
  CHECK_EQ(live, MOST);
  CHECK_EQ(deaths, MOST);
  for (size_t i = 0; i < MOST; i += 2) CHECK_EQ(lido_weak_state_get(weaks[i]), LIDO_WEAK_STALE);
  CHECK_NULL(lido_weak_check());
}

TEST(handles_without_memory, a_pool_that_ends_with_objects) { drill(ended_with_objects, 4); }

/* ---- Slots that were never there ---- */

static size_t slots_made(void) {
  lido_weak_stats stats;
  lido_weak_stats_get(&stats);
  return stats.slots;
}

/* The range of slots grows in large steps, which need memory of their own; a drill's rounds use what is there. */
TEST(handles_without_memory, the_range_of_slots_grows) {
  enum { POOLS = 40 };
  lido_pool *pools[POOLS];
  uint64_t failures = 0;
  lido_fault_disarm();
  for (size_t p = 0; p < POOLS; p++) {
    pools[p] = lido_pool_create(&(lido_pool_options){.object_size = 8, .align = 8, .flags = LIDO_POOL_HANDLES});
    CHECK_NOT_NULL(pools[p]);
    size_t before = slots_made();
    for (uint64_t nth = 1; slots_made() < before + (1 << 15); nth = nth % 8 + 1) {
      lido_fault_arm(nth, nth % 2 == 0);
      errno = UNTOUCHED_ERRNO;
      void *object = lido_pool_alloc(pools[p]);
      CHECK_EQ(errno, object != NULL ? UNTOUCHED_ERRNO : ENOMEM);
      failures += lido_fault_disarm();
    }
    CHECK_SOUND(pools[p]);
    CHECK_NULL(lido_weak_check());
  }
  CHECK_GT(failures, POOLS);
  for (size_t p = 0; p < POOLS; p++) {
    size_t live = objects_stats(pools[p]).live;
    CHECK_EQ(lido_pool_destroy(pools[p]), live);
  }
  CHECK_NULL(lido_weak_check());
}

/* ---- The very first use ---- */

/* Nothing of lib/refs is there yet when this runs in a process of its own; else it is one round more. */
TEST(handles_without_memory, a_first_use_that_fails_can_be_tried_again) {
  lido_fault_disarm();
  for (uint64_t nth = 1; nth < 40; nth++) {
    lido_fault_arm(nth, true);
    lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 64, .flags = LIDO_POOL_HANDLES});
    void *object = pool != NULL ? lido_pool_alloc(pool) : NULL;
    if (object != NULL) CHECK_SAME(lido_weak_get(lido_weak_make(object)), object);
    lido_fault_disarm();
    CHECK_EQ(lido_weak_state_get(lido_weak_from_u64(UINT64_MAX)), LIDO_WEAK_NEVER_ISSUED);
    CHECK_EQ(lido_pool_destroy(pool), object != NULL);
    CHECK_NULL(lido_weak_check());
  }
}
