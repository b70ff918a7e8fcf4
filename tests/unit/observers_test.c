/* observers_test.c: subjects, subscriptions and notifications, on one thread. */
#include <sys/mman.h>

#include "tests/support/listeners.h"

/* ---- Life ---- */

TEST(observers, a_subject_has_a_name_and_no_observers) {
  begin();
  CHECK_TEXT(lido_subject_name(subject), "subject");
  CHECK_EQ(say(1), 0);
  CHECK_EQ(numbers().observers, 0);
  CHECK_EQ(numbers().bytes, 0);
  CHECK(!lido_subject_is_over(subject));
  char name[] = "prices";
  lido_subject *other = lido_subject_create(&(lido_subject_options){.name = name});
  name[0] = 'x';
  CHECK_TEXT(lido_subject_name(other), "prices");
  lido_subject_destroy(other);
  lido_subject_destroy(NULL);
  end();
}

TEST(observers, an_observer_hears_events_with_its_context_until_it_is_unsubscribed) {
  begin();
  int context = 0;
  listener *l = make(1);
  lido_subscription s = subscribe_with(l, &all_calls, &context);
  CHECK(lido_is_subscribed(s));
  CHECK_EQ(say(7), 1);
  CHECK_EQ(l->last, 7);
  CHECK_EQ(context, 1);
  CHECK(lido_unsubscribe(s));
  CHECK(!lido_is_subscribed(s));
  CHECK(!lido_unsubscribe(s));
  CHECK_EQ(say(8), 0);
  CHECK_EQ(l->heard, 1);
  lido_release(l);
  end();
}

TEST(observers, are_called_in_the_order_of_their_subscriptions) {
  begin();
  enum { COUNT = 1000 };
  static listener *made[COUNT];
  for (unsigned i = 0; i < COUNT; i++) subscribe(made[i] = make(i));
  CHECK_EQ(say(0), COUNT);
  for (unsigned i = 0; i < COUNT; i++) CHECK_EQ(order[i], i);
  for (unsigned i = 0; i < COUNT; i++) {
    if (i % 3 != 0) lido_release(made[i]);
  }
  called = 0;
  CHECK_EQ(say(0), (COUNT + 2) / 3);
  for (unsigned i = 0; i < (COUNT + 2) / 3; i++) CHECK_EQ(order[i], 3 * i);
  for (unsigned i = 0; i < COUNT; i += 3) lido_release(made[i]);
  end();
}

TEST(observers, one_observer_may_be_subscribed_many_times) {
  begin();
  listener *l = make(1);
  lido_subscription first = subscribe(l);
  lido_subscription second = subscribe(l);
  CHECK_NE(first.bits, second.bits);
  CHECK_EQ(say(1), 2);
  CHECK(lido_unsubscribe(first));
  CHECK_EQ(say(1), 1);
  CHECK_EQ(l->heard, 3);
  lido_release(l);
  CHECK_EQ(say(1), 0);
  end();
}

TEST(observers, are_held_weakly_and_dropped_when_they_are_dead) {
  begin();
  listener *l = make(1);
  lido_subscription s = subscribe(l);
  CHECK_EQ(lido_reference_count(l), 1);
  lido_release(l);
  CHECK(lido_is_subscribed(s)); /* nobody has looked yet */
  CHECK_EQ(numbers().observers, 1);
  CHECK_EQ(say(1), 0);
  CHECK(!lido_is_subscribed(s));
  CHECK_EQ(numbers().observers, 0);
  CHECK_EQ(numbers().dropped, 1);
  CHECK(!lido_unsubscribe(s));
  end();
}

TEST(observers, that_are_killed_hear_nothing_more) {
  begin();
  listener *l = make(1);
  subscribe(l);
  CHECK(lido_weak_kill(lido_weak_make(l)));
  CHECK_EQ(say(1), 0);
  CHECK_EQ(numbers().dropped, 1);
  lido_release(l);
  end();
}

TEST(observers, calls_that_are_null_are_not_made) {
  begin();
  listener *l = make(1);
  subscribe_with(l, &(lido_observer_calls){.next = on_next}, NULL);
  subscribe_with(l, &(lido_observer_calls){.complete = on_complete}, NULL);
  subscribe_with(l, &(lido_observer_calls){.error = on_error}, NULL);
  CHECK_EQ(say(1), 1);
  CHECK_EQ(lido_subject_complete(subject), 1);
  CHECK_EQ(l->heard, 1);
  CHECK_EQ(l->completed, 1);
  lido_release(l);
  end();
}

TEST(observers, wrong_arguments_are_refused) {
  begin();
  listener *l = make(1);
  errno = 0;
  CHECK_EQ(lido_subscribe(NULL, l, &all_calls, NULL).bits, 0);
  CHECK_EQ(errno, EINVAL);
  errno = 0;
  CHECK_EQ(lido_subscribe(subject, NULL, &all_calls, NULL).bits, 0);
  CHECK_EQ(errno, EINVAL);
  errno = 0;
  CHECK_EQ(lido_subscribe(subject, l, NULL, NULL).bits, 0);
  CHECK_EQ(errno, EINVAL);
  CHECK_EQ(lido_subject_next(NULL, NULL), 0);
  CHECK_EQ(lido_subject_compact(NULL), 0);
  lido_release(l);
  end();
}

/* Also handles of other objects than tokens. */
TEST(observers, any_value_may_be_asked_about) {
  begin();
  listener *l = make(1);
  subscribe(l);
  const uint64_t values[] = {0, 1, UINT64_MAX, UINT64_C(1) << 32, lido_weak_make(l).bits, lido_weak_make(subject).bits};
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    lido_subscription forged = {values[i]};
    CHECK(!lido_is_subscribed(forged));
    CHECK(!lido_unsubscribe(forged));
    CHECK_EQ(lido_unsubscribe_sync(forged, 0), 0);
  }
  CHECK_EQ(lido_reference_count(l), 1);
  CHECK_EQ(say(1), 1);
  lido_release(l);
  end();
}

/* Its page can't be read, so who looks into it ends the process. */
TEST(observers, an_object_that_is_no_subscription_is_not_looked_into) {
  enum { PAGE = 4096 };
  begin();
  lido_pool *pages = lido_pool_create(
      &(lido_pool_options){.name = "page", .object_size = PAGE, .align = PAGE, .flags = LIDO_POOL_HANDLES});
  CHECK_NOT_NULL(pages);
  void *page = lido_pool_alloc(pages);
  lido_subscription forged = {lido_weak_make(page).bits};
  CHECK_EQ(mprotect(page, PAGE, PROT_NONE), 0);
  CHECK(!lido_is_subscribed(forged));
  CHECK(!lido_unsubscribe(forged));
  CHECK_EQ(lido_unsubscribe_sync(forged, UINT64_MAX), 0);
  CHECK_EQ(mprotect(page, PAGE, PROT_READ | PROT_WRITE), 0);
  CHECK_EQ(lido_reference_count(page), 1);
  lido_release(page);
  CHECK_EQ(lido_pool_destroy(pages), 0);
  end();
}

TEST(observers, a_subscription_outlives_its_subject_harmlessly) {
  begin();
  listener *l = make(1);
  lido_subscription s = subscribe(l);
  lido_subject_destroy(subject);
  CHECK(!lido_is_subscribed(s));
  CHECK(!lido_unsubscribe(s));
  CHECK_EQ(lido_unsubscribe_sync(s, UINT64_MAX), 0);
  lido_release(l);
  end_pool(0);
}

/* A holder of a reference finds it over. */
TEST(observers, a_subject_is_an_object_with_handles) {
  begin();
  listener *l = make(1);
  lido_weak weak = lido_weak_make(subject);
  lido_subscription s = subscribe(l);
  CHECK_SAME(lido_weak_acquire(weak), subject);
  lido_subject_destroy(subject);
  CHECK(lido_subject_is_over(subject));
  CHECK(!lido_is_subscribed(s));
  CHECK_EQ(say(1), 0);
  CHECK_EQ(lido_subscribe(subject, l, &all_calls, NULL).bits, 0);
  CHECK_EQ(errno, ESHUTDOWN);
  CHECK_NULL(lido_subject_check(subject));
  lido_release(subject);
  CHECK_NULL(lido_weak_acquire(weak));
  lido_release(l);
  end_pool(0);
}

TEST(observers, a_subject_whose_references_are_released_needs_no_destroy) {
  begin();
  listener *l = make(1);
  lido_subscription s = subscribe(l);
  lido_release(subject);
  CHECK(!lido_is_subscribed(s));
  CHECK_EQ(lido_reference_count(l), 1);
  lido_release(l);
  end_pool(0);
}

/* ---- The last word ---- */

TEST(observers, an_error_is_the_last_word) {
  begin();
  listener *a = make(1), *b = make(2);
  lido_subscription s = subscribe(a);
  subscribe(b);
  CHECK_EQ(say(1), 2);
  called = 0;
  CHECK_EQ(lido_subject_error(subject, EIO), 2);
  CHECK_EQ(order[0], 1);
  CHECK_EQ(order[1], 2);
  CHECK_EQ(a->last, EIO);
  CHECK(lido_subject_is_over(subject));
  CHECK(!lido_is_subscribed(s));
  CHECK_EQ(lido_subject_error(subject, EIO), 0);
  CHECK_EQ(lido_subject_complete(subject), 0);
  CHECK_EQ(say(1), 0);
  CHECK_EQ(a->heard, 1);
  CHECK_EQ(lido_subscribe(subject, a, &all_calls, NULL).bits, 0);
  CHECK_EQ(errno, ESHUTDOWN);
  lido_subject_stats stats = numbers();
  CHECK_EQ(stats.errors, 1);
  CHECK_EQ(stats.completions, 0);
  CHECK_EQ(stats.calls, 4);
  CHECK_EQ(stats.observers, 0);
  CHECK_EQ(stats.bytes, 0);
  lido_release(a);
  lido_release(b);
  end();
}

TEST(observers, completion_too_and_without_observers_it_counts_as_well) {
  begin();
  CHECK_EQ(lido_subject_complete(subject), 0);
  CHECK(lido_subject_is_over(subject));
  CHECK_EQ(numbers().completions, 1);
  CHECK_EQ(lido_subject_complete(subject), 0);
  CHECK_EQ(numbers().completions, 1);
  end();
}

TEST(observers, the_dead_hear_no_last_word) {
  begin();
  listener *a = make(1), *b = make(2), *c = make(3);
  subscribe(a);
  subscribe(b);
  lido_subscription s = subscribe(c);
  lido_release(a);
  CHECK(lido_unsubscribe(s));
  CHECK_EQ(lido_subject_complete(subject), 1);
  CHECK_EQ(b->completed, 1);
  CHECK_EQ(c->completed, 0);
  CHECK_EQ(numbers().dropped, 1);
  CHECK_EQ(numbers().unsubscribed, 1);
  lido_release(b);
  lido_release(c);
  end();
}

/* ---- Misuse, with a handler that returns ---- */

#if LIDO_CHECKS != LIDO_CHECKS_NONE

TEST(observers, misuse_is_reported_and_has_no_effect) {
  misuse_log log;
  begin();
  listener *l = make(1), *dead = make(2);
  lido_subscription s = subscribe(l);
  lido_subject *gone = lido_subject_create(NULL);
  lido_subject_destroy(gone);
  lido_release(dead);
  misuse_log_start(&log);
  lido_subject_destroy(gone);
  CHECK_EQ(log.count, 1);
  CHECK_EQ(log.last.kind, LIDO_MISUSE_DEAD_OBJECT);
  CHECK_TEXT(log.pool, "subject");
  CHECK_EQ(lido_subject_next(gone, NULL), 0);
  CHECK_EQ(log.count, 2);
  CHECK_EQ(lido_subscribe(gone, l, &all_calls, NULL).bits, 0);
  CHECK_EQ(errno, EINVAL);
  CHECK_EQ(log.count, 3);
  CHECK_EQ(lido_subject_next((lido_subject *)l, NULL), 0);
  CHECK_EQ(log.count, 4);
  CHECK_EQ(log.last.kind, LIDO_MISUSE_FOREIGN);
  CHECK_EQ(lido_subscribe(subject, dead, &all_calls, NULL).bits, 0);
  CHECK_EQ(log.count, 5);
  CHECK_EQ(log.last.kind, LIDO_MISUSE_DEAD_OBJECT);
  CHECK_EQ(lido_subscribe(subject, &log, &all_calls, NULL).bits, 0);
  CHECK_EQ(log.count, 6);
  CHECK_EQ(log.last.kind, LIDO_MISUSE_FOREIGN);
  misuse_log_stop();
  CHECK_EQ(lido_reference_count(l), 1);
  CHECK_EQ(say(1), 1);
  CHECK(lido_unsubscribe(s));
  lido_release(l);
  end();
}

#endif

/* ---- Typed twins ---- */

typedef struct price {
  int cents;
} price;

typedef struct display {
  int cents;
  int error;
  int completed;
} display;

LIDO_SUBJECT_DEFINE(prices, price)

static void display_next(display *d, const price *p, void *context) {
  d->cents = p->cents;
  *(int *)context += 1;
}
static void display_error(display *d, int error, void *context) {
  d->error = error;
  *(int *)context += 1;
}
static void display_complete(display *d, void *context) {
  d->completed = 1;
  *(int *)context += 1;
}
LIDO_OBSERVER_DEFINE(prices, display, display)

TEST(observers, typed_twins_do_the_same) {
  begin();
  for (int with_error = 0; with_error < 2; with_error++) {
    int context = 0;
    prices p = prices_create(&(lido_subject_options){.name = "prices"});
    CHECK(prices_exists(p));
    CHECK_SAME(prices_untyped(p), prices_typed(prices_untyped(p)).subject);
    display *d = (display *)make(0);
    *d = (display){0};
    CHECK_NE(display_subscribe(p, d, &context).bits, 0);
    CHECK_EQ(prices_next(p, &(price){250}), 1);
    CHECK_EQ(d->cents, 250);
    CHECK_EQ(with_error ? prices_error(p, EIO) : prices_complete(p), 1);
    CHECK_EQ(d->error, with_error ? EIO : 0);
    CHECK_EQ(d->completed, !with_error);
    CHECK_EQ(context, 2);
    prices_destroy(p);
    lido_release(d);
  }
  end();
}
