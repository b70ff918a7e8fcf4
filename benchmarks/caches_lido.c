/* caches_lido.c: caches and interning, with their floors beside them in one program.
 *
 *     cache_hit        ask for and release random ones of 1,000 resident values, keys of 16 bytes; the floor is the
 *                      hash of the key and lido_weak_acquire and release of the value; `kept`: in a cache that keeps
 *                      its values; `long`: keys of 64 bytes, with its own floor
 *     cache_hit_100k   the same with 100,000 values: memory is what it measures
 *     cache_two        throughput of two threads in that of one: on the same 1,000 keys, on halves of them, and the
 *                      floor on both
 *     cache_evict      let go of one kept value of 10,000, which somebody else has, and a hit beside it
 *     cache_create     ask for 10,000 keys in turn of which 1,000 are kept, so that each is created, kept, evicted, and
 *                      dies
 *     intern           intern and release one of 1,000 present strings of 16 bytes; GLib's g_intern_string in the same
 *                      program; Go's unique.Make in unique_go/
 *     cache_memory     bytes resident after a million keys were created and dropped, once and again; asked for by name
 *                      only
 */
#include <lido/lido.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "harness.h"
#include "timed_row.h"
#ifdef GLIB
#include <glib.h>
#endif

enum { FEW = 1000, MANY = 100000, EVICTED = 10000, KEY = 16, LONG_KEY = 64 };

typedef struct value {
  uint64_t number;
  char rest[56];
} value;

static lido_pool *pool;
static lido_cache *plain, *keeping, *long_keys;
static char (*keys)[KEY];
static char (*keys_of_64)[LONG_KEY];
static lido_weak *handles;
static value **values;
static uint64_t seed;
static size_t live;

/* Which one comes next, chosen beforehand, so that choosing costs next to nothing. */
enum { TURNS = 1 << 16 };
typedef struct order {
  uint32_t at[TURNS];
} order;
static order *all, *first_half, *second_half;

static order *choose(size_t first, size_t count) {
  order *made = bench_pages(sizeof *made);
  for (size_t i = 0; i < TURNS; i++) made->at[i] = (uint32_t)(first + bench_random(&seed) % count);
  return made;
}

/* ---- Values under their keys ---- */

static void make_keys(void) {
  keys = bench_pages(MANY * sizeof *keys);
  keys_of_64 = bench_pages(FEW * sizeof *keys_of_64);
  for (size_t i = 0; i < MANY; i++) {
    char text[KEY + 1];
    snprintf(text, sizeof text, "key:%012zu", i);
    memcpy(keys[i], text, KEY);
  }
  for (size_t i = 0; i < FEW; i++) {
    for (size_t part = 0; part < LONG_KEY; part += KEY) memcpy(keys_of_64[i] + part, keys[i], KEY);
  }
}

static void put(lido_cache *cache, const void *key, size_t bytes, void *object) {
  if (lido_cache_put(cache, key, bytes, object) != 0) bench_die("no memory for an entry");
}

static void fill(size_t count) {
  live = count;
  all = choose(0, count);
  first_half = choose(0, count / 2);
  second_half = choose(count / 2, count / 2);
  for (size_t i = 0; i < count; i++) {
    values[i] = lido_pool_alloc(pool);
    if (values[i] == NULL) bench_die("no memory for %zu values", count);
    values[i]->number = i;
    handles[i] = lido_weak_make(values[i]);
    put(plain, keys[i], KEY, values[i]);
    put(keeping, keys[i], KEY, values[i]);
    if (i < FEW) put(long_keys, keys_of_64[i], LONG_KEY, values[i]);
  }
}

static void drain(void) {
  lido_cache_clear(keeping);
  for (size_t i = 0; i < live; i++) lido_release(values[i]);
  lido_guard_synchronize();
  bench_pages_free(all, sizeof *all);
  bench_pages_free(first_half, sizeof *all);
  bench_pages_free(second_half, sizeof *all);
}

/* ---- Hits ---- */

typedef struct turns {
  const order *order;
  size_t count;
} turns;

static void floor_of(const turns *t) {
  uint64_t sum = 0;
  for (size_t i = 0; i < t->count; i++) {
    size_t at = t->order->at[i % TURNS];
    sum += XXH3_64bits_withSeed(keys[at], KEY, 1);
    void *held = lido_weak_acquire(handles[at]);
    __asm__ volatile("" : : "r"(held) : "memory");
    lido_release(held);
  }
  __asm__ volatile("" : : "r"(sum));
}

static inline void hits_of(lido_cache *cache, const turns *t) {
  for (size_t i = 0; i < t->count; i++) {
    void *held = lido_cache_get(cache, keys[t->order->at[i % TURNS]], KEY);
    __asm__ volatile("" : : "r"(held) : "memory");
    lido_release(held);
  }
}

static void run_floor(size_t count) { floor_of(&(turns){all, count}); }
static void run_hits(size_t count) { hits_of(plain, &(turns){all, count}); }
static void run_kept(size_t count) { hits_of(keeping, &(turns){all, count}); }

static void run_long_floor(size_t count) {
  uint64_t sum = 0;
  for (size_t i = 0; i < count; i++) {
    size_t at = all->at[i % TURNS];
    sum += XXH3_64bits_withSeed(keys_of_64[at], LONG_KEY, 1);
    void *held = lido_weak_acquire(handles[at]);
    __asm__ volatile("" : : "r"(held) : "memory");
    lido_release(held);
  }
  __asm__ volatile("" : : "r"(sum));
}

static void run_long_hits(size_t count) {
  for (size_t i = 0; i < count; i++) {
    void *held = lido_cache_get(long_keys, keys_of_64[all->at[i % TURNS]], LONG_KEY);
    __asm__ volatile("" : : "r"(held) : "memory");
    lido_release(held);
  }
}

static void hit_row(const bench_options *options, const char *row, size_t count) {
  const timed_subject subjects[] = {{.name = "floor", .run = run_floor},
                                    {.name = "hit", .run = run_hits},
                                    {.name = "kept", .run = run_kept},
                                    {.name = "long_floor", .run = run_long_floor},
                                    {.name = "long", .run = run_long_hits}};
  fill(count);
  timed_row(options, row, subjects, count == FEW ? 5 : 3);
  drain();
}

/* ---- Two threads ---- */

static void job_floor(void *argument) { floor_of(argument); }
static void job_hits(void *argument) { hits_of(plain, argument); }

static void two_subject(const bench_options *options, const char *name, void (*run)(void *), bool apart) {
  double ratios[BENCH_SAMPLES_MAX];
  turns mine = {apart ? first_half : all, (size_t)(options->slice_ms * 40000)};
  turns others = {apart ? second_half : all, mine.count};
  for (unsigned s = 0; s < options->slices; s++) {
    bench_job here = {.run = run, .argument = &mine};
    bench_job there = {.run = run, .argument = &others};
    bench_together(&here, NULL);
    double alone = here.elapsed;
    bench_together(&here, &there);
    ratios[s] = 2 * alone / (here.elapsed > there.elapsed ? here.elapsed : there.elapsed);
  }
  bench_figure("cache_two", name, "x", ratios, options->slices);
}

static void two_row(const bench_options *options) {
  if (!bench_two_cores()) {
    bench_skipped("cache_two", "one processor only");
    return;
  }
  fill(FEW);
  two_subject(options, "floor_apart", job_floor, true);
  two_subject(options, "hit_apart", job_hits, true);
  two_subject(options, "floor_same", job_floor, false);
  two_subject(options, "hit_same", job_hits, false);
  drain();
}

/* ---- Eviction ---- */

/* All are kept: a hit keeps those again that were let go. */
static double evict_all(void) {
  for (size_t i = 0; i < live; i++) lido_release(lido_cache_get(keeping, keys[i], KEY));
  double start = bench_now();
  size_t count = lido_cache_evict(keeping, SIZE_MAX);
  double elapsed = bench_now() - start;
  if (count != live) bench_die("%zu of %zu values were let go", count, live);
  return elapsed / (double)count;
}

static double ask_all(void) {
  double start = bench_now();
  hits_of(plain, &(turns){all, live});
  return (bench_now() - start) / (double)live;
}

static void evict_row(const bench_options *options) {
  double evictions[BENCH_SAMPLES_MAX], hits[BENCH_SAMPLES_MAX];
  fill(EVICTED);
  for (unsigned s = 0; s < options->slices; s++) {
    evictions[s] = evict_all();
    hits[s] = ask_all();
  }
  bench_figure("cache_evict", "evict", "ns", evictions, options->slices);
  bench_figure("cache_evict", "hit", "ns", hits, options->slices);
  drain();
}

/* ---- Creation ---- */

static int create(const void *key, size_t key_bytes, void *arg, void **made) {
  (void)key, (void)key_bytes, (void)arg;
  *made = lido_pool_alloc(pool);
  return *made != NULL ? 0 : ENOMEM;
}

static void run_create(size_t count) {
  static lido_cache *cache;
  static size_t next;
  if (cache == NULL) cache = lido_cache_create(&(lido_cache_options){.keep_count = FEW});
  for (size_t i = 0; i < count; i++) {
    void *held = NULL;
    if (lido_cache_get_or_create(cache, keys[next++ % EVICTED], KEY, create, NULL, &held) != 0) bench_die("no memory");
    lido_release(held);
  }
}

static void create_row(const bench_options *options) {
  const timed_subject subjects[] = {{.name = "create", .run = run_create}};
  timed_row(options, "cache_create", subjects, 1);
}

/* ---- Interning ---- */

static lido_intern *interns;
static char (*texts)[KEY + 1];

static void run_intern(size_t count) {
  for (size_t i = 0; i < count; i++) {
    lido_interned found = lido_intern_text(interns, texts[all->at[i % TURNS]]);
    __asm__ volatile("" : : "r"(found.bits) : "memory");
    lido_interned_release(found);
  }
}

#ifdef GLIB
static void run_glib(size_t count) {
  for (size_t i = 0; i < count; i++) {
    const char *found = g_intern_string(texts[all->at[i % TURNS]]);
    __asm__ volatile("" : : "r"(found) : "memory");
  }
}
#endif

static void intern_row(const bench_options *options) {
  const timed_subject subjects[] = {{.name = "lido", .run = run_intern},
#ifdef GLIB
                                    {.name = "glib", .run = run_glib}
#endif
  };
  interns = lido_intern_create(NULL);
  all = choose(0, FEW);
  texts = bench_pages(FEW * sizeof *texts);
  for (size_t i = 0; i < FEW; i++) {
    memcpy(texts[i], keys[i], KEY);
    if (interns == NULL || lido_intern_text(interns, texts[i]).bits == 0) bench_die("no memory for texts");
#ifdef GLIB
    g_intern_string(texts[i]);
#endif
  }
  timed_row(options, "intern", subjects, sizeof subjects / sizeof *subjects);
  lido_intern_destroy(interns);
}

/* ---- Memory ---- */

enum { MILLION = 1000000 };

static void create_and_drop(void **held) {
  for (uint64_t i = 0; i < MILLION; i++) {
    if (lido_cache_get_or_create(plain, &i, sizeof i, create, NULL, &held[i]) != 0) bench_die("no memory");
  }
  for (size_t i = 0; i < MILLION; i++) lido_release(held[i]);
  lido_guard_synchronize();
  lido_cache_trim(plain);
  lido_pool_trim(pool);
}

static void memory_row(void) {
  void **held = bench_pages(MILLION * sizeof *held);
  lido_cache_stats stats[2];
  size_t resident[2];
  for (int round = 0; round < 2; round++) {
    create_and_drop(held);
    lido_cache_stats_get(plain, &stats[round]);
    resident[round] = bench_resident();
  }
  bench_number("cache_memory", "entries", "entries", (double)stats[1].entries);
  bench_number("cache_memory", "reserved", "bytes", (double)stats[1].bytes_reserved);
  bench_number("cache_memory", "grown", "bytes", ((double)resident[1] - (double)resident[0]) / MILLION);
}

/* ---- Rows ---- */

static lido_cache *make(const lido_cache_options *options) {
  lido_cache *cache = lido_cache_create(options);
  if (cache == NULL) bench_die("a cache could not be created");
  return cache;
}

int main(int argc, char **argv) {
  bench_options options = bench_begin(argc, argv);
  seed = options.seed;
  pool = lido_pool_create(
      &(lido_pool_options){.name = "values", .object_size = sizeof(value), .flags = LIDO_POOL_HANDLES});
  if (pool == NULL) bench_die("the pool could not be created");
  plain = make(NULL);
  keeping = make(&(lido_cache_options){.keep_count = MANY});
  long_keys = make(NULL);
  values = bench_pages(MANY * sizeof *values);
  handles = bench_pages(MANY * sizeof *handles);
  make_keys();
  bench_fact("peer", "lido");
  bench_fact("version", lido_version());
  if (options.rows != NULL && bench_wants(&options, "cache_memory")) {
    memory_row();
    return 0;
  }
  if (bench_wants(&options, "cache_hit")) hit_row(&options, "cache_hit", FEW);
  if (bench_wants(&options, "cache_hit_100k")) hit_row(&options, "cache_hit_100k", MANY);
  if (bench_wants(&options, "cache_two")) two_row(&options);
  if (bench_wants(&options, "cache_evict")) evict_row(&options);
  if (bench_wants(&options, "cache_create")) create_row(&options);
  if (bench_wants(&options, "intern")) intern_row(&options);
  return 0;
}
