/* cache_flights_test.c: of many that ask for what is not there, one creates it, and the others get what it made. */
#include "tests/support/child.h"
#include "tests/support/flights.h"
#include "tests/support/random.h"

enum { WAITERS = 64, SOME = 8 };

static flight_scene scene;

/* ---- One for all ---- */

TEST(cache_flights, of_sixty_five_that_ask_at_once_one_creates) {
  flights_begin(&scene, NULL);
  scene.wanted = WAITERS;
  flights_start(&scene, WAITERS + 1);
  flights_join(&scene);
  CHECK_EQ(scene.created, 1);
  lido_cache_stats stats = cached_stats(scene.world.cache);
  CHECK_EQ(stats.flights, 1);
  CHECK_EQ(stats.waits, WAITERS);
  CHECK_EQ(stats.misses, WAITERS + 1);
  CHECK_EQ(stats.hits, 0);
  CHECK_EQ(stats.entries, 1);
  cached_check(scene.world.cache);
  flights_check_value(&scene, 1, 0);
  CHECK_EQ(cached_stats(scene.world.cache).entries, 0);
  flights_end(&scene);
}

TEST(cache_flights, what_is_kept_has_one_reference_more) {
  flights_begin(&scene, &(lido_cache_options){.keep_count = 1});
  scene.wanted = WAITERS;
  flights_start(&scene, WAITERS + 1);
  flights_join(&scene);
  flights_check_value(&scene, 1, 1);
  CHECK_EQ(cached_stats(scene.world.cache).kept, 1);
  CHECK_EQ(lido_cache_evict(scene.world.cache, SIZE_MAX), 1);
  flights_end(&scene);
}

TEST(cache_flights, an_error_reaches_all_and_is_not_remembered) {
  flights_begin(&scene, NULL);
  scene.wanted = WAITERS;
  scene.outcome = EIO;
  flights_start(&scene, WAITERS + 1);
  flights_join(&scene);
  CHECK_EQ(scene.created, 1);
  flights_check_error(&scene, EIO);
  CHECK_EQ(cached_stats(scene.world.cache).flights_failed, 1);
  CHECK_EQ(cached_stats(scene.world.cache).entries, 0);
  scene.outcome = 0;
  flights_start(&scene, 1);
  flights_join(&scene);
  flights_check_value(&scene, 2, 0);
  flights_end(&scene);
}

/* Two at a time ask in vain, as often as it takes, beside those who wait. */
static void *try_until_many_have_missed(void *argument) {
  size_t *wrong = argument;
  void *value;
  while (cached_stats(scene.world.cache).misses < 10000) {
    int error = lido_cache_get_or_create_within(scene.world.cache, FLIGHT_KEY, flights_create, &scene, 0, &value);
    *wrong += error != ETIMEDOUT || value != NULL;
  }
  return NULL;
}

static void await_gate(flight_scene *s) { gate_pass(&s->gate); }

TEST(cache_flights, ten_thousand_misses_of_one_key_create_it_once) {
  size_t wrong[2] = {0};
  pthread_t triers[2];
  flights_begin(&scene, NULL);
  scene.wanted = WAITERS;
  scene.meanwhile = await_gate;
  flights_start(&scene, WAITERS + 1);
  gate_await(&scene.gate, 1);
  for (int i = 0; i < 2; i++) {
    CHECK_EQ(pthread_create(&triers[i], NULL, try_until_many_have_missed, &wrong[i]), 0);
  }
  for (int i = 0; i < 2; i++) CHECK_EQ(pthread_join(triers[i], NULL), 0);
  gate_open(&scene.gate);
  flights_join(&scene);
  CHECK_EQ(wrong[0] + wrong[1], 0);
  CHECK_EQ(scene.created, 1);
  CHECK_EQ(cached_stats(scene.world.cache).flights, 1);
  CHECK_GE(cached_stats(scene.world.cache).misses, 10000);
  flights_check_value(&scene, 1, 0);
  flights_end(&scene);
}

TEST(cache_flights, each_wave_of_misses_creates_it_once) {
  flights_begin(&scene, NULL);
  size_t waves = testing_scaled(154); /* of 65 */
  for (size_t wave = 1; wave <= waves; wave++) {
    scene.wanted = wave * WAITERS;
    flights_start(&scene, WAITERS + 1);
    flights_join(&scene);
    CHECK_EQ(scene.created, wave);
    flights_check_value(&scene, wave, 0);
  }
  CHECK_EQ(cached_stats(scene.world.cache).misses, waves * (WAITERS + 1));
  CHECK_EQ(cached_stats(scene.world.cache).flights, waves);
  flights_end(&scene);
}

/* Here nobody is held: the second of two comes before, during or after. */
TEST(cache_flights, two_that_come_as_they_come_get_one_value) {
  flights_begin(&scene, &(lido_cache_options){.keep_count = 1});
  for (size_t turn = 1; turn <= testing_scaled(2000); turn++) {
    flights_start(&scene, 2);
    flights_join(&scene);
    CHECK_EQ(scene.created, turn);
    flights_check_value(&scene, turn, 1);
    CHECK(lido_cache_remove(scene.world.cache, FLIGHT_KEY));
  }
  flights_end(&scene);
}

/* ---- Who would wait for itself ---- */

static int inner_error;

static int ask_for_the_same(const void *key, size_t key_bytes, void *arg, void **value) {
  void *inner = &scene;
  CHECK_EQ(lido_cache_get_or_create_within(scene.world.cache, key, key_bytes, ask_for_the_same, arg, 0, &inner),
           EDEADLK);
  CHECK_NULL(inner);
  inner_error = lido_cache_get_or_create(scene.world.cache, key, key_bytes, ask_for_the_same, arg, &inner);
  return flights_create_plainly(key, key_bytes, &scene, value);
}

TEST(cache_flights, who_asks_for_what_it_is_creating_is_told) {
  flights_begin(&scene, NULL);
  void *value = NULL;
  CHECK_EQ(lido_cache_get_or_create(scene.world.cache, FLIGHT_KEY, ask_for_the_same, NULL, &value), 0);
  CHECK_EQ(inner_error, EDEADLK);
  CHECK_EQ(cached_stats(scene.world.cache).deadlocks, 2);
  CHECK_EQ(cached_stats(scene.world.cache).waits, 0);
  lido_release(value);
  flights_end(&scene);
}

enum { RING = 5 };

typedef struct ring_member {
  lido_cache *cache; /* of which it creates a key */
  struct ring_member *next;
  int error;       /* of its own question */
  int inner_error; /* of that for the next one's key */
  pthread_t thread;
} ring_member;

static pthread_barrier_t ring_meets;

/* When all create, each asks for the next one's. */
static int ask_the_next(const void *key, size_t key_bytes, void *arg, void **value) {
  ring_member *me = arg;
  void *other = NULL;
  pthread_barrier_wait(&ring_meets);
  me->inner_error = lido_cache_get_or_create(me->next->cache, FLIGHT_KEY, flights_create_plainly, &scene, &other);
  lido_release(other);
  return flights_create_plainly(key, key_bytes, &scene, value);
}

static void *be_in_the_ring(void *argument) {
  ring_member *me = argument;
  void *value = NULL;
  me->error = lido_cache_get_or_create(me->cache, FLIGHT_KEY, ask_the_next, me, &value);
  lido_release(value);
  return NULL;
}

static void close_ring(size_t count) {
  ring_member members[RING] = {{0}};
  size_t told = 0;
  uint64_t deadlocks = 0;
  flights_begin(&scene, NULL);
  pthread_barrier_init(&ring_meets, NULL, (unsigned)count);
  for (size_t i = 0; i < count; i++) {
    members[i] = (ring_member){.cache = lido_cache_create(NULL), .next = &members[(i + 1) % count]};
    CHECK_NOT_NULL(members[i].cache);
  }
  for (size_t i = 0; i < count; i++) {
    CHECK_EQ(pthread_create(&members[i].thread, NULL, be_in_the_ring, &members[i]), 0);
  }
  for (size_t i = 0; i < count; i++) CHECK_EQ(pthread_join(members[i].thread, NULL), 0);
  for (size_t i = 0; i < count; i++) {
    CHECK_EQ(members[i].error, 0);
    if (members[i].inner_error != 0) CHECK_EQ(members[i].inner_error, EDEADLK);
    told += members[i].inner_error == EDEADLK;
    deadlocks += cached_stats(members[i].cache).deadlocks;
    cached_check(members[i].cache);
    lido_cache_destroy(members[i].cache);
  }
  CHECK_EQ(told, 1);
  CHECK_EQ(deadlocks, 1);
  pthread_barrier_destroy(&ring_meets);
  flights_end(&scene);
}

TEST(cache_flights, of_a_ring_over_two_caches_one_is_told) {
  for (size_t round = 0; round < 20; round++) close_ring(2);
}
TEST(cache_flights, of_a_ring_over_five_caches_one_is_told) {
  for (size_t round = 0; round < 20; round++) close_ring(RING);
}

/* ---- Deadlines ---- */

TEST(cache_flights, who_waits_no_longer_leaves_the_creation_alone) {
  flights_begin(&scene, NULL);
  scene.meanwhile = await_gate;
  flights_start(&scene, 1);
  gate_await(&scene.gate, 1);
  void *value = &scene;
  CHECK_EQ(lido_cache_get_or_create_within(scene.world.cache, FLIGHT_KEY, flights_create, &scene, 0, &value),
           ETIMEDOUT);
  CHECK_NULL(value);
  value = &scene;
  CHECK_EQ(lido_cache_get_or_create_within(scene.world.cache, FLIGHT_KEY, flights_create, &scene, 2000000, &value),
           ETIMEDOUT);
  CHECK_NULL(value);
  CHECK_NULL(lido_cache_get(scene.world.cache, FLIGHT_KEY));
  CHECK_EQ(cached_stats(scene.world.cache).timeouts, 2);
  CHECK_EQ(cached_stats(scene.world.cache).waits, 2);
  gate_open(&scene.gate);
  flights_join(&scene);
  CHECK_EQ(scene.created, 1);
  CHECK_SAME(lido_cache_get(scene.world.cache, FLIGHT_KEY), scene.askers[0].value);
  lido_release(scene.askers[0].value);
  flights_check_value(&scene, 1, 0);
  flights_end(&scene);
}

/* A deadline so far away that now and it have no sum. */
TEST(cache_flights, a_wait_of_centuries_ends_with_the_creation) {
  flights_begin(&scene, NULL);
  scene.meanwhile = await_gate;
  flights_start(&scene, 1);
  gate_await(&scene.gate, 1);
  flight_asker *late = &scene.askers[scene.count++];
  *late = (flight_asker){.scene = &scene, .wait_ns = UINT64_MAX - 1};
  CHECK_EQ(pthread_create(&late->thread, NULL, flights_ask, late), 0);
  flights_await_waits(scene.world.cache, 1);
  gate_open(&scene.gate);
  flights_join(&scene);
  flights_check_value(&scene, 1, 0);
  CHECK_EQ(cached_stats(scene.world.cache).timeouts, 0);
  flights_end(&scene);
}

/* The last one to leave is one who waits, not the creator. */
TEST(cache_flights, deadlines_and_landings_cross) {
  flights_begin(&scene, NULL);
  testing_random random = {testing_seed()};
  for (size_t round = 1; round <= testing_scaled(500); round++) {
    void *value = NULL;
    flights_start(&scene, 1);
    int error = lido_cache_get_or_create_within(scene.world.cache, FLIGHT_KEY, flights_create, &scene,
                                                testing_below(&random, 30000), &value);
    flights_join(&scene);
    CHECK_EQ(scene.askers[0].error, 0);
    CHECK_EQ(error, value != NULL ? 0 : ETIMEDOUT);
    lido_release(value);
    lido_release(scene.askers[0].value);
    scene.count = 0;
    CHECK_EQ(objects_stats(scene.world.pool).live, 0);
  }
  flights_end(&scene);
}

/* ---- Doomed creations ---- */

static cached_value *put_instead;

static void remove_it(flight_scene *s) { CHECK(lido_cache_remove(s->world.cache, FLIGHT_KEY)); }
static void clear_all(flight_scene *s) { CHECK_EQ(lido_cache_clear(s->world.cache), 1); }
static void put_it(flight_scene *s) { CHECK_EQ(lido_cache_put(s->world.cache, FLIGHT_KEY, put_instead), 0); }

static void put_it_if_absent(flight_scene *s) {
  void *present = &scene;
  CHECK_EQ(lido_cache_put_absent(s->world.cache, FLIGHT_KEY, put_instead, &present), 0);
  CHECK_NULL(present);
}

static void fail_to_compare(flight_scene *s) {
  CHECK(!lido_cache_remove_if(s->world.cache, FLIGHT_KEY, lido_weak_make(put_instead)));
}

/* The others come when the creation has begun, so that all of them wait. */
static int create_before_others(const void *key, size_t key_bytes, void *arg, void **value) {
  flights_start(arg, SOME);
  return flights_create(key, key_bytes, arg, value);
}

/* The test's own thread creates, beside others that wait. -> the error that it got. */
static int create_beside(void (*meanwhile)(flight_scene *), const lido_cache_options *options) {
  void *value = NULL;
  flights_begin(&scene, options);
  put_instead = cached_make(&scene.world, 77);
  scene.meanwhile = meanwhile;
  scene.wanted = SOME;
  int error = lido_cache_get_or_create(scene.world.cache, FLIGHT_KEY, create_before_others, &scene, &value);
  flights_join(&scene);
  scene.askers[scene.count++] = (flight_asker){.value = value, .error = error};
  CHECK_EQ(scene.created, 1);
  CHECK_EQ(cached_stats(scene.world.cache).waits, SOME);
  cached_check(scene.world.cache);
  return error;
}

static void end_beside(uint64_t doomed) {
  CHECK_EQ(cached_stats(scene.world.cache).flights_doomed, doomed);
  CHECK_EQ(cached_stats(scene.world.cache).entries, 0);
  lido_release(put_instead);
  flights_end(&scene);
}

static void doom_by_removal(void (*removal)(flight_scene *), const lido_cache_options *options) {
  CHECK_EQ(create_beside(removal, options), 0);
  CHECK_NULL(lido_cache_get(scene.world.cache, FLIGHT_KEY));
  flights_check_value(&scene, 1, 0);
  end_beside(1);
}

static void doom_by_put(void (*put)(flight_scene *)) {
  CHECK_EQ(create_beside(put, NULL), 0);
  CHECK_SAME(lido_cache_get(scene.world.cache, FLIGHT_KEY), put_instead);
  flights_check_value(&scene, 1, 0);
  lido_release(put_instead);
  CHECK(lido_cache_remove(scene.world.cache, FLIGHT_KEY));
  end_beside(1);
}

TEST(cache_flights, what_was_removed_meanwhile_is_given_and_not_entered) { doom_by_removal(remove_it, NULL); }
TEST(cache_flights, nor_is_it_kept) { doom_by_removal(remove_it, &(lido_cache_options){.keep_count = 9}); }
TEST(cache_flights, what_was_cleared_meanwhile_is_given_and_not_entered) { doom_by_removal(clear_all, NULL); }
TEST(cache_flights, what_was_put_meanwhile_stays) { doom_by_put(put_it); }
TEST(cache_flights, what_is_just_being_created_counts_as_absent) { doom_by_put(put_it_if_absent); }

TEST(cache_flights, compare_and_delete_leaves_a_creation_alone) {
  CHECK_EQ(create_beside(fail_to_compare, NULL), 0);
  CHECK_SAME(lido_cache_get(scene.world.cache, FLIGHT_KEY), scene.askers[0].value);
  lido_release(scene.askers[0].value);
  flights_check_value(&scene, 1, 0);
  end_beside(0);
}

static void fail_when_removed(flight_scene *s) {
  remove_it(s);
  s->outcome = ENOENT;
}

TEST(cache_flights, a_doomed_creation_may_fail) {
  CHECK_EQ(create_beside(fail_when_removed, NULL), ENOENT);
  flights_check_error(&scene, ENOENT);
  end_beside(1);
}

/* After the removal the same thread even creates the same key again, while its first creation is not over. */
static void remove_and_create_anew(flight_scene *s) {
  void *young = NULL;
  remove_it(s);
  CHECK_EQ(lido_cache_get_or_create(s->world.cache, FLIGHT_KEY, flights_create_plainly, s, &young), 0);
  lido_release(put_instead);
  put_instead = young;
}

TEST(cache_flights, who_asks_after_a_removal_does_not_get_what_was_asked_before) {
  CHECK_EQ(create_beside(remove_and_create_anew, NULL), 0);
  flights_check_value(&scene, 1, 0);
  CHECK_EQ(put_instead->number, 1000);
  CHECK_SAME(lido_cache_get(scene.world.cache, FLIGHT_KEY), put_instead);
  lido_release(put_instead);
  CHECK(lido_cache_remove(scene.world.cache, FLIGHT_KEY));
  end_beside(1);
}

/* ---- Creations in creations ---- */

enum { DEPTH = 60 };

static size_t creations_of[DEPTH];

/* Key n wants key n - 1 and key n - 2. */
static int create_by_parts(const void *key, size_t key_bytes, void *arg, void **value) {
  uint32_t n;
  memcpy(&n, key, sizeof n);
  uint64_t sum = n == 0;
  creations_of[n]++;
  for (uint32_t back = 1; back <= 2 && back <= n; back++) {
    uint32_t part = n - back;
    void *inner = NULL;
    int error = lido_cache_get_or_create(scene.world.cache, &part, sizeof part, create_by_parts, arg, &inner);
    if (error != 0) return error;
    sum += ((cached_value *)inner)->number;
    lido_release(inner);
  }
  *value = cached_make(&scene.world, sum);
  return key_bytes == sizeof n ? 0 : EINVAL;
}

TEST(cache_flights, a_creation_may_ask_for_others) {
  uint32_t last = DEPTH - 1;
  void *value = NULL;
  memset(creations_of, 0, sizeof creations_of);
  flights_begin(&scene, &(lido_cache_options){.keep_count = DEPTH});
  CHECK_EQ(lido_cache_get_or_create(scene.world.cache, &last, sizeof last, create_by_parts, NULL, &value), 0);
  CHECK_EQ(((cached_value *)value)->number, 1548008755920); /* Fibonacci's */
  for (size_t n = 0; n < DEPTH; n++) CHECK_EQ(creations_of[n], 1);
  lido_release(value);
  CHECK_EQ(lido_cache_clear(scene.world.cache), DEPTH);
  flights_end(&scene);
}

/* ---- Fork ---- */

static void ask_in_the_child(void *unused) {
  void *value = NULL;
  (void)unused;
  IN_CHILD(lido_cache_check(scene.world.cache) == NULL);
  IN_CHILD(lido_cache_get(scene.world.cache, FLIGHT_KEY) == NULL);
  IN_CHILD(lido_cache_get_or_create(scene.world.cache, FLIGHT_KEY, flights_create_plainly, &scene, &value) == 0);
  IN_CHILD(((cached_value *)value)->number == 1000);
  IN_CHILD(lido_cache_get(scene.world.cache, FLIGHT_KEY) == value);
  lido_release(value);
  lido_release(value);
  IN_CHILD(objects_stats(scene.world.pool).live == 0);
  IN_CHILD(lido_cache_check(scene.world.cache) == NULL);
  IN_CHILD(lido_cache_destroy(scene.world.cache) == 0);
}

TEST(cache_flights, a_child_creates_anew_what_another_thread_was_creating) {
  if (!CACHED_MAY_FORK) return;
  flights_begin(&scene, NULL);
  scene.meanwhile = await_gate;
  scene.wanted = SOME;
  flights_start(&scene, SOME + 1);
  gate_await(&scene.gate, 1);
  check_child(ask_in_the_child, NULL);
  gate_open(&scene.gate);
  flights_join(&scene);
  flights_check_value(&scene, 1, 0);
  flights_end(&scene);
}
