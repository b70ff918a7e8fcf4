/* out_of_memory_test.c: every request for memory fails, once and for ever, under each way to use a pool. */
#include "tests/faults/drill.h"

enum { MOST = 600 };

static void *objects[MOST];

/* ---- Pools of all kinds ---- */

static void one_object(drill_round *r) {
  lido_pool *pool = drill_pool(r, &(lido_pool_options){.name = "one", .object_size = 64});
  drill_alloc(r, pool, 64, objects, 1);
  drill_free(pool, 64, objects, 1);
  drill_end(pool);
}

TEST(out_of_memory, a_pool_with_one_object) { drill(one_object, 2); }

static void several_slabs(drill_round *r) {
  lido_pool *pool = drill_pool(r, &(lido_pool_options){.object_size = 4096});
  drill_alloc(r, pool, 4096, objects, 100);
  CHECK_GE(objects_stats(pool).slabs, 5);
  drill_free(pool, 4096, objects, 100);
  drill_end(pool);
}

TEST(out_of_memory, growth_over_several_slabs) { drill(several_slabs, 2); }

static void several_regions(drill_round *r) {
  enum { BYTES = 1 << 20, COUNT = 40 };
  lido_pool *pool = drill_pool(r, &(lido_pool_options){.object_size = BYTES});
  for (size_t i = 0; i < COUNT; i++) TRY(r, objects[i], lido_pool_alloc(pool));
  CALM(lido_pool_free_batch(pool, objects, COUNT));
  drill_end(pool);
}

TEST(out_of_memory, growth_over_several_regions) { drill(several_regions, 4); }

static void fast_growth(drill_round *r) {
  lido_pool *pool = drill_pool(r, &(lido_pool_options){.object_size = 65536, .growth_factor = 4});
  drill_alloc(r, pool, 64, objects, 300);
  drill_free(pool, 64, objects, 300);
  drill_end(pool);
}

TEST(out_of_memory, growth_by_a_factor) { drill(fast_growth, 3); }

static void without_caches(drill_round *r) {
  lido_pool *pool = drill_pool(r, &(lido_pool_options){.object_size = 1000, .cache_bytes = SIZE_MAX});
  drill_alloc(r, pool, 1000, objects, 300);
  drill_free(pool, 1000, objects, 300);
  drill_end(pool);
}

TEST(out_of_memory, a_pool_without_caches) { drill(without_caches, 2); }

static void zeroed(drill_round *r) {
  lido_pool *pool = drill_pool(r, &(lido_pool_options){.object_size = 500, .flags = LIDO_POOL_ZERO});
  for (int again = 0; again < 2; again++) {
    for (size_t i = 0; i < 300; i++) {
      TRY(r, objects[i], lido_pool_alloc(pool));
      CHECK(objects_are_all(objects[i], 500, 0));
      objects_fill(objects[i], 500, i);
    }
    drill_free(pool, 500, objects, 300);
  }
  drill_end(pool);
}

TEST(out_of_memory, zeroed_objects) { drill(zeroed, 2); }

static void passthrough(drill_round *r) {
  lido_pool *pool = drill_pool(r, &(lido_pool_options){.object_size = 100, .flags = LIDO_POOL_PASSTHROUGH});
  drill_alloc(r, pool, 100, objects, 9);
  drill_free(pool, 100, objects, 9);
  drill_end(pool);
}

TEST(out_of_memory, objects_of_malloc) { drill(passthrough, 10); }

/* ---- Construct ---- */

static size_t constructed;
static size_t destroyed;

static int construct(void *object, void *context) {
  constructed++;
  *(void **)object = context;
  return 0;
}

static void destroy(void *object, void *context) {
  destroyed += *(void **)object == context;
  *(void **)object = NULL;
}

static void constructing(drill_round *r) {
  constructed = 0;
  destroyed = 0;
  lido_pool_options options = {.object_size = 2000, .construct = construct, .destroy = destroy};
  options.context = objects;
  lido_pool *pool = drill_pool(r, &options);
  for (size_t i = 0; i < 100; i++) {
    TRY(r, objects[i], lido_pool_alloc(pool));
    CHECK_SAME(*(void **)objects[i], objects);
  }
  CHECK_EQ(constructed - destroyed, objects_stats(pool).objects);
  CALM(lido_pool_free_batch(pool, objects, 100));
  drill_end(pool);
  CHECK_EQ(constructed, destroyed);
}

TEST(out_of_memory, objects_with_a_constructor) { drill(constructing, 2); }

/* ---- Limits and preallocation ---- */

static void preallocated(drill_round *r) {
  lido_pool_options options = {.object_size = 1 << 18, .prealloc = 130, .max_objects = 130};
  options.cache_bytes = SIZE_MAX;
  lido_pool *pool = drill_pool(r, &options);
  CHECK_GE(objects_stats(pool).objects, 130);
  size_t made = objects_stats(pool).slabs_made;
  drill_alloc(r, pool, 8, objects, 130);
  CHECK_EQ(objects_stats(pool).slabs_made, made);
  drill_free(pool, 8, objects, 130);
  drill_end(pool);
}

TEST(out_of_memory, a_pool_with_preallocation) { drill(preallocated, 4); }

/* What was preallocated is handed out without another request. */
TEST(out_of_memory, preallocated_objects_need_no_memory) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 256, .prealloc = MOST});
  CHECK_NOT_NULL(pool);
  lido_fault_arm(1, true);
  size_t got = 0;
  while (got < MOST && (objects[got] = lido_pool_alloc(pool)) != NULL) got++;
  lido_fault_disarm();
  CHECK_EQ(got, MOST);
  lido_pool_free_batch(pool, objects, MOST);
  drill_end(pool);
}

static void beyond_the_limit(drill_round *r) {
  static const size_t limits[] = {5, 100};
  for (size_t i = 0; i < 2; i++) {
    lido_pool_options options = {.object_size = 8000, .on_exhausted = LIDO_EXHAUSTED_FALLBACK};
    options.max_objects = limits[i];
    lido_pool *pool = drill_pool(r, &options);
    drill_alloc(r, pool, 80, objects, 300);
    CHECK_EQ(objects_stats(pool).fallbacks, 300 - limits[i]);
    drill_free(pool, 80, objects, 300);
    drill_end(pool);
  }
}

TEST(out_of_memory, objects_beyond_the_limit) { drill(beyond_the_limit, 3); }

/* ---- Several objects at once ---- */

static void in_batches(drill_round *r) {
  enum { COUNT = 200 };
  lido_pool *pool = drill_pool(r, &(lido_pool_options){.object_size = 3000});
  for (int again = 0; again < 2; again++) {
    errno = UNTOUCHED_ERRNO;
    size_t got = lido_pool_alloc_batch(pool, objects, COUNT);
    CHECK_EQ(errno, got == COUNT ? UNTOUCHED_ERRNO : ENOMEM);
    CHECK_EQ(objects_stats(pool).live, got); /* what came before the failure stays */
    if (got < COUNT) {
      r->failed_calls++;
      drill_relief(r);
      got += lido_pool_alloc_batch(pool, objects + got, COUNT - got);
      drill_go_on(r);
    }
    CHECK_EQ(got, COUNT);
    CHECK_EQ(objects_stats(pool).live, COUNT);
    CALM(lido_pool_free_batch(pool, objects, COUNT));
    CALM(lido_pool_trim(pool));
    CHECK_EQ(objects_stats(pool).objects, 0);
  }
  drill_end(pool);
}

TEST(out_of_memory, batches) { drill(in_batches, 3); }

enum { RESERVED = 500 };

static void use_up(lido_reserve *reserve) {
  for (size_t i = 0; i < RESERVED; i++) {
    CALM(objects[i] = lido_reserve_alloc(reserve)); /* that is what a reserve is for */
    CHECK_NOT_NULL(objects[i]);
    objects_fill(objects[i], 64, i);
  }
}

static void refill(drill_round *r, lido_reserve *reserve) {
  errno = UNTOUCHED_ERRNO;
  int error = lido_reserve_refill(reserve);
  CHECK_EQ(errno, UNTOUCHED_ERRNO);
  if (error != 0) {
    CHECK_EQ(error, ENOMEM);
    r->failed_calls++;
    drill_relief(r);
    CHECK_EQ(lido_reserve_refill(reserve), 0);
    drill_go_on(r);
  }
  CHECK_EQ(lido_reserve_count(reserve), RESERVED);
}

static void reserved(drill_round *r) {
  static void *first[RESERVED];
  lido_pool *pool = drill_pool(r, &(lido_pool_options){.object_size = 4000});
  lido_reserve *reserve = NULL;
  TRY(r, reserve, lido_reserve_create(pool, RESERVED));
  use_up(reserve);
  memcpy(first, objects, sizeof first);
  refill(r, reserve);
  use_up(reserve);
  CALM(lido_pool_free_batch(pool, first, RESERVED));
  CHECK_SOUND(pool);
  refill(r, reserve);
  drill_free(pool, 64, objects, RESERVED);
  CALM(lido_reserve_destroy(reserve));
  drill_end(pool);
}

TEST(out_of_memory, a_reserve) { drill(reserved, 2); }

/* ---- Caches ---- */

static void explicit_caches(drill_round *r) {
  enum { CACHES = 20, EACH = 25 };
  lido_pool_cache *caches[CACHES];
  lido_pool *pool = drill_pool(r, &(lido_pool_options){.object_size = 200});
  for (size_t c = 0; c < CACHES; c++) TRY(r, caches[c], lido_pool_cache_create(pool));
  CHECK_EQ(objects_stats(pool).thread_caches, CACHES);
  for (size_t i = 0; i < CACHES * EACH; i++) {
    TRY(r, objects[i], lido_pool_cache_alloc(caches[i % CACHES]));
    objects_fill(objects[i], 200, i);
  }
  for (size_t i = 0; i < CACHES * EACH; i++) {
    CHECK(objects_hold(objects[i], 200, i));
    CALM(lido_pool_cache_free(caches[i / EACH], objects[i]));
  }
  CHECK_EQ(objects_stats(pool).live, 0);
  CHECK_SOUND(pool);
  for (size_t c = 0; c < CACHES; c++) {
    CALM(lido_pool_cache_flush(caches[c]));
    CALM(lido_pool_cache_destroy(caches[c]));
  }
  drill_end(pool);
}

TEST(out_of_memory, explicit_caches) { drill(explicit_caches, 2); }

static void flushes_and_trims(drill_round *r) {
  lido_pool *pool = drill_pool(r, &(lido_pool_options){.object_size = 64});
  for (size_t keep = 0; keep < 8; keep++) {
    drill_alloc(r, pool, 64, objects, MOST);
    drill_free(pool, 64, objects, MOST);
    if (keep % 2 == 0) CALM(lido_thread_flush());
    if (keep % 4 == 3) CALM(lido_pool_trim(pool));
    CHECK_SOUND(pool);
  }
  drill_end(pool);
}

TEST(out_of_memory, flushes_and_trims) { drill(flushes_and_trims, 2); }

static void handed_over(drill_round *r) {
  lido_pool *pool = drill_pool(r, &(lido_pool_options){.object_size = 64});
  drill_alloc(r, pool, 64, objects, MOST);
  drill_free(pool, 64, objects, MOST);
  size_t cached = objects_stats(pool).cached;
  lido_magazine *magazines[40];
  size_t detached = 0;
  for (; detached < 40; detached++) {
    CALM(magazines[detached] = lido_pool_magazine_detach(pool));
    if (magazines[detached] == NULL) break; /* no object, or no memory */
    CHECK_GT(lido_magazine_count(magazines[detached]), 0);
    CHECK_SOUND(pool);
  }
  while (detached > 0) {
    CALM(lido_pool_magazine_attach(pool, magazines[--detached]));
    CHECK_SOUND(pool);
  }
  CHECK_LE(objects_stats(pool).cached, cached);
  CHECK_EQ(objects_stats(pool).live, 0);
  drill_end(pool);
}

TEST(out_of_memory, magazines_that_are_handed_over) { drill(handed_over, 2); }

/* ---- Threads ---- */

typedef struct worker {
  lido_pool *pool;
  void *objects[100];
  int errors[100];
} worker;

static void *alloc_all(void *argument) {
  worker *w = argument;
  for (size_t i = 0; i < 100; i++) {
    if (w->objects[i] != NULL) continue;
    errno = UNTOUCHED_ERRNO;
    w->objects[i] = lido_pool_alloc(w->pool);
    w->errors[i] = errno;
  }
  return NULL;
}

static void *free_all(void *argument) {
  worker *w = argument;
  lido_pool_free_batch(w->pool, w->objects, 100);
  return NULL;
}

/* -> how many allocs failed; those that did not left errno alone. */
static size_t failed_in(const worker *w) {
  size_t failed = 0;
  for (size_t i = 0; i < 100; i++) {
    failed += w->objects[i] == NULL;
    CHECK_EQ(w->errors[i], w->objects[i] == NULL ? ENOMEM : UNTOUCHED_ERRNO);
  }
  return failed;
}

static void second_thread(drill_round *r) {
  lido_pool *pool = drill_pool(r, &(lido_pool_options){.object_size = 4096});
  worker w = {.pool = pool};
  objects_in_thread(alloc_all, &w);
  if (failed_in(&w) != 0) {
    r->failed_calls++;
    drill_relief(r);
    CHECK_GT(r->failures, 0);
    objects_in_thread(alloc_all, &w);
    CHECK_EQ(failed_in(&w), 0);
    drill_go_on(r);
  }
  CHECK_EQ(objects_stats(pool).live, 100);
  objects_in_thread(free_all, &w);
  CHECK_EQ(objects_stats(pool).live, 0);
  drill_end(pool);
}

TEST(out_of_memory, a_second_thread) { drill(second_thread, 2); }

/* ---- Typed pools ---- */

typedef struct piece {
  char bytes[300];
} piece;

LIDO_POOL_DEFINE(oom_piece, piece, .max_objects = 0)

static void typed(drill_round *r) {
  for (size_t i = 0; i < 300; i++) {
    TRY(r, objects[i], oom_piece_alloc());
    objects_fill(objects[i], sizeof(piece), i);
  }
  lido_pool *pool = NULL;
  TRY(r, pool, oom_piece_pool());
  for (size_t i = 0; i < 300; i++) {
    CHECK(objects_hold(objects[i], sizeof(piece), i));
    CALM(oom_piece_free(objects[i]));
  }
  CHECK_EQ(objects_stats(pool).live, 0);
  drill_end(pool);
}

TEST(out_of_memory, the_first_use_of_a_typed_pool) { drill(typed, 2); }

static void typed_by_its_pool(drill_round *r) {
  lido_pool *pool = NULL;
  TRY(r, pool, oom_piece_pool());
  CALM(oom_piece_free(NULL));
  drill_alloc(r, pool, sizeof(piece), objects, 50);
  drill_free(pool, sizeof(piece), objects, 50);
  drill_end(pool);
}

TEST(out_of_memory, a_typed_pool_that_is_asked_for) { drill(typed_by_its_pool, 2); }

/* ---- Many pools, so that the tables of pools and of caches grow more than once ---- */

static void many_pools(drill_round *r) {
  enum { POOLS = 80 };
  lido_pool *pools[POOLS];
  for (size_t p = 0; p < POOLS; p++) {
    pools[p] = drill_pool(r, &(lido_pool_options){.name = "one of many", .object_size = 40, .align = 8});
    TRY(r, objects[p], lido_pool_alloc(pools[p]));
    objects_fill(objects[p], 40, p);
  }
  for (size_t p = 0; p < POOLS; p++) {
    CHECK(objects_hold(objects[p], 40, p));
    CHECK_SAME(lido_pool_of(objects[p]), pools[p]);
    CALM(lido_pool_free(pools[p], objects[p]));
  }
  for (size_t p = 0; p < POOLS; p++) drill_end(pools[p]);
}

TEST(out_of_memory, many_pools) { drill(many_pools, 3); }
