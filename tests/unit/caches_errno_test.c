/* caches_errno_test.c: what succeeds in caches, intern tables and maps of ephemerons leaves errno alone, whatever the
 * program's functions leave in it. */
#include "tests/support/cached.h"

enum { POISON = 4242, MANY = 600 };

/* Run `call` with a strange errno and see it again. */
#define KEEPS(call)                                                                      \
  do {                                                                                   \
    errno = POISON;                                                                      \
    call;                                                                                \
    int testing_errno = errno;                                                           \
    if (testing_errno != POISON) TESTING_FAIL("%s left errno %d", #call, testing_errno); \
  } while (0)

static cached_world world;
static uint64_t now;
static cached_value *values[MANY];

static uint64_t noisy_clock(void *context) {
  (void)context;
  errno = EBADF;
  return now;
}

static size_t noisy_weight(const void *key, size_t key_bytes, const void *value, void *context) {
  (void)key, (void)key_bytes, (void)value, (void)context;
  errno = EBADF;
  return 1;
}

static void noisy_eviction(const void *key, size_t key_bytes, void *value, lido_cache_reason reason, void *context) {
  (void)key, (void)key_bytes, (void)value, (void)reason, (void)context;
  errno = EBADF;
}

static int noisy_create(const void *key, size_t key_bytes, void *arg, void **value) {
  (void)key, (void)key_bytes, (void)arg;
  *value = cached_make(&world, 1);
  errno = EBADF;
  return 0;
}

static int noisy_failure(const void *key, size_t key_bytes, void *arg, void **value) {
  (void)key, (void)key_bytes, (void)arg, (void)value;
  errno = EBADF;
  return EIO;
}

static bool noisy_visit(const void *key, size_t key_bytes, void *value, void *arg) {
  (void)key, (void)key_bytes, (void)value, (void)arg;
  errno = EBADF;
  return true;
}

static void put_and_get_all(void) {
  void *present = NULL;
  for (uint32_t key = 0; key < MANY; key++) {
    values[key] = cached_make(&world, key);
    KEEPS(CHECK_EQ(lido_cache_put(world.cache, &key, sizeof key, values[key]), 0));
    KEEPS(CHECK_SAME(lido_cache_get(world.cache, &key, sizeof key), values[key]));
    KEEPS(lido_release(values[key]));
    KEEPS(CHECK_EQ(lido_cache_put_absent(world.cache, &key, sizeof key, values[key], &present), EEXIST));
    KEEPS(lido_release(present));
  }
}

static void ask_in_vain(void) {
  static char too_long[LIDO_CACHE_KEY_MAX + 1];
  void *value = NULL;
  KEEPS(CHECK_NULL(lido_cache_get(world.cache, "absent", 6)));
  KEEPS(CHECK_EQ(lido_cache_get_or_create(world.cache, "absent", 6, noisy_failure, NULL, &value), EIO));
  KEEPS(CHECK_EQ(lido_cache_get_or_create(world.cache, "absent", 6, noisy_create, NULL, &value), 0));
  KEEPS(lido_release(value));
  KEEPS(CHECK_EQ(lido_cache_put(world.cache, "absent", 6, NULL), EINVAL));
  KEEPS(CHECK_EQ(lido_cache_put(world.cache, too_long, sizeof too_long, values[0]), EMSGSIZE));
}

/* All but a few go, in several ways; the tables shrink. */
static void lose_all(void) {
  uint32_t key = 0;
  size_t visited = 0;
  KEEPS(CHECK_EQ(lido_cache_for_each(world.cache, noisy_visit, NULL, &visited), 0));
  for (; key < MANY / 4; key++) KEEPS(lido_cache_remove(world.cache, &key, sizeof key));
  for (; key < MANY / 2; key++) {
    KEEPS(lido_cache_remove_if(world.cache, &key, sizeof key, lido_weak_make(values[key])));
  }
  now += 1000;
  for (; key < MANY * 3 / 4; key++) KEEPS(lido_release(lido_cache_get(world.cache, &key, sizeof key)));
  KEEPS(lido_cache_evict(world.cache, 5));
  KEEPS(lido_cache_expire(world.cache));
  for (key = 0; key < MANY; key++) KEEPS(lido_release(values[key]));
}

static void use_cache(lido_cache_options options) {
  options.on_evict = noisy_eviction;
  world = cached_begin(&options);
  KEEPS(lido_cache_destroy(lido_cache_create(&options)));
  for (int round = 0; round < 2; round++) {
    put_and_get_all();
    ask_in_vain();
    lose_all();
    KEEPS(cached_stats(world.cache));
    KEEPS(lido_cache_clear(world.cache));
    KEEPS(lido_cache_trim(world.cache));
    KEEPS(cached_check(world.cache));
  }
  put_and_get_all();
  KEEPS(lido_cache_destroy(world.cache));
  for (uint32_t key = 0; key < MANY; key++) KEEPS(lido_release(values[key]));
  world.cache = NULL;
  cached_end(&world);
}

TEST(caches_errno, is_kept_by_caches) {
  use_cache((lido_cache_options){0});
  use_cache((lido_cache_options){.keep_count = MANY / 2});
  use_cache((lido_cache_options){.keep_bytes = MANY / 2, .weight = noisy_weight});
  use_cache((lido_cache_options){.live_ns = 1000, .now = noisy_clock});
  use_cache((lido_cache_options){.keep_count = 50, .idle_ns = 1000, .now = noisy_clock});
  KEEPS(lido_cache_destroy(NULL));
}

/* ---- Interns ---- */

TEST(caches_errno, is_kept_by_interns) {
  static lido_interned interned[MANY];
  lido_intern *intern = NULL;
  lido_intern_stats stats;
  KEEPS(intern = lido_intern_create(NULL));
  for (int round = 0; round < 2; round++) {
    for (uint32_t i = 0; i < MANY; i++) {
      KEEPS(interned[i] = lido_intern_bytes(intern, &i, sizeof i));
      KEEPS(lido_interned_release(lido_intern_bytes(intern, &i, sizeof i)));
      KEEPS(lido_interned_release(lido_intern_find(intern, &i, sizeof i)));
      KEEPS(lido_interned_release(lido_interned_retain(interned[i])));
      KEEPS(lido_interned_bytes(interned[i], NULL));
    }
    KEEPS(CHECK_EQ(lido_intern_find(intern, "absent", 6).bits, 0));
    KEEPS(lido_intern_stats_get(intern, &stats));
    for (uint32_t i = 0; i < MANY; i++) KEEPS(lido_interned_release(interned[i]));
    KEEPS(CHECK_EQ(lido_interned_retain(interned[0]).bits, 0));
    KEEPS(CHECK_NULL(lido_interned_text(interned[0])));
    KEEPS(lido_interned_release((lido_interned){0}));
    KEEPS(lido_intern_trim(intern));
    KEEPS(CHECK_NULL(lido_intern_check(intern)));
  }
  KEEPS(lido_intern_destroy(intern));
  KEEPS(lido_intern_destroy(NULL));
}

/* ---- Ephemerons ---- */

static void noisy_end(void *value, void *context) {
  (void)value, (void)context;
  errno = EBADF;
}

static void noisy_references(const void *value, void (*tell)(const void *object, void *arg), void *arg, void *context) {
  (void)value, (void)tell, (void)arg, (void)context;
  errno = EBADF;
}

static void attach_and_detach(lido_ephemerons *map, cached_value *other) {
  lido_ephemerons_stats stats;
  for (uint32_t i = 0; i < MANY; i++) {
    values[i] = cached_make(&world, i);
    KEEPS(CHECK_NULL(lido_ephemerons_get(map, values[i])));
    KEEPS(CHECK_EQ(lido_ephemerons_set(map, values[i], other), 0));
    KEEPS(CHECK_EQ(lido_ephemerons_set(map, values[i], other), 0));
    KEEPS(CHECK_SAME(lido_ephemerons_get(map, values[i]), other));
    KEEPS(lido_release(lido_ephemerons_acquire(map, values[i])));
  }
  KEEPS(CHECK(!lido_ephemerons_find_cycle(map, values[0], other)));
  for (uint32_t i = 0; i < MANY / 2; i++) KEEPS(lido_release(lido_ephemerons_detach(map, values[i])));
  KEEPS(CHECK_NULL(lido_ephemerons_detach(map, values[0])));
  KEEPS(CHECK_EQ(lido_ephemerons_set(map, values[0], NULL), EINVAL));
  KEEPS(lido_ephemerons_stats_get(map, &stats));
  KEEPS(CHECK_NULL(lido_ephemerons_check(map)));
}

TEST(caches_errno, is_kept_by_ephemerons) {
  lido_ephemerons *map = NULL;
  world = cached_begin(NULL);
  cached_value *other = cached_make(&world, 0);
  KEEPS(map = lido_ephemerons_create(
            &(lido_ephemerons_options){.objects = true, .end = noisy_end, .references = noisy_references}));
  attach_and_detach(map, other);
  for (uint32_t i = 0; i < MANY; i++) KEEPS(lido_release(values[i]));
  KEEPS(lido_ephemerons_trim(map));
  attach_and_detach(map, other);
  KEEPS(CHECK_EQ(lido_ephemerons_destroy(map), MANY / 2));
  KEEPS(lido_ephemerons_destroy(NULL));
  for (uint32_t i = 0; i < MANY; i++) lido_release(values[i]);
  lido_release(other);
  cached_end(&world);
}

/* ---- A thread that comes here first ---- */

static lido_interned the_text;
static lido_intern *the_intern;
static lido_ephemerons *the_map;
static size_t changed;

#define LEAVES(call)            \
  do {                          \
    errno = POISON;             \
    call;                       \
    changed += errno != POISON; \
  } while (0)

static void *ask_first(void *which) {
  if (*(int *)which == 0) LEAVES(lido_release(lido_cache_get(world.cache, "the key", 7)));
  if (*(int *)which == 1) LEAVES(lido_interned_release(lido_intern_text(the_intern, "the text")));
  if (*(int *)which == 2) LEAVES(lido_ephemerons_get(the_map, values[0]));
  if (*(int *)which == 3) LEAVES(lido_cache_get(world.cache, "another", 7));
  return NULL;
}

TEST(caches_errno, is_kept_by_the_first_question_of_a_thread) {
  changed = 0;
  world = cached_begin(NULL);
  the_intern = lido_intern_create(NULL);
  the_map = lido_ephemerons_create(NULL);
  the_text = lido_intern_text(the_intern, "the text");
  values[0] = cached_make(&world, 1);
  CHECK_EQ(lido_cache_put(world.cache, "the key", 7, values[0]), 0);
  CHECK_EQ(lido_ephemerons_set(the_map, values[0], &changed), 0);
  for (int which = 0; which < 4; which++) objects_in_thread(ask_first, &which);
  CHECK_EQ(changed, 0);
  lido_interned_release(the_text);
  lido_release(values[0]);
  lido_intern_destroy(the_intern);
  lido_ephemerons_destroy(the_map);
  cached_end(&world);
}
