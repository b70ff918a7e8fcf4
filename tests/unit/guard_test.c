/* guard_test.c: reading between enter and leave; deaths wait, and are finished in the end. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "lib/base/atomic.h"
#include "lido/lido.h"
#include "tests/support/child.h"
#include "tests/support/gate.h"
#include "tests/support/testing.h"

typedef struct route {
  uint64_t number;
} route;

static size_t destroyed;
static void on_destroy(void *object, void *context) {
  (void)context;
  ((route *)object)->number = 0;
  destroyed++;
}

static lido_pool *guarded_pool(void) {
  destroyed = 0;
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.name = "routes",
                                                          .object_size = sizeof(route),
                                                          .flags = LIDO_POOL_HANDLES | LIDO_POOL_GUARDED,
                                                          .destroy = on_destroy});
  CHECK_NOT_NULL(pool);
  return pool;
}

static lido_guard_stats stats(void) {
  lido_guard_stats now;
  lido_guard_stats_get(&now);
  return now;
}

static void check_end(lido_pool *pool, size_t live) {
  CHECK_SOUND(pool);
  CHECK_NULL(lido_weak_check());
  CHECK_EQ(lido_pool_destroy(pool), live);
  CHECK_NULL(lido_weak_check());
  CHECK_EQ(stats().deferred, 0);
}

TEST(guard, what_is_read_inside_stays_whole) {
  lido_pool *pool = guarded_pool();
  route *made = lido_pool_alloc(pool);
  made->number = 7;
  lido_weak weak = lido_weak_make(made);
  lido_guard_enter();
  const route *read = lido_weak_get(weak);
  CHECK_SAME(read, made);
  lido_release(made);
  CHECK_NULL(lido_weak_get(weak));
  CHECK_EQ(lido_weak_state_get(weak), LIDO_WEAK_STALE);
  CHECK_EQ(lido_guard_collect(), 0);
  CHECK_EQ(lido_guard_collect(), 0);
  CHECK_EQ(lido_guard_collect(), 0);
  CHECK_EQ(read->number, 7);
  CHECK_EQ(destroyed, 0);
  CHECK_EQ(stats().deferred, 1);
  CHECK_EQ(stats().readers, 1);
  lido_guard_leave(); /* deaths waited for this thread, so it finishes them */
  CHECK_EQ(destroyed, 1);
  check_end(pool, 0);
}

TEST(guard, guards_nest_and_the_outermost_counts) {
  lido_pool *pool = guarded_pool();
  route *made = lido_pool_alloc(pool);
  lido_weak_make(made);
  lido_guard_enter();
  lido_guard_enter();
  lido_release(made);
  lido_guard_leave();
  CHECK_EQ(lido_guard_collect(), 0);
  CHECK_EQ(destroyed, 0);
  lido_guard_leave();
  CHECK_EQ(lido_guard_collect(), 1);
  CHECK_EQ(lido_guard_synchronize(), 0);
  check_end(pool, 0);
}

TEST(guard, nobody_inside_means_no_wait) {
  lido_pool *pool = guarded_pool();
  for (int i = 0; i < 10; i++) lido_release(lido_pool_alloc(pool));
  CHECK_EQ(lido_guard_synchronize(), 0);
  CHECK_EQ(destroyed, 10);
  for (int i = 0; i < 1000; i++) lido_release(lido_pool_alloc(pool));
  CHECK_GE(destroyed, 1010 - LIDO_GUARD_BATCH); /* by themselves, in batches */
  check_end(pool, 0);
}

TEST(guard, a_full_list_is_collected_by_who_leaves) {
  lido_pool *pool = guarded_pool();
  lido_guard_enter();
  for (int i = 0; i < 2 * LIDO_GUARD_BATCH; i++) lido_release(lido_pool_alloc(pool));
  CHECK_EQ(destroyed, 0);
  lido_guard_leave();
  CHECK_EQ(destroyed, 2 * LIDO_GUARD_BATCH);
  check_end(pool, 0);
}

TEST(guard, synchronize_inside_would_never_return) {
  lido_guard_enter();
  CHECK_EQ(lido_guard_synchronize(), EDEADLK);
  lido_guard_leave();
  CHECK_EQ(lido_guard_synchronize(), 0);
}

static void note_misuse(const lido_misuse *misuse, void *context) { *(lido_misuse_kind *)context = misuse->kind; }

TEST(guard, leave_without_enter_is_misuse) {
  lido_misuse_kind kind = LIDO_MISUSE_DOUBLE_FREE;
  lido_misuse_handler_set(note_misuse, &kind);
  lido_guard_leave();
  CHECK_EQ(kind, LIDO_MISUSE_NOT_INSIDE);
  kind = LIDO_MISUSE_DOUBLE_FREE;
  lido_guard_enter();
  lido_guard_leave();
  lido_guard_leave();
  CHECK_EQ(kind, LIDO_MISUSE_NOT_INSIDE);
  lido_misuse_handler_set(NULL, NULL);
}

/* ---- Another reader ---- */

typedef struct other {
  pthread_t thread;
  int to[2];
  int from[2];
} other;

static void step(int write_to, int read_from) {
  char byte = 0;
  CHECK_EQ(write(write_to, &byte, 1), 1);
  CHECK_EQ(read(read_from, &byte, 1), 1);
}

static void *read_until_told(void *arg) {
  other *o = arg;
  char byte = 0;
  lido_guard_enter();
  step(o->from[1], o->to[0]);
  lido_guard_leave();
  CHECK_EQ(write(o->from[1], &byte, 1), 1);
  CHECK_EQ(read(o->to[0], &byte, 1), 1);
  lido_guard_enter(); /* and ends inside */
  return NULL;
}

TEST(guard, another_threads_reading_holds_deaths_up_and_is_shown) {
  lido_pool *pool = guarded_pool();
  other o;
  char byte;
  CHECK_EQ(pipe(o.to), 0);
  CHECK_EQ(pipe(o.from), 0);
  CHECK_EQ(pthread_create(&o.thread, NULL, read_until_told, &o), 0);
  CHECK_EQ(read(o.from[0], &byte, 1), 1); /* it is inside */
  for (int i = 0; i < 10; i++) lido_release(lido_pool_alloc(pool));
  for (int i = 0; i < 5; i++) lido_guard_collect();
  CHECK_EQ(destroyed, 0);
  CHECK_EQ(stats().readers, 1);
  CHECK_GT(stats().oldest_ns, 0);
  CHECK_GT(stats().oldest_thread, 0);
  CHECK_GT(stats().held_up, 0);
  step(o.to[1], o.from[0]); /* it has left */
  CHECK_EQ(stats().oldest_thread, 0);
  lido_guard_collect();
  CHECK_EQ(destroyed, 10);
  CHECK_EQ(write(o.to[1], &byte, 1), 1);
  pthread_join(o.thread, NULL);
  lido_release(lido_pool_alloc(pool));
  CHECK_EQ(lido_guard_synchronize(), 0);
  CHECK_EQ(stats().readers, 0);
  for (int i = 0; i < 2; i++) close(o.to[i]), close(o.from[i]);
  check_end(pool, 0);
}

static lido_pool *the_pool;
static void destroy_and_make(void *object, void *context) {
  (void)context;
  route *r = object;
  if (r->number == 0) return;
  route *next = lido_pool_alloc(the_pool);
  next->number = r->number - 1;
  lido_weak_make(next);
  if (r->number % 2 == 0) lido_release(next);
  destroyed++;
}

TEST(guard, a_pool_ends_with_deaths_waiting) {
  destroyed = 0;
  the_pool = lido_pool_create(&(lido_pool_options){
      .object_size = sizeof(route), .flags = LIDO_POOL_HANDLES | LIDO_POOL_GUARDED, .destroy = destroy_and_make});
  for (int i = 0; i < 10; i++) {
    route *made = lido_pool_alloc(the_pool);
    made->number = 5;
    lido_release(made);
  }
  for (int i = 0; i < 10; i++) ((route *)lido_pool_alloc(the_pool))->number = 3;
  CHECK_GE(lido_pool_destroy(the_pool), 10);
  CHECK_EQ(destroyed, 10 * 5 + 10 * 3);
  CHECK_EQ(stats().deferred, 0);
  CHECK_NULL(lido_weak_check());
}

TEST(guard, the_flag_needs_handles) {
  CHECK_FAILS(lido_pool_create(&(lido_pool_options){.object_size = 8, .flags = LIDO_POOL_GUARDED}), EINVAL);
}

/* ---- A fork while another thread has a death in hands ---- */

static gate in_destructor;

static void wait_in_destructor(void *object, void *context) {
  (void)object;
  if (context == NULL) gate_pass(&in_destructor);
}

static void *release_and_collect(void *object) {
  lido_release(object);
  while (lido_guard_collect() == 0) sched_yield();
  return NULL;
}

static void destroy_in_child(void *pool) {
  IN_CHILD(lido_guard_synchronize() == 0);
  IN_CHILD(lido_pool_destroy(pool) == 1);
  IN_CHILD(lido_weak_check() == NULL);
}

TEST(guard, deaths_in_the_hands_of_a_thread_that_a_fork_left_behind_hold_up_nobody) {
  in_destructor = GATE_SHUT;
  lido_pool *pool = lido_pool_create(&(lido_pool_options){
      .object_size = sizeof(route), .flags = LIDO_POOL_HANDLES | LIDO_POOL_GUARDED, .destroy = wait_in_destructor});
  void *dying = lido_pool_alloc(pool);
  pthread_t thread;
  CHECK_EQ(pthread_create(&thread, NULL, release_and_collect, dying), 0);
  gate_await(&in_destructor, 1);
  check_child(destroy_in_child, pool);
  gate_open(&in_destructor);
  pthread_join(thread, NULL);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}
