/* ephemerons_test.c: values that live as long as their keys. */
#include "lido/lido.h"
#include "tests/support/objects.h"

typedef struct thing {
  uint64_t number;
} thing;

static lido_pool *make_pool(void) {
  lido_pool *pool = lido_pool_create(
      &(lido_pool_options){.name = "things", .object_size = sizeof(thing), .flags = LIDO_POOL_HANDLES});
  CHECK(pool != NULL);
  return pool;
}

static void end_of(lido_ephemerons *map, size_t values) {
  const char *broken = lido_ephemerons_check(map);
  CHECK_TEXT(broken != NULL ? broken : "", "");
  CHECK_EQ(lido_ephemerons_destroy(map), values);
}

static void end_all(lido_pool *pool) {
  CHECK_EQ(lido_pool_destroy(pool), 0);
  lido_guard_synchronize();
  CHECK_NULL(lido_weak_check());
}

static void count_end(void *value, void *context) {
  (void)value;
  ++*(size_t *)context;
}

TEST(ephemerons, a_value_ends_with_its_key) {
  lido_pool *pool = make_pool();
  size_t ended = 0;
  lido_ephemerons *map = lido_ephemerons_create(&(lido_ephemerons_options){.end = count_end, .context = &ended});
  thing *key = lido_pool_alloc(pool);
  int value = 0;
  int other = 0;
  CHECK_NULL(lido_ephemerons_get(map, key));
  CHECK_EQ(lido_ephemerons_set(map, key, &value), 0);
  CHECK_SAME(lido_ephemerons_get(map, key), &value);
  CHECK_EQ(lido_ephemerons_set(map, key, &other), 0);
  CHECK_EQ(ended, 1);
  CHECK_SAME(lido_ephemerons_get(map, key), &other);
  CHECK_EQ(lido_reference_count(key), 1);
  lido_release(key);
  CHECK_EQ(ended, 2);
  lido_ephemerons_stats stats;
  lido_ephemerons_stats_get(map, &stats);
  CHECK_EQ(stats.attached, 0);
  CHECK_EQ(stats.sets, 2);
  CHECK_EQ(stats.replaced, 1);
  CHECK_EQ(stats.deaths, 1);
  end_of(map, 0);
  end_all(pool);
}

TEST(ephemerons, a_question_leaves_an_object_as_it_was) {
  lido_pool *pool = make_pool();
  lido_ephemerons *map = lido_ephemerons_create(NULL);
  thing *key = lido_pool_alloc(pool);
  lido_weak_stats before;
  lido_weak_stats after;
  CHECK_NULL(lido_ephemerons_get(map, key));
  CHECK_NULL(lido_ephemerons_detach(map, key));
  CHECK_NULL(lido_ephemerons_get(map, NULL));
  CHECK_NULL(lido_ephemerons_get(map, &before));
  lido_weak_stats_get(&before);
  lido_release(key);
  lido_weak_stats_get(&after);
  CHECK_EQ(before.cleanups, after.cleanups);
  end_of(map, 0);
  end_all(pool);
}

TEST(ephemerons, one_object_may_be_a_key_in_many_maps) {
  lido_pool *pool = make_pool();
  size_t ended = 0;
  lido_ephemerons *maps[10];
  thing *key = lido_pool_alloc(pool);
  for (size_t i = 0; i < 10; i++) {
    maps[i] = lido_ephemerons_create(&(lido_ephemerons_options){.end = count_end, .context = &ended});
    CHECK_EQ(lido_ephemerons_set(maps[i], key, &maps[i]), 0);
  }
  for (size_t i = 0; i < 10; i++) CHECK_SAME(lido_ephemerons_get(maps[i], key), &maps[i]);
  for (size_t i = 0; i < 5; i++) end_of(maps[i], 1);
  CHECK_EQ(ended, 5);
  lido_release(key);
  CHECK_EQ(ended, 10);
  for (size_t i = 5; i < 10; i++) end_of(maps[i], 0);
  end_all(pool);
}

TEST(ephemerons, detached_values_are_the_callers) {
  lido_pool *pool = make_pool();
  size_t ended = 0;
  lido_ephemerons *map = lido_ephemerons_create(&(lido_ephemerons_options){.end = count_end, .context = &ended});
  thing *key = lido_pool_alloc(pool);
  int value = 0;
  lido_ephemerons_set(map, key, &value);
  CHECK_SAME(lido_ephemerons_detach(map, key), &value);
  CHECK_NULL(lido_ephemerons_detach(map, key));
  lido_release(key);
  CHECK_EQ(ended, 0);
  end_of(map, 0);
  end_all(pool);
}

TEST(ephemerons, objects_are_held_for_their_key) {
  lido_pool *pool = make_pool();
  lido_ephemerons *map = lido_ephemerons_create(&(lido_ephemerons_options){.objects = true});
  thing *key = lido_pool_alloc(pool);
  thing *value = lido_pool_alloc(pool);
  lido_weak handle = lido_weak_make(value);
  CHECK_EQ(lido_ephemerons_set(map, key, value), 0);
  lido_release(value);
  CHECK_SAME(lido_ephemerons_acquire(map, key), value);
  lido_release(value);
  CHECK_SAME(lido_weak_get(handle), value);
  lido_release(key);
  CHECK_NULL(lido_weak_get(handle));
  end_of(map, 0);
  end_all(pool);
}

TEST(ephemerons, the_pool_of_the_values_may_end_first) {
  lido_pool *pool = make_pool();
  lido_pool *values = make_pool();
  size_t ended = 0;
  lido_ephemerons *map =
      lido_ephemerons_create(&(lido_ephemerons_options){.objects = true, .end = count_end, .context = &ended});
  thing *keys[3];
  for (size_t i = 0; i < 3; i++) {
    thing *value = lido_pool_alloc(values);
    keys[i] = lido_pool_alloc(pool);
    CHECK_EQ(lido_ephemerons_set(map, keys[i], value), 0);
    lido_release(value);
  }
  CHECK_EQ(lido_pool_destroy(values), 3);
  CHECK_NULL(lido_ephemerons_get(map, keys[0]));
  CHECK_NULL(lido_ephemerons_acquire(map, keys[0]));
  CHECK_NULL(lido_ephemerons_detach(map, keys[0]));
  CHECK_EQ(lido_ephemerons_set(map, keys[1], keys[2]), 0);
  CHECK_SAME(lido_ephemerons_get(map, keys[1]), keys[2]);
  for (size_t i = 0; i < 3; i++) lido_release(keys[i]);
  CHECK_EQ(ended, 1); /* the one of its own that still was */
  end_of(map, 0);
  end_all(pool);
}

TEST(ephemerons, a_chain_of_keys_goes_in_one) {
  lido_pool *pool = make_pool();
  lido_ephemerons *map = lido_ephemerons_create(&(lido_ephemerons_options){.objects = true});
  thing *first = lido_pool_alloc(pool);
  thing *last = lido_retain(first);
  for (int i = 0; i < 1000; i++) {
    thing *next = lido_pool_alloc(pool);
    CHECK_EQ(lido_ephemerons_set(map, last, next), 0);
    lido_release(last);
    last = next;
  }
  lido_release(last);
  CHECK_EQ(objects_stats(pool).live, 1001);
  lido_release(first);
  CHECK_EQ(objects_stats(pool).live, 0);
  end_of(map, 0);
  end_all(pool);
}

TEST(ephemerons, nothing_is_attached_to_itself) {
  lido_pool *pool = make_pool();
  lido_ephemerons *map = lido_ephemerons_create(&(lido_ephemerons_options){.name = "notes", .objects = true});
  thing *key = lido_pool_alloc(pool);
  misuse_log log;
  misuse_log_start(&log);
  CHECK_EQ(lido_ephemerons_set(map, key, key), ELOOP);
  misuse_log_stop();
  CHECK_EQ(log.count, 1);
  CHECK_EQ(log.last.kind, LIDO_MISUSE_CYCLE);
  CHECK_TEXT(log.pool, "notes");
  CHECK_EQ(lido_ephemerons_set(map, key, NULL), EINVAL);
  CHECK_EQ(lido_ephemerons_set(map, NULL, key), EINVAL);
  lido_release(key);
  end_of(map, 0);
  end_all(pool);
}

TEST(ephemerons, cycles_are_found_through_all_maps) {
  lido_pool *pool = make_pool();
  lido_ephemerons *one = lido_ephemerons_create(&(lido_ephemerons_options){.objects = true});
  lido_ephemerons *other = lido_ephemerons_create(&(lido_ephemerons_options){.objects = true});
  thing *things[100];
  for (size_t i = 0; i < 100; i++) things[i] = lido_pool_alloc(pool);
  for (size_t i = 0; i + 1 < 100; i++) {
    CHECK_EQ(lido_ephemerons_set(i % 2 == 0 ? one : other, things[i], things[i + 1]), 0);
  }
  CHECK(lido_ephemerons_find_cycle(one, things[99], things[0]));
  CHECK(lido_ephemerons_find_cycle(one, things[99], things[50]));
  CHECK(!lido_ephemerons_find_cycle(one, things[0], things[99]));
  for (size_t i = 0; i < 100; i++) lido_release(things[i]);
  CHECK_EQ(objects_stats(pool).live, 0);
  end_of(one, 0);
  end_of(other, 0);
  end_all(pool);
}

/* A value that is a plain struct with references of its own. */
typedef struct note {
  const void *about;
} note;

static void tell_about(const void *value, void (*tell)(const void *object, void *arg), void *arg, void *context) {
  (void)context;
  tell(((const note *)value)->about, arg);
}

TEST(ephemerons, cycles_are_found_through_what_values_tell) {
  lido_pool *pool = make_pool();
  lido_ephemerons *map = lido_ephemerons_create(&(lido_ephemerons_options){.references = tell_about});
  thing *key = lido_pool_alloc(pool);
  thing *middle = lido_pool_alloc(pool);
  note about_key = {key};
  note about_middle = {middle};
  CHECK(lido_ephemerons_find_cycle(map, key, &about_key));
  CHECK(!lido_ephemerons_find_cycle(map, key, &about_middle));
  CHECK_EQ(lido_ephemerons_set(map, middle, &about_key), 0);
  CHECK(lido_ephemerons_find_cycle(map, key, &about_middle));
  lido_release(middle);
  CHECK(!lido_ephemerons_find_cycle(map, key, &about_middle));
  lido_release(key);
  end_of(map, 0);
  end_all(pool);
}

static void destroy_map(void *value, void *context) {
  (void)context;
  lido_ephemerons_destroy(*(lido_ephemerons **)value);
}

TEST(ephemerons, a_map_is_not_destroyed_inside_the_end_of_a_value) {
  lido_pool *pool = make_pool();
  lido_ephemerons *map = lido_ephemerons_create(&(lido_ephemerons_options){.name = "notes", .end = destroy_map});
  thing *key = lido_pool_alloc(pool);
  CHECK_EQ(lido_ephemerons_set(map, key, &map), 0);
  misuse_log log;
  misuse_log_start(&log);
  lido_release(key);
  misuse_log_stop();
  CHECK_EQ(log.count, 1);
  CHECK_EQ(log.last.kind, LIDO_MISUSE_REENTRY);
  end_of(map, 0);
  end_all(pool);
}

TEST(ephemerons, full_checks_refuse_what_makes_a_cycle) {
  if (LIDO_CHECKS != LIDO_CHECKS_FULL) return;
  lido_pool *pool = make_pool();
  lido_ephemerons *map = lido_ephemerons_create(&(lido_ephemerons_options){.objects = true});
  thing *a = lido_pool_alloc(pool);
  thing *b = lido_pool_alloc(pool);
  CHECK_EQ(lido_ephemerons_set(map, a, b), 0);
  misuse_log log;
  misuse_log_start(&log);
  CHECK_EQ(lido_ephemerons_set(map, b, a), ELOOP);
  misuse_log_stop();
  CHECK_EQ(log.count, 1);
  lido_release(a);
  lido_release(b);
  CHECK_EQ(objects_stats(pool).live, 0);
  end_of(map, 0);
  end_all(pool);
}

TEST(ephemerons, a_long_name_is_cut) {
  char name[101];
  memset(name, 'n', 100);
  name[100] = 0;
  lido_pool *pool = make_pool();
  lido_ephemerons *map = lido_ephemerons_create(&(lido_ephemerons_options){.name = name});
  lido_ephemerons *plain = lido_ephemerons_create(NULL);
  memset(name, 'x', 100);
  CHECK_EQ(strlen(lido_ephemerons_name(map)), 63);
  CHECK_EQ(strspn(lido_ephemerons_name(map), "n"), 63);
  CHECK_TEXT(lido_ephemerons_name(plain), "ephemerons");
  thing *key = lido_pool_alloc(pool);
  CHECK_EQ(lido_ephemerons_set(map, key, name), 0);
  lido_release(key);
  end_of(map, 0);
  end_of(plain, 0);
  end_all(pool);
}
