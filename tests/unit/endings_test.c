/* endings_test.c: pools with handles that end while their objects still refer to each other, wait for readers, or are
 * in somebody's hands; and pools that are full of objects which are dead but not gone.
 */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "lido/lido.h"
#include "tests/support/testing.h"

enum { ERRNO_MARK = 4711, ENDS_DEEP = 20000 };

typedef struct node {
  struct node *next; /* one reference to it */
  size_t number;
} node;

static size_t ended;
static size_t misuses;

static void count_misuse(const lido_misuse *misuse, void *context) {
  (void)misuse, (void)context;
  misuses++;
}

static void release_next(void *object, void *context) {
  (void)context;
  ended++;
  errno = EIO; /* what a destructor leaves is not the caller's affair */
  lido_release(((node *)object)->next);
}

static lido_pool *make(unsigned flags, void (*destroy)(void *, void *)) {
  ended = 0;
  misuses = 0;
  lido_misuse_handler_set(count_misuse, NULL);
  lido_pool *pool = lido_pool_create(&(lido_pool_options){
      .name = "nodes", .object_size = sizeof(node), .flags = LIDO_POOL_HANDLES | flags, .destroy = destroy});
  CHECK_NOT_NULL(pool);
  return pool;
}

static void check_quiet(void) {
  lido_guard_stats stats;
  lido_guard_stats_get(&stats);
  CHECK_EQ(misuses, 0);
  CHECK_EQ(stats.deferred, 0);
  CHECK_NULL(lido_weak_check());
  lido_misuse_handler_set(NULL, NULL);
}

/* ---- Objects that refer to each other ---- */

static void end_with_links(unsigned flags, bool forward) {
  enum { NODES = 1000 };
  static node *nodes[NODES];
  lido_pool *pool = make(flags, release_next);
  for (size_t i = 0; i < NODES; i++) {
    nodes[i] = lido_pool_alloc(pool);
    *nodes[i] = (node){0};
  }
  for (size_t i = 0; i + 1 < NODES; i++) {
    if (forward) {
      nodes[i]->next = nodes[i + 1]; /* the only reference to it */
    } else {
      nodes[i + 1]->next = lido_retain(nodes[i]);
    }
  }
  CHECK_EQ(lido_pool_destroy(pool), NODES);
  CHECK_EQ(ended, NODES);
  check_quiet();
}

TEST(endings, objects_that_own_others) {
  end_with_links(0, true);
  end_with_links(0, false);
}

TEST(endings, guarded_objects_that_own_others) {
  end_with_links(LIDO_POOL_GUARDED, true);
  end_with_links(LIDO_POOL_GUARDED, false);
}

static void release_it(void *arg) {
  ended++;
  lido_release(arg);
}

TEST(endings, a_guarded_death_that_causes_another) {
  lido_pool *pool = make(LIDO_POOL_GUARDED, NULL);
  node *b = lido_pool_alloc(pool);
  node *a = lido_pool_alloc(pool);
  lido_cleanup_add(b, release_it, NULL);
  lido_cleanup_add(a, release_it, b);
  lido_release(a);
  CHECK_EQ(lido_pool_destroy(pool), 0);
  CHECK_EQ(ended, 2);
  CHECK_EQ(lido_guard_collect(), 0);
  check_quiet();
}

static lido_pool *the_pool;
static void make_another(void *arg) {
  size_t left = (size_t)arg;
  ended++;
  if (left == 0) return;
  node *next = lido_pool_alloc(the_pool);
  lido_cleanup_add(next, make_another, (void *)(left - 1));
  lido_release(next);
}

TEST(endings, what_cleanups_make_in_a_guarded_pool_dies_too) {
  the_pool = make(LIDO_POOL_GUARDED, NULL);
  node *first = lido_pool_alloc(the_pool);
  lido_cleanup_add(first, make_another, (void *)5);
  CHECK_EQ(lido_pool_destroy(the_pool), 1);
  CHECK_EQ(ended, 6);
  check_quiet();
}

/* ---- Deaths in hands ---- */

static void end_pool(void *arg) {
  ended++;
  lido_pool_destroy(arg);
}

TEST(endings, a_collect_that_ends_the_pool_of_another_of_its_deaths) {
  lido_pool *first = make(LIDO_POOL_GUARDED, NULL);
  lido_pool *second = make(LIDO_POOL_GUARDED, NULL);
  node *a = lido_pool_alloc(first);
  node *b = lido_pool_alloc(second);
  lido_cleanup_add(a, end_pool, second);
  lido_cleanup_add(b, release_it, NULL);
  lido_release(a);
  lido_release(b);
  CHECK_EQ(lido_guard_collect(), 2);
  CHECK_EQ(ended, 2);
  CHECK_EQ(lido_pool_destroy(first), 0);
  check_quiet();
}

typedef struct slow {
  int has_begun[2];
  int may_end[2];
  bool is_over;
} slow;

static void wait_slowly(void *arg) {
  slow *s = *(slow **)arg;
  char byte = 0;
  CHECK_EQ(write(s->has_begun[1], &byte, 1), 1);
  CHECK_EQ(read(s->may_end[0], &byte, 1), 1);
}

static void note_over(void *arg) { __atomic_store_n(&(*(slow **)arg)->is_over, true, __ATOMIC_RELEASE); }

static void *collect(void *unused) {
  (void)unused;
  lido_guard_collect();
  return NULL;
}

static void *let_it_end(void *arg) {
  char byte = 0;
  usleep(20000); /* synchronize is waiting by now; if not, the test only shows less */
  CHECK_EQ(write(((slow *)arg)->may_end[1], &byte, 1), 1);
  return NULL;
}

TEST(endings, a_death_in_another_threads_hands_is_waited_for) {
  slow s = {.is_over = false}, *at = &s;
  pthread_t collector, helper;
  char byte;
  CHECK_EQ(pipe(s.has_begun), 0);
  CHECK_EQ(pipe(s.may_end), 0);
  lido_pool *held_up = make(LIDO_POOL_GUARDED, NULL);
  lido_pool *pool = make(LIDO_POOL_GUARDED, NULL);
  node *first = lido_pool_alloc(held_up);
  node *second = lido_pool_alloc(pool);
  lido_cleanup_add_copy(first, wait_slowly, &at, sizeof at);
  lido_cleanup_add_copy(second, note_over, &at, sizeof at);
  lido_release(first);
  lido_release(second);
  CHECK_EQ(pthread_create(&collector, NULL, collect, NULL), 0);
  CHECK_EQ(read(s.has_begun[0], &byte, 1), 1);
  CHECK_EQ(pthread_create(&helper, NULL, let_it_end, &s), 0);
  CHECK_EQ(lido_guard_synchronize(), 0);
  CHECK(__atomic_load_n(&s.is_over, __ATOMIC_ACQUIRE));
  CHECK_EQ(lido_pool_destroy(pool), 0);
  pthread_join(collector, NULL);
  pthread_join(helper, NULL);
  CHECK_EQ(lido_pool_destroy(held_up), 0);
  check_quiet();
}

static void synchronize(void *arg) { *(int *)*(int **)arg = lido_guard_synchronize(); }

TEST(endings, synchronize_inside_a_cleanup_is_refused) {
  int error = 0, *at = &error;
  lido_pool *pool = make(0, NULL);
  node *object = lido_pool_alloc(pool);
  lido_cleanup_add_copy(object, synchronize, &at, sizeof at);
  lido_release(object);
  CHECK_EQ(error, EDEADLK);
  lido_pool_destroy(pool);
  check_quiet();
}

/* A server with one pool for each connection: its end releases many objects, each of which ends its own pool. */
static void release_many(void *arg) {
  node **objects = *(node ***)arg;
  for (size_t i = 0; i < ENDS_DEEP; i++) lido_release(objects[i]);
}

TEST(endings, pools_that_end_in_the_cleanups_of_their_neighbours_use_no_stack) {
  static node *objects[ENDS_DEEP];
  node **at = objects;
  lido_pool *pool = make(0, NULL);
  lido_pool *empty = make(0, NULL);
  for (size_t i = 0; i < ENDS_DEEP; i++) {
    objects[i] = lido_pool_alloc(pool);
    lido_pool *own = i % 100 == 0 ? make(0, NULL) : NULL; /* NULL is ignored, and a pool for each would take long */
    lido_cleanup_add(objects[i], end_pool, own);
  }
  node *first = lido_pool_alloc(empty);
  lido_cleanup_add_copy(first, release_many, &at, sizeof at);
  ended = 0;
  lido_release(first);
  CHECK_EQ(ended, ENDS_DEEP);
  CHECK_EQ(lido_pool_destroy(pool), 0);
  CHECK_EQ(lido_pool_destroy(empty), 0);
  check_quiet();
}

/* ---- Full of the dead ---- */

static void live_and_die(lido_exhausted policy) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 64,
                                                          .max_objects = 10,
                                                          .flags = LIDO_POOL_HANDLES | LIDO_POOL_GUARDED,
                                                          .on_exhausted = policy,
                                                          .wait_ns = UINT64_MAX});
  lido_pool_stats stats;
  CHECK_NOT_NULL(pool);
  for (int i = 0; i < 100; i++) {
    void *object = lido_pool_alloc(pool);
    CHECK_NOT_NULL(object);
    lido_weak_make(object);
    lido_release(object);
  }
  lido_pool_stats_get(pool, &stats);
  CHECK_EQ(stats.fallbacks, 0);
  lido_reserve *reserve = lido_reserve_create(pool, 10);
  CHECK_NOT_NULL(reserve);
  lido_reserve_destroy(reserve);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(endings, the_dead_do_not_fill_a_guarded_pool) {
  live_and_die(LIDO_EXHAUSTED_FAIL);
  live_and_die(LIDO_EXHAUSTED_FALLBACK);
  live_and_die(LIDO_EXHAUSTED_WAIT);
}

static bool count_visit(void *object, void *arg) {
  (void)object;
  ++*(size_t *)arg;
  return true;
}

TEST(endings, the_dead_are_not_visited) {
  size_t visits = 0;
  lido_pool *pool = make(LIDO_POOL_GUARDED, NULL);
  node *live = lido_pool_alloc(pool);
  node *dead = lido_pool_alloc(pool);
  lido_weak_make(dead);
  lido_release(dead);
  CHECK_EQ(lido_pool_for_each(pool, count_visit, &visits), 1);
  CHECK(lido_pool_owns(pool, live));
  CHECK(!lido_pool_owns(pool, dead));
  CHECK_EQ(lido_pool_destroy(pool), 1);
  check_quiet();
}

/* ---- One thread ---- */

TEST(endings, readers_and_one_thread_do_not_go_together) {
  CHECK_FAILS(lido_pool_create(&(lido_pool_options){
                  .object_size = 8, .flags = LIDO_POOL_HANDLES | LIDO_POOL_GUARDED | LIDO_POOL_SINGLE_THREAD}),
              EINVAL);
}

static void *release_here(void *object) {
  lido_release(object);
  return NULL;
}

TEST(endings, the_last_release_by_a_second_thread_has_no_effect) {
  pthread_t second;
  lido_pool *pool = make(LIDO_POOL_SINGLE_THREAD, release_next);
  node *object = lido_pool_alloc(pool);
  *object = (node){0};
  lido_weak weak = lido_weak_make(object);
  CHECK_EQ(pthread_create(&second, NULL, release_here, object), 0);
  pthread_join(second, NULL);
  CHECK_EQ(misuses, 1);
  CHECK_EQ(ended, 0);
  CHECK_SAME(lido_weak_get(weak), object);
  lido_release(object);
  CHECK_EQ(ended, 1);
  misuses = 0;
  CHECK_EQ(lido_pool_destroy(pool), 0);
  check_quiet();
}

TEST(endings, errno_of_a_destructor_stays_there) {
  lido_pool *pool = make(0, release_next);
  node *object = lido_pool_alloc(pool);
  *object = (node){0};
  lido_weak weak = lido_weak_make(object);
  CHECK_SAME(lido_weak_acquire(weak), object);
  errno = ERRNO_MARK;
  lido_release(object);
  lido_weak_release(weak);
  CHECK_EQ(errno, ERRNO_MARK);
  CHECK_EQ(ended, 1);
  CHECK_EQ(lido_pool_destroy(pool), 0);
  check_quiet();
}
