/* fork_under_load_test.c: fork in a program whose threads are in the middle of everything. In the child every
 * pool is sound, what the vanished threads had in their caches is back, and at most one object for each of
 * them is lost.
 *
 * A child says by its exit status which step failed; a child that hangs dies of SIGALRM. ThreadSanitizer
 * follows all of it (with die_after_fork=0) but the child that starts threads of its own, which it does not
 * support.
 */
#include <sys/wait.h>

#include "tests/stress/crew.h"

enum { BYTES = 96, LARGE = 2048, POOLS = 5, HELD = 150, WORKERS = 4, LIMIT = 2000, CHILD_SECONDS = 30 };
enum { SMALL_CACHES, PLAIN, LIMITED, ZEROED, DIRECT };

enum child_status {
  CHILD_FINE = 0,
  CHILD_UNSOUND = 10, /* + number of the pool */
  CHILD_MISCOUNTED = 20,
  CHILD_NO_OBJECT = 30,
  CHILD_DOUBLE = 40,
  CHILD_NOT_ZEROED = 45,
  CHILD_LIMIT = 50,
  CHILD_UNSOUND_AFTER = 60,
  CHILD_NEW_POOL = 70,
  CHILD_THREADS = 80,
};

typedef struct ship {
  lido_pool *pools[POOLS];
  size_t live[WORKERS][POOLS]; /* atomic: what each worker holds, told after each alloc and free */
  int over;                    /* atomic */
} ship;

static ship the_ship;

static size_t bytes_of(size_t pool) { return pool == ZEROED ? LARGE : BYTES; }

/* ---- The load ---- */

static void tell(crew_member *me, size_t pool, size_t count) {
  __atomic_store_n(&the_ship.live[me->index][pool], count, __ATOMIC_RELEASE);
}

/* Fills and empties caches, so that every slow path is met. */
static void haul(crew_member *me) {
  void *held[POOLS][HELD];
  size_t count[POOLS] = {0};
  while (!flag_get(&the_ship.over)) {
    size_t p = testing_below(&me->random, POOLS);
    size_t goal = testing_below(&me->random, HELD);
    while (count[p] < goal) {
      void *object = lido_pool_alloc(the_ship.pools[p]);
      if (object == NULL) break; /* the limit */
      stamp_put(object, bytes_of(p), me->index + 1, p);
      held[p][count[p]] = object;
      tell(me, p, ++count[p]);
    }
    while (count[p] > goal) {
      void *object = held[p][--count[p]];
      CREW_HOLDS(me->crew, stamp_is_of(object, bytes_of(p), me->index + 1));
      lido_pool_free(the_ship.pools[p], object);
      tell(me, p, count[p]);
    }
    size_t what = testing_below(&me->random, 64);
    if (what == 0) lido_thread_flush();
    if (what == 1) lido_pool_trim(the_ship.pools[p]);
  }
  for (size_t p = 0; p < POOLS; p++) lido_pool_free_batch(the_ship.pools[p], held[p], count[p]);
}

static void launch(void) {
  const lido_pool_options options[POOLS] = {
      [SMALL_CACHES] = {.object_size = BYTES, .cache_bytes = 2048, .retain_bytes = 8192, .name = "small caches"},
      [PLAIN] = {.object_size = BYTES, .name = "plain"},
      [LIMITED] = {.object_size = BYTES, .max_objects = LIMIT, .cache_bytes = 4096, .name = "limited"},
      [ZEROED] = {.object_size = LARGE, .flags = LIDO_POOL_ZERO, .cache_bytes = 65536, .name = "zeroed"},
      [DIRECT] = {.object_size = BYTES, .cache_bytes = SIZE_MAX, .retain_bytes = 8192, .name = "direct"},
  };
  the_ship = (ship){0};
  for (size_t p = 0; p < POOLS; p++) {
    the_ship.pools[p] = lido_pool_create(&options[p]);
    CHECK_NOT_NULL(the_ship.pools[p]);
  }
}

static void scrap(void) {
  for (size_t p = 0; p < POOLS; p++) {
    CHECK_EQ(objects_stats(the_ship.pools[p]).live, 0);
    CHECK_SOUND(the_ship.pools[p]);
    CHECK_EQ(lido_pool_destroy(the_ship.pools[p]), 0);
  }
}

/* ---- In the child ---- */

static int child_fails(int status, const char *why) {
  char line[160];
  int length = snprintf(line, sizeof line, "# in the child: status %d: %s\n", status, why);
  ssize_t written = write(STDOUT_FILENO, line, (size_t)length);
  (void)written;
  return status;
}

static int check_pools(int status) {
  for (size_t p = 0; p < POOLS; p++) {
    const char *broken = lido_pool_check(the_ship.pools[p]);
    if (broken != NULL) return child_fails(status + (int)p, broken);
  }
  return CHILD_FINE;
}

/* Each worker was between two statements, so it may have one object more or less than it told. Without state
 * bytes what vanished caches held counts as live. */
static int count_live(void) {
  if (LIDO_CHECKS == LIDO_CHECKS_NONE) return CHILD_FINE;
  for (size_t p = 0; p < POOLS; p++) {
    uint64_t told = 0;
    for (size_t w = 0; w < WORKERS; w++) told += the_ship.live[w][p];
    uint64_t live = objects_stats(the_ship.pools[p]).live;
    if (live > told + WORKERS || told > live + WORKERS) return child_fails(CHILD_MISCOUNTED + (int)p, "live objects");
  }
  return CHILD_FINE;
}

static int use_pool(lido_pool *pool, int number, size_t bytes) {
  enum { SOME = 400 };
  void *objects[SOME];
  size_t got = lido_pool_alloc_batch(pool, objects, SOME);
  if (got != SOME) return child_fails(CHILD_NO_OBJECT + number, "no object");
  for (size_t i = 0; i < got; i++) {
    bool zeroed = bytes == LARGE;
    if (zeroed && !objects_are_all(objects[i], bytes, 0))
      return child_fails(CHILD_NOT_ZEROED, "an object is not zeroed");
    stamp_put(objects[i], bytes, 99, i);
  }
  for (size_t i = 0; i < got; i++) {
    const stamp *s = objects[i];
    if (!stamp_is_of(s, bytes, 99) || s->serial != i) return child_fails(CHILD_DOUBLE + number, "handed out twice");
  }
  lido_pool_free_batch(pool, objects, got);
  return CHILD_FINE;
}

/* All that is not live can be had. */
static int use_up_the_limit(lido_pool *pool) {
  static void *objects[LIMIT + 1];
  uint64_t live = objects_stats(pool).live;
  size_t got = lido_pool_alloc_batch(pool, objects, LIMIT + 1);
  lido_pool_free_batch(pool, objects, got);
  return got + live == LIMIT ? CHILD_FINE : child_fails(CHILD_LIMIT, "objects of the limited pool are lost");
}

static int use_new_pool(void) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .name = "child's"});
  if (pool == NULL) return child_fails(CHILD_NEW_POOL, "no new pool");
  int status = use_pool(pool, 0, BYTES);
  if (status != CHILD_FINE) return status;
  return lido_pool_destroy(pool) == 0 ? CHILD_FINE : child_fails(CHILD_NEW_POOL, "its end");
}

static int live_as_a_child(void) {
  int status = check_pools(CHILD_UNSOUND);
  if (status == CHILD_FINE) status = count_live();
  for (int p = 0; p < POOLS && status == CHILD_FINE; p++) status = use_pool(the_ship.pools[p], p, bytes_of((size_t)p));
  if (status == CHILD_FINE) status = use_up_the_limit(the_ship.pools[LIMITED]);
  if (status == CHILD_FINE) status = use_new_pool();
  for (size_t p = 0; p < POOLS; p++) lido_pool_trim(the_ship.pools[p]);
  if (status == CHILD_FINE) status = check_pools(CHILD_UNSOUND_AFTER);
  if (status == CHILD_FINE) status = count_live();
  for (size_t p = 0; p < POOLS && status == CHILD_FINE; p++) lido_pool_destroy(the_ship.pools[p]);
  return status;
}

/* -> what waitpid() says of a child that ran `life`. */
static int fork_once(int (*life)(void)) {
  fflush(stdout);
  pid_t child = fork();
  if (child < 0) return -1;
  if (child == 0) {
    signal(SIGALRM, SIG_DFL);
    alarm(CHILD_SECONDS);
    _exit(life());
  }
  int status = -1;
  return waitpid(child, &status, 0) == child ? status : -1;
}

static void fork_again_and_again(crew *team, size_t forks, int (*life)(void)) {
  int status = 0;
  size_t done = 0;
  for (; done < testing_scaled(forks) && status == 0 && crew_goes_on(team); done++) {
    for (size_t p = 0; p < POOLS; p++) lido_pool_free(the_ship.pools[p], lido_pool_alloc(the_ship.pools[p]));
    status = fork_once(life);
  }
  flag_set(&the_ship.over, 1);
  const char *complaint = crew_end(team);
  if (complaint != NULL) TESTING_FAIL("%s", complaint);
  if (status != 0)
    TESTING_FAIL("fork %zu: the child's status is %d (signal %d, exit %d)", done, status,
                 WIFSIGNALED(status) ? WTERMSIG(status) : 0, WIFEXITED(status) ? WEXITSTATUS(status) : 0);
}

static void fork_beside(void (*work)(crew_member *me), size_t forks, int (*life)(void)) {
  static crew team;
  launch();
  crew_start(&team, WORKERS, testing_seed(), work, NULL);
  fork_again_and_again(&team, forks, life);
  scrap();
}

TEST(fork_under_load, the_child_is_whole) { fork_beside(haul, 150, live_as_a_child); }

/* ---- What else threads may be in the middle of ---- */

static void make_and_end_pools(crew_member *me) {
  while (!flag_get(&the_ship.over)) {
    lido_pool *own = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .name = "brief"});
    if (!CREW_HOLDS(me->crew, own != NULL)) return;
    for (size_t i = 0; i < 20; i++) CREW_HOLDS(me->crew, lido_pool_alloc(own) != NULL);
    CREW_HOLDS(me->crew, lido_pool_destroy(own) == 20);
  }
}

TEST(fork_under_load, while_pools_come_and_go) { fork_beside(make_and_end_pools, 60, live_as_a_child); }

static void set_objects_aside(crew_member *me) {
  lido_pool *pool = the_ship.pools[SMALL_CACHES];
  while (!flag_get(&the_ship.over)) {
    for (size_t i = 0; i < 20; i++) lido_pool_free(pool, lido_pool_alloc(pool));
    lido_pool_magazine_attach(pool, lido_pool_magazine_detach(pool));
    lido_reserve *reserve = lido_reserve_create(pool, 30);
    if (!CREW_HOLDS(me->crew, reserve != NULL)) return;
    lido_pool_free(pool, lido_reserve_alloc(reserve));
    lido_reserve_destroy(reserve);
  }
}

TEST(fork_under_load, while_objects_are_set_aside) { fork_beside(set_objects_aside, 60, live_as_a_child); }

static void work_with_an_own_cache(crew_member *me) {
  void *objects[40];
  while (!flag_get(&the_ship.over)) {
    lido_pool_cache *cache = lido_pool_cache_create(the_ship.pools[SMALL_CACHES]);
    if (!CREW_HOLDS(me->crew, cache != NULL)) return;
    for (size_t round = 0; round < 50; round++) {
      size_t count = 1 + testing_below(&me->random, 40);
      for (size_t i = 0; i < count; i++) {
        objects[i] = lido_pool_cache_alloc(cache);
        tell(me, SMALL_CACHES, i + 1);
      }
      while (count > 0) {
        lido_pool_cache_free(cache, objects[--count]);
        tell(me, SMALL_CACHES, count);
      }
    }
    lido_pool_cache_destroy(cache);
  }
}

TEST(fork_under_load, while_explicit_caches_are_used) { fork_beside(work_with_an_own_cache, 60, live_as_a_child); }

static void *be_brief(void *unused) {
  for (size_t p = 0; p < POOLS; p++) lido_pool_free(the_ship.pools[p], lido_pool_alloc(the_ship.pools[p]));
  return unused;
}

static void start_and_end_threads(crew_member *me) {
  while (!flag_get(&the_ship.over)) {
    pthread_t thread;
    if (!CREW_HOLDS(me->crew, pthread_create(&thread, NULL, be_brief, NULL) == 0)) return;
    pthread_join(thread, NULL);
  }
}

TEST(fork_under_load, while_threads_start_and_exit) { fork_beside(start_and_end_threads, 60, live_as_a_child); }

/* ---- A child with threads of its own ---- */

enum { CHILDS_ROUNDS = 300 };

/* Alloc and free with stamps, in small and in large steps. -> whether every stamp held. */
static bool bustle(uint64_t owner, testing_random *random) {
  void *objects[60];
  for (size_t round = 0; round < CHILDS_ROUNDS; round++) {
    lido_pool *pool = the_ship.pools[round % 2 ? PLAIN : SMALL_CACHES];
    size_t count = 1 + testing_below(random, round % 8 == 0 ? 60 : 4);
    if (lido_pool_alloc_batch(pool, objects, count) != count) return false;
    for (size_t i = 0; i < count; i++) stamp_put(objects[i], BYTES, owner, i);
    for (size_t i = 0; i < count; i++) {
      if (!stamp_is_of(objects[i], BYTES, owner)) return false;
    }
    lido_pool_free_batch(pool, objects, count);
  }
  return true;
}

static void bustle_as_a_member(crew_member *me) { CREW_HOLDS(me->crew, bustle(me->index + 1, &me->random)); }

static int have_threads_as_a_child(void) {
  static crew childs_team;
  testing_random random = {4711};
  crew_start(&childs_team, 2, 1, bustle_as_a_member, NULL);
  bool held = bustle(99, &random); /* this thread's cache is from before the fork */
  const char *complaint = crew_end(&childs_team);
  if (!held) complaint = "stamps of the thread that forked";
  if (complaint != NULL) return child_fails(CHILD_THREADS, complaint);
  return live_as_a_child();
}

TEST(fork_under_load, the_child_may_have_threads) {
  if (CREW_TSAN) return; /* "starting new threads after multi-threaded fork is not supported" */
  fork_beside(haul, 150, have_threads_as_a_child);
}

/* ---- From a thread that is not the first, and from a grandchild ---- */

static int fork_again_as_a_child(void) {
  int status = live_as_a_child();
  if (status != CHILD_FINE) return status;
  launch();
  status = fork_once(live_as_a_child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

TEST(fork_under_load, the_child_may_fork) { fork_beside(haul, 30, fork_again_as_a_child); }

static void haul_or_fork(crew_member *me) {
  if (me->index != 0) {
    haul(me);
    return;
  }
  for (size_t done = 0; done < testing_scaled(40); done++) {
    for (size_t p = 0; p < POOLS; p++) lido_pool_free(the_ship.pools[p], lido_pool_alloc(the_ship.pools[p]));
    if (!CREW_HOLDS(me->crew, fork_once(live_as_a_child) == 0)) break;
  }
  flag_set(&the_ship.over, 1);
}

TEST(fork_under_load, any_thread_may_fork) {
  static crew team;
  launch();
  crew_start(&team, WORKERS, testing_seed(), haul_or_fork, NULL);
  CHECK_CREW(&team);
  scrap();
}

/* ---- From within a walk ---- */

typedef struct walk_note {
  pid_t child; /* 0 in the child */
  size_t visited;
} walk_note;

static bool fork_at_the_first(void *object, void *argument) {
  walk_note *note = argument;
  (void)object;
  if (note->visited++ == 0) note->child = fork();
  return true;
}

TEST(fork_under_load, a_visitor_may_fork) {
  enum { SOME = 1000 };
  static void *objects[SOME];
  walk_note note = {.child = -1};
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
  CHECK_NOT_NULL(pool);
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, SOME), SOME);
  size_t visited = lido_pool_for_each(pool, fork_at_the_first, &note);
  lido_pool_free_batch(pool, objects, SOME);
  lido_pool_trim(pool);
  bool gone = objects_stats(pool).slabs == 0;
  if (note.child == 0) _exit(visited != SOME ? 1 : !gone ? 2 : lido_pool_destroy(pool) != 0 ? 3 : 0);
  CHECK_GT(note.child, 0);
  int status = -1;
  CHECK_EQ(waitpid(note.child, &status, 0), note.child);
  CHECK_EQ(visited, SOME);
  CHECK(gone);
  CHECK_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}
