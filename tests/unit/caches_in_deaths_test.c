/* caches_in_deaths_test.c: destructors and cleanups of values that use, or end, the cache, table or map that knows
 * them. */
#include "tests/support/cached.h"

enum { KEYS = 20 };

static struct {
  cached_world world;
  lido_ephemerons *map;
  lido_intern *intern;
  lido_interned text;
  size_t deaths;
  size_t wrong;
  void (*act)(cached_value *value);
} s;

static void on_death(void *object, void *context) {
  (void)context;
  s.deaths++;
  if (s.act != NULL) s.act(object);
}

static void begin_in_pool(unsigned flags, const lido_cache_options *options, void (*act)(cached_value *value)) {
  memset(&s, 0, sizeof s);
  s.act = act;
  s.world.pool = lido_pool_create(&(lido_pool_options){
      .name = "values", .object_size = sizeof(cached_value), .flags = LIDO_POOL_HANDLES | flags, .destroy = on_death});
  s.world.cache = lido_cache_create(options);
  CHECK_NOT_NULL(s.world.pool);
  CHECK_NOT_NULL(s.world.cache);
}

static void put(uint32_t key) {
  cached_value *value = cached_make(&s.world, key);
  CHECK_NOT_NULL(value);
  CHECK_EQ(lido_cache_put(s.world.cache, &key, sizeof key, value), 0);
  lido_release(value);
}

/* Deaths of guarded objects are finished by somebody, some time. */
static void finish(size_t deaths) {
  lido_guard_synchronize();
  CHECK_EQ(s.deaths, deaths);
  CHECK_EQ(s.wrong, 0);
  cached_end(&s.world);
}

static const unsigned pools[] = {0, LIDO_POOL_GUARDED};

/* ---- Destructors that use the cache ---- */

static void ask_for_itself(cached_value *value) {
  uint32_t key = (uint32_t)value->number;
  s.wrong += lido_cache_get(s.world.cache, &key, sizeof key) != NULL;
}

static void put_a_successor(cached_value *value) {
  if (value->number < KEYS) {
    cached_value *successor = cached_make(&s.world, value->number + KEYS);
    uint32_t key = (uint32_t)value->number;
    s.wrong += lido_cache_put(s.world.cache, &key, sizeof key, successor) != 0;
    lido_release(successor);
  }
}

static void remove_itself_and_the_next(cached_value *value) {
  for (uint32_t next = 0; next < 2; next++) {
    uint32_t key = (uint32_t)value->number + next;
    lido_cache_remove(s.world.cache, &key, sizeof key);
  }
}

static void shed_and_walk(cached_value *value) {
  lido_cache_evict(s.world.cache, 1);
  lido_cache_expire(s.world.cache);
  s.wrong += value->number >= 2 * KEYS;
  s.wrong += cached_stats(s.world.cache).entries > 2 * KEYS;
}

static void clear_all(cached_value *value) {
  (void)value;
  lido_cache_clear(s.world.cache);
  lido_cache_trim(s.world.cache);
}

/* Guarded objects die by and by, and each death may bring others. */
static void let_all_go(void) {
  for (size_t round = 0; round < 3 * KEYS && cached_stats(s.world.cache).entries != 0; round++) {
    lido_cache_evict(s.world.cache, SIZE_MAX);
    lido_guard_synchronize();
  }
}

static void use_in_death(void (*act)(cached_value *value), size_t deaths) {
  for (size_t i = 0; i < 2; i++) {
    begin_in_pool(pools[i], &(lido_cache_options){.keep_count = KEYS / 2}, act);
    for (uint32_t key = 0; key < KEYS; key++) put(key);
    lido_guard_synchronize();
    cached_check(s.world.cache);
    let_all_go();
    CHECK_EQ(cached_stats(s.world.cache).entries, 0);
    finish(deaths);
  }
}

TEST(caches_in_deaths, a_dying_value_is_not_found) { use_in_death(ask_for_itself, KEYS); }
TEST(caches_in_deaths, a_dying_value_may_put_another_in_its_place) { use_in_death(put_a_successor, 2 * KEYS); }
TEST(caches_in_deaths, a_dying_value_may_remove) { use_in_death(remove_itself_and_the_next, KEYS); }
TEST(caches_in_deaths, a_dying_value_may_evict_others) { use_in_death(shed_and_walk, KEYS); }
TEST(caches_in_deaths, a_dying_value_may_clear) { use_in_death(clear_all, KEYS); }

static void put_itself(cached_value *value) {
  misuse_log log;
  misuse_log_start(&log);
  int error = lido_cache_put(s.world.cache, "again", 5, value);
  misuse_log_stop();
  s.wrong += error != ESTALE && (error != EINVAL || log.count != 1);
}

TEST(caches_in_deaths, a_dying_value_is_not_put_again) {
  begin_in_pool(0, &(lido_cache_options){.keep_count = 1}, put_itself);
  for (uint32_t key = 0; key < KEYS; key++) put(key);
  CHECK_EQ(lido_cache_clear(s.world.cache), 1);
  CHECK_EQ(cached_stats(s.world.cache).entries, 0);
  finish(KEYS);
}

static int create_the_next(const void *key, size_t key_bytes, void *arg, void **value) {
  uint32_t number;
  (void)key_bytes, (void)arg;
  memcpy(&number, key, sizeof number);
  *value = cached_make(&s.world, number);
  return 0;
}

/* A chain of deaths, each of which creates what dies next. */
static void create_and_drop(cached_value *value) {
  uint32_t key = (uint32_t)value->number + 1;
  void *next = NULL;
  if (key == 1000) return;
  s.wrong += lido_cache_get_or_create(s.world.cache, &key, sizeof key, create_the_next, NULL, &next) != 0;
  lido_release(next);
}

TEST(caches_in_deaths, a_dying_value_may_create_the_next) {
  begin_in_pool(0, NULL, create_and_drop);
  put(0);
  CHECK_EQ(cached_stats(s.world.cache).entries, 0);
  finish(1000);
}

/* ---- The end of the cache in a death, of which no call of this cache is the cause ---- */

static void destroy_cache(cached_value *value) {
  (void)value;
  lido_cache *cache = s.world.cache;
  s.world.cache = NULL;
  if (cache != NULL) lido_cache_destroy(cache);
}

TEST(caches_in_deaths, a_destructor_may_end_the_cache) {
  for (size_t i = 0; i < 2; i++) {
    begin_in_pool(pools[i], &(lido_cache_options){.keep_count = KEYS}, destroy_cache);
    for (uint32_t key = 0; key < KEYS; key++) put(key);
    uint32_t key = 7;
    void *held = lido_cache_get(s.world.cache, &key, sizeof key);
    CHECK(lido_cache_remove(s.world.cache, &key, sizeof key));
    lido_release(held);
    lido_guard_synchronize();
    CHECK_NULL(s.world.cache);
    finish(KEYS);
  }
}

static void destroy_cache_in_cleanup(void *unused) {
  (void)unused;
  destroy_cache(NULL);
}

/* The cleanup runs before or after that of the cache, on the same value. */
static void end_in_cleanup(unsigned flags, bool after_put) {
  begin_in_pool(flags, &(lido_cache_options){.keep_count = KEYS}, NULL);
  cached_value *value = cached_make(&s.world, 1);
  if (!after_put) lido_cleanup_add(value, destroy_cache_in_cleanup, NULL);
  CHECK_EQ(lido_cache_put(s.world.cache, "a", 1, value), 0);
  if (after_put) lido_cleanup_add(value, destroy_cache_in_cleanup, NULL);
  CHECK_EQ(lido_cache_evict(s.world.cache, 1), 1); /* it stays in the table while it is held */
  for (uint32_t key = 0; key < 10; key++) put(key);
  lido_release(value);
  lido_guard_synchronize();
  CHECK_NULL(s.world.cache);
  finish(11);
}

TEST(caches_in_deaths, a_cleanup_may_end_the_cache) {
  for (size_t i = 0; i < 2; i++) {
    end_in_cleanup(pools[i], false);
    end_in_cleanup(pools[i], true);
  }
}

TEST(caches_in_deaths, a_cache_may_end_inside_a_guard) {
  begin_in_pool(LIDO_POOL_GUARDED, &(lido_cache_options){.keep_count = KEYS}, NULL);
  for (uint32_t key = 0; key < KEYS; key++) put(key);
  lido_guard_enter();
  CHECK_EQ(lido_cache_destroy(s.world.cache), KEYS);
  lido_guard_leave();
  s.world.cache = NULL;
  finish(KEYS);
}

/* ---- Ephemerons and interns in deaths ---- */

static void use_map(cached_value *value) {
  s.wrong += lido_ephemerons_get(s.map, value) != NULL && lido_ephemerons_get(s.map, value) != &s;
  s.wrong += lido_ephemerons_acquire(s.map, value) != NULL;
}

static void count_end(void *value, void *context) {
  (void)value;
  ++*(size_t *)context;
}

TEST(caches_in_deaths, a_dying_key_may_ask_its_map) {
  size_t ended = 0;
  begin_in_pool(0, NULL, use_map);
  s.map = lido_ephemerons_create(&(lido_ephemerons_options){.end = count_end, .context = &ended});
  for (uint32_t i = 0; i < KEYS; i++) {
    cached_value *key = cached_make(&s.world, i);
    CHECK_EQ(lido_ephemerons_set(s.map, key, &s), 0);
    lido_release(key);
  }
  CHECK_EQ(ended, KEYS);
  CHECK_NULL(lido_ephemerons_check(s.map));
  CHECK_EQ(lido_ephemerons_destroy(s.map), 0);
  finish(KEYS);
}

static void destroy_map(cached_value *value) {
  (void)value;
  if (s.map != NULL) lido_ephemerons_destroy(s.map);
  s.map = NULL;
}

TEST(caches_in_deaths, a_dying_key_may_end_its_map) {
  for (size_t i = 0; i < 2; i++) {
    size_t ended = 0;
    begin_in_pool(pools[i], NULL, destroy_map);
    s.map = lido_ephemerons_create(&(lido_ephemerons_options){.objects = true, .end = count_end, .context = &ended});
    cached_value *keys[KEYS];
    for (uint32_t k = 0; k < KEYS; k++) {
      keys[k] = cached_make(&s.world, k);
      cached_value *attached = cached_make(&s.world, k);
      CHECK_EQ(lido_ephemerons_set(s.map, keys[k], attached), 0);
      lido_release(attached);
    }
    for (uint32_t k = 0; k < KEYS; k++) lido_release(keys[k]);
    lido_guard_synchronize();
    CHECK_NULL(s.map);
    CHECK_EQ(ended, KEYS);
    finish(2 * KEYS);
  }
}

static void set_in_death(cached_value *value) {
  misuse_log log;
  misuse_log_start(&log);
  int error = lido_ephemerons_set(s.map, value, &s);
  misuse_log_stop();
  s.wrong += error != ESTALE && (error != EINVAL || log.count != 1);
}

TEST(caches_in_deaths, nothing_is_attached_to_a_dying_key) {
  begin_in_pool(0, NULL, set_in_death);
  s.map = lido_ephemerons_create(NULL);
  lido_release(cached_make(&s.world, 1));
  cached_value *key = cached_make(&s.world, 2);
  CHECK_EQ(lido_ephemerons_set(s.map, key, &s), 0);
  lido_release(key);
  CHECK_EQ(lido_ephemerons_destroy(s.map), 0);
  finish(2);
}

/* What ends a value may use the map, also for a new value of the same key. */
static void set_in_end(void *value, void *key) {
  if (value != &s) return;
  s.wrong += lido_ephemerons_set(s.map, key, &s.deaths) != 0;
}

TEST(caches_in_deaths, the_end_of_a_value_may_attach_another) {
  begin_in_pool(0, NULL, NULL);
  cached_value *key = cached_make(&s.world, 2);
  s.map = lido_ephemerons_create(&(lido_ephemerons_options){.end = set_in_end, .context = key});
  CHECK_EQ(lido_ephemerons_set(s.map, key, &s), 0);
  CHECK_EQ(lido_ephemerons_set(s.map, key, &s.wrong), 0);
  CHECK_SAME(lido_ephemerons_get(s.map, key), &s.deaths);
  CHECK_NULL(lido_ephemerons_check(s.map));
  lido_release(key);
  CHECK_EQ(lido_ephemerons_destroy(s.map), 0);
  finish(1);
}

static void release_text(cached_value *value) {
  lido_interned other = lido_intern_text(s.intern, value->number == 0 ? "the text" : "another");
  s.wrong += lido_interned_equal(other, s.text) != (value->number == 0);
  lido_interned_release(other);
  if (value->number == 0) lido_interned_release(s.text);
}

TEST(caches_in_deaths, a_dying_object_may_intern_and_release) {
  begin_in_pool(0, NULL, release_text);
  s.intern = lido_intern_create(NULL);
  s.text = lido_intern_text(s.intern, "the text");
  lido_release(cached_make(&s.world, 1));
  lido_release(cached_make(&s.world, 0));
  CHECK_EQ(lido_intern_find(s.intern, "the text", 8).bits, 0);
  CHECK_NULL(lido_intern_check(s.intern));
  CHECK_EQ(lido_intern_destroy(s.intern), 0);
  finish(2);
}

static void destroy_intern(cached_value *value) {
  (void)value;
  s.wrong += lido_intern_destroy(s.intern) != 1;
}

TEST(caches_in_deaths, a_dying_object_may_end_an_intern_table) {
  begin_in_pool(0, NULL, destroy_intern);
  s.intern = lido_intern_create(NULL);
  s.text = lido_intern_text(s.intern, "the text");
  lido_release(cached_make(&s.world, 1));
  CHECK_NULL(lido_interned_text(s.text));
  finish(1);
}
