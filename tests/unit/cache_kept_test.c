/* cache_kept_test.c: what a cache keeps alive itself, for how long, whom it lets go first, and what it says when it
 * does. */
#include "tests/support/cached.h"

enum { EVENTS_MOST = 4096, UNKNOWN = 1000 };

typedef struct event {
  uint32_t key;
  uint64_t number;
  lido_cache_reason reason;
} event;

/* Everything that the options' functions look at. */
static struct {
  cached_world world;
  uint64_t now;
  event events[EVENTS_MOST];
  size_t count;
  size_t wrong; /* values that were not alive, or not the key's */
  void (*also)(uint32_t key, void *value);
} s;

static uint64_t read_clock(void *context) {
  (void)context;
  return s.now;
}

static void note_event(const void *key, size_t key_bytes, void *value, lido_cache_reason reason, void *context) {
  event *e = &s.events[s.count++ % EVENTS_MOST];
  uint32_t number = 0;
  s.wrong += key_bytes != sizeof number || context != &s;
  memcpy(&number, key, sizeof number);
  *e = (event){.key = number, .number = ((cached_value *)value)->number, .reason = reason};
  s.wrong += lido_weak_get(lido_weak_make(value)) != value;
  if (s.also != NULL) s.also(number, value);
}

static size_t weigh_number(const void *key, size_t key_bytes, const void *value, void *context) {
  s.wrong += key_bytes != sizeof(uint32_t) || key == NULL || context != &s;
  return ((const cached_value *)value)->number;
}

static void begin(lido_cache_options options) {
  memset(&s, 0, sizeof s);
  s.now = 1000;
  options.on_evict = note_event;
  options.now = read_clock;
  options.context = &s;
  s.world = cached_begin(&options);
}

static cached_value *make(uint64_t number) {
  cached_value *value = cached_make(&s.world, number);
  CHECK_NOT_NULL(value);
  return value;
}

/* Only the cache has it then. */
static void put(uint32_t key, uint64_t number) {
  cached_value *value = make(number);
  CHECK_EQ(lido_cache_put(s.world.cache, &key, sizeof key, value), 0);
  lido_release(value);
}

/* -> the number of what is there, or UNKNOWN. */
static uint64_t look(uint32_t key) {
  cached_value *value = lido_cache_get(s.world.cache, &key, sizeof key);
  uint64_t number = value != NULL ? value->number : UNKNOWN;
  lido_release(value);
  return number;
}

static bool removed(uint32_t key) { return lido_cache_remove(s.world.cache, &key, sizeof key); }
static lido_cache_stats stats(void) { return cached_stats(s.world.cache); }

/* The nth event was this one. */
static void check_event(size_t nth, uint32_t key, uint64_t number, lido_cache_reason reason) {
  CHECK_LT(nth, s.count);
  CHECK_EQ(s.events[nth].key, key);
  CHECK_EQ(s.events[nth].number, number);
  CHECK_EQ(s.events[nth].reason, reason);
}

static void finish(void) {
  CHECK_EQ(s.wrong, 0);
  cached_check(s.world.cache);
  s.also = NULL;
  lido_cache_clear(s.world.cache);
  CHECK_EQ(stats().kept, 0);
  CHECK_EQ(stats().kept_weight, 0);
  CHECK_EQ(objects_stats(s.world.pool).live, 0);
  cached_end(&s.world);
}

/* ---- Bounds ---- */

TEST(cache_kept, without_bounds_nothing_is_kept) {
  begin((lido_cache_options){0});
  put(1, 1);
  CHECK_EQ(look(1), UNKNOWN);
  CHECK_EQ(s.count, 0);
  finish();
}

TEST(cache_kept, no_more_than_so_many) {
  begin((lido_cache_options){.keep_count = 4});
  for (uint32_t key = 0; key < 10; key++) {
    put(key, 10 * key);
    CHECK_EQ(stats().kept, key < 4 ? key + 1 : 4);
    cached_check(s.world.cache);
  }
  CHECK_EQ(s.count, 6);
  for (uint32_t key = 0; key < 6; key++) check_event(key, key, 10 * key, LIDO_CACHE_COUNT);
  for (uint32_t key = 0; key < 10; key++) CHECK_EQ(look(key), key < 6 ? UNKNOWN : 10 * key);
  CHECK_EQ(stats().evicted_count, 6);
  CHECK_EQ(stats().entries, 4);
  finish();
}

TEST(cache_kept, no_more_than_so_many_bytes_of_objects) {
  begin((lido_cache_options){.keep_count = 1});
  put(1, 1);
  size_t object_bytes = stats().kept_weight;
  CHECK_GE(object_bytes, sizeof(cached_value));
  finish();
  begin((lido_cache_options){.keep_bytes = 5 * object_bytes - 1});
  for (uint32_t key = 0; key < 10; key++) put(key, key);
  CHECK_EQ(stats().kept, 4);
  CHECK_EQ(stats().kept_weight, 4 * object_bytes);
  CHECK_EQ(stats().evicted_bytes, 6);
  check_event(5, 5, 5, LIDO_CACHE_BYTES);
  finish();
}

TEST(cache_kept, weights_are_what_the_program_says) {
  begin((lido_cache_options){.keep_bytes = 100, .weight = weigh_number});
  put(1, 60);
  put(2, 40);
  CHECK_EQ(stats().kept_weight, 100);
  CHECK_EQ(s.count, 0);
  put(3, 90); /* the other two must both go */
  CHECK_EQ(stats().kept_weight, 90);
  check_event(0, 1, 60, LIDO_CACHE_BYTES);
  check_event(1, 2, 40, LIDO_CACHE_BYTES);
  put(4, 0);
  CHECK_EQ(stats().kept, 2);
  put(5, 100); /* fits only alone */
  CHECK_EQ(stats().kept_weight, 100);
  CHECK_EQ(look(3), UNKNOWN);
  finish();
}

TEST(cache_kept, what_is_too_heavy_is_found_and_not_kept) {
  begin((lido_cache_options){.keep_bytes = 100, .weight = weigh_number});
  uint32_t key = 1;
  put(key, 50);
  cached_value *heavy = make(101);
  CHECK_EQ(lido_cache_put(s.world.cache, &key, sizeof key, heavy), 0);
  check_event(0, key, 50, LIDO_CACHE_REPLACED);
  CHECK_EQ(stats().too_heavy, 1);
  CHECK_EQ(stats().kept, 0);
  CHECK_EQ(look(key), 101);
  CHECK_EQ(look(key), 101);
  CHECK_EQ(stats().kept, 0);
  CHECK_EQ(lido_reference_count(heavy), 1);
  lido_release(heavy);
  CHECK_EQ(look(key), UNKNOWN);
  CHECK_EQ(s.count, 1);
  finish();
}

TEST(cache_kept, both_bounds_hold_at_once) {
  begin((lido_cache_options){.keep_count = 3, .keep_bytes = 100, .weight = weigh_number});
  for (uint32_t key = 0; key < 50; key++) {
    put(key, key);
    CHECK_LE(stats().kept, 3);
    CHECK_LE(stats().kept_weight, 100);
  }
  CHECK_EQ(stats().evicted_count + stats().evicted_bytes, 50 - stats().kept);
  CHECK_GT(stats().evicted_count, 0);
  CHECK_GT(stats().evicted_bytes, 0);
  finish();
}

/* ---- Whom first ---- */

/* Of 1 to 4 the first and the third were asked for: they stay, and lose only the note of it. */
TEST(cache_kept, who_was_asked_for_stays) {
  begin((lido_cache_options){.keep_count = 4});
  for (uint32_t key = 1; key <= 4; key++) put(key, key);
  CHECK_EQ(look(1), 1);
  CHECK_EQ(look(3), 3);
  put(5, 5);
  put(6, 6);
  put(7, 7);
  check_event(0, 2, 2, LIDO_CACHE_COUNT);
  check_event(1, 4, 4, LIDO_CACHE_COUNT);
  check_event(2, 5, 5, LIDO_CACHE_COUNT); /* the hand goes on to the young ones before it comes to the old again */
  CHECK_EQ(look(1), 1);
  CHECK_EQ(look(3), 3);
  finish();
}

TEST(cache_kept, a_scan_does_not_drive_out_what_is_in_use) {
  begin((lido_cache_options){.keep_count = 20});
  for (uint32_t key = 0; key < 10; key++) put(key, key);
  for (uint32_t scan = 0; scan < 1000; scan++) {
    CHECK_EQ(look(scan % 10), scan % 10);
    put(UNKNOWN + scan, scan);
  }
  CHECK_EQ(stats().kept, 20);
  finish();
}

/* All are in use: after 64 looks one of them goes all the same. */
TEST(cache_kept, an_eviction_does_not_look_for_ever) {
  begin((lido_cache_options){.keep_count = 200});
  for (uint32_t key = 0; key < 200; key++) put(key, key);
  for (uint32_t key = 0; key < 200; key++) CHECK_EQ(look(key), key);
  put(200, 200);
  CHECK_EQ(s.count, 1);
  check_event(0, 64, 64, LIDO_CACHE_COUNT);
  CHECK_EQ(lido_cache_evict(s.world.cache, 1), 1);
  check_event(1, 129, 129, LIDO_CACHE_SHED);
  finish();
}

TEST(cache_kept, what_was_let_go_and_is_still_in_use_is_kept_again_when_asked_for) {
  begin((lido_cache_options){.keep_count = 1});
  uint32_t key = 1;
  cached_value *held = make(1);
  CHECK_EQ(lido_cache_put(s.world.cache, &key, sizeof key, held), 0);
  put(2, 2);
  check_event(0, 1, 1, LIDO_CACHE_COUNT);
  CHECK_EQ(lido_reference_count(held), 1);
  CHECK_EQ(stats().entries, 2);
  CHECK_EQ(look(1), 1);
  check_event(1, 2, 2, LIDO_CACHE_COUNT);
  CHECK_EQ(lido_reference_count(held), 2);
  CHECK_EQ(stats().kept, 1);
  lido_release(held);
  CHECK_EQ(look(1), 1);
  CHECK_EQ(stats().hits, 2);
  finish();
}

static int never(const void *key, size_t key_bytes, void *arg, void **value) {
  (void)key, (void)key_bytes, (void)arg, (void)value;
  return EIO;
}

TEST(cache_kept, also_when_asked_for_by_who_would_create_it_or_put_another) {
  begin((lido_cache_options){.keep_count = 9});
  uint32_t key = 1;
  void *found = NULL;
  cached_value *held = make(1);
  CHECK_EQ(lido_cache_put(s.world.cache, &key, sizeof key, held), 0);
  for (int round = 0; round < 3; round++) {
    CHECK_EQ(lido_cache_evict(s.world.cache, SIZE_MAX), 1);
    CHECK_EQ(lido_reference_count(held), 1);
    CHECK_EQ(lido_cache_get_or_create(s.world.cache, &key, sizeof key, never, NULL, &found), 0);
    CHECK_SAME(found, held);
    lido_release(found);
    CHECK_EQ(lido_reference_count(held), 2);
    CHECK_EQ(lido_cache_evict(s.world.cache, SIZE_MAX), 1);
    CHECK_EQ(lido_cache_put_absent(s.world.cache, &key, sizeof key, held, NULL), EEXIST);
    CHECK_EQ(lido_reference_count(held), 2);
    cached_check(s.world.cache);
  }
  lido_release(held);
  finish();
}

TEST(cache_kept, what_was_killed_is_let_go_when_somebody_asks) {
  begin((lido_cache_options){.keep_count = 4});
  uint32_t key = 1;
  cached_value *value = make(1);
  lido_weak weak = lido_weak_make(value);
  CHECK_EQ(lido_cache_put(s.world.cache, &key, sizeof key, value), 0);
  lido_release(value);
  CHECK(lido_weak_kill(weak));
  cached_check(s.world.cache);
  CHECK_EQ(stats().kept, 1);
  s.count = 0;
  CHECK_NULL(lido_cache_get(s.world.cache, &key, sizeof key));
  CHECK_EQ(s.count, 1);
  CHECK_EQ(s.events[0].number, 1);
  CHECK_EQ(lido_weak_state_get(weak), LIDO_WEAK_STALE);
  CHECK_EQ(stats().entries, 0);
  s.wrong = 0; /* its handle led nowhere when it was told of */
  finish();
}

/* ---- Times ---- */

TEST(cache_kept, an_entry_ends_when_its_time_is_over_whoever_uses_the_object) {
  begin((lido_cache_options){.live_ns = 100});
  uint32_t key = 1;
  cached_value *held = make(1);
  CHECK_EQ(lido_cache_put(s.world.cache, &key, sizeof key, held), 0);
  s.now = 1099;
  CHECK_EQ(look(1), 1);
  s.now = 1100;
  CHECK_EQ(look(1), UNKNOWN);
  check_event(0, 1, 1, LIDO_CACHE_EXPIRED);
  CHECK_EQ(stats().entries, 0);
  CHECK_EQ(stats().stale, 1);
  CHECK_EQ(stats().evicted_expired, 1);
  CHECK_EQ(lido_reference_count(held), 1);
  lido_release(held);
  finish();
}

TEST(cache_kept, an_idle_entry_ends_and_every_question_begins_its_time_anew) {
  begin((lido_cache_options){.idle_ns = 100});
  put(1, 1);
  for (int round = 0; round < 10; round++) {
    s.now += 99;
    CHECK_EQ(look(1), 1);
  }
  s.now += 100;
  CHECK_EQ(look(1), UNKNOWN);
  check_event(0, 1, 1, LIDO_CACHE_EXPIRED);
  finish();
}

TEST(cache_kept, the_shorter_of_two_times_counts) {
  begin((lido_cache_options){.live_ns = 100, .idle_ns = 30});
  put(1, 1);
  put(2, 2);
  for (s.now = 1025; s.now < 1100; s.now += 25) CHECK_EQ(look(1), 1);
  CHECK_EQ(look(2), UNKNOWN);
  CHECK_EQ(look(1), UNKNOWN);
  finish();
}

TEST(cache_kept, times_that_have_no_sum_with_now_last_for_ever) {
  begin((lido_cache_options){.live_ns = UINT64_MAX, .idle_ns = UINT64_MAX});
  s.now = UINT64_MAX - 10;
  put(1, 1);
  s.now = UINT64_MAX - 1;
  CHECK_EQ(look(1), 1);
  finish();
}

static int make_second(const void *key, size_t key_bytes, void *arg, void **value) {
  (void)key, (void)key_bytes, (void)arg;
  *value = make(2);
  return 0;
}

TEST(cache_kept, what_is_over_is_created_anew) {
  begin((lido_cache_options){.live_ns = 100});
  uint32_t key = 1;
  void *value = NULL;
  put(1, 1);
  s.now += 100;
  CHECK_EQ(lido_cache_get_or_create(s.world.cache, &key, sizeof key, make_second, NULL, &value), 0);
  lido_release(value);
  check_event(0, 1, 1, LIDO_CACHE_EXPIRED);
  CHECK_EQ(look(1), 2);
  s.now += 99;
  CHECK_EQ(look(1), 2);
  finish();
}

TEST(cache_kept, and_another_may_be_put_if_absent) {
  begin((lido_cache_options){.live_ns = 100});
  uint32_t key = 1;
  put(1, 1);
  cached_value *other = make(2);
  CHECK_EQ(lido_cache_put_absent(s.world.cache, &key, sizeof key, other, NULL), EEXIST);
  s.now += 100;
  CHECK_EQ(lido_cache_put_absent(s.world.cache, &key, sizeof key, other, NULL), 0);
  CHECK_EQ(look(1), 2);
  lido_release(other);
  finish();
}

/* The clock goes on after the old value's time, which is not the new one's. */
TEST(cache_kept, who_was_put_again_does_not_end_at_the_old_time) {
  begin((lido_cache_options){.live_ns = 100});
  put(1, 1);
  s.now = 1090;
  put(1, 2);
  check_event(0, 1, 1, LIDO_CACHE_REPLACED);
  s.now = 1189;
  CHECK_EQ(lido_cache_expire(s.world.cache), 0);
  put(2, 3); /* ends some that are over, but this one is not */
  CHECK_EQ(look(1), 2);
  s.now = 1190;
  CHECK_EQ(look(1), UNKNOWN);
  finish();
}

TEST(cache_kept, expire_ends_all_that_are_over_and_no_others) {
  enum { MANY = 3000 };
  begin((lido_cache_options){.live_ns = 10 * MANY});
  for (uint32_t key = 0; key < MANY; key++) {
    put(key, key);
    s.now++;
  }
  CHECK_EQ(lido_cache_expire(s.world.cache), 0);
  s.now += 9 * MANY - 1000;
  CHECK_EQ(lido_cache_expire(s.world.cache), 0);
  s.now += 1000;
  CHECK_EQ(lido_cache_expire(s.world.cache), 1);
  s.now += 1000;
  CHECK_EQ(lido_cache_expire(s.world.cache), 1000);
  CHECK_EQ(stats().evicted_expired, 1001);
  CHECK_EQ(stats().entries, MANY - 1001);
  CHECK_EQ(look(1000), UNKNOWN);
  CHECK_EQ(look(1001), 1001);
  finish();
}

TEST(cache_kept, each_put_ends_some_that_are_over) {
  begin((lido_cache_options){.live_ns = 100});
  for (uint32_t key = 0; key < 100; key++) put(key, key);
  s.now += 100;
  for (uint32_t key = 0; key < 50; key++) put(UNKNOWN + key, key);
  CHECK_EQ(stats().kept, 50);
  CHECK_EQ(stats().evicted_expired, 100);
  finish();
}

TEST(cache_kept, who_walks_does_not_see_what_is_over) {
  begin((lido_cache_options){.live_ns = 100});
  size_t visited = 1;
  put(1, 1);
  s.now += 100;
  CHECK_EQ(lido_cache_for_each(s.world.cache, NULL, NULL, &visited), 0);
  CHECK_EQ(visited, 0);
  finish();
}

/* ---- Evict ---- */

TEST(cache_kept, evict_lets_go_of_so_many) {
  begin((lido_cache_options){.keep_count = 10});
  for (uint32_t key = 0; key < 10; key++) put(key, key);
  CHECK_EQ(look(0), 0);
  CHECK_EQ(lido_cache_evict(s.world.cache, 0), 0);
  CHECK_EQ(lido_cache_evict(s.world.cache, 3), 3);
  for (uint32_t i = 0; i < 3; i++) check_event(i, i + 1, i + 1, LIDO_CACHE_SHED);
  CHECK_EQ(look(0), 0);
  CHECK_EQ(lido_cache_evict(s.world.cache, SIZE_MAX), 7);
  CHECK_EQ(lido_cache_evict(s.world.cache, SIZE_MAX), 0);
  CHECK_EQ(stats().evicted_shed, 10);
  CHECK_EQ(stats().entries, 0);
  finish();
}

/* ---- Reasons ---- */

TEST(cache_kept, every_reason_is_told_and_counted) {
  begin((lido_cache_options){.keep_count = 2, .keep_bytes = 100, .weight = weigh_number, .live_ns = 100});
  put(1, 1);
  put(2, 2);
  put(3, 3);
  check_event(0, 1, 1, LIDO_CACHE_COUNT);
  put(3, 99);
  check_event(1, 3, 3, LIDO_CACHE_REPLACED);
  check_event(2, 2, 2, LIDO_CACHE_BYTES);
  CHECK(removed(3));
  check_event(3, 3, 99, LIDO_CACHE_REMOVED);
  put(4, 4);
  CHECK_EQ(lido_cache_evict(s.world.cache, 1), 1);
  check_event(4, 4, 4, LIDO_CACHE_SHED);
  put(5, 5);
  s.now += 100;
  CHECK_EQ(look(5), UNKNOWN);
  check_event(5, 5, 5, LIDO_CACHE_EXPIRED);
  put(6, 6);
  CHECK_EQ(lido_cache_clear(s.world.cache), 1);
  check_event(6, 6, 6, LIDO_CACHE_REMOVED);
  lido_cache_stats got = stats();
  CHECK_EQ(got.evicted_count, 1);
  CHECK_EQ(got.evicted_replaced, 1);
  CHECK_EQ(got.evicted_bytes, 1);
  CHECK_EQ(got.evicted_removed, 2);
  CHECK_EQ(got.evicted_shed, 1);
  CHECK_EQ(got.evicted_expired, 1);
  CHECK_EQ(got.evicted_ended, 0);
  put(7, 7);
  CHECK_EQ(lido_cache_destroy(s.world.cache), 1);
  check_event(7, 7, 7, LIDO_CACHE_ENDED);
  CHECK_EQ(s.count, 8);
  CHECK_EQ(s.wrong, 0);
  s.world.cache = NULL;
  cached_end(&s.world);
}

TEST(cache_kept, the_same_object_put_again_is_let_go_once_and_kept_once) {
  begin((lido_cache_options){.keep_count = 2});
  uint32_t key = 1;
  cached_value *value = make(1);
  for (int round = 0; round < 5; round++) {
    CHECK_EQ(lido_cache_put(s.world.cache, &key, sizeof key, value), 0);
    CHECK_EQ(lido_reference_count(value), 2);
  }
  CHECK_EQ(s.count, 4);
  lido_release(value);
  CHECK_EQ(look(1), 1);
  finish();
}

TEST(cache_kept, nothing_is_told_of_what_was_not_kept) {
  begin((lido_cache_options){.keep_bytes = 1});
  uint32_t key = 1;
  cached_value *value = make(1);
  CHECK_EQ(lido_cache_put(s.world.cache, &key, sizeof key, value), 0);
  CHECK_EQ(lido_cache_put(s.world.cache, &key, sizeof key, value), 0);
  CHECK(removed(1));
  CHECK_EQ(s.count, 0);
  lido_release(value);
  finish();
}
