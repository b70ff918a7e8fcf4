/* observer_churn_test.c: observers come and go, and the list does not grow by it. */
#include "tests/support/listeners.h"

typedef struct deed {
  listener *observer; /* the subscriber's reference */
  size_t dropped;
} deed;

TEST(observer_churn, that_come_and_die_without_notifications_do_not_pile_up) {
  begin();
  uint64_t most = 0;
  for (unsigned i = 0; i < 10000; i++) {
    listener *l = make(i);
    subscribe(l);
    lido_release(l);
    lido_subject_stats stats;
    lido_subject_stats_get(subject, &stats);
    if (stats.bytes > most) most = stats.bytes;
  }
  CHECK_LE(most, 512);
  CHECK_LE(numbers().observers, 16);
  CHECK_GE(numbers().dropped, 10000 - 16);
  end();
}

TEST(observer_churn, that_come_and_are_unsubscribed_do_not_pile_up_either) {
  begin();
  listener *l = make(1);
  for (unsigned i = 0; i < 10000; i++) CHECK(lido_unsubscribe(subscribe(l)));
  CHECK_LE(numbers().bytes, 256);
  CHECK_EQ(numbers().observers, 0);
  CHECK_EQ(numbers().unsubscribed, 10000);
  lido_release(l);
  end();
}

TEST(observer_churn, the_list_shrinks_when_most_are_gone) {
  begin();
  enum { COUNT = 5000 };
  static lido_subscription made[COUNT];
  listener *l = make(1);
  for (unsigned i = 0; i < COUNT; i++) made[i] = subscribe(l);
  CHECK_GE(numbers().bytes, COUNT * 32);
  for (unsigned i = 0; i < COUNT - 10; i++) CHECK(lido_unsubscribe(made[i]));
  CHECK_LE(numbers().bytes, 4096);
  CHECK_EQ(say(1), 10);
  lido_release(l);
  end();
}

static void churn(void *observer, const void *event, void *context) {
  deed *d = context;
  on_next(observer, event, NULL);
  for (int i = 0; i < 100; i++) CHECK(lido_unsubscribe(subscribe(d->observer)));
  lido_subject_stats stats = numbers();
  CHECK_LE(stats.bytes, 1024);
}

TEST(observer_churn, nor_does_churn_inside_a_notification_pile_up) {
  begin();
  deed d = {.observer = make(2)};
  listener *l = make(1);
  subscribe_with(l, &(lido_observer_calls){.next = churn}, &d);
  for (int i = 0; i < 10; i++) CHECK_EQ(say(1), 1);
  CHECK_EQ(numbers().observers, 1);
  lido_release(d.observer);
  lido_release(l);
  end();
}

TEST(observer_churn, compact_drops_the_dead_at_once) {
  begin();
  listener *kept = make(0);
  for (unsigned i = 1; i < 100; i++) {
    listener *l = make(i);
    subscribe(l);
    if (i == 50) subscribe(kept);
    lido_release(l);
  }
  size_t before = numbers().observers;
  CHECK_EQ(lido_subject_compact(subject), before - 1);
  CHECK_EQ(numbers().observers, 1);
  CHECK_EQ(lido_subject_compact(subject), 0);
  CHECK_EQ(say(1), 1);
  lido_release(kept);
  end();
}

static void compact_here(void *observer, const void *event, void *context) {
  deed *d = context;
  on_next(observer, event, NULL);
  lido_release(d->observer);
  d->dropped = lido_subject_compact(subject);
}

TEST(observer_churn, compact_inside_a_notification_works_on_a_copy) {
  begin();
  deed d = {.observer = make(2)};
  listener *l = make(1), *last = make(3);
  subscribe_with(l, &(lido_observer_calls){.next = compact_here}, &d);
  subscribe(d.observer);
  subscribe(last);
  CHECK_EQ(say(1), 2);
  CHECK_EQ(d.dropped, 1);
  CHECK_EQ(last->heard, 1);
  CHECK_EQ(numbers().observers, 2);
  lido_release(l);
  lido_release(last);
  end();
}

TEST(observer_churn, nothing_is_left_behind) {
  int64_t held = 0;
  for (int round = 0; round < 4; round++) {
    begin();
    enum { COUNT = 3000 };
    static listener *made[COUNT];
    for (unsigned i = 0; i < COUNT; i++) subscribe(made[i] = make(i));
    say(1);
    for (unsigned i = 0; i < COUNT; i += 2) lido_release(made[i]);
    say(2);
    if (round % 2 == 0) lido_subject_complete(subject);
    for (unsigned i = 1; i < COUNT; i += 2) lido_release(made[i]);
    end();
    CHECK_GE(lido_subjects_trim(), 0);
    if (round >= 1) CHECK_EQ(objects_bytes_held(), held);
    held = objects_bytes_held();
  }
}

TEST(observer_churn, statistics_say_what_happened) {
  begin();
  listener *a = make(1), *b = make(2);
  lido_subscription s = subscribe(a);
  subscribe(b);
  say(1);
  lido_unsubscribe(s);
  say(1);
  lido_subject_stats stats = numbers();
  CHECK_EQ(stats.observers, 1);
  CHECK_EQ(stats.subscribed, 2);
  CHECK_EQ(stats.unsubscribed, 1);
  CHECK_EQ(stats.notifications, 2);
  CHECK_EQ(stats.running, 0);
  CHECK_EQ(stats.calls, 3);
  CHECK_EQ(stats.waits, 0);
  CHECK_EQ(stats.bytes, 256);
  lido_release(a);
  lido_release(b);
  end();
}
