/* micro_lido.c: the micro benchmarks on Lido, with the floor and the C library's malloc beside it in
 * one program: Lido leaves malloc alone, so these ratios need no second process.
 *
 * Compiled twice: on the library as it is, and on one with LIDO_CHECKS=none (a program of its own,
 * because the level of checking belongs to a whole program), where only the interleaved rows count.
 */
#include <lido/pool.h>
#include <lido/version.h>
#include <stdlib.h>
#include <string.h>

#include "micro_floor.h"

typedef struct micro_object {
  uint64_t words[MICRO_OBJECT / sizeof(uint64_t)];
} micro_object;

/* ---- The floor with both its halves ---- */

/* Where an alloc follows a free, as in the random rows, the compiler sees through the floor: the object freed is the
 * object allocated, and nothing of the list is left but the write. Here it must not look from the one
 * into the other, so that the list is really pushed and popped. For information. */
#define SUBJECT floor_whole
#define SUBJECT_BEGIN
#define SUBJECT_ALLOC() floor_alloc()
#define SUBJECT_FREE(object) (floor_free(object), micro_barrier())
#include "micro_loops.h"

/* ---- glibc ---- */

#define SUBJECT glibc
#define SUBJECT_BEGIN
#define SUBJECT_ALLOC() malloc(MICRO_OBJECT)
#define SUBJECT_FREE(object) free(object)
#include "micro_loops.h"

/* ---- Typed pools ---- */

LIDO_POOL_DEFINE(plain, micro_object)
LIDO_POOL_DEFINE(woven, micro_object)
LIDO_POOL_DEFINE(spread, micro_object, .flags = LIDO_POOL_SPREAD)

#define SUBJECT typed
#define SUBJECT_BEGIN
#define SUBJECT_ALLOC() plain_alloc()
#define SUBJECT_FREE(object) plain_free(object)
#include "micro_loops.h"

#define SUBJECT typed_woven
#define SUBJECT_BEGIN
#define SUBJECT_ALLOC() woven_alloc()
#define SUBJECT_FREE(object) woven_free(object)
#include "micro_loops.h"

#define SUBJECT typed_spread
#define SUBJECT_BEGIN
#define SUBJECT_ALLOC() spread_alloc()
#define SUBJECT_FREE(object) spread_free(object)
#include "micro_loops.h"

/* ---- Dynamic pools ---- */

static lido_pool *dynamic_pool;
static lido_pool *dynamic_woven_pool;
static lido_pool *dynamic_spread_pool;

#define SUBJECT dynamic
#define SUBJECT_BEGIN lido_pool *pool = dynamic_pool;
#define SUBJECT_ALLOC() lido_pool_alloc(pool)
#define SUBJECT_FREE(object) lido_pool_free(pool, object)
#include "micro_loops.h"

#define SUBJECT dynamic_woven
#define SUBJECT_BEGIN lido_pool *pool = dynamic_woven_pool;
#define SUBJECT_ALLOC() lido_pool_alloc(pool)
#define SUBJECT_FREE(object) lido_pool_free(pool, object)
#include "micro_loops.h"

#define SUBJECT dynamic_spread
#define SUBJECT_BEGIN lido_pool *pool = dynamic_spread_pool;
#define SUBJECT_ALLOC() lido_pool_alloc(pool)
#define SUBJECT_FREE(object) lido_pool_free(pool, object)
#include "micro_loops.h"

/* ---- One whole slab ---- */

/* All objects of a fresh pool's first slab: as many as the pool says it has after one alloc. */
static size_t take_slab(lido_pool *pool, void **objects, size_t capacity) {
  if (pool == NULL) bench_die("a pool could not be created");
  objects[0] = lido_pool_alloc(pool);
  if (objects[0] == NULL) bench_die("no memory for the first object");
  lido_pool_stats stats;
  lido_pool_stats_get(pool, &stats);
  if (stats.slabs != 1) bench_die("the first alloc made %llu slabs", (unsigned long long)stats.slabs);
  size_t count = stats.objects < capacity ? (size_t)stats.objects : capacity;
  size_t got = 1 + lido_pool_alloc_batch(pool, objects + 1, count - 1);
  lido_pool_stats_get(pool, &stats);
  if (got != count || stats.slabs != 1) bench_die("one slab was not enough for its own objects");
  return count;
}

static size_t typed_slab(void **objects, size_t capacity) { return take_slab(woven_pool(), objects, capacity); }

static size_t typed_spread_slab(void **objects, size_t capacity) { return take_slab(spread_pool(), objects, capacity); }

static size_t dynamic_slab(void **objects, size_t capacity) { return take_slab(dynamic_woven_pool, objects, capacity); }

static size_t dynamic_spread_slab(void **objects, size_t capacity) {
  return take_slab(dynamic_spread_pool, objects, capacity);
}

static lido_pool *create(const char *name, unsigned flags) {
  lido_pool *pool =
      lido_pool_create(&(lido_pool_options){.name = name, .object_size = sizeof(micro_object), .flags = flags});
  if (pool == NULL) bench_die("the pool %s could not be created", name);
  return pool;
}

enum { NOT_WOVEN = MICRO_IN_PLAIN | MICRO_IN_RANDOM | MICRO_IN_EXCHANGE };

static const micro_subject subjects[] = {
    MICRO_FLOOR,
    {.name = "dynamic", SUBJECT_LOOPS(dynamic), .rows = NOT_WOVEN},
    {.name = "typed", SUBJECT_LOOPS(typed), .rows = NOT_WOVEN},
    {.name = "glibc", SUBJECT_LOOPS(glibc)},
    {.name = "floor_whole", SUBJECT_LOOPS(floor_whole), .rows = MICRO_IN_RANDOM},
    {.name = "dynamic_woven", SUBJECT_LOOPS(dynamic_woven), .fill_slab = dynamic_slab, .rows = MICRO_IN_WOVEN},
    {.name = "typed_woven", SUBJECT_LOOPS(typed_woven), .fill_slab = typed_slab, .rows = MICRO_IN_WOVEN},
    {.name = "dynamic_spread", SUBJECT_LOOPS(dynamic_spread), .fill_slab = dynamic_spread_slab, .rows = MICRO_IN_WOVEN},
    {.name = "typed_spread", SUBJECT_LOOPS(typed_spread), .fill_slab = typed_spread_slab, .rows = MICRO_IN_WOVEN},
};

int main(int argc, char **argv) {
  bench_options options = bench_begin(argc, argv);
  if (strstr(bench_malloc_file(), "libc.so") == NULL)
    bench_die("malloc is served by %s: Lido must leave it alone", bench_malloc_file());
  dynamic_pool = create("dynamic", 0);
  dynamic_woven_pool = create("dynamic_woven", 0);
  dynamic_spread_pool = create("dynamic_spread", LIDO_POOL_SPREAD);
  bench_fact("peer", "lido");
  bench_fact("compiler", __VERSION__);
  bench_fact("checks", LIDO_CHECKS == LIDO_CHECKS_NONE ? "none" : LIDO_CHECKS == LIDO_CHECKS_FULL ? "full" : "default");
  bench_fact("serving", bench_malloc_file());
  bench_fact("version", lido_version());
  micro_run(&options, subjects, sizeof subjects / sizeof *subjects);
  return 0;
}
