/* monitor_test.c: samples, and the thread that has them taken. Rules over them are in alerts_test.c. */
#include <sched.h>

#include "lib/base/fault.h"
#include "lib/control/monitor_core.h"
#include "tests/support/child.h"
#include "tests/support/gate.h"
#include "tests/support/managed.h"
#include "tests/support/resident.h"

#define INTERVAL UINT64_C(1000000)
#define NEVER UINT64_MAX

static lido_sample newest(lido_manager *manager) {
  lido_sample sample;
  CHECK_EQ(lido_samples_get(manager, &sample, 1), 1);
  return sample;
}

/* Until there are so many. */
static void await_samples(lido_manager *manager, uint64_t count) {
  lido_sample sample = {.number = 0};
  while (lido_samples_get(manager, &sample, 1) == 0 || sample.number < count) sched_yield();
}

/* ---- Samples ---- */

TEST(monitor, each_tick_takes_a_sample_and_the_newest_comes_first) {
  managed m = managed_begin(NULL);
  lido_sample samples[4];
  CHECK_EQ(lido_samples_get(m.manager, samples, 4), 0);
  for (size_t i = 1; i <= 3; i++) {
    managed_live(&m, i);
    managed_tick(&m);
  }
  CHECK_EQ(lido_samples_get(m.manager, samples, 2), 2);
  CHECK_EQ(lido_samples_get(m.manager, samples, 4), 3);
  for (size_t i = 0; i < 3; i++) {
    CHECK_EQ(samples[i].number, 3 - i);
    CHECK_EQ(samples[i].values[LIDO_SAMPLE_bytes_live], (3 - i) * MANAGED_OBJECT);
    CHECK_EQ(samples[i].values[LIDO_SAMPLE_allocs], 3 - i);
    CHECK_EQ(samples[i].values[LIDO_SAMPLE_ticks], 3 - i);
    CHECK_EQ(samples[i].values[LIDO_SAMPLE_budget_used], lido_budget_used(lido_manager_budget(m.manager)));
  }
  CHECK_EQ(samples[0].now_ns - samples[2].now_ns, 2 * MANAGED_SECOND);
  CHECK_GE(samples[0].wall_ns, UINT64_C(1600000000) * MANAGED_SECOND);
  managed_end(&m);
}

TEST(monitor, the_ring_keeps_the_last_ones) {
  managed m = managed_begin(&(lido_manager_options){.samples = 5});
  lido_sample samples[10];
  for (size_t i = 1; i <= 12; i++) {
    managed_tick(&m);
    size_t there = lido_samples_get(m.manager, samples, 10);
    CHECK_EQ(there, i < 5 ? i : 5);
    CHECK_EQ(samples[0].number, i);
    CHECK_EQ(samples[there - 1].number, i - there + 1);
    CHECK_NULL(lido_manager_check(m.manager));
  }
  managed_end(&m);
}

TEST(monitor, a_ring_that_is_not_used_has_no_memory) {
  enum { SAMPLES = 50000 };
  lido_manager *manager = managed_manager(&(lido_manager_options){.samples = SAMPLES});
  size_t bytes = SAMPLES * sizeof(lido_sample) / 2;
  uintptr_t middle = (uintptr_t)&manager->monitor->ring[SAMPLES / 4];
  middle -= middle % lido_os_page_bytes();
  CHECK_LT(pages_resident(middle, bytes), pages_in(bytes) / 2); /* some, if a page is huge */
  CHECK_EQ(lido_manager_destroy(manager), 0);
}

TEST(monitor, a_rate_is_by_the_time_that_has_passed) {
  managed m = managed_begin(NULL);
  managed_tick(&m);
  lido_sample older = newest(m.manager);
  managed_live(&m, 30);
  managed_wait(9 * MANAGED_SECOND);
  managed_tick(&m);
  lido_sample newer = newest(m.manager);
  CHECK(lido_sample_rate(&older, &newer, LIDO_SAMPLE_allocs) == 3);
  CHECK(lido_sample_rate(&older, &older, LIDO_SAMPLE_allocs) == 0);
  CHECK(lido_sample_rate(&newer, &older, LIDO_SAMPLE_allocs) == 0);
  CHECK(lido_sample_rate(&older, &newer, LIDO_SAMPLE_FIELDS) == 0);
  managed_live(&m, 10);
  managed_wait(MANAGED_SECOND);
  managed_tick(&m);
  lido_sample last = newest(m.manager);
  CHECK(lido_sample_rate(&newer, &last, LIDO_SAMPLE_bytes_live) == -10.0 * MANAGED_OBJECT);
  managed_end(&m);
}

TEST(monitor, a_clock_that_goes_back_stands_still) {
  managed m = managed_begin(NULL);
  managed_tick(&m);
  lido_sample before = newest(m.manager);
  managed_now_ns -= MANAGED_SECOND / 2;
  lido_manager_tick(m.manager);
  CHECK_EQ(newest(m.manager).now_ns, before.now_ns);
  CHECK_EQ(newest(m.manager).number, 2);
  managed_tick(&m);
  CHECK_EQ(newest(m.manager).now_ns, before.now_ns + MANAGED_SECOND / 2);
  managed_end(&m);
}

TEST(monitor, every_field_has_a_name_of_its_own) {
  for (unsigned field = 0; field < LIDO_SAMPLE_FIELDS; field++) {
    CHECK_EQ(lido_sample_field_by_name(lido_sample_field_name((lido_sample_field)field)), field);
  }
  CHECK_TEXT(lido_sample_field_name(LIDO_SAMPLE_FIELDS), "");
  CHECK_EQ(lido_sample_field_by_name("no such field"), LIDO_SAMPLE_FIELDS);
  CHECK(lido_sample_field_is_counter(LIDO_SAMPLE_allocs));
  CHECK(!lido_sample_field_is_counter(LIDO_SAMPLE_bytes_live));
  CHECK(!lido_sample_field_is_counter(LIDO_SAMPLE_FIELDS));
}

TEST(monitor, the_system_is_asked_for_resident_bytes_by_whoever_wants_them) {
  managed without = managed_begin(NULL);
  managed with = managed_begin(&(lido_manager_options){.flags = LIDO_MANAGER_RESIDENT_BYTES});
  managed_tick(&without);
  managed_tick(&with);
  CHECK_EQ(newest(without.manager).values[LIDO_SAMPLE_resident_bytes], 0);
  uint64_t resident = newest(with.manager).values[LIDO_SAMPLE_resident_bytes];
  CHECK_EQ(resident != 0, lido_os_resident_bytes() != 0);
  CHECK_EQ(resident % lido_os_page_bytes(), 0);
  managed_end(&without);
  managed_end(&with);
}

static void ignore(const lido_alert_event *event, void *context) { (void)event, (void)context; }

TEST(monitor, a_tick_asks_for_no_memory) {
  managed m = managed_begin(&(lido_manager_options){.samples = 3, .flags = LIDO_MANAGER_RESIDENT_BYTES});
  CHECK_NE(lido_alert_add(m.manager, &(lido_alert_rule){.name = "a", .threshold = 1, .on_change = ignore}), 0);
  CHECK_NE(
      lido_alert_add(
          m.manager,
          &(lido_alert_rule){
              .name = "b", .pool = "pool", .pool_field = "live", .above = true, .threshold = 1, .on_change = ignore}),
      0);
  lido_fault_arm(1, true);
  for (int i = 0; i < 10; i++) managed_tick(&m);
  CHECK_EQ(lido_fault_disarm(), 0);
  managed_end(&m);
}

/* ---- When ticks are due ---- */

TEST(monitor, what_is_due_stays_on_the_grid_and_skips_what_is_over) {
  CHECK_EQ(lido_monitor_next_due(1000, 100, 1000), 1100);
  CHECK_EQ(lido_monitor_next_due(1000, 100, 1007), 1100);
  CHECK_EQ(lido_monitor_next_due(1000, 100, 1099), 1100);
  CHECK_EQ(lido_monitor_next_due(1000, 100, 1100), 1200);
  CHECK_EQ(lido_monitor_next_due(1000, 100, 1350), 1400);
  CHECK_EQ(lido_monitor_next_due(1000, 100, 900), 1100);
  CHECK(lido_monitor_next_due(1000, UINT64_MAX, 5000) == UINT64_MAX);
  CHECK(lido_monitor_next_due(UINT64_MAX - 10, 100, UINT64_MAX - 5) == UINT64_MAX);
}

/* ---- The thread ---- */

/* A manager's clock that counts who asks. */
typedef struct watch {
  gate asked;
  lido_manager *manager;
  int stop_error; /* of a stop from inside */
} watch;

static uint64_t count_asked(void *context) {
  watch *w = context;
  gate_arrive(&w->asked);
  return managed_now(NULL);
}

static lido_manager *watched_manager(watch *w) {
  *w = (watch){.asked = GATE_SHUT};
  w->manager = lido_manager_create(&(lido_manager_options){.now = count_asked, .context = w}, NULL);
  CHECK_NOT_NULL(w->manager);
  return w->manager;
}

TEST(monitor, a_thread_ticks_until_it_is_stopped) {
  watch w;
  lido_manager *manager = watched_manager(&w);
  CHECK_EQ(lido_monitor_stop(manager), ESRCH);
  CHECK_EQ(lido_monitor_start(manager, INTERVAL - 1), EINVAL);
  CHECK_EQ(lido_monitor_start(manager, 0), EINVAL);
  CHECK_EQ(lido_monitor_start(manager, INTERVAL), 0);
  CHECK_EQ(lido_monitor_start(manager, INTERVAL), EALREADY);
  await_samples(manager, 5);
  CHECK_EQ(lido_monitor_stop(manager), 0);
  uint64_t taken = newest(manager).number;
  CHECK_GE(taken, 5);
  CHECK_EQ(lido_monitor_stop(manager), ESRCH);
  CHECK_EQ(lido_monitor_start(manager, INTERVAL), 0);
  await_samples(manager, taken + 2);
  CHECK_EQ(lido_monitor_stop(manager), 0);
  CHECK_NULL(lido_manager_check(manager));
  CHECK_EQ(lido_manager_destroy(manager), 0);
}

TEST(monitor, the_first_tick_is_at_once_and_a_stop_does_not_wait_for_the_next) {
  watch w;
  lido_manager *manager = watched_manager(&w);
  CHECK_EQ(lido_monitor_start(manager, NEVER), 0);
  await_samples(manager, 1);
  CHECK_EQ(lido_monitor_stop(manager), 0);
  CHECK_EQ(newest(manager).number, 1);
  CHECK_EQ(lido_manager_destroy(manager), 0);
}

TEST(monitor, the_end_of_a_manager_stops_its_thread) {
  for (int i = 0; i < 50; i++) {
    watch w;
    lido_manager *manager = watched_manager(&w);
    CHECK_EQ(lido_monitor_start(manager, i % 2 == 0 ? INTERVAL : NEVER), 0);
    if (i % 3 == 0) gate_await(&w.asked, 1);
    CHECK_EQ(lido_manager_destroy(manager), 0);
  }
}

TEST(monitor, a_thread_has_resident_bytes_in_all_samples) {
  watch w;
  lido_manager *manager = watched_manager(&w);
  lido_manager_tick(manager);
  CHECK_EQ(newest(manager).values[LIDO_SAMPLE_resident_bytes], 0);
  CHECK_EQ(lido_monitor_start(manager, NEVER), 0);
  await_samples(manager, 2);
  lido_manager_tick(manager);
  CHECK_EQ(newest(manager).values[LIDO_SAMPLE_resident_bytes] != 0, lido_os_resident_bytes() != 0);
  CHECK_EQ(lido_monitor_stop(manager), 0);
  CHECK_EQ(lido_manager_destroy(manager), 0);
}

static uint64_t stop_from_inside(void *context) {
  watch *w = context;
  if (w->asked.arrived == 0) w->stop_error = lido_monitor_stop(w->manager);
  gate_arrive(&w->asked);
  return 0;
}

TEST(monitor, the_thread_cannot_stop_itself) {
  watch w = {.asked = GATE_SHUT};
  w.manager = lido_manager_create(&(lido_manager_options){.now = stop_from_inside, .context = &w}, NULL);
  CHECK_NOT_NULL(w.manager);
  CHECK_EQ(lido_monitor_start(w.manager, NEVER), 0);
  gate_await(&w.asked, 1);
  CHECK_EQ(lido_monitor_stop(w.manager), 0);
  CHECK_EQ(w.stop_error, EDEADLK);
  CHECK_EQ(lido_manager_destroy(w.manager), 0);
}

/* The clock waits at a gate in the middle of a tick. */
typedef struct slow_tick {
  gate inside;
  int over; /* atomic */
} slow_tick;

static uint64_t wait_in_the_tick(void *context) {
  slow_tick *s = context;
  gate_pass(&s->inside);
  __atomic_store_n(&s->over, 1, __ATOMIC_RELEASE);
  return 0;
}

typedef struct stopper {
  lido_manager *manager;
  gate *ready;
  const int *over;
  int error;
  int saw_over;
} stopper;

static void *stop_and_look(void *argument) {
  stopper *s = argument;
  gate_arrive(s->ready);
  s->error = lido_monitor_stop(s->manager);
  s->saw_over = __atomic_load_n(s->over, __ATOMIC_ACQUIRE);
  return NULL;
}

TEST(monitor, whoever_stops_waits_for_the_tick_and_one_of_them_has_done_it) {
  enum { STOPPERS = 3 };
  slow_tick slow = {.inside = GATE_SHUT};
  gate ready = GATE_SHUT;
  lido_manager *manager = lido_manager_create(&(lido_manager_options){.now = wait_in_the_tick, .context = &slow}, NULL);
  CHECK_NOT_NULL(manager);
  CHECK_EQ(lido_monitor_start(manager, NEVER), 0);
  gate_await(&slow.inside, 1);
  stopper stoppers[STOPPERS];
  pthread_t threads[STOPPERS];
  for (size_t i = 0; i < STOPPERS; i++) {
    stoppers[i] = (stopper){.manager = manager, .ready = &ready, .over = &slow.over};
    CHECK_EQ(pthread_create(&threads[i], NULL, stop_and_look, &stoppers[i]), 0);
  }
  gate_await(&ready, STOPPERS);
  gate_open(&slow.inside);
  int stopped = 0;
  for (size_t i = 0; i < STOPPERS; i++) {
    pthread_join(threads[i], NULL);
    CHECK_EQ(stoppers[i].saw_over, 1);
    CHECK(stoppers[i].error == 0 || stoppers[i].error == ESRCH);
    stopped += stoppers[i].error == 0;
  }
  CHECK_EQ(stopped, 1);
  CHECK_EQ(lido_manager_destroy(manager), 0);
}

/* ---- Fork ---- */

static void use_in_child(void *scene) {
  watch *w = scene;
  IN_CHILD(lido_monitor_stop(w->manager) == ESRCH);
  lido_sample before;
  IN_CHILD(lido_samples_get(w->manager, &before, 1) == 1);
#if !defined(__SANITIZE_THREAD__) /* it allows no new threads in the child of a process with several */
  w->asked = GATE_SHUT;
  IN_CHILD(lido_monitor_start(w->manager, INTERVAL) == 0);
  await_samples(w->manager, before.number + 2);
  IN_CHILD(lido_monitor_stop(w->manager) == 0);
#endif
  IN_CHILD(lido_manager_check(w->manager) == NULL);
  IN_CHILD(lido_manager_destroy(w->manager) == 0);
}

TEST(monitor, the_child_of_a_fork_has_the_samples_and_no_thread) {
  watch w;
  lido_manager *manager = watched_manager(&w);
  CHECK_EQ(lido_monitor_start(manager, NEVER), 0); /* it waits on its condition when the fork comes */
  await_samples(manager, 1);
  check_child(use_in_child, &w);
  CHECK_EQ(lido_monitor_stop(manager), 0);
  CHECK_EQ(lido_manager_destroy(manager), 0);
}

#if !defined(__SANITIZE_THREAD__) /* as above */

/* The monitor's thread forks in on_change, and the child starts a monitor of its own: its second thread. The first one
 * ends with that tick; a call of the manager's clock would be the next. */
typedef struct ticker {
  lido_manager *manager;
  pid_t child; /* atomic */
  bool is_child;
  pthread_t first;
} ticker;

static pthread_key_t end_of_ticker;

static void ticker_is_gone(void *t) {
  if (((ticker *)t)->is_child) _exit(0);
}

static uint64_t now_of_ticker(void *context) {
  const ticker *t = context;
  IN_CHILD(!t->is_child || !pthread_equal(pthread_self(), t->first));
  return managed_now(NULL);
}

static void fork_and_start(const lido_alert_event *event, void *context) {
  ticker *t = context;
  (void)event;
  pid_t child = fork();
  if (child != 0) {
    __atomic_store_n(&t->child, child, __ATOMIC_RELEASE);
    return;
  }
  alarm(CHILD_SECONDS);
  t->is_child = true;
  t->first = pthread_self();
  IN_CHILD(pthread_setspecific(end_of_ticker, t) == 0);
  IN_CHILD(lido_monitor_start(t->manager, INTERVAL) == 0);
}

TEST(monitor, a_child_of_its_thread_may_start_one_and_has_one_then) {
  ticker t = {.child = 0};
  CHECK_EQ(pthread_key_create(&end_of_ticker, ticker_is_gone), 0);
  t.manager = lido_manager_create(&(lido_manager_options){.now = now_of_ticker, .context = &t}, NULL);
  CHECK_NE(lido_alert_add(t.manager, &(lido_alert_rule){.name = "first",
                                                        .field = LIDO_SAMPLE_ticks,
                                                        .above = true,
                                                        .threshold = 0.5,
                                                        .on_change = fork_and_start,
                                                        .context = &t}),
           0);
  fflush(stdout);
  CHECK_EQ(lido_monitor_start(t.manager, INTERVAL), 0);
  while (__atomic_load_n(&t.child, __ATOMIC_ACQUIRE) == 0) sched_yield();
  int status = 1;
  CHECK_EQ(waitpid(t.child, &status, 0), t.child);
  CHECK_EQ(status, 0);
  CHECK_EQ(lido_manager_destroy(t.manager), 0);
  CHECK_EQ(pthread_key_delete(end_of_ticker), 0);
}

#endif
