/* caches_test.c: what a cache finds, forgets and replaces. */
#include "tests/support/cached.h"

TEST(caches, what_is_put_is_found_while_somebody_has_it) {
  cached_world world = cached_begin(NULL);
  lido_cache *cache = world.cache;
  cached_value *value = cached_make(&world, 1);
  CHECK_NULL(lido_cache_get(cache, "a", 1));
  CHECK_EQ(lido_cache_put(cache, "a", 1, value), 0);
  CHECK_SAME(lido_cache_get(cache, "a", 1), value);
  CHECK_EQ(lido_reference_count(value), 2);
  CHECK_NULL(lido_cache_get(cache, "b", 1));
  CHECK_NULL(lido_cache_get(cache, "aa", 2));
  lido_release(value);
  lido_release(value);
  CHECK_NULL(lido_cache_get(cache, "a", 1));
  lido_cache_stats stats = cached_stats(cache);
  CHECK_EQ(stats.entries, 0);
  CHECK_EQ(stats.hits, 1);
  CHECK_EQ(stats.misses, 4);
  CHECK_EQ(stats.deaths, 1);
  CHECK(lido_cache_hit_ratio(&stats) == 0.2);
  cached_end(&world);
}

TEST(caches, a_question_to_nothing_has_no_ratio) {
  lido_cache_stats stats = {0};
  CHECK(lido_cache_hit_ratio(&stats) == 0);
}

TEST(caches, a_put_replaces_and_the_death_of_the_old_one_does_not_remove_the_new) {
  cached_world world = cached_begin(NULL);
  cached_value *old = cached_make(&world, 1);
  cached_value *young = cached_make(&world, 2);
  CHECK_EQ(lido_cache_put(world.cache, "a", 1, old), 0);
  CHECK_EQ(lido_cache_put(world.cache, "a", 1, young), 0);
  lido_release(old);
  CHECK_SAME(lido_cache_get(world.cache, "a", 1), young);
  lido_release(young);
  lido_release(young);
  CHECK_EQ(cached_stats(world.cache).entries, 0);
  cached_end(&world);
}

TEST(caches, one_object_may_have_many_keys) {
  cached_world world = cached_begin(NULL);
  cached_value *value = cached_make(&world, 1);
  for (uint32_t key = 0; key < 1000; key++) CHECK_EQ(lido_cache_put(world.cache, &key, sizeof key, value), 0);
  CHECK_EQ(cached_stats(world.cache).entries, 1000);
  cached_check(world.cache);
  for (uint32_t key = 0; key < 1000; key++) {
    CHECK_SAME(lido_cache_get(world.cache, &key, sizeof key), value);
    lido_release(value);
  }
  lido_release(value);
  CHECK_EQ(cached_stats(world.cache).entries, 0);
  cached_end(&world);
}

TEST(caches, put_absent_tells_of_what_is_there) {
  cached_world world = cached_begin(NULL);
  cached_value *first = cached_make(&world, 1);
  cached_value *second = cached_make(&world, 2);
  void *present = &world;
  CHECK_EQ(lido_cache_put_absent(world.cache, "a", 1, first, &present), 0);
  CHECK_NULL(present);
  CHECK_EQ(lido_cache_put_absent(world.cache, "a", 1, second, &present), EEXIST);
  CHECK_SAME(present, first);
  CHECK_EQ(lido_cache_put_absent(world.cache, "a", 1, second, NULL), EEXIST);
  CHECK_EQ(lido_reference_count(first), 2);
  lido_release(first);
  lido_release(first);
  CHECK_EQ(lido_cache_put_absent(world.cache, "a", 1, second, NULL), 0);
  lido_release(second);
  cached_end(&world);
}

TEST(caches, remove_says_whether_there_was_anything) {
  cached_world world = cached_begin(NULL);
  cached_value *value = cached_make(&world, 1);
  CHECK(!lido_cache_remove(world.cache, "a", 1));
  lido_cache_put(world.cache, "a", 1, value);
  CHECK(lido_cache_remove(world.cache, "a", 1));
  CHECK(!lido_cache_remove(world.cache, "a", 1));
  CHECK_NULL(lido_cache_get(world.cache, "a", 1));
  CHECK_EQ(lido_reference_count(value), 1);
  lido_release(value);
  cached_end(&world);
}

TEST(caches, compare_and_delete_compares) {
  cached_world world = cached_begin(NULL);
  cached_value *old = cached_make(&world, 1);
  cached_value *young = cached_make(&world, 2);
  lido_weak old_handle = lido_weak_make(old);
  lido_cache_put(world.cache, "a", 1, old);
  lido_cache_put(world.cache, "a", 1, young);
  CHECK(!lido_cache_remove_if(world.cache, "a", 1, old_handle));
  CHECK(!lido_cache_remove_if(world.cache, "b", 1, old_handle));
  CHECK(!lido_cache_remove_if(world.cache, "a", 1, (lido_weak){0}));
  CHECK(lido_cache_remove_if(world.cache, "a", 1, lido_weak_make(young)));
  CHECK_NULL(lido_cache_get(world.cache, "a", 1));
  lido_release(old);
  lido_release(young);
  cached_end(&world);
}

TEST(caches, keys_are_copied_and_may_be_empty_or_long) {
  cached_world world = cached_begin(NULL);
  cached_value *value = cached_make(&world, 1);
  static char key[LIDO_CACHE_KEY_MAX + 1];
  size_t lengths[] = {0, 1, 15, 16, 17, 100, 4096, 100000, LIDO_CACHE_KEY_MAX};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    memset(key, 'k', lengths[i]);
    CHECK_EQ(lido_cache_put(world.cache, key, lengths[i], value), 0);
    memset(key, 'x', lengths[i]);
    if (lengths[i] != 0) CHECK_NULL(lido_cache_get(world.cache, key, lengths[i]));
    memset(key, 'k', lengths[i]);
    CHECK_SAME(lido_cache_get(world.cache, key, lengths[i]), value);
    lido_release(value);
  }
  CHECK_EQ(lido_cache_put(world.cache, key, sizeof key, value), EMSGSIZE);
  CHECK_NULL(lido_cache_get(world.cache, key, sizeof key));
  CHECK_SAME(lido_cache_get(world.cache, NULL, 0), value);
  lido_release(value);
  lido_release(value);
  cached_end(&world);
}

static char lower(char c) { return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c); }

static uint64_t hash_any_case(const void *key, size_t key_bytes, void *context) {
  (void)context;
  uint64_t hash = 0;
  for (size_t i = 0; i < key_bytes; i++) hash = hash * 31 + (unsigned char)lower(((const char *)key)[i]);
  return hash;
}

static bool equal_any_case(const void *a, size_t a_bytes, const void *b, size_t b_bytes, void *context) {
  (void)context;
  bool equal = a_bytes == b_bytes;
  for (size_t i = 0; equal && i < a_bytes; i++) equal = lower(((const char *)a)[i]) == lower(((const char *)b)[i]);
  return equal;
}

TEST(caches, keys_may_be_what_the_program_says_they_are) {
  cached_world world = cached_begin(&(lido_cache_options){.hash = hash_any_case, .equal = equal_any_case});
  cached_value *value = cached_make(&world, 1);
  lido_cache_put(world.cache, "Hello", 5, value);
  CHECK_SAME(lido_cache_get(world.cache, "hELLO", 5), value);
  CHECK_NULL(lido_cache_get(world.cache, "hell", 4));
  lido_release(value);
  lido_release(value);
  cached_end(&world);
}

static uint64_t hash_to_one(const void *key, size_t key_bytes, void *context) {
  (void)key, (void)key_bytes, (void)context;
  return 7;
}

static bool equal_bytes(const void *a, size_t a_bytes, const void *b, size_t b_bytes, void *context) {
  (void)context;
  return a_bytes == b_bytes && memcmp(a, b, a_bytes) == 0;
}

TEST(caches, keys_that_collide_are_told_apart_and_their_deaths_too) {
  cached_world world = cached_begin(&(lido_cache_options){.hash = hash_to_one, .equal = equal_bytes});
  cached_value *values[100];
  for (uint32_t key = 0; key < 100; key++) {
    values[key] = cached_make(&world, key);
    CHECK_EQ(lido_cache_put(world.cache, &key, sizeof key, values[key]), 0);
  }
  for (uint32_t key = 0; key < 100; key += 2) lido_release(values[key]);
  for (uint32_t key = 0; key < 100; key++) {
    void *found = lido_cache_get(world.cache, &key, sizeof key);
    CHECK_SAME(found, key % 2 == 0 ? NULL : values[key]);
    lido_release(found);
  }
  cached_check(world.cache);
  for (uint32_t key = 1; key < 100; key += 2) lido_release(values[key]);
  CHECK_EQ(cached_stats(world.cache).entries, 0);
  cached_end(&world);
}

TEST(caches, nonsense_is_refused) {
  CHECK_FAILS(lido_cache_create(&(lido_cache_options){.hash = hash_to_one}), EINVAL);
  CHECK_FAILS(lido_cache_create(&(lido_cache_options){.equal = equal_bytes}), EINVAL);
  CHECK_EQ(lido_cache_destroy(NULL), 0);
  cached_world world = cached_begin(NULL);
  CHECK_EQ(lido_cache_put(world.cache, "a", 1, NULL), EINVAL);
  misuse_log log;
  misuse_log_start(&log);
  CHECK_EQ(lido_cache_put(world.cache, "a", 1, &world), EINVAL);
  misuse_log_stop();
  CHECK_EQ(log.count, 1);
  CHECK_EQ(cached_stats(world.cache).entries, 0);
  cached_end(&world);
}

TEST(caches, a_killed_object_is_not_put_and_one_killed_later_not_found) {
  cached_world world = cached_begin(NULL);
  cached_value *value = cached_make(&world, 1);
  CHECK_EQ(lido_cache_put(world.cache, "a", 1, value), 0);
  CHECK(lido_weak_kill(lido_weak_make(value)));
  CHECK_NULL(lido_cache_get(world.cache, "a", 1));
  CHECK_EQ(lido_cache_put(world.cache, "a", 1, value), ESTALE);
  CHECK_EQ(cached_stats(world.cache).entries, 0);
  lido_release(value);
  cached_end(&world);
}

TEST(caches, values_outlive_their_cache) {
  cached_world world = cached_begin(NULL);
  cached_value *value = cached_make(&world, 1);
  lido_cache_put(world.cache, "a", 1, value);
  CHECK_EQ(lido_cache_destroy(world.cache), 1);
  CHECK_EQ(lido_reference_count(value), 1);
  lido_release(value);
  world.cache = NULL;
  cached_end(&world);
}

TEST(caches, the_pool_of_the_values_may_end_first) {
  cached_world world = cached_begin(&(lido_cache_options){.keep_count = 10});
  for (uint32_t key = 0; key < 20; key++) {
    cached_value *value = cached_make(&world, key);
    lido_cache_put(world.cache, &key, sizeof key, value);
    lido_release(value);
  }
  CHECK_EQ(cached_stats(world.cache).kept, 10);
  CHECK_EQ(lido_pool_destroy(world.pool), 10);
  world.pool = NULL;
  CHECK_EQ(cached_stats(world.cache).entries, 0);
  CHECK_EQ(cached_stats(world.cache).kept, 0);
  cached_check(world.cache);
  cached_end(&world);
}

TEST(caches, clear_forgets_all) {
  cached_world world = cached_begin(NULL);
  object_list values = {0};
  for (uint32_t key = 0; key < 5000; key++) {
    object_list_push(&values, cached_make(&world, key));
    lido_cache_put(world.cache, &key, sizeof key, values.items[key]);
  }
  CHECK_EQ(lido_cache_clear(world.cache), 5000);
  CHECK_EQ(lido_cache_clear(world.cache), 0);
  cached_check(world.cache);
  uint32_t key = 17;
  CHECK_NULL(lido_cache_get(world.cache, &key, sizeof key));
  while (values.count != 0) lido_release(object_list_pop(&values));
  object_list_end(&values);
  cached_end(&world);
}

static bool sum_numbers(const void *key, size_t key_bytes, void *value, void *arg) {
  uint32_t number = 0;
  if (key_bytes == sizeof number) memcpy(&number, key, sizeof number);
  uint64_t *sum = arg;
  *sum += ((cached_value *)value)->number == number ? number : UINT64_C(1) << 40;
  return true;
}

static bool stop_at_once(const void *key, size_t key_bytes, void *value, void *arg) {
  (void)key, (void)key_bytes, (void)value, (void)arg;
  return false;
}

TEST(caches, for_each_visits_every_live_value_once) {
  cached_world world = cached_begin(NULL);
  object_list values = {0};
  for (uint32_t key = 0; key < 1000; key++) {
    object_list_push(&values, cached_make(&world, key));
    lido_cache_put(world.cache, &key, sizeof key, values.items[key]);
  }
  uint64_t sum = 0;
  size_t visited = 0;
  CHECK_EQ(lido_cache_for_each(world.cache, sum_numbers, &sum, &visited), 0);
  CHECK_EQ(visited, 1000);
  CHECK_EQ(sum, 999 * 500);
  CHECK_EQ(lido_cache_for_each(world.cache, stop_at_once, NULL, &visited), 0);
  CHECK_EQ(visited, 1);
  while (values.count != 0) lido_release(object_list_pop(&values));
  CHECK_EQ(lido_cache_for_each(world.cache, sum_numbers, &sum, &visited), 0);
  CHECK_EQ(visited, 0);
  object_list_end(&values);
  cached_end(&world);
}

TEST(caches, of_a_million_keys_that_come_and_go_twice_nothing_stays) {
  cached_world world = cached_begin(NULL);
  uint64_t keys = testing_scaled(1000000);
  object_list values = {0};
  int64_t held[2];
  for (int round = 0; round < 2; round++) {
    for (uint64_t key = 0; key < keys; key++) {
      object_list_push(&values, cached_make(&world, key));
      CHECK_EQ(lido_cache_put(world.cache, &key, sizeof key, values.items[key]), 0);
    }
    cached_check(world.cache);
    while (values.count != 0) lido_release(object_list_pop(&values));
    CHECK_EQ(cached_stats(world.cache).entries, 0);
    lido_guard_synchronize();
    lido_cache_trim(world.cache);
    lido_pool_trim(world.pool);
    CHECK_LE(cached_stats(world.cache).bytes_reserved, 16384);
    held[round] = objects_bytes_held();
  }
  CHECK_EQ(held[1], held[0]);
  object_list_end(&values);
  cached_end(&world);
}

TEST(caches, a_long_name_is_cut) {
  char name[101];
  memset(name, 'n', 100);
  name[100] = 0;
  cached_world world = cached_begin(&(lido_cache_options){.name = name});
  cached_world plain = cached_begin(NULL);
  memset(name, 'x', 100); /* it was copied */
  CHECK_EQ(strlen(lido_cache_name(world.cache)), 63);
  CHECK_EQ(strspn(lido_cache_name(world.cache), "n"), 63);
  CHECK_TEXT(lido_cache_name(plain.cache), "cache");
  cached_value *value = cached_make(&world, 1);
  CHECK_EQ(lido_cache_put(world.cache, "a", 1, value), 0); /* pools of entries have the name too */
  lido_release(value);
  cached_end(&world);
  cached_end(&plain);
}
