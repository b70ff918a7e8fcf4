/* listeners.h: a subject and a pool of observers that note what they hear, for tests on one thread. */
#ifndef LIDO_TESTS_SUPPORT_LISTENERS_H
#define LIDO_TESTS_SUPPORT_LISTENERS_H

#include "lido/lido.h"
#include "tests/support/objects.h"

#define LISTENERS_UNUSED __attribute__((unused))

typedef struct listener {
  unsigned number;
  size_t heard;
  int last; /* event or error */
  size_t completed;
} listener;

static LISTENERS_UNUSED lido_pool *listeners;
static lido_subject *subject;
static unsigned order[4096]; /* numbers of those who were called */
static size_t called;

static LISTENERS_UNUSED void on_next(void *observer, const void *event, void *context) {
  listener *l = observer;
  l->heard++;
  l->last = *(const int *)event;
  order[called++ % 4096] = l->number;
  if (context != NULL) ++*(int *)context;
}

static LISTENERS_UNUSED void on_error(void *observer, int error, void *context) {
  listener *l = observer;
  l->last = error;
  order[called++ % 4096] = l->number;
  if (context != NULL) ++*(int *)context;
}

static LISTENERS_UNUSED void on_complete(void *observer, void *context) {
  listener *l = observer;
  l->completed++;
  order[called++ % 4096] = l->number;
  if (context != NULL) ++*(int *)context;
}

static LISTENERS_UNUSED const lido_observer_calls all_calls = {on_next, on_error, on_complete};

static LISTENERS_UNUSED void begin(void) {
  listeners = lido_pool_create(
      &(lido_pool_options){.name = "listener", .object_size = sizeof(listener), .flags = LIDO_POOL_HANDLES});
  CHECK_NOT_NULL(listeners);
  subject = lido_subject_create(NULL);
  CHECK_NOT_NULL(subject);
  called = 0;
}

static LISTENERS_UNUSED void end_pool(size_t live) {
  CHECK_SOUND(listeners);
  CHECK_EQ(lido_pool_destroy(listeners), live);
  CHECK_NULL(lido_weak_check());
}

static LISTENERS_UNUSED void end(void) {
  CHECK_NULL(lido_subject_check(subject));
  lido_subject_destroy(subject);
  end_pool(0);
}

static LISTENERS_UNUSED listener *make(unsigned number) {
  listener *l = lido_pool_alloc(listeners);
  CHECK_NOT_NULL(l);
  *l = (listener){.number = number};
  return l;
}

static LISTENERS_UNUSED lido_subscription subscribe_with(const listener *l, const lido_observer_calls *calls,
                                                         void *context) {
  lido_subscription made = lido_subscribe(subject, l, calls, context);
  CHECK_NE(made.bits, 0);
  return made;
}

static LISTENERS_UNUSED lido_subscription subscribe(const listener *l) { return subscribe_with(l, &all_calls, NULL); }

static LISTENERS_UNUSED size_t say(int event) { return lido_subject_next(subject, &event); }

static LISTENERS_UNUSED lido_subject_stats numbers(void) {
  lido_subject_stats stats;
  lido_subject_stats_get(subject, &stats);
  CHECK_NULL(lido_subject_check(subject));
  return stats;
}

#endif
