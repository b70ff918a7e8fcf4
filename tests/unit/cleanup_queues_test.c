/* cleanup_queues_test.c: cleanups that wait on a queue for somebody to run them: an event loop, a worker, the child of
 * a fork. */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/child.h"
#include "tests/support/cleanup_trace.h"

enum { BYTES = 64 };

static lido_pool *pool_for(lido_cleanup_queue *queue) {
  lido_pool *pool =
      lido_pool_create(&(lido_pool_options){.object_size = BYTES, .flags = LIDO_POOL_HANDLES, .cleanup_queue = queue});
  CHECK_NOT_NULL(pool);
  return pool;
}

static lido_cleanup_queue *queue_with(lido_cleanup_queue_options options) {
  lido_cleanup_queue *queue = lido_cleanup_queue_create(&options);
  CHECK_NOT_NULL(queue);
  return queue;
}

/* An object whose end is noted, by way of the queue. */
static void *noted(lido_pool *pool, lido_cleanup_queue *queue, char letter) {
  void *object = lido_pool_alloc(pool);
  CHECK_NE(lido_cleanup_add_copy_to(queue, object, note_letter, &letter, 1).bits, 0);
  return object;
}

/* One after the other dies. */
static void die(lido_pool *pool, lido_cleanup_queue *queue, const char *letters) {
  for (; *letters != '\0'; letters++) lido_release(noted(pool, queue, *letters));
}

static void count_call(void *arg) { __atomic_fetch_add((size_t *)arg, 1, __ATOMIC_ACQ_REL); }
static size_t calls_of(const size_t *count) { return __atomic_load_n(count, __ATOMIC_ACQUIRE); }

/* ---- Draining ---- */

TEST(cleanup_queues, runs_what_came_first_first) {
  lido_cleanup_queue *queue = queue_with((lido_cleanup_queue_options){0});
  lido_pool *pool = pool_for(NULL);
  uint64_t queued_before = numbers().cleanups_queued;
  trace_begin();
  CHECK_TEXT(lido_cleanup_queue_name(queue), "cleanups");
  CHECK_EQ(lido_cleanup_queue_eventfd(queue), -1);
  CHECK_EQ(lido_cleanup_queue_drain(queue, 0, 0), 0);
  die(pool, queue, "abcdef");
  CHECK_EQ(trace.count, 0);
  CHECK_EQ(lido_cleanup_queue_pending(queue), 6);
  CHECK_EQ(numbers().cleanups, 6);
  CHECK_EQ(numbers().cleanups_queued, queued_before + 6);
  CHECK_REFS();
  CHECK_EQ(lido_cleanup_queue_drain(queue, 0, 0), 6);
  CHECK_TEXT(trace.text, "abcdef");
  CHECK_EQ(lido_cleanup_queue_pending(queue), 0);
  CHECK_EQ(numbers().cleanups_queued, queued_before + 6);
  CHECK_EQ(lido_cleanup_queue_destroy(queue), 0);
  CHECK_EQ(numbers().cleanups_queued, queued_before + 6);
  end(pool);
}

TEST(cleanup_queues, is_the_pools_default_and_may_be_avoided) {
  lido_cleanup_queue *queue = queue_with((lido_cleanup_queue_options){.name = "of the pool"});
  lido_cleanup_queue *other = lido_cleanup_queue_create(NULL);
  lido_pool *pool = pool_for(queue);
  void *object = lido_pool_alloc(pool);
  size_t calls[4] = {0};
  CHECK_TEXT(lido_cleanup_queue_name(queue), "of the pool");
  CHECK_NE(lido_cleanup_add(object, count_call, &calls[0]).bits, 0);
  CHECK_NE(lido_cleanup_add_to(NULL, object, count_call, &calls[1]).bits, 0);
  CHECK_NE(lido_cleanup_add_to(other, object, count_call, &calls[2]).bits, 0);
  CHECK_NE(lido_cleanup_add_copy(object, note_letter, "c", 1).bits, 0);
  trace_begin();
  lido_release(object);
  CHECK_EQ(calls[0], 0);
  CHECK_EQ(calls[1], 1);
  CHECK_EQ(calls[2], 0);
  CHECK_EQ(lido_cleanup_queue_drain(other, 0, 0), 1);
  CHECK_EQ(calls[2], 1);
  CHECK_EQ(lido_cleanup_queue_drain(queue, 1, 0), 1);
  CHECK_TEXT(trace.text, "c"); /* newest first, within an object */
  CHECK_EQ(calls[0], 0);
  CHECK_EQ(lido_cleanup_queue_drain(queue, 1, 0), 1);
  CHECK_EQ(calls[0], 1);
  end(pool);
  lido_cleanup_queue_destroy(queue);
  lido_cleanup_queue_destroy(other);
}

TEST(cleanup_queues, a_drain_ends_at_its_maximum) {
  lido_cleanup_queue *queue = queue_with((lido_cleanup_queue_options){0});
  lido_pool *pool = pool_for(NULL);
  trace_begin();
  die(pool, queue, "abcde");
  CHECK_EQ(lido_cleanup_queue_drain(queue, 2, 0), 2);
  die(pool, queue, "fg");
  CHECK_EQ(lido_cleanup_queue_pending(queue), 5);
  CHECK_REFS();
  CHECK_EQ(lido_cleanup_queue_drain(queue, 4, 0), 4);
  CHECK_TEXT(trace.text, "abcdef");
  CHECK_EQ(lido_cleanup_queue_drain(queue, 100, 0), 1);
  lido_cleanup_queue_destroy(queue);
  end(pool);
}

static void take_a_millisecond(void *arg) {
  struct timespec pause = {.tv_nsec = 1000000};
  nanosleep(&pause, NULL);
  count_call(arg);
}

TEST(cleanup_queues, a_drain_begins_nothing_beyond_its_budget) {
  enum { MANY = 50 };
  lido_cleanup_queue *queue = queue_with((lido_cleanup_queue_options){0});
  lido_pool *pool = pool_for(NULL);
  size_t calls = 0;
  for (int i = 0; i < MANY; i++) {
    void *object = lido_pool_alloc(pool);
    CHECK_NE(lido_cleanup_add_to(queue, object, take_a_millisecond, &calls).bits, 0);
    lido_release(object);
  }
  size_t ran = lido_cleanup_queue_drain(queue, 0, 3500000);
  CHECK_LE(ran, 4);
  CHECK_EQ(calls, ran);
  CHECK_EQ(lido_cleanup_queue_drain(queue, 3, UINT64_MAX), 3); /* as good as none */
  CHECK_EQ(lido_cleanup_queue_destroy(queue), MANY - 3 - ran);
  CHECK_EQ(calls, MANY);
  end(pool);
}

static struct {
  lido_pool *pool;
  lido_cleanup_queue *queue;
} again;

static void come_again(void *arg) {
  void *object = lido_pool_alloc(again.pool);
  count_call(arg);
  lido_cleanup_add_to(again.queue, object, come_again, arg);
  lido_release(object);
}

static void count_handed(lido_cleanup_function fn, void *arg, void *context) {
  *(size_t *)context += fn == come_again && *(size_t *)arg != 0;
}

TEST(cleanup_queues, a_drain_of_all_does_not_run_what_comes_meanwhile) {
  size_t calls = 0;
  again.queue = queue_with((lido_cleanup_queue_options){0});
  again.pool = pool_for(NULL);
  come_again(&calls);
  for (size_t i = 2; i < 10; i++) {
    CHECK_EQ(lido_cleanup_queue_drain(again.queue, 0, 0), 1);
    CHECK_EQ(calls, i);
  }
  size_t handed = 0;
  CHECK_EQ(lido_cleanup_queue_destroy_with(again.queue, count_handed, &handed), 1);
  CHECK_EQ(handed, 1);
  end(again.pool);
}

/* ---- Stopping ---- */

TEST(cleanup_queues, what_waits_can_be_stopped) {
  lido_cleanup_queue *queue = queue_with((lido_cleanup_queue_options){0});
  lido_pool *pool = pool_for(NULL);
  size_t calls = 0;
  lido_cleanup cleanups[3];
  for (int i = 0; i < 3; i++) {
    void *object = lido_pool_alloc(pool);
    cleanups[i] = lido_cleanup_add_to(queue, object, count_call, &calls);
    lido_release(object);
  }
  CHECK_EQ(lido_cleanup_stop(cleanups[1]), LIDO_CLEANUP_STOPPED);
  CHECK_EQ(lido_cleanup_stop(cleanups[1]), LIDO_CLEANUP_NOT_FOUND);
  CHECK_EQ(numbers().cleanups, 2);
  CHECK_REFS();
  CHECK_EQ(lido_cleanup_queue_drain(queue, 2, 0), 2);
  CHECK_EQ(calls, 2);
  CHECK_EQ(lido_cleanup_stop(cleanups[0]), LIDO_CLEANUP_RAN);
  CHECK_EQ(lido_cleanup_stop(cleanups[1]), LIDO_CLEANUP_NOT_FOUND);
  CHECK_EQ(lido_cleanup_stop(cleanups[2]), LIDO_CLEANUP_RAN);
  void *object = lido_pool_alloc(pool);
  CHECK_EQ(lido_cleanup_stop(lido_cleanup_add_to(queue, object, count_call, &calls)), LIDO_CLEANUP_STOPPED);
  lido_release(object);
  CHECK_EQ(lido_cleanup_queue_pending(queue), 0);
  CHECK_EQ(lido_cleanup_queue_destroy(queue), 0);
  end(pool);
}

/* ---- Who is told ---- */

typedef struct told {
  lido_cleanup_queue *queue;
  size_t notified;
  size_t warned;
  size_t pending; /* at the last warning */
} told;

static void note_notify(void *context) { ((told *)context)->notified++; }

static void note_high_water(size_t pending, void *context) {
  told *t = context;
  t->warned++;
  t->pending = pending;
}

TEST(cleanup_queues, notifies_when_something_comes_onto_the_empty_queue) {
  told t = {0};
  lido_cleanup_queue *queue = queue_with((lido_cleanup_queue_options){.notify = note_notify, .context = &t});
  lido_pool *pool = pool_for(NULL);
  trace_begin();
  for (size_t round = 1; round < 5; round++) {
    die(pool, queue, "abc");
    CHECK_EQ(t.notified, round);
    CHECK_EQ(lido_cleanup_queue_drain(queue, 0, 0), 3);
  }
  lido_cleanup_queue_destroy(queue);
  end(pool);
}

static void drain_at_once(void *context) {
  told *t = context;
  t->notified += lido_cleanup_queue_drain(t->queue, 0, 0);
}

TEST(cleanup_queues, may_be_drained_by_the_notification_itself) {
  told t = {0};
  t.queue = queue_with((lido_cleanup_queue_options){.notify = drain_at_once, .context = &t});
  lido_pool *pool = pool_for(NULL);
  trace_begin();
  die(pool, t.queue, "abc");
  CHECK_TEXT(trace.text, "abc");
  CHECK_EQ(t.notified, 3);
  lido_cleanup_queue_destroy(t.queue);
  end(pool);
}

TEST(cleanup_queues, warns_at_high_water_and_again_after_there_were_fewer_than_half) {
  told t = {0};
  lido_cleanup_queue *queue =
      queue_with((lido_cleanup_queue_options){.on_high_water = note_high_water, .high_water = 4, .context = &t});
  lido_pool *pool = pool_for(NULL);
  trace_begin();
  die(pool, queue, "abc");
  CHECK_EQ(t.warned, 0);
  die(pool, queue, "de");
  CHECK_EQ(t.warned, 1);
  CHECK_EQ(t.pending, 4);
  CHECK_EQ(lido_cleanup_queue_drain(queue, 3, 0), 3); /* two are left: half */
  die(pool, queue, "fghi");
  CHECK_EQ(t.warned, 1);
  CHECK_EQ(lido_cleanup_queue_drain(queue, 5, 0), 5); /* one */
  die(pool, queue, "jkl");
  CHECK_EQ(t.warned, 2);
  CHECK_EQ(t.pending, 4);
  lido_cleanup_queue_destroy(queue);
  end(pool);
}

static bool is_readable(int descriptor) {
  struct pollfd poller = {.fd = descriptor, .events = POLLIN};
  CHECK_GE(poll(&poller, 1, 0), 0);
  return (poller.revents & POLLIN) != 0;
}

TEST(cleanup_queues, an_eventfd_is_readable_while_something_waits) {
  lido_cleanup_queue *queue = queue_with((lido_cleanup_queue_options){.wants_eventfd = true});
  lido_pool *pool = pool_for(NULL);
  int event = lido_cleanup_queue_eventfd(queue);
  trace_begin();
  CHECK_GE(event, 0);
  for (int round = 0; round < 3; round++) {
    CHECK(!is_readable(event));
    die(pool, queue, "abc");
    CHECK(is_readable(event));
    CHECK(is_readable(event));
    CHECK_EQ(lido_cleanup_queue_drain(queue, 2, 0), 2);
    CHECK(is_readable(event));
    CHECK_REFS();
    CHECK_EQ(lido_cleanup_queue_drain(queue, 0, 0), 1);
  }
  CHECK(!is_readable(event));
  lido_cleanup_queue_destroy(queue);
  end(pool);
}

TEST(cleanup_queues, a_thread_whose_release_comes_on_top_of_too_many_runs_some) {
  lido_cleanup_queue *queue = queue_with((lido_cleanup_queue_options){.assist_beyond = 20});
  lido_pool *pool = pool_for(NULL);
  trace_begin();
  for (size_t i = 0; i < 20; i++) {
    die(pool, queue, "x");
    CHECK_EQ(lido_cleanup_queue_pending(queue), i + 1);
  }
  errno = 4242;
  die(pool, queue, "x");
  CHECK_EQ(errno, 4242);
  CHECK_LT(lido_cleanup_queue_pending(queue), 21);
  CHECK_GT(trace.count, 0);
  for (size_t i = 0; i < 1000; i++) {
    die(pool, queue, "x");
    CHECK_LE(lido_cleanup_queue_pending(queue), 20);
  }
  CHECK_REFS();
  lido_cleanup_queue_destroy(queue);
  CHECK_EQ(trace.count, 1021);
  end(pool);
}

/* ---- The end of a queue ---- */

TEST(cleanup_queues, its_end_runs_what_waits) {
  lido_cleanup_queue *queue = queue_with((lido_cleanup_queue_options){.wants_eventfd = true});
  lido_pool *pool = pool_for(NULL);
  trace_begin();
  CHECK_EQ(lido_cleanup_queue_destroy(NULL), 0);
  die(pool, queue, "abcd");
  CHECK_EQ(lido_cleanup_queue_drain(queue, 1, 0), 1);
  die(pool, queue, "ef");
  errno = 4242;
  CHECK_EQ(lido_cleanup_queue_destroy(queue), 5);
  CHECK_EQ(errno, 4242);
  CHECK_TEXT(trace.text, "abcdef");
  end(pool);
}

static void take_back(lido_cleanup_function fn, void *arg, void *context) {
  char letter = fn == note_letter ? *(const char *)arg : '!';
  ++*(size_t *)context;
  note_letter(&letter);
}

TEST(cleanup_queues, its_end_may_hand_back_what_waits) {
  lido_cleanup_queue *queue = queue_with((lido_cleanup_queue_options){0});
  lido_pool *pool = pool_for(NULL);
  size_t handed = 0;
  char last = 'g';
  trace_begin();
  CHECK_EQ(lido_cleanup_queue_destroy_with(NULL, take_back, &handed), 0);
  die(pool, queue, "abcd");
  CHECK_EQ(lido_cleanup_queue_drain(queue, 1, 0), 1);
  void *object = lido_pool_alloc(pool);
  lido_cleanup stopped = lido_cleanup_add_copy_to(queue, object, note_letter, "-", 1);
  lido_cleanup handed_back = lido_cleanup_add_to(queue, object, note_letter, &last);
  lido_release(object);
  CHECK_EQ(lido_cleanup_stop(stopped), LIDO_CLEANUP_STOPPED);
  CHECK_EQ(lido_cleanup_queue_destroy_with(queue, take_back, &handed), 4);
  CHECK_EQ(handed, 4);
  CHECK_TEXT(trace.text, "abcdg");
  CHECK_EQ(lido_cleanup_stop(handed_back), LIDO_CLEANUP_NOT_FOUND);
  end(pool);
}

TEST(cleanup_queues, what_was_added_for_it_then_runs_at_the_release) {
  int64_t before = 0;
  for (int round = 0; round < 3; round++) {
    lido_cleanup_queue *queue = queue_with((lido_cleanup_queue_options){0});
    lido_pool *pool = pool_for(NULL);
    void *first = noted(pool, queue, 'a');
    void *second = noted(pool, queue, 'b');
    trace_begin();
    CHECK_EQ(lido_cleanup_queue_destroy(queue), 0);
    lido_release(second);
    CHECK_TEXT(trace.text, "b");
    CHECK_REFS();
    lido_release(first);
    CHECK_TEXT(trace.text, "ba");
    end(pool);
    if (round == 1) before = objects_bytes_held();
  }
  CHECK_EQ(objects_bytes_held(), before);
}

static struct {
  lido_cleanup_queue *own;
  lido_cleanup_queue *other;
  size_t ran;
} ends;

static void end_both(void *arg) {
  (void)arg;
  ends.ran += lido_cleanup_queue_drain(ends.other, 1, 0);
  ends.ran += lido_cleanup_queue_destroy(ends.other);
  ends.ran += lido_cleanup_queue_destroy(ends.own);
}

TEST(cleanup_queues, a_cleanup_may_drain_and_end_queues_its_own_too) {
  ends.own = queue_with((lido_cleanup_queue_options){0});
  ends.other = queue_with((lido_cleanup_queue_options){0});
  ends.ran = 0;
  lido_pool *pool = pool_for(NULL);
  trace_begin();
  void *object = lido_pool_alloc(pool);
  CHECK_NE(lido_cleanup_add_to(ends.own, object, end_both, NULL).bits, 0);
  lido_release(object);
  die(pool, ends.own, "ab");
  die(pool, ends.other, "xyz");
  CHECK_EQ(lido_cleanup_queue_drain(ends.own, 0, 0), 1);
  CHECK_TEXT(trace.text, "xyzab");
  CHECK_EQ(ends.ran, 5);
  end(pool);
}

/* ---- Deaths inside ---- */

static void release_it(void *arg) { lido_release(*(void **)arg); }

TEST(cleanup_queues, deaths_inside_a_drain_queue_in_their_turn) {
  lido_cleanup_queue *queue = queue_with((lido_cleanup_queue_options){.assist_beyond = 1});
  lido_pool *pool = pool_for(queue);
  size_t length = testing_on_valgrind() ? 1000 : 100000;
  void *next = lido_pool_alloc(pool);
  for (size_t i = 1; i < length; i++) {
    void *object = lido_pool_alloc(pool);
    CHECK_NE(lido_cleanup_add_copy(object, release_it, &next, sizeof next).bits, 0);
    next = object;
  }
  lido_release(next);
  size_t ran = 0;
  for (size_t once = 1; once != 0; ran += once) once = lido_cleanup_queue_drain(queue, 0, 0);
  CHECK_EQ(ran, length - 1);
  CHECK_EQ(objects_stats(pool).live, 0);
  end(pool);
  lido_cleanup_queue_destroy(queue);
}

/* ---- Workers ---- */

TEST(cleanup_queues, a_worker_runs_what_comes_until_it_is_stopped) {
  lido_cleanup_queue *queue = queue_with((lido_cleanup_queue_options){0});
  lido_pool *pool = pool_for(queue);
  size_t calls = 0;
  CHECK_EQ(lido_cleanup_worker_stop(queue), ESRCH);
  for (size_t round = 1; round <= 20; round++) {
    CHECK_EQ(lido_cleanup_worker_start(queue), 0);
    CHECK_EQ(lido_cleanup_worker_start(queue), EALREADY);
    void *object = lido_pool_alloc(pool);
    CHECK_NE(lido_cleanup_add(object, count_call, &calls).bits, 0);
    lido_release(object);
    while (calls_of(&calls) < round) sched_yield();
    CHECK_EQ(lido_cleanup_worker_stop(queue), 0);
    CHECK_EQ(lido_cleanup_worker_stop(queue), ESRCH);
    CHECK_EQ(lido_cleanup_queue_pending(queue), 0);
  }
  trace_begin();
  die(pool, queue, "kept");
  CHECK_EQ(trace.count, 0);
  CHECK_EQ(lido_cleanup_queue_drain(queue, 0, 0), 4);
  end(pool);
  lido_cleanup_queue_destroy(queue);
}

typedef struct worker_scene {
  lido_cleanup_queue *queue;
  int error;
  size_t calls;
} worker_scene;

static void stop_own_worker(void *arg) {
  worker_scene *scene = arg;
  scene->error = lido_cleanup_worker_stop(scene->queue);
  count_call(&scene->calls);
}

TEST(cleanup_queues, a_worker_can_not_stop_itself) {
  worker_scene scene = {.queue = queue_with((lido_cleanup_queue_options){0})};
  lido_pool *pool = pool_for(scene.queue);
  CHECK_EQ(lido_cleanup_worker_start(scene.queue), 0);
  void *object = lido_pool_alloc(pool);
  CHECK_NE(lido_cleanup_add(object, stop_own_worker, &scene).bits, 0);
  lido_release(object);
  while (calls_of(&scene.calls) == 0) sched_yield();
  CHECK_EQ(scene.error, EDEADLK);
  CHECK_EQ(lido_cleanup_worker_stop(scene.queue), 0);
  end(pool);
  lido_cleanup_queue_destroy(scene.queue);
}

TEST(cleanup_queues, the_end_of_a_queue_stops_its_worker) {
  for (int round = 0; round < 20; round++) {
    lido_cleanup_queue *queue = queue_with((lido_cleanup_queue_options){0});
    lido_pool *pool = pool_for(queue);
    size_t calls = 0;
    CHECK_EQ(lido_cleanup_worker_start(queue), 0);
    for (int i = 0; i < 100; i++) {
      void *object = lido_pool_alloc(pool);
      CHECK_NE(lido_cleanup_add(object, count_call, &calls).bits, 0);
      lido_release(object);
    }
    CHECK_EQ(lido_pool_destroy(pool), 0);
    lido_cleanup_queue_destroy(queue);
    CHECK_EQ(calls_of(&calls), 100);
    CHECK_REFS();
  }
}

static void end_own_queue(void *arg) {
  worker_scene *scene = arg;
  lido_cleanup_queue_destroy(scene->queue);
  count_call(&scene->calls);
}

TEST(cleanup_queues, a_worker_may_end_its_own_queue) {
  worker_scene scene = {.queue = queue_with((lido_cleanup_queue_options){0})};
  lido_pool *pool = pool_for(NULL);
  void *object = lido_pool_alloc(pool);
  CHECK_NE(lido_cleanup_add_to(scene.queue, object, end_own_queue, &scene).bits, 0);
  lido_release(object);
  CHECK_EQ(lido_cleanup_worker_start(scene.queue), 0);
  while (calls_of(&scene.calls) == 0) sched_yield();
  while (numbers().cleanups != 0) sched_yield();
  end(pool);
}

typedef struct restart_scene {
  lido_cleanup_queue *queue;
  pthread_barrier_t meet;
  int error;
} restart_scene;

/* Again and again until it is refused, so in every moment of the queue's end. */
static void restart_worker(void *arg) {
  restart_scene *scene = arg;
  pthread_barrier_wait(&scene->meet);
  do {
    scene->error = lido_cleanup_worker_start(scene->queue);
    sched_yield();
  } while (scene->error == 0 || scene->error == EALREADY);
}

static void *drain_one(void *arg) {
  restart_scene *scene = arg;
  lido_cleanup_queue_drain(scene->queue, 1, 0);
  return NULL;
}

TEST(cleanup_queues, a_queue_that_is_being_ended_gets_no_worker) {
  for (int round = 0; round < 20; round++) {
    restart_scene scene = {.queue = queue_with((lido_cleanup_queue_options){0})};
    lido_pool *pool = pool_for(scene.queue);
    pthread_barrier_init(&scene.meet, NULL, 2);
    void *object = lido_pool_alloc(pool);
    CHECK_NE(lido_cleanup_add(object, restart_worker, &scene).bits, 0);
    lido_release(object);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, drain_one, &scene), 0);
    pthread_barrier_wait(&scene.meet);
    CHECK_EQ(lido_pool_destroy(pool), 0);
    CHECK_EQ(lido_cleanup_queue_destroy(scene.queue), 0);
    pthread_join(thread, NULL);
    CHECK_EQ(scene.error, ESTALE);
    pthread_barrier_destroy(&scene.meet);
    CHECK_REFS();
  }
}

/* ---- Fork ---- */

typedef struct fork_scene {
  lido_pool *pool;
  lido_cleanup_queue *queue;
  pthread_barrier_t meet;
} fork_scene;

static bool child_readable(int descriptor) {
  struct pollfd poller = {.fd = descriptor, .events = POLLIN};
  return poll(&poller, 1, 0) >= 0 && (poller.revents & POLLIN) != 0;
}

static void drain_in_child(void *arg) {
  fork_scene *s = arg;
  int event = lido_cleanup_queue_eventfd(s->queue);
  IN_CHILD(child_readable(event));
  IN_CHILD(lido_cleanup_queue_drain(s->queue, 0, 0) == 3);
  IN_CHILD(strcmp(trace.text, "abc") == 0);
  IN_CHILD(!child_readable(event));
  lido_release(lido_pool_alloc(s->pool));
  IN_CHILD(lido_weak_check() == NULL);
  IN_CHILD(lido_cleanup_queue_destroy(s->queue) == 0);
  IN_CHILD(lido_pool_destroy(s->pool) == 0);
}

TEST(cleanup_queues, the_child_of_a_fork_has_what_waits_and_an_event_of_its_own) {
  fork_scene s = {.queue = queue_with((lido_cleanup_queue_options){.wants_eventfd = true}), .pool = pool_for(NULL)};
  trace_begin();
  die(s.pool, s.queue, "abc");
  check_child(drain_in_child, &s);
  CHECK(is_readable(lido_cleanup_queue_eventfd(s.queue)));
  CHECK_EQ(lido_cleanup_queue_pending(s.queue), 3);
  CHECK_EQ(lido_cleanup_queue_drain(s.queue, 0, 0), 3);
  CHECK(!is_readable(lido_cleanup_queue_eventfd(s.queue)));
  lido_cleanup_queue_destroy(s.queue);
  end(s.pool);
}

static void meet_twice(void *arg) {
  fork_scene *s = *(fork_scene **)arg;
  pthread_barrier_wait(&s->meet); /* the fork happens now */
  pthread_barrier_wait(&s->meet);
}

static void *drain_and_meet(void *argument) {
  fork_scene *s = argument;
  lido_cleanup_queue_drain(s->queue, 1, 0);
  return NULL;
}

static void go_on_in_child(void *arg) {
  fork_scene *s = arg;
  IN_CHILD(lido_cleanup_queue_pending(s->queue) == 2);
  IN_CHILD(lido_cleanup_queue_drain(s->queue, 0, 0) == 2);
  IN_CHILD(strcmp(trace.text, "ab") == 0);
  IN_CHILD(lido_cleanup_queue_destroy(s->queue) == 0); /* waits for nobody */
}

#if !defined(__SANITIZE_THREAD__) /* it allows no new threads in the child of a process with several */
static void start_in_child(void *arg) {
  fork_scene *s = arg;
  size_t calls = 0;
  IN_CHILD(lido_cleanup_worker_stop(s->queue) == ESRCH);
  IN_CHILD(lido_cleanup_worker_start(s->queue) == 0);
  void *object = lido_pool_alloc(s->pool);
  IN_CHILD(lido_cleanup_add_to(s->queue, object, count_call, &calls).bits != 0);
  lido_release(object);
  while (calls_of(&calls) == 0) sched_yield();
  IN_CHILD(lido_cleanup_worker_stop(s->queue) == 0);
  lido_cleanup_queue_destroy(s->queue);
}

TEST(cleanup_queues, the_child_of_a_fork_has_no_worker_and_may_start_one) {
  fork_scene s = {.queue = queue_with((lido_cleanup_queue_options){0}), .pool = pool_for(NULL)};
  CHECK_EQ(lido_cleanup_worker_start(s.queue), 0);
  for (int i = 0; i < 10; i++) check_child(start_in_child, &s);
  CHECK_EQ(lido_cleanup_worker_stop(s.queue), 0);
  lido_cleanup_queue_destroy(s.queue);
  end(s.pool);
}
#endif

TEST(cleanup_queues, a_drain_that_a_fork_interrupts_goes_on_in_the_parent_and_is_over_in_the_child) {
  fork_scene s = {.queue = queue_with((lido_cleanup_queue_options){0}), .pool = pool_for(NULL)};
  fork_scene *scene = &s;
  pthread_barrier_init(&s.meet, NULL, 2);
  trace_begin();
  void *object = lido_pool_alloc(s.pool);
  CHECK_NE(lido_cleanup_add_copy_to(s.queue, object, meet_twice, &scene, sizeof scene).bits, 0);
  lido_release(object);
  die(s.pool, s.queue, "ab");
  pthread_t thread;
  CHECK_EQ(pthread_create(&thread, NULL, drain_and_meet, &s), 0);
  pthread_barrier_wait(&s.meet);
  check_child(go_on_in_child, &s);
  pthread_barrier_wait(&s.meet);
  pthread_join(thread, NULL);
  pthread_barrier_destroy(&s.meet);
  CHECK_EQ(lido_cleanup_queue_destroy(s.queue), 2);
  end(s.pool);
}
