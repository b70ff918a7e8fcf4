/* cache_evict_calls_test.c: on_evict is called without locks, so it may use the cache that calls it: for the same key
 * and for others. */
#include "tests/support/cached.h"

enum { KEYS = 8, KEPT = 3 };

static struct {
  cached_world world;
  uint64_t now;
  size_t calls;
  size_t depth;
  size_t wrong;
  int put_error; /* of the latest put in a callback */
  void (*act)(uint32_t key, void *value);
} s;

static uint64_t read_clock(void *context) {
  (void)context;
  return s.now;
}

/* What the action causes is told too, but acts no more: else some of them would go on for ever. */
static void act_once(const void *key, size_t key_bytes, void *value, lido_cache_reason reason, void *context) {
  uint32_t number;
  (void)key_bytes, (void)reason, (void)context;
  memcpy(&number, key, sizeof number);
  s.calls++;
  if (s.depth++ == 0) s.act(number, value);
  s.wrong += ((cached_value *)value)->number % KEYS != number; /* still alive */
  s.depth--;
}

static void begin(void (*act)(uint32_t key, void *value)) {
  memset(&s, 0, sizeof s);
  s.now = 1000;
  s.act = act;
  s.world =
      cached_begin(&(lido_cache_options){.keep_count = KEPT, .live_ns = 100, .on_evict = act_once, .now = read_clock});
}

static int put(uint32_t key) {
  cached_value *value = cached_make(&s.world, key);
  CHECK_NOT_NULL(value);
  int error = lido_cache_put(s.world.cache, &key, sizeof key, value);
  lido_release(value);
  return error;
}

static void put_all(void) {
  for (uint32_t key = 0; key < KEYS; key++) CHECK_EQ(put(key), 0);
}

/* Every way for a value to leave the cache. */
static void evict_in_every_way(void) {
  put_all();
  put_all();
  lido_cache_evict(s.world.cache, 2);
  put_all();
  for (uint32_t key = 0; key < KEYS; key++) lido_cache_remove(s.world.cache, &key, sizeof key);
  put_all();
  s.now += 100;
  for (uint32_t key = 0; key < KEYS; key++) lido_release(lido_cache_get(s.world.cache, &key, sizeof key));
  put_all();
  s.now += 100;
  lido_cache_expire(s.world.cache);
  put_all();
  lido_cache_clear(s.world.cache);
  put_all();
  cached_check(s.world.cache);
}

static void evict_and_act(void (*act)(uint32_t key, void *value)) {
  begin(act);
  evict_in_every_way();
  CHECK_GT(s.calls, 5 * KEYS);
  CHECK_LE(cached_stats(s.world.cache).kept, KEPT);
  lido_cache_destroy(s.world.cache);
  s.world.cache = NULL;
  CHECK_EQ(s.wrong, 0);
  CHECK_EQ(objects_stats(s.world.pool).live, 0);
  cached_end(&s.world);
}

static void get_same(uint32_t key, void *value) {
  (void)value;
  lido_release(lido_cache_get(s.world.cache, &key, sizeof key));
}

static void get_all(uint32_t key, void *value) {
  (void)value;
  for (key = 0; key < KEYS; key++) lido_release(lido_cache_get(s.world.cache, &key, sizeof key));
}

static void remove_same(uint32_t key, void *value) {
  (void)value;
  lido_cache_remove(s.world.cache, &key, sizeof key);
}

static void remove_if_same(uint32_t key, void *value) {
  lido_cache_remove_if(s.world.cache, &key, sizeof key, lido_weak_make(value));
}

static void remove_all(uint32_t key, void *value) {
  (void)value;
  for (key = 0; key < KEYS; key++) lido_cache_remove(s.world.cache, &key, sizeof key);
}

static void evict_all(uint32_t key, void *value) {
  (void)key, (void)value;
  lido_cache_evict(s.world.cache, SIZE_MAX);
}

static void clear_and_trim(uint32_t key, void *value) {
  (void)key, (void)value;
  lido_cache_clear(s.world.cache);
  lido_cache_trim(s.world.cache);
}

static bool visit(const void *key, size_t key_bytes, void *value, void *arg) {
  (void)key, (void)key_bytes, (void)arg;
  return lido_weak_get(lido_weak_make(value)) == value;
}

static void walk_and_expire(uint32_t key, void *value) {
  size_t visited = 0;
  (void)key, (void)value;
  s.wrong += lido_cache_for_each(s.world.cache, visit, NULL, &visited) != 0;
  s.wrong += cached_stats(s.world.cache).kept > KEYS;
  lido_cache_expire(s.world.cache);
}

static void kill_it(uint32_t key, void *value) {
  (void)key;
  lido_weak_kill(lido_weak_make(value));
}

TEST(cache_evict_calls, get_of_the_same_key) { evict_and_act(get_same); }
TEST(cache_evict_calls, get_of_all_keys) { evict_and_act(get_all); }
TEST(cache_evict_calls, remove_of_the_same_key) { evict_and_act(remove_same); }
TEST(cache_evict_calls, compare_and_delete) { evict_and_act(remove_if_same); }
TEST(cache_evict_calls, remove_of_all_keys) { evict_and_act(remove_all); }
TEST(cache_evict_calls, evict) { evict_and_act(evict_all); }
TEST(cache_evict_calls, clear_and_trim) { evict_and_act(clear_and_trim); }
TEST(cache_evict_calls, walks_statistics_and_expire) { evict_and_act(walk_and_expire); }
TEST(cache_evict_calls, kill) { evict_and_act(kill_it); }

/* ---- What is put while it is told ---- */

static void put_back(uint32_t key, void *value) {
  s.put_error = lido_cache_put(s.world.cache, &key, sizeof key, value);
}

static void put_back_if_absent(uint32_t key, void *value) {
  s.put_error = lido_cache_put_absent(s.world.cache, &key, sizeof key, value, NULL);
}

static void put_another_of_it(uint32_t key, void *value) {
  (void)value;
  s.put_error = put(key);
}

static void put_others(uint32_t key, void *value) {
  (void)value;
  for (uint32_t other = 1; other < KEYS; other++) s.put_error = put((key + other) % KEYS);
}

static int make(const void *key, size_t key_bytes, void *arg, void **value) {
  uint32_t number;
  (void)key_bytes, (void)arg;
  memcpy(&number, key, sizeof number);
  *value = cached_make(&s.world, number + KEYS);
  return 0;
}

static void create_same(uint32_t key, void *value) {
  void *made = NULL;
  (void)value;
  s.put_error = lido_cache_get_or_create(s.world.cache, &key, sizeof key, make, NULL, &made);
  s.wrong += (s.put_error == 0) != (made != NULL);
  lido_release(made);
}

/* The last of these are told of when the cache ends, and what is put then is refused. */
static void evict_and_put(void (*act)(uint32_t key, void *value)) {
  evict_and_act(act);
  CHECK_EQ(s.put_error, ESTALE);
}

TEST(cache_evict_calls, put_of_the_same_object) { evict_and_put(put_back); }
TEST(cache_evict_calls, put_of_the_same_object_if_absent) { evict_and_put(put_back_if_absent); }
TEST(cache_evict_calls, put_of_another_object) { evict_and_put(put_another_of_it); }
TEST(cache_evict_calls, put_under_other_keys) { evict_and_put(put_others); }
TEST(cache_evict_calls, get_or_create) { evict_and_put(create_same); }
