/* observers_without_memory_test.c: every request for memory fails, once and for ever, under subjects. Only a subject's
 * creation and a subscription say so, and then nothing has changed; everything else goes on without memory.
 */
#include "tests/faults/drill.h"

enum { MOST = 400 };

typedef struct listener {
  size_t heard;
  size_t completed;
} listener;

static void on_next(void *observer, const void *event, void *context) {
  (void)event;
  (void)context;
  ((listener *)observer)->heard++;
}

static void on_complete(void *observer, void *context) {
  (void)context;
  ((listener *)observer)->completed++;
}

static const lido_observer_calls calls = {.next = on_next, .complete = on_complete};

static void *objects[MOST];
static lido_subscription subscriptions[MOST];

static lido_subject_stats numbers_of(lido_subject *subject) {
  lido_subject_stats stats;
  lido_subject_stats_get(subject, &stats);
  CHECK_NULL(lido_subject_check(subject));
  return stats;
}

/* A subscription that fails has changed nothing. */
static lido_subscription drill_subscribe(drill_round *r, lido_subject *subject, const void *object) {
  lido_subscription made;
  uint64_t before = numbers_of(subject).subscribed;
  TRY_UNTIL(r, made, lido_subscribe(subject, object, &calls, NULL), made.bits == 0);
  CHECK_EQ(numbers_of(subject).subscribed, before + 1);
  return made;
}

static lido_subject *drill_subject(drill_round *r) {
  lido_subject *subject = NULL;
  TRY(r, subject, lido_subject_create(&(lido_subject_options){.name = "a name that is longer than most"}));
  return subject;
}

static lido_pool *drill_listeners(drill_round *r) {
  lido_pool *pool = drill_pool(r, &(lido_pool_options){.object_size = sizeof(listener), .flags = LIDO_POOL_HANDLES});
  for (size_t i = 0; i < MOST; i++) {
    TRY(r, objects[i], lido_pool_alloc(pool));
    *(listener *)objects[i] = (listener){0};
  }
  return pool;
}

static void end_all(lido_pool *pool, lido_subject *subject) {
  CHECK_NULL(lido_subject_check(subject));
  CALM(lido_subject_destroy(subject));
  CALM(lido_subjects_trim());
  drill_end(pool);
}

static size_t tell(lido_subject *subject) {
  size_t told = 0;
  CALM(told = lido_subject_next(subject, NULL));
  return told;
}

/* The list grows; most are unsubscribed, so it shrinks if there is memory for that; some die; the rest hears the last
 * word. */
static void grow_and_shrink(drill_round *r) {
  lido_pool *pool = drill_listeners(r);
  lido_subject *subject = drill_subject(r);
  for (size_t i = 0; i < MOST; i++) subscriptions[i] = drill_subscribe(r, subject, objects[i]);
  CHECK_EQ(tell(subject), MOST);
  for (size_t i = 20; i < MOST; i++) CALM(CHECK(lido_unsubscribe(subscriptions[i])));
  for (size_t i = 0; i < 10; i++) CALM(lido_release(objects[i]));
  CHECK_EQ(tell(subject), 10);
  CALM(lido_subject_compact(subject));
  CHECK_EQ(numbers_of(subject).observers, 10);
  CALM(CHECK_EQ(lido_subject_complete(subject), 10));
  for (size_t i = 10; i < MOST; i++) {
    CHECK_EQ(((listener *)objects[i])->heard, i < 20 ? 2 : 1);
    CALM(lido_release(objects[i]));
  }
  end_all(pool, subject);
}

/* With a quarter dead there is room without memory. */
static void churn(drill_round *r) {
  lido_pool *pool = drill_listeners(r);
  lido_subject *subject = drill_subject(r);
  for (size_t i = 0; i < MOST; i++) {
    subscriptions[i] = drill_subscribe(r, subject, objects[i]);
    if (i % 3 != 0) CALM(lido_release(objects[i]));
  }
  CHECK_EQ(tell(subject), (MOST + 2) / 3);
  CALM(CHECK_EQ(lido_unsubscribe_sync(subscriptions[0], UINT64_MAX), 0));
  for (size_t i = 0; i < MOST; i += 3) CALM(lido_release(objects[i]));
  end_all(pool, subject);
}

/* ---- A list that must be copied, for a notification is in it ---- */

static drill_round *round_of_call;
static lido_subject *subject_of_call;

static void subscribe_in_call(void *observer, const void *event, void *context) {
  (void)observer;
  (void)event;
  (void)context;
  for (size_t i = 0; i < 100; i++) subscriptions[i] = drill_subscribe(round_of_call, subject_of_call, objects[i]);
  for (size_t i = 0; i < 90; i++) CALM(CHECK(lido_unsubscribe(subscriptions[i])));
  CALM(lido_subject_compact(subject_of_call));
}

static void grow_in_call(drill_round *r) {
  static const lido_observer_calls in_call = {.next = subscribe_in_call};
  lido_pool *pool = drill_listeners(r);
  lido_subject *subject = drill_subject(r);
  lido_subscription made;
  round_of_call = r;
  subject_of_call = subject;
  TRY_UNTIL(r, made, lido_subscribe(subject, objects[MOST - 1], &in_call, NULL), made.bits == 0);
  CHECK_EQ(lido_subject_next(subject, NULL), 1); /* its call may take relief */
  CHECK_EQ(numbers_of(subject).observers, 11);
  CALM(CHECK(lido_unsubscribe(made)));
  CHECK_EQ(tell(subject), 10);
  for (size_t i = 0; i < MOST; i++) CALM(lido_release(objects[i]));
  end_all(pool, subject);
}

TEST(observers_without_memory, a_list_that_grows_and_shrinks) { drill(grow_and_shrink, 6); }
TEST(observers_without_memory, observers_that_come_and_die) { drill(churn, 4); }
TEST(observers_without_memory, a_list_that_grows_inside_a_call) { drill(grow_in_call, 6); }

/* ---- The very first use ---- */

/* No pool of subjects is there yet when this runs in a process of its own; else it is one round more. */
TEST(observers_without_memory, a_first_use_that_fails_can_be_tried_again) {
  lido_fault_disarm();
  for (uint64_t nth = 1; nth < 40; nth++) {
    lido_fault_arm(nth, true);
    errno = UNTOUCHED_ERRNO;
    lido_subject *subject = lido_subject_create(NULL);
    CHECK_EQ(errno, subject != NULL ? UNTOUCHED_ERRNO : ENOMEM);
    lido_fault_disarm();
    if (subject != NULL) CHECK_EQ(lido_subject_complete(subject), 0);
    lido_subject_destroy(subject);
  }
  lido_subject *subject = lido_subject_create(NULL);
  CHECK_NOT_NULL(subject);
  lido_subject_destroy(subject);
}
