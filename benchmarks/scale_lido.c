/* scale_lido.c: does the cost of a pair grow with the number of pools, or of live objects?
 *
 *     pools     10,000 pools alive and each used: the pair on any of them, each sample on another, against the pair on
 *               the pool that was there first. As information, what a change of pool costs: bursts of 1,000 pairs on
 *               one pool after another, in shuffled order, and one pair a pool; there each pool's lines come from afar
 *     live      pairs on a pool with 10^7 live objects, against one with 10^3
 */
#include <lido/pool.h>
#include <stdlib.h>

#include "harness.h"

enum { OBJECT = 64, POOLS = 10000, BURST = 1000, LIVE_FEW = 1000, LIVE_MANY = 10000000, LIVE_SLICES = 15 };

static lido_pool *create(void) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.name = "scale", .object_size = OBJECT});
  if (pool == NULL) bench_die("a pool could not be created");
  return pool;
}

static inline void pair(lido_pool *pool, uint64_t value) {
  uint64_t *object = lido_pool_alloc(pool);
  *object = value;
  __asm__ volatile("" : : "r"(object) : "memory");
  lido_pool_free(pool, object);
}

/* `burst` pairs on each of `count` pools in turn, until `pairs` are done. -> ns a pair */
static __attribute__((noinline)) double run_bursts(lido_pool *const *pools, size_t count, size_t burst, size_t pairs) {
  double start = bench_now();
  size_t done = 0, at = 0;
  while (done < pairs) {
    lido_pool *pool = pools[at];
    for (size_t i = 0; i < burst; i++) pair(pool, i);
    done += burst;
    if (++at == count) at = 0;
  }
  return (bench_now() - start) / (double)done;
}

/* `count` objects more, for as long as the pool lives. */
static void hold(lido_pool *pool, size_t count) {
  for (size_t i = 0; i < count; i++) {
    uint64_t *object = lido_pool_alloc(pool);
    if (object == NULL) bench_die("no memory for object %zu", i);
    *object = i;
  }
}

/* The pair itself, on the pool that was there before all others, and on any of the 10,000. */
static void crowd_row(const bench_options *options) {
  static lido_pool *many[POOLS];
  double first_ns[BENCH_SAMPLES_MAX], crowd_ns[BENCH_SAMPLES_MAX];
  unsigned slices = options->slices < LIVE_SLICES ? LIVE_SLICES : options->slices;
  size_t pairs = (size_t)(options->slice_ms * 1e6 / 4);
  uint64_t seed = options->seed;
  lido_pool *first = create();
  for (size_t i = 0; i < POOLS; i++) {
    many[i] = create();
    pair(many[i], i);
  }
  for (unsigned s = 0; s < slices; s++) {
    lido_pool *one = many[bench_random(&seed) % POOLS];
    hold(first, 1 + bench_random(&seed) % 32);
    hold(one, 1 + bench_random(&seed) % 32);
    first_ns[s] = run_bursts(&first, 1, BURST, pairs);
    crowd_ns[s] = run_bursts(&one, 1, BURST, pairs);
  }
  bench_figure("scale_crowd", "first", "ns", first_ns, slices);
  bench_figure("scale_crowd", "crowd", "ns", crowd_ns, slices);
  for (size_t i = 0; i < POOLS; i++) lido_pool_destroy(many[i]);
  lido_pool_destroy(first);
}

static void pools_row(const bench_options *options) {
  static lido_pool *many[POOLS], *one[POOLS];
  double one_ns[BENCH_SAMPLES_MAX], many_ns[BENCH_SAMPLES_MAX], robin_one_ns[BENCH_SAMPLES_MAX],
      robin_ns[BENCH_SAMPLES_MAX];
  uint64_t seed = options->seed;
  lido_pool *single = create();
  for (size_t i = 0; i < POOLS; i++) {
    many[i] = create();
    one[i] = single;
    pair(many[i], i);
  }
  bench_shuffle((void **)many, POOLS, &seed);
  for (unsigned s = 0; s < options->slices; s++) {
    one_ns[s] = run_bursts(one, POOLS, BURST, (size_t)POOLS * BURST);
    many_ns[s] = run_bursts(many, POOLS, BURST, (size_t)POOLS * BURST);
    robin_one_ns[s] = run_bursts(one, POOLS, 1, (size_t)POOLS * 20);
    robin_ns[s] = run_bursts(many, POOLS, 1, (size_t)POOLS * 20);
  }
  bench_figure("scale_pools", "one", "ns", one_ns, options->slices);
  bench_figure("scale_pools", "many", "ns", many_ns, options->slices);
  bench_figure("scale_round_robin", "one", "ns", robin_one_ns, options->slices);
  bench_figure("scale_round_robin", "many", "ns", robin_ns, options->slices);
  for (size_t i = 0; i < POOLS; i++) lido_pool_destroy(many[i]);
  lido_pool_destroy(single);
}

/* Some objects more are held before each sample, so that each works on another object: one whose address happens to
 * agree with that of another hot word in its last twelve bits is slow on many processors. Hence also many samples. */
static void live_row(const bench_options *options) {
  double few_ns[BENCH_SAMPLES_MAX], many_ns[BENCH_SAMPLES_MAX];
  uint64_t seed = options->seed;
  unsigned slices = options->slices < LIVE_SLICES ? LIVE_SLICES : options->slices;
  lido_pool *few = create(), *many = create();
  hold(few, LIVE_FEW);
  hold(many, options->scale != 0 ? options->scale : LIVE_MANY);
  size_t pairs = (size_t)(options->slice_ms * 1e6 / 4);
  for (unsigned s = 0; s < slices; s++) {
    hold(few, 1 + bench_random(&seed) % 32);
    hold(many, 1 + bench_random(&seed) % 32);
    few_ns[s] = run_bursts(&few, 1, BURST, pairs);
    many_ns[s] = run_bursts(&many, 1, BURST, pairs);
  }
  bench_figure("scale_live", "few", "ns", few_ns, slices);
  bench_figure("scale_live", "many", "ns", many_ns, slices);
  lido_pool_destroy(few);
  lido_pool_destroy(many);
}

int main(int argc, char **argv) {
  bench_options options = bench_begin(argc, argv);
  if (bench_wants(&options, "scale_pools")) {
    crowd_row(&options);
    pools_row(&options);
  }
  if (bench_wants(&options, "scale_live")) live_row(&options);
  return 0;
}
