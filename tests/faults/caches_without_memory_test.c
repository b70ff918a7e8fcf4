/* caches_without_memory_test.c: every request for memory fails, once and for ever, under caches, intern tables and maps
 * of ephemerons. What fails says so, changes nothing, leaks nothing, and succeeds when tried again with memory.
 */
#include "lib/mem/metadata.h"
#include "tests/faults/drill.h"
#include "tests/support/cached.h"

enum { KEYS = 150, LONG_KEY = 3000 };

static cached_world world;
static cached_value *values[KEYS];
static unsigned char key_bytes_of[KEYS][LONG_KEY];

/* A call that returns 0 or an errno value. */
#define TRY_ERROR(round, call)                                                        \
  do {                                                                                \
    errno = UNTOUCHED_ERRNO;                                                          \
    int try_error = (call);                                                           \
    if (try_error != 0) {                                                             \
      CHECK_EQ(try_error, ENOMEM);                                                    \
      CHECK_EQ(errno, UNTOUCHED_ERRNO);                                               \
      (round)->failed_calls++;                                                        \
      drill_relief(round);                                                            \
      CHECK_GT((round)->failures, 0);                                                 \
      try_error = (call);                                                             \
      if (try_error != 0) TESTING_FAIL("%s fails with memory, %d", #call, try_error); \
      drill_go_on(round);                                                             \
    }                                                                                 \
    CHECK_EQ(errno, UNTOUCHED_ERRNO);                                                 \
  } while (0)

/* Some are short, some long, so that entries of several sizes are wanted. */
static size_t key_of(size_t i) {
  memset(key_bytes_of[i], (int)i, sizeof key_bytes_of[i]);
  memcpy(key_bytes_of[i], &i, sizeof i);
  return i % 8 == 0 ? LONG_KEY : 8 + i % 9;
}

static void begin(drill_round *r, const lido_cache_options *options) {
  world.pool = drill_pool(r, &(lido_pool_options){.name = "values", .object_size = 2000, .flags = LIDO_POOL_HANDLES});
  TRY(r, world.cache, lido_cache_create(options));
}

static void make_values(drill_round *r) {
  for (size_t i = 0; i < KEYS; i++) {
    TRY(r, values[i], lido_pool_alloc(world.pool));
    values[i]->number = i;
  }
}

static void release_values(void) {
  for (size_t i = 0; i < KEYS; i++) CALM(lido_release(values[i]));
}

static void check_found(void) {
  for (size_t i = 0; i < KEYS; i++) {
    void *found = NULL;
    CALM(found = lido_cache_get(world.cache, key_bytes_of[i], key_of(i)));
    CHECK_SAME(found, values[i]);
    CALM(lido_release(found));
  }
}

/* Of Lido's small blocks in use, when a scenario is over; 0: none has been yet. */
static size_t used_after;

/* Stays over all rounds of a drill, so that the pools of which caches and tables are objects stay as they are. */
static lido_cache *standing;

/* Tables share a pool, which may have grown to two slabs while deaths waited for the guard. */
static void give_back(void) {
  lido_guard_synchronize();
  lido_thread_flush();
  lido_cache_trim(standing);
  CHECK_NULL(lido_weak_check());
  size_t used = lido_metadata_used_bytes(lido_metadata_system());
  if (used_after == 0) used_after = used;
  CHECK_EQ(used, used_after);
}

/* Chunks of small blocks stay: with plenty of all sizes from the start, no order of requests wants one more. */
static void make_plenty(void) {
  enum { BLOCKS = 64, LARGEST = 16384 };
  void *blocks[BLOCKS];
  for (size_t bytes = LIDO_METADATA_SMALLEST; bytes <= LARGEST; bytes *= 2) {
    for (size_t i = 0; i < BLOCKS; i++) blocks[i] = lido_metadata_take(lido_metadata_system(), bytes);
    for (size_t i = 0; i < BLOCKS; i++) lido_metadata_free(lido_metadata_system(), blocks[i], bytes);
  }
}

static void drill_to_the_block(drill_scenario scenario, uint64_t requests) {
  lido_fault_disarm();
  make_plenty();
  used_after = 0;
  standing = lido_cache_create(NULL);
  CHECK_NOT_NULL(standing);
  drill_slack = 2 * 65536; /* these pools keep an empty magazine for each flush; what caches ask for is counted above */
  drill(scenario, requests);
  drill_slack = 0;
  lido_cache_destroy(standing);
}

static void end(drill_round *r) {
  CHECK_NULL(lido_cache_check(world.cache));
  CALM(lido_cache_destroy(world.cache));
  CHECK_EQ(objects_stats(world.pool).live, 0);
  drill_end(world.pool);
  drill_relief(r);
  give_back();
}

static size_t live(void) { return objects_stats(world.pool).live; }

/* ---- Put ---- */

static void put_one(drill_round *r, size_t i) {
  size_t bytes = key_of(i);
  size_t entries = cached_stats(world.cache).entries;
  TRY_ERROR(r, lido_cache_put(world.cache, key_bytes_of[i], bytes, values[i]));
  CHECK_LE(cached_stats(world.cache).entries, entries + 1);
  TRY_ERROR(r, lido_cache_put(world.cache, key_bytes_of[i], bytes, values[i])); /* in its own place */
}

static void put_and_remove(drill_round *r, const lido_cache_options *options) {
  begin(r, options);
  for (int again = 0; again < 2; again++) {
    make_values(r);
    for (size_t i = 0; i < KEYS; i++) put_one(r, i);
    CHECK_EQ(live(), KEYS);
    CHECK_NULL(lido_cache_check(world.cache));
    check_found();
    for (size_t i = 0; i < KEYS; i += 2) CALM(CHECK(lido_cache_remove(world.cache, key_bytes_of[i], key_of(i))));
    CHECK_NULL(lido_cache_check(world.cache));
    release_values();
    CALM(lido_cache_evict(world.cache, SIZE_MAX));
    CHECK_EQ(live(), 0);
    CHECK_EQ(cached_stats(world.cache).entries, 0);
    CALM(lido_cache_trim(world.cache));
  }
  end(r);
}

static void weakly(drill_round *r) { put_and_remove(r, NULL); }
static void kept(drill_round *r) { put_and_remove(r, &(lido_cache_options){.keep_count = KEYS / 2}); }
static void timed(drill_round *r) { put_and_remove(r, &(lido_cache_options){.live_ns = UINT64_MAX}); }

TEST(caches_without_memory, put) { drill_to_the_block(weakly, 10); }
TEST(caches_without_memory, put_where_some_are_kept) { drill_to_the_block(kept, 10); }
TEST(caches_without_memory, put_where_all_are_kept_for_a_time) { drill_to_the_block(timed, 10); }

static void put_if_absent(drill_round *r) {
  begin(r, &(lido_cache_options){.keep_count = KEYS});
  make_values(r);
  for (size_t i = 0; i < KEYS; i++) {
    void *present = &world;
    int error = 0;
    TRY_ERROR(r, lido_cache_put_absent(world.cache, key_bytes_of[i], key_of(i), values[i], &present));
    CHECK_NULL(present);
    TRY_ERROR(r, (error = lido_cache_put_absent(world.cache, key_bytes_of[i], key_of(i), values[0], &present)) == EEXIST
                     ? 0
                     : error);
    CHECK_SAME(present, values[i]);
    CALM(lido_release(present));
  }
  release_values();
  CALM(lido_cache_clear(world.cache));
  CHECK_EQ(live(), 0);
  end(r);
}

TEST(caches_without_memory, put_absent) { drill_to_the_block(put_if_absent, 10); }

/* ---- Creation ---- */

static size_t creations;

static int create(const void *key, size_t key_bytes, void *arg, void **value) {
  (void)key, (void)key_bytes, (void)arg;
  creations++;
  *value = lido_pool_alloc(world.pool);
  return *value != NULL ? 0 : ENOMEM;
}

static void create_all(drill_round *r) {
  void *value = NULL;
  for (size_t i = 0; i < KEYS; i++) {
    TRY_ERROR(r, lido_cache_get_or_create(world.cache, key_bytes_of[i], key_of(i), create, NULL, &value));
    CHECK_NOT_NULL(value);
    values[i] = value;
    CHECK_EQ(live(), i + 1); /* what was made and not entered is gone */
  }
}

static void create_and_end(drill_round *r, const lido_cache_options *options) {
  begin(r, options);
  creations = 0;
  create_all(r);
  CHECK_GE(creations, KEYS);
  CHECK_LE(creations, KEYS + r->failed_calls);
  CHECK_EQ(cached_stats(world.cache).entries, KEYS);
  CHECK_NULL(lido_cache_check(world.cache));
  check_found();
  release_values();
  end(r);
}

static void created(drill_round *r) { create_and_end(r, NULL); }
static void created_and_kept(drill_round *r) { create_and_end(r, &(lido_cache_options){.keep_count = KEYS}); }

TEST(caches_without_memory, get_or_create) { drill_to_the_block(created, 10); }
TEST(caches_without_memory, get_or_create_and_keep) { drill_to_the_block(created_and_kept, 10); }

/* ---- Walks, expiry, the end ---- */

static uint64_t now;

static uint64_t read_clock(void *context) {
  (void)context;
  return now;
}

static bool count_visit(const void *key, size_t key_bytes, void *value, void *arg) {
  (void)key, (void)key_bytes, (void)value;
  ++*(size_t *)arg;
  return true;
}

static void walk_and_expire(drill_round *r) {
  size_t visits = 0;
  size_t visited = 0;
  now = 1000;
  begin(r, &(lido_cache_options){.live_ns = 100, .now = read_clock});
  make_values(r);
  for (size_t i = 0; i < KEYS; i++) {
    now += i == KEYS / 2 ? 50 : 0;
    TRY_ERROR(r, lido_cache_put(world.cache, key_bytes_of[i], key_of(i), values[i]));
  }
  TRY_ERROR(r, (visits = 0, lido_cache_for_each(world.cache, count_visit, &visits, &visited)));
  CHECK_EQ(visits, KEYS);
  CHECK_EQ(visited, KEYS);
  for (size_t i = 0; i < KEYS; i++) CHECK_EQ(lido_reference_count(values[i]), 2);
  now += 50;
  size_t ended = 0;
  CALM(ended = lido_cache_expire(world.cache));
  CHECK_EQ(ended, KEYS / 2);
  release_values();
  CHECK_EQ(live(), KEYS - KEYS / 2);
  end(r);
}

TEST(caches_without_memory, for_each_and_expire) { drill_to_the_block(walk_and_expire, 10); }

/* ---- Interns ---- */

static lido_interned interned[KEYS];

static void intern_all(drill_round *r, lido_intern *intern) {
  for (size_t i = 0; i < KEYS; i++) {
    size_t bytes = key_of(i);
    TRY_UNTIL(r, interned[i], lido_intern_bytes(intern, key_bytes_of[i], bytes), interned[i].bits == 0);
    lido_interned again;
    CALM(again = lido_intern_bytes(intern, key_bytes_of[i], bytes));
    CHECK(lido_interned_equal(again, interned[i]));
    CALM(lido_interned_release(again));
    if (i % 30 == 0) CHECK_NULL(lido_intern_check(intern)); /* it looks at all of them */
  }
  CHECK_NULL(lido_intern_check(intern));
}

static void intern_and_release(drill_round *r) {
  lido_intern *intern = NULL;
  lido_intern_stats stats;
  TRY(r, intern, lido_intern_create(NULL));
  for (int again = 0; again < 2; again++) {
    intern_all(r, intern);
    lido_intern_stats_get(intern, &stats);
    CHECK_EQ(stats.values, KEYS);
    for (size_t i = 0; i < KEYS; i++) CALM(lido_interned_release(interned[i]));
    lido_intern_stats_get(intern, &stats);
    CHECK_EQ(stats.values, 0);
    CHECK_EQ(stats.bytes, 0);
    CALM(lido_intern_trim(intern));
  }
  intern_all(r, intern);
  size_t left = 0;
  CALM(left = lido_intern_destroy(intern));
  CHECK_EQ(left, KEYS);
  drill_relief(r);
  give_back();
}

TEST(caches_without_memory, interns) { drill_to_the_block(intern_and_release, 10); }

/* ---- Ephemerons ---- */

static size_t ended_values;

static void count_end(void *value, void *context) {
  (void)value, (void)context;
  ended_values++;
}

/* With full checks every set asks for memory to look for cycles in. */
enum { ATTACHED = LIDO_CHECKS == LIDO_CHECKS_FULL ? 30 : KEYS };

static void attach_all(drill_round *r, lido_ephemerons *map, cached_value *attached) {
  for (size_t i = 0; i < ATTACHED; i++) {
    TRY_ERROR(r, lido_ephemerons_set(map, values[i], attached));
    CHECK_EQ(lido_reference_count(attached), i + 2);
    TRY_ERROR(r, lido_ephemerons_set(map, values[i], attached)); /* in its own place */
    CHECK_EQ(lido_reference_count(attached), i + 2);
    CHECK_NULL(lido_ephemerons_check(map));
  }
}

static void attach_and_die(drill_round *r) {
  lido_ephemerons *map = NULL;
  cached_value *attached = NULL;
  begin(r, NULL);
  ended_values = 0;
  TRY(r, map, lido_ephemerons_create(&(lido_ephemerons_options){.objects = true, .end = count_end}));
  TRY(r, attached, lido_pool_alloc(world.pool));
  make_values(r);
  attach_all(r, map, attached);
  CHECK_EQ(ended_values, ATTACHED);
  bool cycle = false;
  CALM(cycle = lido_ephemerons_find_cycle(map, values[0], attached));
  CHECK(!cycle);
  for (size_t i = 0; i < ATTACHED; i += 2) CALM(lido_release(lido_ephemerons_detach(map, values[i])));
  CHECK_EQ(lido_reference_count(attached), 1 + ATTACHED / 2);
  for (size_t i = 1; i < ATTACHED; i += 4) CALM(lido_release(values[i]));
  for (size_t i = 1; i < ATTACHED; i += 4) TRY(r, values[i], lido_pool_alloc(world.pool));
  CALM(lido_ephemerons_trim(map));
  CHECK_NULL(lido_ephemerons_check(map));
  CALM(lido_ephemerons_destroy(map));
  CHECK_EQ(ended_values, ATTACHED + ATTACHED / 2);
  CHECK_EQ(lido_reference_count(attached), 1);
  CALM(lido_release(attached));
  release_values();
  end(r);
}

TEST(caches_without_memory, ephemerons) { drill_to_the_block(attach_and_die, 10); }

/* What the walk can't remember is taken for harmless; what it can is found. */
static void look_for_a_cycle(drill_round *r) {
  lido_ephemerons *map = NULL;
  begin(r, NULL);
  TRY(r, map, lido_ephemerons_create(&(lido_ephemerons_options){.objects = true}));
  make_values(r);
  for (size_t i = 0; i + 1 < KEYS; i++) TRY_ERROR(r, lido_ephemerons_set(map, values[i], values[i + 1]));
  bool cycle = false;
  CALM(cycle = lido_ephemerons_find_cycle(map, values[KEYS - 1], values[0]));
  if (!cycle) {
    r->failed_calls++;
    drill_relief(r);
    CHECK_GT(r->failures, 0);
    CHECK(lido_ephemerons_find_cycle(map, values[KEYS - 1], values[0]));
    drill_go_on(r);
  }
  release_values();
  CHECK_EQ(live(), 0);
  CALM(CHECK_EQ(lido_ephemerons_destroy(map), 0));
  end(r);
}

TEST(caches_without_memory, cycles) { drill_to_the_block(look_for_a_cycle, 10); }
