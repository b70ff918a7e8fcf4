/* cache_creators_test.c: creations that end in another way than by an object: nothing, no object, a dead one, the end
 * of the thread, a fork. */
#include "tests/support/child.h"
#include "tests/support/flights.h"

enum { SOME = 8 };

static flight_scene scene;

static int ask_with(lido_cache_maker create, void **value) {
  *value = &scene;
  return lido_cache_get_or_create(scene.world.cache, FLIGHT_KEY, create, &scene, value);
}

/* After a failure nothing is there, and the next who asks creates. */
static void check_anew(void) {
  void *value;
  CHECK_EQ(cached_stats(scene.world.cache).entries, 0);
  CHECK_EQ(objects_stats(scene.world.pool).live, 0);
  cached_check(scene.world.cache);
  CHECK_EQ(ask_with(flights_create_plainly, &value), 0);
  CHECK_EQ(((cached_value *)value)->number, 1000);
  lido_release(value);
}

/* ---- No object ---- */

static int give_nothing(const void *key, size_t key_bytes, void *arg, void **value) {
  (void)key, (void)key_bytes, (void)arg;
  *value = NULL;
  return 0;
}

static int set_nothing(const void *key, size_t key_bytes, void *arg, void **value) {
  (void)key, (void)key_bytes, (void)arg, (void)value;
  return 0;
}

static int give_an_error_and_rubbish(const void *key, size_t key_bytes, void *arg, void **value) {
  (void)key, (void)key_bytes, (void)arg;
  *value = &scene;
  return EIO;
}

static int give_a_stranger(const void *key, size_t key_bytes, void *arg, void **value) {
  (void)key, (void)key_bytes, (void)arg;
  *value = &scene;
  return 0;
}

static int give_the_killed(const void *key, size_t key_bytes, void *arg, void **value) {
  int error = flights_create_plainly(key, key_bytes, arg, value);
  CHECK(lido_weak_kill(lido_weak_make(*value)));
  return error;
}

static void fail_with(lido_cache_maker create, int error) {
  void *value;
  flights_begin(&scene, &(lido_cache_options){.keep_count = 1});
  CHECK_EQ(ask_with(create, &value), error);
  CHECK_NULL(value);
  CHECK_EQ(cached_stats(scene.world.cache).flights_failed, 1);
  check_anew();
  CHECK_EQ(lido_cache_clear(scene.world.cache), 1);
  flights_end(&scene);
}

TEST(cache_creators, success_without_an_object_is_an_error) {
  fail_with(give_nothing, EINVAL);
  fail_with(set_nothing, EINVAL);
}

TEST(cache_creators, what_comes_with_an_error_is_not_looked_at) { fail_with(give_an_error_and_rubbish, EIO); }

TEST(cache_creators, a_stranger_is_misuse) {
  misuse_log log;
  misuse_log_start(&log);
  fail_with(give_a_stranger, EINVAL);
  misuse_log_stop();
  CHECK_EQ(log.count, 1);
}

TEST(cache_creators, a_killed_object_is_stale_and_goes) { fail_with(give_the_killed, ESTALE); }

static int give_one_that_is_there(const void *key, size_t key_bytes, void *arg, void **value) {
  (void)key, (void)key_bytes;
  *value = lido_retain(arg);
  return 0;
}

TEST(cache_creators, an_object_that_others_have_is_as_good_as_a_new_one) {
  flights_begin(&scene, NULL);
  cached_value *old = cached_make(&scene.world, 5);
  void *value = NULL;
  CHECK_EQ(lido_cache_put(scene.world.cache, "old", 3, old), 0);
  CHECK_EQ(lido_cache_get_or_create(scene.world.cache, FLIGHT_KEY, give_one_that_is_there, old, &value), 0);
  CHECK_SAME(value, old);
  CHECK_EQ(lido_reference_count(old), 2);
  CHECK_EQ(cached_stats(scene.world.cache).entries, 2);
  lido_release(old);
  lido_release(value);
  CHECK_EQ(cached_stats(scene.world.cache).entries, 0);
  flights_end(&scene);
}

TEST(cache_creators, keys_that_are_too_long_are_refused_before_they_are_made) {
  static char key[LIDO_CACHE_KEY_MAX + 1];
  void *value = &scene;
  flights_begin(&scene, NULL);
  CHECK_EQ(lido_cache_get_or_create(scene.world.cache, key, sizeof key, flights_create, &scene, &value), EMSGSIZE);
  CHECK_NULL(value);
  CHECK_EQ(scene.created, 0);
  CHECK_EQ(lido_cache_get_or_create(scene.world.cache, key, LIDO_CACHE_KEY_MAX, flights_create, &scene, &value), 0);
  CHECK_EQ(scene.created, 1);
  lido_release(value);
  flights_end(&scene);
}

/* ---- The thread ends in create ---- */

static void end_the_thread(flight_scene *s) {
  (void)s;
  pthread_exit(NULL);
}

static void wait_to_be_cancelled(flight_scene *s) {
  gate_arrive(&s->gate);
  for (;;) { /* not in a call that waits: ThreadSanitizer loses sight of a thread that ends in one */
    pthread_testcancel();
    sched_yield();
  }
}

/* The first asker creates and gets no answer; the others wait for it. */
static void start_creator_and_others(void (*meanwhile)(flight_scene *), const lido_cache_options *options) {
  flights_begin(&scene, options);
  scene.meanwhile = meanwhile;
  scene.wanted = SOME;
  flights_start(&scene, 1);
  while (cached_stats(scene.world.cache).flights == 0) sched_yield();
  scene.askers[0].error = ECANCELED;
  flights_start(&scene, SOME);
}

static void check_cancelled(void) {
  flights_join(&scene);
  CHECK_EQ(scene.created, 1);
  CHECK_EQ(cached_stats(scene.world.cache).flights_failed, 1);
  flights_check_error(&scene, ECANCELED);
  check_anew();
}

TEST(cache_creators, a_thread_that_ends_in_create_fails_it) {
  start_creator_and_others(end_the_thread, NULL);
  check_cancelled();
  flights_end(&scene);
}

TEST(cache_creators, a_thread_that_is_cancelled_in_create_fails_it) {
  start_creator_and_others(wait_to_be_cancelled, NULL);
  gate_await(&scene.gate, 1);
  CHECK_EQ(pthread_cancel(scene.askers[0].thread), 0);
  check_cancelled();
  flights_end(&scene);
}

static void remove_and_end_the_thread(flight_scene *s) {
  lido_cache_remove(s->world.cache, FLIGHT_KEY);
  pthread_exit(NULL);
}

TEST(cache_creators, nor_does_the_end_of_a_doomed_creation_leave_anything) {
  start_creator_and_others(remove_and_end_the_thread, NULL);
  check_cancelled();
  CHECK_EQ(cached_stats(scene.world.cache).flights_doomed, 1);
  flights_end(&scene);
}

static int create_in_create(const void *key, size_t key_bytes, void *arg, void **value) {
  (void)key, (void)key_bytes;
  return lido_cache_get_or_create(scene.world.cache, FLIGHT_KEY, flights_create, arg, value);
}

static void *ask_outer(void *unused) {
  void *value = NULL;
  lido_cache_get_or_create(scene.world.cache, "outer", 5, create_in_create, &scene, &value);
  return unused;
}

TEST(cache_creators, the_end_of_a_thread_fails_all_that_it_was_creating) {
  pthread_t thread;
  flights_begin(&scene, NULL);
  scene.meanwhile = end_the_thread;
  scene.wanted = SOME;
  CHECK_EQ(pthread_create(&thread, NULL, ask_outer, NULL), 0);
  while (cached_stats(scene.world.cache).flights < 2) sched_yield();
  flights_start(&scene, SOME);
  CHECK_EQ(pthread_join(thread, NULL), 0);
  flights_join(&scene);
  flights_check_error(&scene, ECANCELED);
  CHECK_EQ(cached_stats(scene.world.cache).flights_failed, 2);
  check_anew();
  flights_end(&scene);
}

/* A waiter that is cancelled still gets its answer: waiting is no place to end a thread. */
TEST(cache_creators, who_waits_is_not_cancelled) {
  flights_begin(&scene, NULL);
  scene.meanwhile = wait_to_be_cancelled;
  scene.wanted = 1;
  flights_start(&scene, 1);
  while (cached_stats(scene.world.cache).flights == 0) sched_yield();
  scene.askers[0].error = ECANCELED;
  flights_start(&scene, 1);
  gate_await(&scene.gate, 1);
  CHECK_EQ(pthread_cancel(scene.askers[1].thread), 0);
  CHECK_EQ(pthread_cancel(scene.askers[0].thread), 0);
  flights_join(&scene);
  flights_check_error(&scene, ECANCELED);
  check_anew();
  flights_end(&scene);
}

/* ---- ... in the place of a value whose time was over ---- */

enum { LONG_KEY = 100000, ENDS = 30 };

static char long_key[LONG_KEY];
static uint64_t clock_now;

static uint64_t read_clock(void *context) {
  (void)context;
  return clock_now;
}

static int end_at_once(const void *key, size_t key_bytes, void *arg, void **value) {
  (void)key, (void)key_bytes, (void)arg, (void)value;
  pthread_exit(NULL);
}

static void *ask_and_end(void *unused) {
  void *value = NULL;
  lido_cache_get_or_create(scene.world.cache, long_key, LONG_KEY, end_at_once, NULL, &value);
  return unused;
}

static uint64_t reserved_after_an_end(void) {
  cached_value *value = cached_make(&scene.world, 1);
  CHECK_EQ(lido_cache_put(scene.world.cache, long_key, LONG_KEY, value), 0);
  clock_now += 1000;
  objects_in_thread(ask_and_end, NULL);
  lido_release(value);
  lido_guard_synchronize();
  lido_cache_trim(scene.world.cache);
  return cached_stats(scene.world.cache).bytes_reserved;
}

TEST(cache_creators, threads_that_end_in_create_leave_no_memory_behind) {
  flights_begin(&scene, &(lido_cache_options){.live_ns = 1000, .now = read_clock});
  uint64_t first = reserved_after_an_end();
  for (int i = 0; i < ENDS; i++) CHECK_LE(reserved_after_an_end(), first + LONG_KEY);
  check_anew();
  CHECK_EQ(lido_cache_clear(scene.world.cache), 1);
  flights_end(&scene);
}

/* ---- Fork in create ---- */

static pid_t forked; /* 0 in the child */

static void fork_here(flight_scene *s) {
  (void)s;
  fflush(stdout);
  forked = fork();
  if (forked == 0) alarm(CHILD_SECONDS);
}

static void remove_and_fork(flight_scene *s) {
  lido_cache_remove(s->world.cache, FLIGHT_KEY);
  fork_here(s);
}

static void live_on_in_the_child(int error, cached_value *value, bool entered) {
  IN_CHILD(error == 0 && value->number == 1);
  IN_CHILD(lido_cache_check(scene.world.cache) == NULL);
  void *found = lido_cache_get(scene.world.cache, FLIGHT_KEY);
  IN_CHILD(found == (entered ? value : NULL));
  lido_release(found);
  IN_CHILD(lido_reference_count(value) == 1);
  lido_release(value);
  IN_CHILD(objects_stats(scene.world.pool).live == 0);
  IN_CHILD(lido_cache_destroy(scene.world.cache) == 0);
  _exit(0);
}

static int create_before_others(const void *key, size_t key_bytes, void *arg, void **value) {
  flights_start(arg, SOME);
  return flights_create(key, key_bytes, arg, value);
}

/* The test's own thread forks while it creates and others wait for it. */
static void fork_in_create(void (*how)(flight_scene *), bool entered) {
  void *value = NULL;
  int status = -1;
  if (!CACHED_MAY_FORK) return;
  flights_begin(&scene, NULL);
  scene.meanwhile = how;
  scene.wanted = SOME;
  int error = ask_with(create_before_others, &value);
  if (forked == 0) live_on_in_the_child(error, value, entered);
  flights_join(&scene);
  scene.askers[scene.count++] = (flight_asker){.value = value, .error = error};
  flights_check_value(&scene, 1, 0);
  CHECK_EQ(waitpid(forked, &status, 0), forked);
  CHECK(WIFEXITED(status));
  CHECK_EQ(WEXITSTATUS(status), 0);
  flights_end(&scene);
}

TEST(cache_creators, who_forks_in_create_ends_it_in_both_processes) { fork_in_create(fork_here, true); }
TEST(cache_creators, who_forks_in_a_doomed_creation_too) { fork_in_create(remove_and_fork, false); }
