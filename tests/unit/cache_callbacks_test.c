/* cache_callbacks_test.c: callbacks that end the cache, or their thread, or weigh more than can be added up. */
#include <pthread.h>

#include "tests/support/cached.h"

static struct {
  cached_world world;
  lido_cache_reason reason;
  size_t told;
  size_t ended;
  uint64_t now;
} s;

static uint64_t now(void *context) {
  (void)context;
  return s.now;
}

static void put_number(uint32_t key) {
  cached_value *value = cached_make(&s.world, key);
  lido_cache_put(s.world.cache, &key, sizeof key, value);
  lido_release(value);
}

/* ---- The end of the cache ---- */

static void destroy_for_reason(const void *key, size_t key_bytes, void *value, lido_cache_reason reason,
                               void *context) {
  (void)key, (void)key_bytes, (void)value, (void)context;
  s.told++;
  if (reason == s.reason) s.ended += lido_cache_destroy(s.world.cache);
}

static void begin_destroyed_for(lido_cache_reason reason) {
  memset(&s, 0, sizeof s);
  s.reason = reason;
  s.now = 1;
  s.world =
      cached_begin(&(lido_cache_options){.keep_count = 2, .live_ns = 100, .on_evict = destroy_for_reason, .now = now});
  put_number(0);
  put_number(1);
}

static void check_destroyed(size_t entries) {
  CHECK_EQ(s.ended, entries);
  CHECK_EQ(objects_stats(s.world.pool).live, 0);
  s.world.cache = NULL;
  cached_end(&s.world);
}

TEST(cache_callbacks, an_eviction_may_end_the_cache_inside_a_put) {
  begin_destroyed_for(LIDO_CACHE_COUNT);
  put_number(2);
  check_destroyed(3); /* the one let go died after it was told of */
}

TEST(cache_callbacks, a_removal_may_end_the_cache) {
  begin_destroyed_for(LIDO_CACHE_REMOVED);
  uint32_t key = 1;
  CHECK(lido_cache_remove(s.world.cache, &key, sizeof key));
  check_destroyed(1);
}

TEST(cache_callbacks, an_expiry_may_end_the_cache_inside_a_get) {
  begin_destroyed_for(LIDO_CACHE_EXPIRED);
  uint32_t key = 1;
  s.now += 100;
  CHECK_NULL(lido_cache_get(s.world.cache, &key, sizeof key));
  check_destroyed(1);
}

static int make(const void *key, size_t key_bytes, void *arg, void **value) {
  (void)key, (void)key_bytes, (void)arg;
  *value = cached_make(&s.world, 7);
  return *value != NULL ? 0 : ENOMEM;
}

TEST(cache_callbacks, an_expiry_may_end_the_cache_inside_a_question_that_would_create) {
  begin_destroyed_for(LIDO_CACHE_EXPIRED);
  uint32_t key = 1;
  void *value = &s;
  s.now += 100;
  CHECK_EQ(lido_cache_get_or_create(s.world.cache, &key, sizeof key, make, NULL, &value), ESTALE);
  CHECK_NULL(value);
  check_destroyed(2); /* the key was still there, without its value */
}

TEST(cache_callbacks, a_second_destroy_is_found) {
  cached_world world = cached_begin(NULL);
  misuse_log log;
  lido_retain(world.cache);
  lido_cache_destroy(world.cache);
  misuse_log_start(&log);
  CHECK_EQ(lido_cache_destroy(world.cache), 0);
  misuse_log_stop();
  CHECK_EQ(log.count, 1);
  CHECK_EQ(log.last.kind, LIDO_MISUSE_RELEASED);
  lido_release(world.cache);
  world.cache = NULL;
  cached_end(&world);
}

/* ---- The end of the thread ---- */

static size_t exit_in_weight(const void *key, size_t key_bytes, const void *value, void *context) {
  (void)key, (void)key_bytes, (void)value;
  if (*(bool *)context) pthread_exit(NULL);
  return 1;
}

static void exit_when_told(const void *key, size_t key_bytes, void *value, lido_cache_reason reason, void *context) {
  (void)key, (void)key_bytes, (void)value;
  if (*(bool *)context && reason == LIDO_CACHE_EXPIRED) pthread_exit(NULL);
}

static void *ask(void *unused) {
  (void)unused;
  void *value = NULL;
  lido_cache_get_or_create(s.world.cache, "k", 1, make, NULL, &value);
  lido_release(value);
  return NULL;
}

static void ask_in_a_thread_that_ends(bool *ends) {
  *ends = true;
  objects_in_thread(ask, NULL);
  *ends = false;
}

TEST(cache_callbacks, a_thread_that_ends_in_weight_holds_up_nobody) {
  bool ends = false;
  memset(&s, 0, sizeof s);
  s.world = cached_begin(&(lido_cache_options){.keep_bytes = 100, .weight = exit_in_weight, .context = &ends});
  ask_in_a_thread_that_ends(&ends);
  CHECK_EQ(objects_stats(s.world.pool).live, 0);
  void *value = NULL;
  CHECK_EQ(lido_cache_get_or_create_within(s.world.cache, "k", 1, make, NULL, 0, &value), 0);
  lido_release(value);
  lido_cache_clear(s.world.cache);
  cached_end(&s.world);
}

/* Nor does it take along what it was told of. */
TEST(cache_callbacks, a_thread_that_ends_when_it_is_told_holds_up_nobody) {
  bool ends = false;
  memset(&s, 0, sizeof s);
  s.world = cached_begin(
      &(lido_cache_options){.keep_count = 10, .live_ns = 10, .on_evict = exit_when_told, .now = now, .context = &ends});
  ask(NULL);
  s.now += 10;
  ask_in_a_thread_that_ends(&ends);
  void *value = NULL;
  CHECK_EQ(lido_cache_get_or_create_within(s.world.cache, "k", 1, make, NULL, 0, &value), 0);
  lido_release(value);
  lido_cache_clear(s.world.cache);
  CHECK_EQ(objects_stats(s.world.pool).live, 0);
  cached_end(&s.world);
}

/* ---- Weights ---- */

static size_t weigh_most(const void *key, size_t key_bytes, const void *value, void *context) {
  (void)key, (void)key_bytes, (void)value, (void)context;
  return SIZE_MAX - 10;
}

TEST(cache_callbacks, the_heaviest_weights_can_be_added_up) {
  memset(&s, 0, sizeof s);
  s.world = cached_begin(&(lido_cache_options){.keep_bytes = SIZE_MAX - 10, .weight = weigh_most});
  for (uint32_t key = 0; key < 10; key++) put_number(key);
  CHECK_EQ(cached_stats(s.world.cache).kept, 1);
  lido_cache_clear(s.world.cache);
  cached_end(&s.world);
}

/* ---- What is asked for while it is told of ---- */

static void ask_for_it(const void *key, size_t key_bytes, void *value, lido_cache_reason reason, void *context) {
  (void)reason, (void)context;
  void *found = lido_cache_get(s.world.cache, key, key_bytes);
  s.told += found == value;
  lido_release(found);
}

TEST(cache_callbacks, what_is_asked_for_while_it_is_let_go_is_not_kept_again) {
  memset(&s, 0, sizeof s);
  s.world = cached_begin(&(lido_cache_options){.keep_count = 1, .on_evict = ask_for_it});
  for (uint32_t key = 0; key < 10; key++) put_number(key);
  CHECK_EQ(s.told, 9);
  CHECK_EQ(lido_cache_evict(s.world.cache, SIZE_MAX), 1);
  CHECK_EQ(s.told, 10);
  CHECK_EQ(cached_stats(s.world.cache).kept, 0);
  cached_end(&s.world);
}
