/* lock_test.c: the ranked mutexes. That a wrong order is noticed is seen in a forked child, in builds with
 * assertions. */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/lock.h"
#include "tests/support/objects.h"

static lido_lock low = LIDO_LOCK_INITIAL(LIDO_RANK_DEPOT);
static lido_lock high = LIDO_LOCK_INITIAL(LIDO_RANK_SLABS);

TEST(lock, may_be_taken_upwards_and_again) {
  for (int i = 0; i < 3; i++) {
    lido_lock_take(&low);
    lido_lock_take(&high);
    lido_lock_give(&high);
    CHECK(lido_lock_try(&high));
    lido_lock_give(&high);
    lido_lock_give(&low);
  }
}

static void *try_it(void *got) {
  *(bool *)got = lido_lock_try(&low);
  if (*(bool *)got) lido_lock_give(&low);
  return NULL;
}

TEST(lock, a_try_fails_while_another_thread_holds_it) {
  bool got = true;
  lido_lock_take(&low);
  objects_in_thread(try_it, &got);
  CHECK(!got);
  lido_lock_give(&low);
  objects_in_thread(try_it, &got);
  CHECK(got);
}

typedef struct adder {
  lido_lock lock;
  size_t sum; /* under the lock */
} adder;

static void *add(void *argument) {
  adder *a = argument;
  for (int i = 0; i < 20000; i++) {
    lido_lock_take(&a->lock);
    a->sum++;
    lido_lock_give(&a->lock);
  }
  return NULL;
}

TEST(lock, excludes) {
  adder a = {.sum = 0};
  lido_lock_init(&a.lock, LIDO_RANK_LEAF);
  pthread_t threads[3];
  for (int i = 0; i < 3; i++) CHECK_EQ(pthread_create(&threads[i], NULL, add, &a), 0);
  for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
  CHECK_EQ(a.sum, 60000);
  lido_lock_end(&a.lock);
}

#ifndef NDEBUG
static void take_downwards(void) {
  lido_lock_take(&high);
  lido_lock_take(&low);
}

static void take_twice(void) {
  lido_lock_take(&high);
  lido_lock_take(&high);
}

static bool aborts(void (*act)(void)) {
  pid_t child = fork();
  if (child == 0) {
    (void)freopen("/dev/null", "w", stderr);
    alarm(10);
    act();
    _exit(0);
  }
  int status = 0;
  return waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

TEST(lock, a_wrong_order_is_noticed) {
  CHECK(aborts(take_downwards));
  CHECK(aborts(take_twice));
}
#endif
