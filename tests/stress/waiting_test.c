/* waiting_test.c: pools whose allocs wait. A free that could serve a waiter must never leave one asleep.
 */
#include "tests/stress/crew.h"

enum { BYTES = 64, HANG_SECONDS = 20 };

static lido_pool *waiting_pool(size_t most, uint64_t wait_ns, size_t retain_bytes) {
  return lido_pool_create(&(lido_pool_options){.object_size = BYTES,
                                               .max_objects = most,
                                               .on_exhausted = LIDO_EXHAUSTED_WAIT,
                                               .wait_ns = wait_ns,
                                               .retain_bytes = retain_bytes});
}

/* ---- Many wait for few ---- */

typedef struct queue {
  lido_pool *pool;
  size_t rounds;
  size_t out; /* atomic: objects in the crew's hands */
  size_t most;
} queue;

static void wait_in_turn(crew_member *me) {
  queue *q = me->shared;
  for (size_t round = 0; round < q->rounds && crew_goes_on(me->crew); round++) {
    errno = 4711;
    void *object = lido_pool_alloc(q->pool);
    if (!CREW_HOLDS(me->crew, object != NULL && errno == 4711)) return;
    size_t out = __atomic_add_fetch(&q->out, 1, __ATOMIC_ACQ_REL);
    CREW_HOLDS(me->crew, out <= q->most);
    stamp_put(object, BYTES, me->index, round);
    if (testing_below(&me->random, 4) == 0) sched_yield();
    CREW_HOLDS(me->crew, stamp_is_of(object, BYTES, me->index));
    __atomic_sub_fetch(&q->out, 1, __ATOMIC_ACQ_REL);
    lido_pool_free(q->pool, object);
  }
}

static void let_wait(size_t threads, size_t most, size_t rounds, size_t retain_bytes) {
  static crew team;
  queue q = {.rounds = testing_scaled(rounds), .most = most, .pool = waiting_pool(most, UINT64_MAX, retain_bytes)};
  CHECK_NOT_NULL(q.pool);
  watchdog_on(HANG_SECONDS);
  crew_start(&team, threads, testing_seed(), wait_in_turn, &q);
  CHECK_CREW(&team);
  watchdog_off();
  CHECK_EQ(objects_stats(q.pool).live, 0);
  CHECK_LE(objects_stats(q.pool).peak, most);
  CHECK_SOUND(q.pool);
  CHECK_EQ(lido_pool_destroy(q.pool), 0);
}

TEST(waiting, two_wait_for_one_object) { let_wait(2, 1, 30000, 0); }
TEST(waiting, many_wait_for_three_objects) { let_wait(24, 3, 1500, 0); }
TEST(waiting, many_wait_while_the_only_slab_comes_and_goes) { let_wait(6, 1, 800, 1); }

/* ---- One free, one waiter, nobody else to wake it later ---- */

typedef struct relay {
  lido_pool *pool;
  size_t rounds;
  void *held;
} relay;

/* Each meets the other, then one frees and the other allocs, at the same moment. */
static void run_the_relay(crew_member *me) {
  relay *r = me->shared;
  for (size_t round = 0; round < r->rounds && crew_goes_on(me->crew); round++) {
    pthread_barrier_wait(&me->crew->start);
    for (size_t i = testing_below(&me->random, 100); i > 0; i--) __asm__ volatile("");
    if (round % 2 == me->index) {
      lido_pool_free(r->pool, r->held);
    } else {
      void *got = lido_pool_alloc(r->pool);
      CREW_HOLDS(me->crew, got != NULL);
      pthread_barrier_wait(&me->crew->start);
      r->held = got;
      pthread_barrier_wait(&me->crew->start);
      continue;
    }
    pthread_barrier_wait(&me->crew->start);
    pthread_barrier_wait(&me->crew->start);
  }
}

static void let_run(size_t rounds, size_t retain_bytes) {
  static crew team;
  relay r = {.rounds = testing_scaled(rounds), .pool = waiting_pool(1, UINT64_MAX, retain_bytes)};
  CHECK_NOT_NULL(r.pool);
  r.held = lido_pool_alloc(r.pool);
  CHECK_NOT_NULL(r.held);
  watchdog_on(HANG_SECONDS);
  crew_start(&team, 2, testing_seed(), run_the_relay, &r);
  CHECK_CREW(&team);
  watchdog_off();
  lido_pool_free(r.pool, r.held);
  CHECK_SOUND(r.pool);
  CHECK_EQ(lido_pool_destroy(r.pool), 0);
}

TEST(waiting, a_free_just_before_the_wait_is_not_missed) { let_run(40000, 0); }
TEST(waiting, nor_one_whose_slab_goes_back_at_once) { let_run(10000, 1); }

/* ---- Time ---- */

TEST(waiting, ends_when_the_time_is_over) {
  lido_pool *pool = waiting_pool(1, 1000000, 0);
  CHECK_NOT_NULL(pool);
  void *only = lido_pool_alloc(pool);
  CHECK_NOT_NULL(only);
  watchdog_on(HANG_SECONDS);
  for (size_t i = 0; i < 5; i++) CHECK_FAILS(lido_pool_alloc(pool), ENOMEM);
  watchdog_off();
  CHECK_EQ(objects_stats(pool).waits, 5);
  lido_pool_free(pool, only);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

static void *take_one_and_give_it_back(void *pool) {
  void *object = lido_pool_alloc(pool);
  lido_pool_free(pool, object);
  return object;
}

/* All sleep before the first free; each that gets an object gives it back, which must wake the next. */
TEST(waiting, sleepers_are_all_woken) {
  enum { SLEEPERS = 50, MOST = 5 };
  lido_pool *pool = waiting_pool(MOST, UINT64_MAX, 0);
  CHECK_NOT_NULL(pool);
  void *objects[MOST];
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, MOST), MOST);
  pthread_t threads[SLEEPERS];
  watchdog_on(HANG_SECONDS);
  for (size_t i = 0; i < SLEEPERS; i++) {
    CHECK_EQ(pthread_create(&threads[i], NULL, take_one_and_give_it_back, pool), 0);
  }
  while (objects_stats(pool).waits < SLEEPERS) sched_yield();
  lido_pool_free_batch(pool, objects, MOST);
  for (size_t i = 0; i < SLEEPERS; i++) {
    void *got = NULL;
    CHECK_EQ(pthread_join(threads[i], &got), 0);
    CHECK_NOT_NULL(got);
  }
  watchdog_off();
  CHECK_EQ(objects_stats(pool).live, 0);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

/* A cancelled thread stays in its alloc, so that it ends without the pool's lock. */
static void *wait_uncancelled(void *argument) {
  lido_pool *pool = argument;
  lido_pool_free(pool, lido_pool_alloc(pool));
  return NULL;
}

TEST(waiting, is_no_cancellation_point) {
  lido_pool *pool = waiting_pool(1, UINT64_MAX, 0);
  CHECK_NOT_NULL(pool);
  void *only = lido_pool_alloc(pool);
  pthread_t waiter;
  void *result = NULL;
  watchdog_on(HANG_SECONDS);
  CHECK_EQ(pthread_create(&waiter, NULL, wait_uncancelled, pool), 0);
  while (objects_stats(pool).waits == 0) sched_yield();
  CHECK_EQ(pthread_cancel(waiter), 0);
  lido_pool_free(pool, only);
  CHECK_EQ(pthread_join(waiter, &result), 0);
  watchdog_off();
  CHECK_NULL(result);
  CHECK_EQ(objects_stats(pool).live, 0);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}
