/* observer_threads_test.c: waiting for calls on other threads, circles of waits, threads that end in a call, forks. */
#include <pthread.h>
#include <sched.h>

#include "lib/caches/subject.h"
#include "lib/os/os.h"
#include "tests/support/child.h"
#include "tests/support/listeners.h"

enum { WAIT_NS = 2000000 };

/* A call that says when it has begun, and stays until it is told to go on. */
typedef struct stay {
  pthread_barrier_t entered;
  pthread_barrier_t leave;
  int over; /* plain: whoever waited for the call sees it */
  int event;
} stay;

static void stay_begin(stay *s) {
  *s = (stay){.event = 0};
  pthread_barrier_init(&s->entered, NULL, 2);
  pthread_barrier_init(&s->leave, NULL, 2);
}

static void stay_end(stay *s) {
  pthread_barrier_destroy(&s->entered);
  pthread_barrier_destroy(&s->leave);
}

static void stay_in(void *observer, const void *event, void *context) {
  stay *s = context;
  (void)event;
  ((listener *)observer)->heard++;
  pthread_barrier_wait(&s->entered);
  pthread_barrier_wait(&s->leave);
  s->over = 1;
}

static void stay_in_last(void *observer, void *context) { stay_in(observer, NULL, context); }

static const lido_observer_calls stay_calls = {.next = stay_in, .complete = stay_in_last};

static void *notify_once(void *event) { return (void *)lido_subject_next(subject, event); }
static void *complete_once(void *unused) {
  (void)unused;
  return (void *)lido_subject_complete(subject);
}

static pthread_t start(void *(*body)(void *), void *argument) {
  pthread_t thread;
  CHECK_EQ(pthread_create(&thread, NULL, body, argument), 0);
  return thread;
}

static size_t finish(pthread_t thread) {
  void *result = NULL;
  CHECK_EQ(pthread_join(thread, &result), 0);
  return (size_t)result;
}

/* ---- Waiting ---- */

TEST(observer_threads, a_wait_for_a_call_that_does_not_end_is_over_in_time) {
  stay s;
  begin();
  stay_begin(&s);
  listener *l = make(1);
  lido_subscription made = subscribe_with(l, &stay_calls, &s);
  pthread_t thread = start(notify_once, &s.event);
  pthread_barrier_wait(&s.entered);
  CHECK_EQ(lido_unsubscribe_sync(made, 0), ETIMEDOUT);
  CHECK(!lido_is_subscribed(made));
  CHECK_EQ(lido_unsubscribe_sync(made, WAIT_NS), ETIMEDOUT);
  CHECK_EQ(numbers().waits, 2);
  CHECK_EQ(numbers().running, 1);
  pthread_barrier_wait(&s.leave);
  CHECK_EQ(lido_unsubscribe_sync(made, UINT64_MAX), 0);
  CHECK_EQ(s.over, 1);
  CHECK_EQ(lido_reference_count(l), 1);
  CHECK_EQ(finish(thread), 1);
  stay_end(&s);
  lido_release(l);
  end();
}

typedef struct waiting {
  lido_subscription subscription;
  int *over;
  int saw;
} waiting;

static void *wait_for_call(void *argument) {
  waiting *w = argument;
  int error = lido_unsubscribe_sync(w->subscription, UINT64_MAX);
  w->saw = *w->over;
  return (void *)(uintptr_t)error;
}

static void let_waiters_wait(uint64_t count) {
  lido_subject_stats stats = {0};
  while (stats.waits < count) {
    sched_yield();
    lido_subject_stats_get(subject, &stats);
  }
}

/* Several at once, of whom one found it subscribed. */
static void check_waiters(void *(*notify)(void *)) {
  enum { WAITERS = 3 };
  stay s;
  waiting w[WAITERS];
  pthread_t threads[WAITERS];
  begin();
  stay_begin(&s);
  listener *l = make(1);
  lido_subscription made = subscribe_with(l, &stay_calls, &s);
  pthread_t thread = start(notify, &s.event);
  pthread_barrier_wait(&s.entered);
  for (size_t i = 0; i < WAITERS; i++) {
    w[i] = (waiting){made, &s.over, 0};
    threads[i] = start(wait_for_call, &w[i]);
  }
  let_waiters_wait(WAITERS);
  pthread_barrier_wait(&s.leave);
  for (size_t i = 0; i < WAITERS; i++) CHECK_EQ(finish(threads[i]), 0);
  for (size_t i = 0; i < WAITERS; i++) CHECK_EQ(w[i].saw, 1);
  CHECK_EQ(finish(thread), 1);
  stay_end(&s);
  lido_release(l);
  end();
}

TEST(observer_threads, waiters_are_woken_when_the_call_is_over) { check_waiters(notify_once); }
TEST(observer_threads, also_when_it_was_the_last_word) { check_waiters(complete_once); }

/* The same thread is in the next call already, which lasts until the wait is over. */
TEST(observer_threads, waiters_are_woken_before_the_next_call) {
  stay first, second;
  waiting w;
  begin();
  stay_begin(&first);
  stay_begin(&second);
  listener *l = make(1), *next = make(2);
  w = (waiting){subscribe_with(l, &stay_calls, &first), &first.over, 0};
  subscribe_with(next, &stay_calls, &second);
  pthread_t thread = start(notify_once, &first.event);
  pthread_barrier_wait(&first.entered);
  pthread_t waiter = start(wait_for_call, &w);
  let_waiters_wait(1);
  pthread_barrier_wait(&first.leave);
  pthread_barrier_wait(&second.entered);
  CHECK_EQ(finish(waiter), 0);
  CHECK_EQ(w.saw, 1);
  pthread_barrier_wait(&second.leave);
  CHECK_EQ(finish(thread), 2);
  stay_end(&first);
  stay_end(&second);
  lido_release(l);
  lido_release(next);
  end();
}

/* The notification is in the call of another observer: no reason to wait. */
TEST(observer_threads, other_calls_are_not_waited_for) {
  stay s;
  begin();
  stay_begin(&s);
  listener *first = make(1), *second = make(2), *third = make(3);
  lido_subscription before = subscribe(first);
  lido_subscription within = subscribe_with(second, &stay_calls, &s);
  lido_subscription after = subscribe(third);
  pthread_t thread = start(notify_once, &s.event);
  pthread_barrier_wait(&s.entered);
  CHECK_EQ(lido_unsubscribe_sync(before, UINT64_MAX), 0);
  CHECK_EQ(lido_unsubscribe_sync(after, UINT64_MAX), 0);
  CHECK(lido_is_subscribed(within));
  pthread_barrier_wait(&s.leave);
  CHECK_EQ(finish(thread), 2);
  CHECK_EQ(third->heard, 0);
  stay_end(&s);
  lido_release(first);
  lido_release(second);
  lido_release(third);
  end();
}

TEST(observer_threads, a_subject_may_end_while_another_thread_notifies) {
  stay s;
  begin();
  stay_begin(&s);
  listener *l = make(1), *next = make(2);
  lido_subscription made = subscribe_with(l, &stay_calls, &s);
  subscribe(next);
  lido_weak weak = lido_weak_make(subject);
  pthread_t thread = start(notify_once, &s.event);
  pthread_barrier_wait(&s.entered);
  lido_subject_destroy(subject);
  CHECK_SAME(lido_weak_get(weak), subject);
  CHECK_EQ(lido_unsubscribe_sync(made, 0), ETIMEDOUT);
  pthread_barrier_wait(&s.leave);
  CHECK_EQ(lido_unsubscribe_sync(made, UINT64_MAX), 0);
  CHECK_EQ(finish(thread), 1);
  CHECK_EQ(next->heard, 0);
  CHECK_NULL(lido_weak_get(weak));
  stay_end(&s);
  lido_release(l);
  lido_release(next);
  end_pool(0);
}

/* ---- Circles ---- */

enum { CIRCLE_MOST = 5 };

static struct circle {
  size_t count;
  pthread_barrier_t all_in_calls;
  lido_subscription subscriptions[CIRCLE_MOST];
  int results[CIRCLE_MOST];
} circle;

/* Each waits for the call of the one after it. */
static void wait_for_next(void *observer, const void *event, void *context) {
  size_t i = *(const size_t *)event;
  (void)context;
  if (((listener *)observer)->number != i) return;
  pthread_barrier_wait(&circle.all_in_calls);
  circle.results[i] = lido_unsubscribe_sync(circle.subscriptions[(i + 1) % circle.count], UINT64_MAX);
}

static const lido_observer_calls circle_calls = {.next = wait_for_next};

static void run_circle(size_t count) {
  static const size_t events[CIRCLE_MOST] = {0, 1, 2, 3, 4};
  pthread_t threads[CIRCLE_MOST];
  listener *members[CIRCLE_MOST];
  begin();
  circle.count = count;
  pthread_barrier_init(&circle.all_in_calls, NULL, (unsigned)count);
  for (unsigned i = 0; i < count; i++) {
    circle.subscriptions[i] = subscribe_with(members[i] = make(i), &circle_calls, NULL);
  }
  for (size_t i = 0; i < count; i++) threads[i] = start(notify_once, (void *)(uintptr_t)&events[i]);
  size_t refused = 0;
  for (size_t i = 0; i < count; i++) finish(threads[i]);
  for (size_t i = 0; i < count; i++) {
    CHECK(circle.results[i] == 0 || circle.results[i] == EDEADLK);
    refused += circle.results[i] == EDEADLK;
    CHECK(!lido_is_subscribed(circle.subscriptions[i]));
    lido_release(members[i]);
  }
  CHECK_EQ(refused, 1);
  pthread_barrier_destroy(&circle.all_in_calls);
  end();
}

TEST(observer_threads, two_calls_that_wait_for_each_other_do_not_both_wait) { run_circle(2); }
TEST(observer_threads, nor_do_five_in_a_circle) { run_circle(5); }

/* ---- Threads that end in a call ---- */

static void exit_in_call(void *observer, const void *event, void *context) {
  (void)event;
  (void)context;
  ((listener *)observer)->heard++;
  pthread_exit(NULL);
}

static void exit_in_last(void *observer, void *context) { exit_in_call(observer, NULL, context); }

static void check_abandoned(void *(*notify)(void *)) {
  begin();
  listener *l = make(1), *next = make(2);
  lido_subscription first =
      subscribe_with(l, &(lido_observer_calls){.next = exit_in_call, .complete = exit_in_last}, NULL);
  lido_subscription second = subscribe(next);
  CHECK_EQ(finish(start(notify, &(int){1})), 0);
  CHECK_EQ(lido_reference_count(l), 1);
  CHECK_EQ(l->heard, 1);
  CHECK_EQ(next->heard + next->completed, 0);
  CHECK_EQ(numbers().running, 0);
  CHECK_EQ(lido_is_subscribed(first), notify == notify_once);
  CHECK_EQ(lido_is_subscribed(second), notify == notify_once);
  CHECK_EQ(lido_unsubscribe_sync(first, UINT64_MAX), 0);
  CHECK_EQ(lido_reference_count(subject), 1);
  lido_release(l);
  lido_release(next);
  end();
}

TEST(observer_threads, a_thread_may_exit_in_a_call) { check_abandoned(notify_once); }
TEST(observer_threads, also_in_the_last_word) { check_abandoned(complete_once); }

static void notify_inside(void *observer, const void *event, void *context) {
  (void)observer;
  (void)context;
  lido_subject_next(subject, event);
}

static void *notify_this(void *outside) { return (void *)lido_subject_next(outside, NULL); }

TEST(observer_threads, also_in_a_notification_inside_another) {
  begin();
  listener *outer = make(1), *inner = make(2);
  lido_subject *outside = lido_subject_create(NULL);
  CHECK_NE(lido_subscribe(outside, outer, &(lido_observer_calls){.next = notify_inside}, NULL).bits, 0);
  subscribe_with(inner, &(lido_observer_calls){.next = exit_in_call}, NULL);
  CHECK_EQ(finish(start(notify_this, outside)), 0);
  CHECK_EQ(inner->heard, 1);
  CHECK_EQ(lido_reference_count(outer), 1);
  CHECK_EQ(lido_reference_count(inner), 1);
  CHECK_NULL(lido_subject_check(outside));
  CHECK_EQ(lido_reference_count(outside), 1);
  lido_subject_destroy(outside);
  lido_release(outer);
  lido_release(inner);
  end();
}

static void be_cancelled(void *observer, const void *event, void *context) {
  stay *s = context;
  (void)event;
  ((listener *)observer)->heard++;
  pthread_barrier_wait(&s->entered);
  for (;;) pthread_testcancel();
}

TEST(observer_threads, a_thread_may_be_cancelled_in_a_call) {
  stay s;
  begin();
  stay_begin(&s);
  listener *l = make(1);
  subscribe_with(l, &(lido_observer_calls){.next = be_cancelled}, &s);
  pthread_t thread = start(notify_once, &s.event);
  pthread_barrier_wait(&s.entered);
  pthread_cancel(thread);
  CHECK_EQ(finish(thread), (size_t)PTHREAD_CANCELED);
  CHECK_EQ(lido_reference_count(l), 1);
  CHECK_EQ(numbers().running, 0);
  stay_end(&s);
  lido_release(l);
  end();
}

/* ---- Forks ---- */

static listener *beside; /* heard by the child */

static void use_in_child(void *unused) {
  (void)unused;
  int event = 5;
  IN_CHILD(lido_subject_check(subject) == NULL);
  lido_subject_stats stats;
  lido_subject_stats_get(subject, &stats);
  IN_CHILD(stats.running == 0);
  lido_subscription made = lido_subscribe(subject, beside, &all_calls, NULL);
  IN_CHILD(made.bits != 0);
  IN_CHILD(lido_subject_next(subject, &event) >= 1);
  IN_CHILD(beside->last == 5);
  IN_CHILD(lido_unsubscribe_sync(made, UINT64_MAX) == 0);
  lido_weak weak = lido_weak_make(subject);
  lido_subject_destroy(subject);
  IN_CHILD(lido_weak_get(weak) == NULL); /* also the references of lost threads are gone */
  lido_subject *other = lido_subject_create(NULL);
  IN_CHILD(other != NULL);
  IN_CHILD(lido_subject_complete(other) == 0);
  lido_subject_destroy(other);
}

TEST(observer_threads, the_child_of_a_fork_can_use_a_subject) {
  begin();
  beside = make(1);
  subscribe(beside);
  check_child(use_in_child, NULL);
  lido_release(beside);
  end();
}

/* The thread that notifies, and the one that waits for it, are not there. */
TEST(observer_threads, also_if_others_notify_and_wait) {
  stay s;
  waiting w;
  begin();
  stay_begin(&s);
  listener *l = make(1);
  beside = make(2);
  lido_subscription made = subscribe_with(l, &stay_calls, &s);
  pthread_t thread = start(notify_once, &s.event);
  pthread_barrier_wait(&s.entered);
  w = (waiting){made, &s.over, 0};
  pthread_t waiter = start(wait_for_call, &w);
  let_waiters_wait(1);
  check_child(use_in_child, NULL);
  pthread_barrier_wait(&s.leave);
  CHECK_EQ(finish(waiter), 0);
  CHECK_EQ(finish(thread), 1);
  stay_end(&s);
  lido_release(beside);
  lido_release(l);
  end();
}

static void end_in_child(void *unused) {
  (void)unused;
  lido_weak weak = lido_weak_make(subject);
  IN_CHILD(lido_subject_is_over(subject));
  IN_CHILD(lido_subject_check(subject) == NULL);
  IN_CHILD(lido_subject_next(subject, NULL) == 0);
  lido_subject_destroy(subject);
  IN_CHILD(lido_weak_get(weak) == NULL);
}

TEST(observer_threads, also_if_another_thread_says_the_last_word) {
  stay s;
  begin();
  stay_begin(&s);
  listener *l = make(1), *next = make(2);
  subscribe_with(l, &stay_calls, &s);
  subscribe(next);
  pthread_t thread = start(complete_once, NULL);
  pthread_barrier_wait(&s.entered);
  check_child(end_in_child, NULL);
  pthread_barrier_wait(&s.leave);
  CHECK_EQ(finish(thread), 2);
  CHECK_EQ(next->completed, 1);
  stay_end(&s);
  lido_release(l);
  lido_release(next);
  end();
}

/* A thread that is about to wait for the subject's lock. */
typedef struct caller {
  size_t (*call)(struct caller *c);
  uint64_t number; /* atomic: the system's, once it runs */
  lido_subscription subscription;
  listener *observer;
} caller;

static size_t call_subscribe(caller *c) { return lido_subscribe(subject, c->observer, &all_calls, NULL).bits != 0; }
static size_t call_unsubscribe(caller *c) { return lido_unsubscribe(c->subscription); }
static size_t call_and_wait(caller *c) { return lido_unsubscribe_sync(c->subscription, UINT64_MAX) == 0; }
static size_t call_next(caller *c) {
  int event = 1;
  (void)c;
  return lido_subject_next(subject, &event) <= 1; /* whom call_subscribe subscribes */
}
static size_t call_check(caller *c) {
  (void)c;
  return lido_subject_check(subject) == NULL;
}

static void *run_caller(void *argument) {
  caller *c = argument;
  __atomic_store_n(&c->number, lido_os_thread_number(), __ATOMIC_RELAXED);
  return (void *)c->call(c);
}

/* Also true where the system does not tell. */
static bool sleeps(caller *c) {
  uint64_t number = __atomic_load_n(&c->number, __ATOMIC_RELAXED);
  char path[64], state = 'S';
  if (number == 0) return false;
  snprintf(path, sizeof path, "/proc/self/task/%llu/stat", (unsigned long long)number);
  FILE *file = fopen(path, "r");
  if (file == NULL) return true;
  if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1) state = 'S';
  fclose(file);
  return state == 'S';
}

/* A fork, which has both locks, finds no reference of theirs that nobody would give back in the child. */
TEST(observer_threads, who_waits_for_the_lock_has_no_reference) {
  size_t (*const calls[])(caller *) = {call_subscribe, call_unsubscribe, call_and_wait, call_next, call_check};
  enum { CALLERS = sizeof calls / sizeof *calls };
  static const lido_observer_calls silent = {.next = NULL};
  caller callers[CALLERS];
  pthread_t threads[CALLERS];
  begin();
  listener *l = make(1);
  for (size_t i = 0; i < CALLERS; i++)
    callers[i] = (caller){.call = calls[i], .subscription = subscribe_with(l, &silent, NULL), .observer = make(2)};
  lido_caches_lock();
  lido_lock_take(&subject->lock);
  for (size_t i = 0; i < CALLERS; i++) threads[i] = start(run_caller, &callers[i]);
  for (size_t i = 0; i < CALLERS; i++) {
    while (!sleeps(&callers[i])) sched_yield();
  }
  size_t references = lido_reference_count(subject);
  lido_lock_give(&subject->lock);
  lido_caches_unlock();
  CHECK_EQ(references, 1);
  for (size_t i = 0; i < CALLERS; i++) CHECK_EQ(finish(threads[i]), 1);
  for (size_t i = 0; i < CALLERS; i++) lido_release(callers[i].observer);
  lido_release(l);
  end();
}

static void fork_in_call(void *observer, const void *event, void *context) {
  on_next(observer, event, context);
  pid_t child = fork();
  if (child == 0) return; /* goes on in both */
  int status = -1;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0);
}

TEST(observer_threads, a_call_may_fork) {
  begin();
  pid_t parent = getpid();
  listener *l = make(1), *next = make(2);
  subscribe_with(l, &(lido_observer_calls){.next = fork_in_call}, NULL);
  subscribe(next);
  fflush(stdout);
  size_t calls = say(1);
  if (getpid() != parent) {
    alarm(CHILD_SECONDS);
    IN_CHILD(calls == 2);
    IN_CHILD(next->heard == 1);
    IN_CHILD(lido_subject_check(subject) == NULL);
    lido_subject_destroy(subject);
    _exit(0);
  }
  CHECK_EQ(calls, 2);
  lido_release(l);
  lido_release(next);
  end();
}
