/* fork_test.c: the child of a fork can use every pool, and finds what the threads that are gone had cached.
 *
 * A child says by its exit status which check did not hold: 0 all did, else the number of the line modulo 200, plus 1.
 * An alarm ends one that hangs.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/child.h"
#include "tests/support/objects.h"

enum { BYTES = 64, LIMIT = 300 };

typedef struct scene {
  lido_pool *pool;
  void *mine[LIMIT]; /* live objects of the forking thread */
  size_t count;
} scene;

static void begin(scene *s, const lido_pool_options *options, size_t live) {
  *s = (scene){.pool = lido_pool_create(options)};
  CHECK_NOT_NULL(s->pool);
  s->count = lido_pool_alloc_batch(s->pool, s->mine, live);
  CHECK_EQ(s->count, live);
  for (size_t i = 0; i < live; i++) objects_fill(s->mine[i], BYTES, i);
}

static void end(scene *s) {
  CHECK_SOUND(s->pool);
  for (size_t i = 0; i < s->count; i++) CHECK(objects_hold(s->mine[i], BYTES, i));
  lido_pool_free_batch(s->pool, s->mine, s->count);
  CHECK_EQ(objects_stats(s->pool).live, 0);
  CHECK_EQ(lido_pool_destroy(s->pool), 0);
}

/* ---- One thread ---- */

static void use_pool(void *arg) {
  scene *s = arg;
  IN_CHILD(objects_stats(s->pool).live == s->count);
  for (size_t i = 0; i < s->count; i++) IN_CHILD(objects_hold(s->mine[i], BYTES, i));
  void *objects[LIMIT];
  size_t left = LIMIT - s->count;
  IN_CHILD(lido_pool_alloc_batch(s->pool, objects, left) == left);
  IN_CHILD(lido_pool_alloc(s->pool) == NULL);
  for (size_t i = 0; i < left; i++) memset(objects[i], 0xff, BYTES);
  lido_pool_free_batch(s->pool, objects, left);
  lido_pool_free_batch(s->pool, s->mine, s->count);
  IN_CHILD(objects_stats(s->pool).live == 0);
  lido_pool_trim(s->pool);
  IN_CHILD(lido_pool_check(s->pool) == NULL);
  lido_pool *another = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
  IN_CHILD(another != NULL);
  lido_pool_free(another, lido_pool_alloc(another));
  IN_CHILD(lido_pool_destroy(another) == 0);
  IN_CHILD(lido_pool_destroy(s->pool) == 0);
}

TEST(fork, a_child_of_one_thread_has_everything) {
  scene s;
  begin(&s, &(lido_pool_options){.object_size = BYTES, .max_objects = LIMIT}, 50);
  check_child(use_pool, &s);
  check_child(use_pool, &s);
  end(&s);
}

TEST(fork, the_parent_does_not_see_what_the_child_does) {
  scene s;
  begin(&s, &(lido_pool_options){.object_size = BYTES, .max_objects = LIMIT}, 50);
  lido_pool_stats before = objects_stats(s.pool);
  check_child(use_pool, &s);
  lido_pool_stats after = objects_stats(s.pool);
  CHECK_EQ(memcmp(&before, &after, sizeof before), 0);
  end(&s);
}

/* ---- Other threads with full caches ---- */

typedef struct cacher {
  scene *s;
  pthread_barrier_t *meet;
  void *kept;
} cacher;

static void *fill_cache_and_wait(void *argument) {
  cacher *c = argument;
  void *objects[60];
  size_t got = lido_pool_alloc_batch(c->s->pool, objects, 60);
  c->kept = got > 0 ? objects[0] : NULL;
  for (size_t i = 1; i < got; i++) lido_pool_free(c->s->pool, objects[i]);
  pthread_barrier_wait(c->meet);
  pthread_barrier_wait(c->meet);
  lido_pool_free(c->s->pool, c->kept);
  return NULL;
}

enum { THREADS = 3 };

/* Fork while three threads hold caches, one live object each, and wait at a barrier. */
static void check_with_threads(void (*body)(scene *s), const lido_pool_options *options) {
  scene s;
  begin(&s, options, 40);
  pthread_barrier_t meet;
  pthread_barrier_init(&meet, NULL, THREADS + 1);
  cacher cachers[THREADS];
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) {
    cachers[i] = (cacher){.s = &s, .meet = &meet};
    CHECK_EQ(pthread_create(&threads[i], NULL, fill_cache_and_wait, &cachers[i]), 0);
  }
  pthread_barrier_wait(&meet);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    alarm(CHILD_SECONDS);
    body(&s);
    _exit(0);
  }
  int status = 0;
  pid_t waited = waitpid(child, &status, 0);
  pthread_barrier_wait(&meet);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  pthread_barrier_destroy(&meet);
  CHECK_EQ(waited, child);
  if (WIFSIGNALED(status)) TESTING_FAIL("the child ended by signal %d", WTERMSIG(status));
  if (WEXITSTATUS(status) != 0)
    TESTING_FAIL("in the child, the check at line %d (modulo 200)", WEXITSTATUS(status) - 1);
  end(&s);
}

#if LIDO_CHECKS != LIDO_CHECKS_NONE

/* All that the other threads had cached can be had: only their live objects are missing. */
static void find_all(scene *s) {
  IN_CHILD(objects_stats(s->pool).live == s->count + THREADS);
  void *objects[LIMIT];
  size_t left = LIMIT - s->count - THREADS;
  IN_CHILD(lido_pool_alloc_batch(s->pool, objects, left) == left);
  IN_CHILD(lido_pool_alloc(s->pool) == NULL);
  for (size_t i = 0; i < left; i++) memset(objects[i], 0xff, BYTES);
  for (size_t i = 0; i < s->count; i++) IN_CHILD(objects_hold(s->mine[i], BYTES, i));
  lido_pool_free_batch(s->pool, objects, left);
  IN_CHILD(lido_pool_check(s->pool) == NULL);
  lido_pool_free_batch(s->pool, s->mine, s->count);
  IN_CHILD(lido_pool_destroy(s->pool) == THREADS);
}

TEST(fork, what_other_threads_had_cached_is_found) {
  check_with_threads(find_all, &(lido_pool_options){.object_size = BYTES, .max_objects = LIMIT});
}

TEST(fork, what_other_threads_had_cached_is_found_in_zeroing_pools) {
  check_with_threads(find_all,
                     &(lido_pool_options){.object_size = BYTES, .max_objects = LIMIT, .flags = LIDO_POOL_ZERO});
}

TEST(fork, pools_without_caches_need_no_search) {
  check_with_threads(find_all,
                     &(lido_pool_options){.object_size = BYTES, .max_objects = LIMIT, .cache_bytes = SIZE_MAX});
}

/* The child's own threads may be the first to use the pool, several at once. */
#if !defined(__SANITIZE_THREAD__) /* it allows no new threads in the child of a process with several */

static void *use_in_childs_thread(void *argument) {
  scene *s = argument;
  void *objects[50];
  for (int round = 0; round < 200; round++) {
    size_t got = lido_pool_alloc_batch(s->pool, objects, 50);
    IN_CHILD(got == 50);
    for (size_t i = 0; i < got; i++) objects_fill(objects[i], BYTES, (uint64_t)(uintptr_t)objects[i]);
    for (size_t i = 0; i < got; i++) IN_CHILD(objects_hold(objects[i], BYTES, (uint64_t)(uintptr_t)objects[i]));
    lido_pool_free_batch(s->pool, objects, got);
  }
  return NULL;
}

static void use_threads(scene *s) {
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) IN_CHILD(pthread_create(&threads[i], NULL, use_in_childs_thread, s) == 0);
  use_in_childs_thread(s);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  for (size_t i = 0; i < s->count; i++) IN_CHILD(objects_hold(s->mine[i], BYTES, i));
  IN_CHILD(objects_stats(s->pool).live == s->count + THREADS);
  IN_CHILD(lido_pool_check(s->pool) == NULL);
}

TEST(fork, the_child_may_start_threads_at_once) {
  for (size_t round = 0; round < testing_scaled(60); round++) {
    check_with_threads(use_threads, &(lido_pool_options){.object_size = BYTES});
  }
}
#endif

#endif

/* ---- What else lives over a fork ---- */

static lido_reserve *reserve;
static lido_pool_cache *own_cache;
static lido_magazine *magazine;

static void use_the_rest(void *arg) {
  scene *s = arg;
  for (int i = 0; i < 20; i++) IN_CHILD(lido_reserve_alloc(reserve) != NULL);
  IN_CHILD(lido_reserve_alloc(reserve) == NULL);
  lido_reserve_destroy(reserve);
  void *object = lido_pool_cache_alloc(own_cache);
  IN_CHILD(object != NULL);
  lido_pool_cache_free(own_cache, object);
  lido_pool_cache_destroy(own_cache);
  lido_pool_magazine_attach(s->pool, magazine);
  IN_CHILD(lido_pool_check(s->pool) == NULL);
}

TEST(fork, reserves_magazines_and_explicit_caches_are_whole) {
  scene s;
  begin(&s, &(lido_pool_options){.object_size = BYTES}, 40);
  reserve = lido_reserve_create(s.pool, 20);
  own_cache = lido_pool_cache_create(s.pool);
  CHECK_NOT_NULL(reserve);
  CHECK_NOT_NULL(own_cache);
  lido_pool_cache_free(own_cache, lido_pool_cache_alloc(own_cache));
  void *objects[100];
  CHECK_EQ(lido_pool_alloc_batch(s.pool, objects, 100), 100);
  lido_pool_free_batch(s.pool, objects, 100);
  magazine = lido_pool_magazine_detach(s.pool);
  check_child(use_the_rest, &s);
  lido_reserve_destroy(reserve);
  lido_pool_cache_destroy(own_cache);
  lido_pool_magazine_attach(s.pool, magazine);
  end(&s);
}

/* Without state bytes nobody can tell what other threads had cached from what is live. */
static void destroy_only(scene *s) {
  size_t live = lido_pool_destroy(s->pool);
  IN_CHILD(live == s->count + THREADS || (LIDO_CHECKS == LIDO_CHECKS_NONE && live > s->count + THREADS));
}

TEST(fork, the_child_may_end_pools_it_never_used) {
  check_with_threads(destroy_only, &(lido_pool_options){.object_size = BYTES});
}

static void do_nothing(scene *s) { (void)s; }

TEST(fork, a_child_that_does_nothing_ends) {
  check_with_threads(do_nothing, &(lido_pool_options){.object_size = BYTES});
}

struct part {
  char bytes[BYTES];
};

LIDO_POOL_DEFINE(fork_part, struct part)

static void *typed_user(void *meet) {
  fork_part_free(fork_part_alloc());
  pthread_barrier_wait(meet);
  pthread_barrier_wait(meet);
  return NULL;
}

static void use_typed(scene *s) {
  (void)s;
  struct part *parts[100];
  for (int i = 0; i < 100; i++) IN_CHILD((parts[i] = fork_part_alloc()) != NULL);
  for (int i = 0; i < 100; i++) fork_part_free(parts[i]);
  lido_pool_trim(fork_part_pool()); /* caches of threads that are gone lay in their thread-locals */
  IN_CHILD(objects_stats(fork_part_pool()).live == 0 || LIDO_CHECKS == LIDO_CHECKS_NONE);
  IN_CHILD(lido_pool_check(fork_part_pool()) == NULL);
  IN_CHILD(lido_pool_destroy(fork_part_pool()) == 0 || LIDO_CHECKS == LIDO_CHECKS_NONE);
  fork_part_free(fork_part_alloc());
}

TEST(fork, typed_pools_work_in_the_child) {
  pthread_barrier_t meet;
  pthread_barrier_init(&meet, NULL, 2);
  pthread_t thread;
  fork_part_free(fork_part_alloc());
  CHECK_EQ(pthread_create(&thread, NULL, typed_user, &meet), 0);
  pthread_barrier_wait(&meet);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    alarm(CHILD_SECONDS);
    use_typed(NULL);
    _exit(0);
  }
  int status = 0;
  pid_t waited = waitpid(child, &status, 0);
  pthread_barrier_wait(&meet);
  pthread_join(thread, NULL);
  CHECK_EQ(waited, child);
  CHECK_EQ(status, 0);
  CHECK_EQ(lido_pool_destroy(fork_part_pool()), 0);
  pthread_barrier_destroy(&meet);
}

/* ---- Walkers ---- */

static bool visit_and_meet(void *object, void *arg) {
  (void)object;
  pthread_barrier_wait(arg); /* the fork happens now */
  pthread_barrier_wait(arg);
  return false;
}

typedef struct walker {
  lido_pool *pool;
  pthread_barrier_t meet;
} walker;

static void *walk(void *argument) {
  walker *w = argument;
  lido_pool_for_each(w->pool, visit_and_meet, &w->meet);
  return NULL;
}

static void trim_in_child(scene *s) {
  lido_pool_free_batch(s->pool, s->mine, s->count);
  lido_pool_trim(s->pool);
  IN_CHILD(objects_stats(s->pool).slabs <= 1);
}

TEST(fork, a_walk_in_the_parent_holds_no_slab_in_the_child) {
  scene s;
  begin(&s, &(lido_pool_options){.object_size = 8192}, 100);
  walker w = {.pool = s.pool};
  pthread_barrier_init(&w.meet, NULL, 2);
  pthread_t thread;
  CHECK_EQ(pthread_create(&thread, NULL, walk, &w), 0);
  pthread_barrier_wait(&w.meet);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    alarm(CHILD_SECONDS);
    trim_in_child(&s);
    _exit(0);
  }
  int status = 0;
  pid_t waited = waitpid(child, &status, 0);
  pthread_barrier_wait(&w.meet);
  pthread_join(thread, NULL);
  pthread_barrier_destroy(&w.meet);
  CHECK_EQ(waited, child);
  CHECK_EQ(status, 0);
  end(&s);
}

/* ---- Waiters ---- */

static void *waits_for_ever(void *argument) {
  lido_pool *pool = argument;
  void *object = lido_pool_alloc(pool);
  lido_pool_free(pool, object);
  return NULL;
}

static void wait_in_child(void *arg) {
  scene *s = arg;
  void *object = s->mine[0];
  lido_pool_free(s->pool, object); /* whoever waited in the parent does not wait here */
  IN_CHILD(lido_pool_alloc(s->pool) == object);
  lido_pool_free(s->pool, object);
}

TEST(fork, who_waits_in_the_parent_does_not_wait_in_the_child) {
  scene s;
  begin(&s,
        &(lido_pool_options){
            .object_size = BYTES, .max_objects = 1, .on_exhausted = LIDO_EXHAUSTED_WAIT, .wait_ns = UINT64_MAX},
        1);
  pthread_t thread;
  CHECK_EQ(pthread_create(&thread, NULL, waits_for_ever, s.pool), 0);
  while (objects_stats(s.pool).waits == 0) sched_yield();
  check_child(wait_in_child, &s);
  alarm(CHILD_SECONDS);
  lido_pool_free(s.pool, s.mine[0]);
  pthread_join(thread, NULL);
  alarm(0);
  s.count = 0;
  end(&s);
}

/* An explicit cache has no magazines in the child until it is used. */
static bool count_visit(void *object, void *argument) {
  (void)object;
  return ++*(size_t *)argument != 0;
}

static void ask_first(void *arg) {
  scene *s = arg;
  size_t visits = 0;
  IN_CHILD(lido_pool_owns(s->pool, s->mine[0]));
  IN_CHILD(lido_pool_for_each(s->pool, count_visit, &visits) == visits && visits >= s->count);
  IN_CHILD(objects_stats(s->pool).thread_caches >= 1);
  IN_CHILD(lido_pool_check(s->pool) == NULL);
}

TEST(fork, questions_may_come_before_an_explicit_cache_is_used) {
  scene s;
  begin(&s, &(lido_pool_options){.object_size = BYTES}, 10);
  lido_pool_cache *cache = lido_pool_cache_create(s.pool);
  CHECK_NOT_NULL(cache);
  lido_pool_cache_free(cache, lido_pool_cache_alloc(cache));
  check_child(ask_first, &s);
  lido_pool_cache_destroy(cache);
  end(&s);
}

/* The child's thread is not the one that used the pool. */
static void *use_and_wait(void *argument) {
  cacher *c = argument;
  c->kept = lido_pool_alloc(c->s->pool);
  pthread_barrier_wait(c->meet);
  pthread_barrier_wait(c->meet);
  lido_pool_free(c->s->pool, c->kept);
  return NULL;
}

static void take_over(void *arg) {
  scene *s = arg;
  lido_pool_free(s->pool, lido_pool_alloc(s->pool)); /* a misuse would end it */
  if (LIDO_CHECKS != LIDO_CHECKS_NONE) IN_CHILD(objects_stats(s->pool).live == 1);
}

static void check_take_over(size_t most) {
  scene s = {.pool = lido_pool_create(
                 &(lido_pool_options){.object_size = BYTES, .max_objects = most, .flags = LIDO_POOL_SINGLE_THREAD})};
  CHECK_NOT_NULL(s.pool);
  pthread_barrier_t meet;
  pthread_barrier_init(&meet, NULL, 2);
  cacher user = {.s = &s, .meet = &meet};
  pthread_t thread;
  CHECK_EQ(pthread_create(&thread, NULL, use_and_wait, &user), 0);
  pthread_barrier_wait(&meet);
  check_child(take_over, &s);
  pthread_barrier_wait(&meet);
  pthread_join(thread, NULL);
  pthread_barrier_destroy(&meet);
  CHECK_EQ(lido_pool_destroy(s.pool), 0);
}

TEST(fork, a_single_thread_pool_of_a_vanished_thread_may_be_used) {
  check_take_over(LIMIT);
  check_take_over(10); /* without caches */
}

/* ---- From within construct ---- */

typedef struct forking {
  size_t built;
  size_t fork_at;
  pid_t child; /* 0 in the child */
} forking;

static int build_and_fork(void *object, void *context) {
  forking *f = context;
  (void)object;
  if (f->built++ == f->fork_at) f->child = fork();
  return 0;
}

/* The child's alloc goes on in the middle of a refill, and what the other thread had cached is not found twice. */
static void live_on_in_the_child(scene *s) {
  enum { MORE = 4000 };
  static void *objects[MORE];
  alarm(CHILD_SECONDS);
  lido_pool_free(s->pool, s->mine[0]);
  IN_CHILD(lido_pool_alloc_batch(s->pool, objects, MORE) == MORE);
  for (size_t i = 0; i < MORE; i++) objects_fill(objects[i], BYTES, i);
  for (size_t i = 0; i < MORE; i++) IN_CHILD(objects_hold(objects[i], BYTES, i));
  for (size_t i = 1; i < s->count; i++) IN_CHILD(objects_hold(s->mine[i], BYTES, i));
  IN_CHILD(lido_pool_check(s->pool) == NULL);
  _exit(0);
}

TEST(fork, construct_may_fork) {
  forking f = {.fork_at = SIZE_MAX, .child = -1};
  scene s;
  begin(&s, &(lido_pool_options){.object_size = BYTES, .construct = build_and_fork, .context = &f}, 40);
  pthread_barrier_t meet;
  pthread_barrier_init(&meet, NULL, 2);
  cacher other = {.s = &s, .meet = &meet};
  pthread_t thread;
  CHECK_EQ(pthread_create(&thread, NULL, fill_cache_and_wait, &other), 0);
  pthread_barrier_wait(&meet);
  f.fork_at = f.built;
  fflush(stdout);
  object_list more = {0};
  while (f.child < 0) object_list_push(&more, lido_pool_alloc(s.pool));
  if (f.child == 0) live_on_in_the_child(&s);
  int status = -1;
  CHECK_EQ(waitpid(f.child, &status, 0), f.child);
  pthread_barrier_wait(&meet);
  pthread_join(thread, NULL);
  pthread_barrier_destroy(&meet);
  objects_free_all(s.pool, &more);
  object_list_end(&more);
  CHECK(WIFEXITED(status));
  if (WEXITSTATUS(status) != 0)
    TESTING_FAIL("in the child, the check at line %d (modulo 200)", WEXITSTATUS(status) - 1);
  end(&s);
}
