/* observers_rows.c: notifications, with the bare walk beside them in one program.
 *
 *     observer_next_1k, _1      one notification of 1,000 observers, of one; per observer. walk: an array of handles
 *                               and functions, lido_weak_acquire, the same call, lido_release; walk_by_handle: the
 *                               same with lido_weak_release
 *     observer_next_none        a notification of a subject without observers
 *     observer_subscribe        subscribe and unsubscribe; sync: unsubscribe and wait, with no notification under way
 */
#include <lido/lido.h>

#include "timed_row.h"

enum { FEW = 1000 };

typedef struct object {
  uint64_t value;
  char rest[56];
} object;

typedef struct place {
  lido_weak weak;
  void (*next)(void *observer, const void *event, void *context);
  void *context;
} place;

static lido_pool *pool;
static lido_subject *subject;
static place places[FEW];
static object *objects[FEW];
static size_t live;

static void on_next(void *observer, const void *event, void *context) {
  (void)context;
  ((object *)observer)->value += *(const uint64_t *)event;
}

static const lido_observer_calls calls = {.next = on_next};

/* ---- Notifications ---- */

static void walk(size_t count) {
  uint64_t event = 3;
  for (size_t i = 0; i < count; i++) {
    for (size_t j = 0; j < live; j++) {
      const place *p = &places[j];
      void *observer = lido_weak_acquire(p->weak);
      if (observer == NULL) continue;
      p->next(observer, &event, p->context);
      lido_release(observer);
    }
  }
}

static void walk_by_handle(size_t count) {
  uint64_t event = 3;
  for (size_t i = 0; i < count; i++) {
    for (size_t j = 0; j < live; j++) {
      const place *p = &places[j];
      void *observer = lido_weak_acquire(p->weak);
      if (observer == NULL) continue;
      p->next(observer, &event, p->context);
      lido_weak_release(p->weak);
    }
  }
}

static void notify(size_t count) {
  uint64_t event = 3;
  for (size_t i = 0; i < count; i++) {
    if (lido_subject_next(subject, &event) != live) bench_die("a notification missed an observer");
  }
}

static void begin(size_t observers) {
  live = observers;
  subject = lido_subject_create(NULL);
  for (size_t i = 0; i < live; i++) {
    objects[i] = lido_pool_alloc(pool);
    if (subject == NULL || objects[i] == NULL) bench_die("no memory for %zu observers", live);
    places[i] = (place){.weak = lido_weak_make(objects[i]), .next = on_next};
    if (lido_subscribe(subject, objects[i], &calls, NULL).bits == 0) bench_die("no memory for a subscription");
  }
}

static void end(void) {
  lido_subject_destroy(subject);
  for (size_t i = 0; i < live; i++) lido_release(objects[i]);
}

static void next_row(const bench_options *options, const char *row, size_t observers) {
  const timed_subject subjects[] = {{.name = "walk", .run = walk, .parts = observers},
                                    {.name = "walk_by_handle", .run = walk_by_handle, .parts = observers},
                                    {.name = "next", .run = notify, .parts = observers}};
  const timed_subject none = {.name = "next", .run = notify};
  begin(observers);
  if (observers != 0) {
    timed_row(options, row, subjects, sizeof subjects / sizeof *subjects);
  } else {
    timed_row(options, row, &none, 1);
  }
  end();
}

/* ---- Subscriptions ---- */

static void subscribe(size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (!lido_unsubscribe(lido_subscribe(subject, objects[0], &calls, NULL))) bench_die("no memory for a subscription");
  }
}

static void subscribe_sync(size_t count) {
  for (size_t i = 0; i < count; i++) {
    lido_subscription made = lido_subscribe(subject, objects[0], &calls, NULL);
    if (made.bits == 0 || lido_unsubscribe_sync(made, UINT64_MAX) != 0) bench_die("no memory for a subscription");
  }
}

static void subscribe_row(const bench_options *options) {
  const timed_subject subjects[] = {{.name = "unsubscribe", .run = subscribe}, {.name = "sync", .run = subscribe_sync}};
  begin(1);
  timed_row(options, "observer_subscribe", subjects, 2);
  end();
}

/* ---- Rows ---- */

static void start_thread(void *unused) { (void)unused; }

int main(int argc, char **argv) {
  bench_options options = bench_begin(argc, argv);
  bench_job nothing = {.run = start_thread};
  bench_together(NULL, &nothing);
  pool = lido_pool_create(
      &(lido_pool_options){.name = "observers", .object_size = sizeof(object), .flags = LIDO_POOL_HANDLES});
  if (pool == NULL) bench_die("no pool");
  bench_fact("peer", "lido");
  bench_fact("version", lido_version());
  if (bench_wants(&options, "observer_next_1k")) next_row(&options, "observer_next_1k", FEW);
  if (bench_wants(&options, "observer_next_1")) next_row(&options, "observer_next_1", 1);
  if (bench_wants(&options, "observer_next_none")) next_row(&options, "observer_next_none", 0);
  if (bench_wants(&options, "observer_subscribe")) subscribe_row(&options);
  return 0;
}
