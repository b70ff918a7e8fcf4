/* caches_fork_test.c: fork in a program whose threads are in the middle of caches, intern tables and maps. The child
 * can use all of them, and make and end others. */
#include <sys/wait.h>

#include "tests/stress/crew.h"
#include "tests/support/cached.h"

enum { KEYS = 10, WORKERS = 3, CHILD_SECONDS = 30 };

static struct {
  cached_world world;
  lido_intern *intern;
  lido_ephemerons *map;
  cached_value *shared; /* a key of the map */
  int over;             /* atomic */
} s;

static int create(const void *key, size_t key_bytes, void *arg, void **value) {
  uint64_t number;
  (void)key_bytes, (void)arg;
  memcpy(&number, key, sizeof number);
  *value = cached_make(&s.world, number);
  return *value != NULL ? 0 : ENOMEM;
}

static bool create_one(uint64_t key) {
  void *value = NULL;
  bool found = lido_cache_get_or_create(s.world.cache, &key, sizeof key, create, NULL, &value) == 0;
  found = found && ((cached_value *)value)->number == key;
  lido_release(value);
  return found;
}

static bool put_one(uint64_t key) {
  cached_value *value = cached_make(&s.world, key);
  bool put = value != NULL && lido_cache_put(s.world.cache, &key, sizeof key, value) == 0;
  lido_release(value);
  return put;
}

static bool intern_one(uint64_t key) {
  lido_interned value = lido_intern_bytes(s.intern, &key, sizeof key);
  lido_interned again = lido_intern_find(s.intern, &key, sizeof key);
  bool same = value.bits != 0 && lido_interned_equal(value, again);
  lido_interned_release(value);
  lido_interned_release(again);
  return same;
}

static bool attach_one(void) {
  bool attached = lido_ephemerons_set(s.map, s.shared, &s) == 0;
  cached_value *key = cached_make(&s.world, 1);
  attached = attached && key != NULL && lido_ephemerons_set(s.map, key, &s) == 0;
  attached = attached && lido_ephemerons_get(s.map, key) == &s;
  lido_release(key);
  return attached;
}

static void work(crew_member *me) {
  while (!flag_get(&s.over) && crew_goes_on(me->crew)) {
    uint64_t key = testing_below(&me->random, KEYS);
    switch (testing_below(&me->random, 8)) {
      case 0:
        CREW_HOLDS(me->crew, put_one(key));
        break;
      case 1:
        lido_cache_remove(s.world.cache, &key, sizeof key);
        break;
      case 2:
        CREW_HOLDS(me->crew, intern_one(key));
        break;
      case 3:
        CREW_HOLDS(me->crew, attach_one());
        break;
      case 4:
        lido_cache_evict(s.world.cache, 1);
        break;
      default:
        CREW_HOLDS(me->crew, create_one(key));
    }
  }
}

/* -> 0, or the number of the step that failed. What other threads held is lost to the child. */
static int use_as_a_child(void) {
  for (uint64_t key = 0; key < KEYS; key++) {
    if (!create_one(key)) return 1;
    if (!put_one(key)) return 2;
    if (!intern_one(key)) return 3;
  }
  if (!attach_one()) return 4;
  if (lido_cache_check(s.world.cache) != NULL) return 5;
  if (lido_intern_check(s.intern) != NULL) return 6;
  if (lido_ephemerons_check(s.map) != NULL) return 7;
  lido_cache_trim(s.world.cache);
  if (cached_stats(s.world.cache).kept > 4) return 8;
  lido_cache_clear(s.world.cache);
  if (cached_stats(s.world.cache).entries != 0) return 9;
  if (lido_pool_check(s.world.pool) != NULL) return 10;
  return 0;
}

static void end_all_as_a_child(void) {
  lido_cache_destroy(s.world.cache);
  lido_intern_destroy(s.intern);
  lido_ephemerons_destroy(s.map);
}

static bool make_new_ones(void) {
  s.world.cache = lido_cache_create(&(lido_cache_options){.keep_count = 4});
  s.intern = lido_intern_create(NULL);
  s.map = lido_ephemerons_create(NULL);
  return s.world.cache != NULL && s.intern != NULL && s.map != NULL;
}

/* The parent's, and then its own. */
static int live_as_a_child(void) {
  int status = use_as_a_child();
  if (status != 0) return status;
  end_all_as_a_child();
  if (!make_new_ones()) return 20;
  status = use_as_a_child();
  if (status != 0) return 20 + status;
  end_all_as_a_child();
  return 0;
}

static int fork_once(void) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    signal(SIGALRM, SIG_DFL);
    alarm(CHILD_SECONDS);
    _exit(live_as_a_child());
  }
  int status = -1;
  return waitpid(child, &status, 0) == child ? status : -1;
}

TEST(caches_fork, the_child_has_everything) {
  static crew team;
  int status = 0;
  size_t forks = 0;
  if (!CACHED_MAY_FORK) return;
  memset(&s, 0, sizeof s);
  s.world = cached_begin(&(lido_cache_options){.keep_count = 4});
  s.intern = lido_intern_create(NULL);
  s.map = lido_ephemerons_create(NULL);
  s.shared = cached_make(&s.world, 0);
  crew_start(&team, WORKERS, testing_seed(), work, NULL);
  for (; forks < testing_scaled(200) && status == 0 && crew_goes_on(&team); forks++) status = fork_once();
  flag_set(&s.over, 1);
  CHECK_CREW(&team);
  if (status != 0)
    TESTING_FAIL("fork %zu: the child's status is %d (signal %d, exit %d)", forks, status,
                 WIFSIGNALED(status) ? WTERMSIG(status) : 0, WIFEXITED(status) ? WEXITSTATUS(status) : 0);
  lido_release(s.shared);
  lido_cache_clear(s.world.cache);
  CHECK_EQ(lido_intern_destroy(s.intern), 0);
  CHECK_EQ(lido_ephemerons_destroy(s.map), 0);
  cached_end(&s.world);
}
