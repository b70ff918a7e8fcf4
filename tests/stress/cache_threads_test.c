/* cache_threads_test.c: threads ask, put, create, remove, evict and walk on few keys at once, while values die and
 * their memory is used again. Who is given a value finds it whole, and it is the key's.
 */
#include "tests/stress/crew.h"

enum { KEYS = 12, HELD = 6, KEY_MOST = 40, VALUE_BYTES = 64, HANDED = 16 };

typedef struct office {
  lido_pool *pool;
  lido_cache *cache;
  size_t rounds;
  uint64_t now; /* atomic, as all below */
  uint64_t births;
  uint64_t deaths;
  uint64_t bad; /* callbacks that found something wrong */
  void *handed[HANDED];
} office;

typedef struct clerk {
  crew_member *me;
  office *office;
  void *held[HELD]; /* a reference each */
  size_t key_of[HELD];
  size_t count;
} clerk;

static office the_office;

static uint64_t add_one(uint64_t *counter) { return __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED); }

/* ---- Keys and values ---- */

/* Short ones for the hot path, long ones for the other. -> bytes. */
static size_t write_key(size_t key, char *bytes) {
  memset(bytes, 'k', KEY_MOST);
  memcpy(bytes, &key, sizeof key);
  return key % 3 == 0 ? KEY_MOST : 8 + key % 9;
}

static bool is_of(const void *value, size_t key) { return stamp_is_of(value, VALUE_BYTES, key + 1); }

static void *make_value(size_t key) {
  void *value = lido_pool_alloc(the_office.pool);
  if (value != NULL) stamp_put(value, VALUE_BYTES, key + 1, add_one(&the_office.births));
  return value;
}

/* Plain stores: who still looks at the value is a race. */
static void on_death(void *object, void *context) {
  (void)context;
  memset(object, 0, VALUE_BYTES);
  add_one(&the_office.deaths);
}

static void on_evict(const void *key, size_t key_bytes, void *value, lido_cache_reason reason, void *context) {
  size_t number;
  (void)context;
  memcpy(&number, key, sizeof number);
  if (!is_of(value, number) || reason >= LIDO_CACHE_REASON_COUNT || key_bytes < 8) add_one(&the_office.bad);
}

static uint64_t read_clock(void *context) {
  (void)context;
  return __atomic_load_n(&the_office.now, __ATOMIC_RELAXED);
}

static uint64_t poor_hash(const void *key, size_t key_bytes, void *context) {
  (void)context;
  return *(const unsigned char *)key % 2 + key_bytes;
}

static bool equal_bytes(const void *a, size_t a_bytes, const void *b, size_t b_bytes, void *context) {
  (void)context;
  return a_bytes == b_bytes && memcmp(a, b, a_bytes) == 0;
}

/* ---- What the threads do ---- */

static void drop(clerk *c, size_t chosen) {
  CREW_HOLDS(c->me->crew, is_of(c->held[chosen], c->key_of[chosen]));
  lido_release(c->held[chosen]);
  c->held[chosen] = c->held[--c->count];
  c->key_of[chosen] = c->key_of[c->count];
}

static void hold(clerk *c, void *value, size_t key) {
  if (value == NULL) return;
  CREW_HOLDS(c->me->crew, is_of(value, key));
  if (c->count == HELD) drop(c, testing_below(&c->me->random, HELD));
  c->held[c->count] = value;
  c->key_of[c->count++] = key;
}

typedef struct order {
  clerk *clerk;
  size_t key;
  unsigned depth;
} order;

static void create_one(clerk *c, size_t key, unsigned depth);

/* Sometimes slow, sometimes in vain, sometimes by way of another key, which may close a ring. */
static int create(const void *key, size_t key_bytes, void *arg, void **value) {
  const order *o = arg;
  (void)key, (void)key_bytes;
  size_t how = testing_below(&o->clerk->me->random, 10);
  if (how < 3) sched_yield();
  if (how == 3) return EIO;
  if (how < 6 && o->depth < 3) create_one(o->clerk, testing_below(&o->clerk->me->random, KEYS), o->depth + 1);
  *value = make_value(o->key);
  if (how == 6 && *value != NULL) lido_weak_kill(lido_weak_make(*value));
  return *value != NULL ? 0 : ENOMEM;
}

static void create_one(clerk *c, size_t key, unsigned depth) {
  char bytes[KEY_MOST];
  size_t key_bytes = write_key(key, bytes);
  order o = {.clerk = c, .key = key, .depth = depth};
  void *value = c;
  uint64_t wait = testing_below(&c->me->random, 3) == 0 ? testing_below(&c->me->random, 50000) : UINT64_MAX;
  int error = lido_cache_get_or_create_within(c->office->cache, bytes, key_bytes, create, &o, wait, &value);
  CREW_HOLDS(c->me->crew, (error == 0) == (value != NULL));
  CREW_HOLDS(c->me->crew,
             error == 0 || error == EIO || error == EDEADLK || error == ESTALE || (error == ETIMEDOUT && wait < 50000));
  hold(c, value, key);
}

static void get_one(clerk *c, size_t key) {
  char bytes[KEY_MOST];
  size_t key_bytes = write_key(key, bytes);
  hold(c, lido_cache_get(c->office->cache, bytes, key_bytes), key);
}

static void put_one(clerk *c, size_t key) {
  char bytes[KEY_MOST];
  size_t key_bytes = write_key(key, bytes);
  void *value = make_value(key);
  void *present = NULL;
  if (!CREW_HOLDS(c->me->crew, value != NULL)) return;
  if (testing_below(&c->me->random, 3) == 0) {
    int error = lido_cache_put_absent(c->office->cache, bytes, key_bytes, value, &present);
    CREW_HOLDS(c->me->crew, error == (present != NULL ? EEXIST : 0));
    hold(c, present, key);
  } else {
    CREW_HOLDS(c->me->crew, lido_cache_put(c->office->cache, bytes, key_bytes, value) == 0);
  }
  hold(c, value, key);
}

static void remove_one(clerk *c, size_t key) {
  char bytes[KEY_MOST];
  size_t key_bytes = write_key(key, bytes);
  lido_cache_remove(c->office->cache, bytes, key_bytes);
}

/* Something that is held: compare and delete, put it again, or kill it. */
static void change_held(clerk *c) {
  char bytes[KEY_MOST];
  if (c->count == 0) return;
  size_t chosen = testing_below(&c->me->random, c->count);
  size_t key_bytes = write_key(c->key_of[chosen], bytes);
  size_t how = testing_below(&c->me->random, 3);
  if (how == 0) {
    lido_cache_remove_if(c->office->cache, bytes, key_bytes, lido_weak_make(c->held[chosen]));
  } else if (how == 1) {
    int error = lido_cache_put(c->office->cache, bytes, key_bytes, c->held[chosen]);
    CREW_HOLDS(c->me->crew, error == 0 || error == ESTALE);
  } else {
    lido_weak_kill(lido_weak_make(c->held[chosen]));
  }
}

static bool visit(const void *key, size_t key_bytes, void *value, void *arg) {
  const clerk *c = arg;
  size_t number;
  memcpy(&number, key, sizeof number);
  CREW_HOLDS(c->me->crew, key_bytes >= 8 && is_of(value, number));
  return true;
}

static void do_something_rare(clerk *c) {
  size_t visited = KEYS + 1;
  switch (testing_below(&c->me->random, 8)) {
    case 0:
      CREW_HOLDS(c->me->crew, lido_cache_for_each(c->office->cache, visit, c, &visited) == 0);
      CREW_HOLDS(c->me->crew, visited <= KEYS);
      break;
    case 1:
      lido_cache_clear(c->office->cache);
      break;
    case 2:
      lido_cache_trim(c->office->cache);
      break;
    case 3:
      lido_cache_expire(c->office->cache);
      break;
    case 4:
      lido_thread_flush();
      break;
    default:
      lido_cache_evict(c->office->cache, testing_below(&c->me->random, 4));
  }
}

static void work(crew_member *me) {
  clerk c = {.me = me, .office = me->shared};
  for (size_t round = 0; round < c.office->rounds && crew_goes_on(me->crew); round++) {
    size_t what = testing_below(&me->random, 100);
    size_t key = testing_below(&me->random, KEYS);
    if (what < 45) {
      get_one(&c, key);
    } else if (what < 60) {
      create_one(&c, key, 0);
    } else if (what < 70) {
      put_one(&c, key);
    } else if (what < 74) {
      remove_one(&c, key);
    } else if (what < 80) {
      change_held(&c);
    } else if (what < 82) {
      do_something_rare(&c);
    } else if (c.count != 0) {
      drop(&c, testing_below(&me->random, c.count));
    }
    __atomic_fetch_add(&c.office->now, 1, __ATOMIC_RELAXED);
  }
  while (c.count != 0) drop(&c, 0);
}

/* ---- The runs ---- */

static void open_office(lido_cache_options options, unsigned flags) {
  the_office = (office){.now = 1000};
  options.on_evict = on_evict;
  options.now = read_clock;
  the_office.cache = lido_cache_create(&options);
  the_office.pool = lido_pool_create(
      &(lido_pool_options){.object_size = VALUE_BYTES, .flags = LIDO_POOL_HANDLES | flags, .destroy = on_death});
  CHECK_NOT_NULL(the_office.cache);
  CHECK_NOT_NULL(the_office.pool);
}

/* What is kept ends with the cache, or, if the pool is the first to end, with that. */
static void close_office(bool pool_first) {
  const char *broken = lido_cache_check(the_office.cache);
  CHECK_TEXT(broken != NULL ? broken : "", "");
  lido_cache_stats stats;
  lido_cache_stats_get(the_office.cache, &stats);
  lido_guard_synchronize();
  if (pool_first) {
    CHECK_EQ(lido_pool_destroy(the_office.pool), stats.kept);
    lido_cache_stats_get(the_office.cache, &stats);
    CHECK_EQ(stats.entries, 0);
    CHECK_EQ(stats.kept, 0);
    lido_cache_destroy(the_office.cache);
  } else {
    lido_cache_destroy(the_office.cache);
    lido_guard_synchronize();
    CHECK_EQ(objects_stats(the_office.pool).live, 0);
    CHECK_SOUND(the_office.pool);
    CHECK_EQ(lido_pool_destroy(the_office.pool), 0);
  }
  CHECK_EQ(the_office.births, the_office.deaths);
  CHECK_EQ(the_office.bad, 0);
  lido_guard_synchronize();
  CHECK_NULL(lido_weak_check());
}

static void run(lido_cache_options options, unsigned flags, size_t threads, size_t rounds) {
  static crew team;
  for (int pool_first = 0; pool_first < 2; pool_first++) {
    open_office(options, flags);
    the_office.rounds = testing_scaled(rounds);
    crew_start(&team, threads, testing_seed(), work, &the_office);
    CHECK_CREW(&team);
    close_office(pool_first != 0);
  }
}

enum { ROUNDS = 50000 };

TEST(cache_threads, nothing_kept) { run((lido_cache_options){0}, 0, 4, ROUNDS); }
TEST(cache_threads, some_kept) { run((lido_cache_options){.keep_count = 5}, 0, 4, ROUNDS); }
TEST(cache_threads, two_threads) { run((lido_cache_options){.keep_count = 3}, 0, 2, 2 * ROUNDS); }
TEST(cache_threads, sixteen_threads) { run((lido_cache_options){.keep_count = 3}, 0, 16, ROUNDS / 4); }
TEST(cache_threads, few_bytes) { run((lido_cache_options){.keep_bytes = 4 * VALUE_BYTES}, 0, 4, ROUNDS); }
TEST(cache_threads, short_lives) { run((lido_cache_options){.keep_count = 6, .live_ns = 40}, 0, 4, ROUNDS); }
TEST(cache_threads, idle_ones_end) { run((lido_cache_options){.idle_ns = 30}, 0, 4, ROUNDS); }
TEST(cache_threads, guarded_values) { run((lido_cache_options){.keep_count = 5}, LIDO_POOL_GUARDED, 4, ROUNDS / 2); }
TEST(cache_threads, keys_that_collide) {
  run((lido_cache_options){.keep_count = 5, .hash = poor_hash, .equal = equal_bytes}, 0, 4, ROUNDS);
}

/* ---- Caches that come and go while their values die elsewhere ---- */

/* Others have references to what is put here, and drop them whenever they like. */
static void fill_own_cache(crew_member *me, lido_cache *cache) {
  for (size_t i = 0; i < 30; i++) {
    size_t key = testing_below(&me->random, KEYS);
    void *value = make_value(7);
    if (!CREW_HOLDS(me->crew, value != NULL)) return;
    CREW_HOLDS(me->crew, lido_cache_put(cache, &key, sizeof key, value) == 0);
    void *other = slot_exchange(&the_office.handed[testing_below(&me->random, HANDED)], value);
    if (other != NULL) CREW_HOLDS(me->crew, lido_cache_put(cache, &i, sizeof i, other) == 0);
    lido_release(other);
    void *found = lido_cache_get(cache, &key, sizeof key);
    if (found != NULL) CREW_HOLDS(me->crew, is_of(found, 7));
    lido_release(found);
  }
}

static void make_and_end_caches(crew_member *me) {
  const office *o = me->shared;
  for (size_t round = 0; round < o->rounds && crew_goes_on(me->crew); round++) {
    lido_cache *cache = lido_cache_create(&(lido_cache_options){.keep_count = round % 2 == 0 ? 0 : 4});
    if (!CREW_HOLDS(me->crew, cache != NULL)) return;
    fill_own_cache(me, cache);
    if (round % 16 == 0) CREW_HOLDS(me->crew, lido_cache_trim(cache) != 1);
    CREW_HOLDS(me->crew, lido_cache_destroy(cache) <= KEYS + 30);
  }
}

TEST(cache_threads, caches_end_while_their_values_die_elsewhere) {
  static crew team;
  open_office((lido_cache_options){0}, 0);
  the_office.rounds = testing_scaled(1500);
  crew_start(&team, 4, testing_seed(), make_and_end_caches, &the_office);
  CHECK_CREW(&team);
  for (size_t i = 0; i < HANDED; i++) lido_release(the_office.handed[i]);
  close_office(false);
}
