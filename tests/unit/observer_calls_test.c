/* observer_calls_test.c: what observers may do while they are called, on one thread. */
#include "tests/support/listeners.h"

typedef struct deed {
  lido_subscription mine;
  lido_subscription other;
  lido_subscription made;
  listener *observer; /* the subscriber's reference */
  int result;
  size_t depth;
} deed;

static void unsubscribe_self(void *observer, const void *event, void *context) {
  deed *d = context;
  on_next(observer, event, NULL);
  d->result = lido_unsubscribe(d->mine);
}

TEST(observer_calls, a_call_may_unsubscribe_itself) {
  begin();
  deed d = {0};
  listener *l = make(1), *next = make(2);
  d.mine = subscribe_with(l, &(lido_observer_calls){.next = unsubscribe_self}, &d);
  subscribe(next);
  CHECK_EQ(say(1), 2);
  CHECK(d.result);
  CHECK_EQ(say(1), 1);
  CHECK_EQ(l->heard, 1);
  CHECK_EQ(next->heard, 2);
  lido_release(l);
  lido_release(next);
  end();
}

static void unsubscribe_other(void *observer, const void *event, void *context) {
  deed *d = context;
  on_next(observer, event, NULL);
  d->result = lido_unsubscribe_sync(d->other, UINT64_MAX);
}

TEST(observer_calls, a_call_may_unsubscribe_others_which_are_then_not_called) {
  begin();
  deed d = {0};
  listener *l = make(1), *next = make(2);
  subscribe_with(l, &(lido_observer_calls){.next = unsubscribe_other}, &d);
  d.other = subscribe(next);
  CHECK_EQ(say(1), 1);
  CHECK_EQ(d.result, 0);
  CHECK_EQ(next->heard, 0);
  CHECK_EQ(numbers().observers, 1);
  lido_release(l);
  lido_release(next);
  end();
}

static void wait_for_self(void *observer, const void *event, void *context) {
  deed *d = context;
  on_next(observer, event, NULL);
  d->result = lido_unsubscribe_sync(d->mine, UINT64_MAX);
  CHECK(!lido_is_subscribed(d->mine));
  CHECK_EQ(lido_unsubscribe_sync(d->mine, UINT64_MAX), EDEADLK); /* also when it was unsubscribed before */
}

TEST(observer_calls, a_call_cannot_wait_for_its_own_end) {
  begin();
  deed d = {0};
  listener *l = make(1);
  d.mine = subscribe_with(l, &(lido_observer_calls){.next = wait_for_self}, &d);
  CHECK_EQ(say(1), 1);
  CHECK_EQ(d.result, EDEADLK);
  CHECK_EQ(say(1), 0);
  CHECK_EQ(lido_unsubscribe_sync(d.mine, UINT64_MAX), 0); /* it is over now */
  lido_release(l);
  end();
}

static void wait_in_last_word(void *observer, void *context) {
  deed *d = context;
  on_complete(observer, NULL);
  CHECK(!lido_unsubscribe(d->mine));
  d->result = lido_unsubscribe_sync(d->mine, UINT64_MAX);
}

TEST(observer_calls, not_in_the_last_word_either) {
  begin();
  deed d = {0};
  listener *l = make(1);
  d.mine = subscribe_with(l, &(lido_observer_calls){.complete = wait_in_last_word}, &d);
  CHECK_EQ(lido_subject_complete(subject), 1);
  CHECK_EQ(d.result, EDEADLK);
  lido_release(l);
  end();
}

static void subscribe_more(void *observer, const void *event, void *context) {
  deed *d = context;
  on_next(observer, event, NULL);
  for (int i = 0; i < 20; i++) d->made = subscribe(d->observer);
}

TEST(observer_calls, who_subscribes_during_a_notification_is_not_called_in_it) {
  begin();
  deed d = {.observer = make(2)};
  listener *l = make(1);
  subscribe_with(l, &(lido_observer_calls){.next = subscribe_more}, &d);
  CHECK_EQ(say(1), 1);
  CHECK_EQ(d.observer->heard, 0);
  CHECK_EQ(say(1), 21);
  CHECK_EQ(numbers().observers, 41);
  lido_release(d.observer);
  lido_release(l);
  end();
}

static void notify_again(void *observer, const void *event, void *context) {
  deed *d = context;
  on_next(observer, event, NULL);
  if (d->depth-- > 0) CHECK_EQ(say(*(const int *)event + 1), 2);
  d->depth++;
}

TEST(observer_calls, a_call_may_notify_again) {
  begin();
  deed d = {.depth = 3};
  listener *l = make(1), *next = make(2);
  subscribe_with(l, &(lido_observer_calls){.next = notify_again}, &d);
  subscribe(next);
  CHECK_EQ(say(0), 2);
  const unsigned expected[] = {1, 1, 1, 1, 2, 2, 2, 2};
  CHECK_EQ(called, 8);
  for (size_t i = 0; i < called; i++) CHECK_EQ(order[i], expected[i]);
  CHECK_EQ(next->last, 0); /* the outermost came last */
  lido_release(l);
  lido_release(next);
  end();
}

static void destroy_subject(void *observer, const void *event, void *context) {
  on_next(observer, event, context);
  lido_subject_destroy(subject);
}

TEST(observer_calls, a_call_may_destroy_the_subject) {
  begin();
  listener *l = make(1), *next = make(2);
  lido_weak weak = lido_weak_make(subject);
  subscribe_with(l, &(lido_observer_calls){.next = destroy_subject}, NULL);
  subscribe(next);
  CHECK_EQ(say(1), 1);
  CHECK_EQ(next->heard, 0);
  CHECK_NULL(lido_weak_get(weak));
  lido_release(l);
  lido_release(next);
  end_pool(0);
}

static void complete_subject(void *observer, const void *event, void *context) {
  on_next(observer, event, context);
  CHECK_EQ(lido_subject_complete(subject), 2);
}

TEST(observer_calls, a_call_may_say_the_last_word) {
  begin();
  listener *l = make(1), *next = make(2);
  subscribe_with(l, &(lido_observer_calls){.next = complete_subject, .complete = on_complete}, NULL);
  subscribe(next);
  CHECK_EQ(say(1), 1);
  CHECK_EQ(next->heard, 0); /* no event after the last word */
  CHECK_EQ(l->completed, 1);
  CHECK_EQ(next->completed, 1);
  lido_release(l);
  lido_release(next);
  end();
}

static void release_self(void *observer, const void *event, void *context) {
  deed *d = context;
  on_next(observer, event, NULL);
  lido_release(d->observer);
  CHECK_EQ(((listener *)observer)->number, 1); /* the call has a reference */
  CHECK_EQ(lido_reference_count(observer), 1);
}

TEST(observer_calls, an_observer_may_lose_its_last_reference_in_its_call) {
  begin();
  deed d = {.observer = make(1)};
  lido_weak weak = lido_weak_make(d.observer);
  subscribe_with(d.observer, &(lido_observer_calls){.next = release_self}, &d);
  CHECK_EQ(say(1), 1);
  CHECK_NULL(lido_weak_get(weak));
  CHECK_EQ(say(1), 0);
  end();
}

static void notify_in_death(void *object, void *context) {
  (void)object;
  (void)context;
  say(5);
}

/* A destructor notifies, and the observers hear it; the one that dies does not. */
TEST(observer_calls, a_destructor_may_notify) {
  begin();
  lido_pool *loud =
      lido_pool_create(&(lido_pool_options){.object_size = 64, .flags = LIDO_POOL_HANDLES, .destroy = notify_in_death});
  listener *l = make(1);
  subscribe(l);
  listener *dying = lido_pool_alloc(loud);
  subscribe(dying);
  lido_release(dying);
  CHECK_EQ(l->last, 5);
  CHECK_EQ(called, 1);
  CHECK_EQ(lido_pool_destroy(loud), 0);
  lido_release(l);
  end();
}

static void destroy_in_death(void *object, void *context) {
  (void)context;
  lido_subject_destroy(*(lido_subject **)object);
}

TEST(observer_calls, a_subject_may_be_an_objects_part) {
  begin();
  lido_pool *owners = lido_pool_create(&(lido_pool_options){
      .object_size = sizeof(lido_subject *), .flags = LIDO_POOL_HANDLES, .destroy = destroy_in_death});
  lido_subject **owner = lido_pool_alloc(owners);
  *owner = lido_subject_create(NULL);
  listener *l = make(1);
  lido_weak weak = lido_weak_make(*owner);
  lido_subscription s = lido_subscribe(*owner, l, &all_calls, NULL);
  lido_release(owner);
  CHECK_NULL(lido_weak_get(weak));
  CHECK(!lido_is_subscribed(s));
  CHECK_EQ(lido_pool_destroy(owners), 0);
  lido_release(l);
  end();
}

static lido_subscription of_the_dying;

/* The subject has no reference any more, and is not yet gone. */
static void release_in_death(void *object, void *context) {
  (void)context;
  lido_release(*(lido_subject **)object);
  CHECK(!lido_unsubscribe(of_the_dying));
  CHECK_EQ(lido_unsubscribe_sync(of_the_dying, UINT64_MAX), 0);
}

TEST(observer_calls, a_subject_that_is_dying_ends_its_subscriptions_itself) {
  begin();
  lido_pool *owners = lido_pool_create(&(lido_pool_options){
      .object_size = sizeof(lido_subject *), .flags = LIDO_POOL_HANDLES, .destroy = release_in_death});
  lido_subject **owner = lido_pool_alloc(owners);
  *owner = lido_subject_create(NULL);
  listener *l = make(1);
  of_the_dying = lido_subscribe(*owner, l, &all_calls, NULL);
  lido_release(owner);
  CHECK(!lido_is_subscribed(of_the_dying));
  CHECK_EQ(lido_pool_destroy(owners), 0);
  lido_release(l);
  end();
}

static void spoil_errno(void *observer, const void *event, void *context) {
  (void)observer, (void)event, (void)context;
  errno = EPERM;
}

TEST(observer_calls, errno_is_kept) {
  begin();
  listener *l = make(1);
  errno = ENOTTY;
  lido_subscription s = subscribe_with(l, &(lido_observer_calls){.next = spoil_errno}, NULL);
  say(1);
  lido_subject_compact(subject);
  lido_unsubscribe(s);
  lido_unsubscribe_sync(s, 0);
  lido_subject_complete(subject);
  lido_subject_destroy(subject);
  CHECK_EQ(errno, ENOTTY);
  lido_release(l);
  end_pool(0);
}
