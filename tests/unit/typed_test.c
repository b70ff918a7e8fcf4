/* typed_test.c: pools that LIDO_POOL_DEFINE makes. */
#include <pthread.h>

#include "lib/base/fault.h"
#include "tests/support/objects.h"
#include "tests/unit/typed_pools.h"

LIDO_POOL_IMPLEMENT(shared_part, struct shared_part)

struct conn {
  int fd;
  char buffer[200];
};

LIDO_POOL_DEFINE(conn, struct conn, .max_objects = 300)
LIDO_POOL_DEFINE(zeroed, struct conn, .flags = LIDO_POOL_ZERO)
LIDO_POOL_DEFINE(lonely, struct conn, .flags = LIDO_POOL_SINGLE_THREAD)
LIDO_POOL_DEFINE(letter, char, .align = 1)

struct wide {
  _Alignas(256) char bytes[300];
};

LIDO_POOL_DEFINE(wide, struct wide)
LIDO_POOL_DEFINE(wide_but_said_narrow, struct wide, .align = 8)
LIDO_POOL_DEFINE(impossible, struct conn, .align = 3)
LIDO_POOL_DEFINE(unused, struct conn)
LIDO_POOL_DEFINE(first_use, struct conn)

TEST(typed, alloc_and_free_work_without_any_creation) {
  struct conn *all[300];
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 300; i++) {
      all[i] = conn_alloc();
      CHECK_NOT_NULL(all[i]);
      all[i]->fd = i;
      CHECK_EQ((uintptr_t)all[i] % 64, 0);
    }
    CHECK_FAILS(conn_alloc(), ENOMEM);
    for (int i = 0; i < 300; i++) CHECK_EQ(all[i]->fd, i);
    CHECK_EQ(objects_stats(conn_pool()).live, 300);
    for (int i = 0; i < 300; i++) conn_free(all[i]);
    CHECK_EQ(objects_stats(conn_pool()).live, 0);
    CHECK_SOUND(conn_pool());
  }
  conn_free(NULL);
  CHECK_TEXT(lido_pool_name(conn_pool()), "conn");
  CHECK_EQ(lido_pool_destroy(conn_pool()), 0);
}

TEST(typed, freeing_null_into_a_pool_never_used_makes_none) {
  misuse_log log;
  misuse_log_start(&log);
  unused_free(NULL);
  misuse_log_stop();
  CHECK_EQ(log.count, 0);
}

TEST(typed, two_files_share_one_pool) {
  struct shared_part *here = shared_part_alloc();
  struct shared_part *there = elsewhere_alloc(5);
  CHECK_NOT_NULL(here);
  CHECK_NOT_NULL(there);
  CHECK_SAME(shared_part_pool(), elsewhere_pool());
  CHECK(lido_pool_owns(shared_part_pool(), here));
  CHECK(lido_pool_owns(shared_part_pool(), there));
  CHECK_EQ(there->number, 5);
  elsewhere_free(here);
  CHECK_SAME(elsewhere_alloc(6), here); /* also the thread's cache is one */
  shared_part_free(there);
  elsewhere_free(here);
  CHECK_EQ(objects_stats(shared_part_pool()).live, 0);
  CHECK_EQ(objects_stats(shared_part_pool()).frees, 3);
  CHECK_EQ(lido_pool_destroy(shared_part_pool()), 0);
}

#ifdef LIDO_TEST_CXX
TEST(typed, cxx_uses_a_pool_of_c) {
  CHECK_EQ(cxx_use_shared_pool(), 0);
  CHECK_EQ(lido_pool_destroy(shared_part_pool()), 0);
}

TEST(typed, cxx_has_pools_of_its_own) {
  CHECK_EQ(cxx_use_own_pool(), 0);
  CHECK_EQ(cxx_use_own_pool(), 0); /* again, after destroy */
}
#endif

TEST(typed, a_pool_can_be_destroyed_and_comes_anew) {
  for (int round = 0; round < 10; round++) {
    struct conn *a = conn_alloc();
    struct conn *b = conn_alloc();
    CHECK_NOT_NULL(a);
    CHECK_NOT_NULL(b);
    conn_free(a);
    lido_pool *pool = conn_pool();
    CHECK_EQ(objects_stats(pool).live, 1);
    CHECK_EQ(objects_stats(pool).frees, 1);
    CHECK_EQ(lido_pool_destroy(pool), 1);
  }
}

typedef struct remote {
  size_t wrong;
  pthread_barrier_t meet;
} remote;

static void *use_across_destroy(void *argument) {
  remote *r = argument;
  struct conn *first = conn_alloc();
  r->wrong += first == NULL;
  conn_free(first);
  pthread_barrier_wait(&r->meet); /* now the other thread destroys the pool */
  pthread_barrier_wait(&r->meet);
  struct conn *second = conn_alloc(); /* this thread's cache knows that it is gone */
  r->wrong += second == NULL || !lido_pool_owns(conn_pool(), second);
  if (second != NULL) memset(second, 1, sizeof *second);
  conn_free(second);
  return NULL;
}

TEST(typed, other_threads_follow_to_the_new_pool) {
  remote r = {0};
  pthread_barrier_init(&r.meet, NULL, 2);
  pthread_t thread;
  CHECK_EQ(pthread_create(&thread, NULL, use_across_destroy, &r), 0);
  pthread_barrier_wait(&r.meet);
  size_t live = lido_pool_destroy(conn_pool());
  pthread_barrier_wait(&r.meet);
  pthread_join(thread, NULL);
  CHECK_EQ(live, 0);
  CHECK_EQ(r.wrong, 0);
  CHECK_SOUND(conn_pool());
  CHECK_EQ(lido_pool_destroy(conn_pool()), 0);
  pthread_barrier_destroy(&r.meet);
}

TEST(typed, the_type_says_how_objects_are_aligned) {
  for (int i = 0; i < 50; i++) {
    CHECK_EQ((uintptr_t)wide_alloc() % 256, 0);
    CHECK_EQ((uintptr_t)wide_but_said_narrow_alloc() % 256, 0);
  }
  CHECK_EQ(lido_pool_destroy(wide_pool()), 50);
  CHECK_EQ(lido_pool_destroy(wide_but_said_narrow_pool()), 50);
}

TEST(typed, small_types_may_lie_close_together) {
  char *first = letter_alloc();
  char *second = letter_alloc();
  CHECK_NOT_NULL(first);
  CHECK_NOT_NULL(second);
  CHECK_EQ(objects_stats(letter_pool()).bytes_live, 16);
  letter_free(first);
  letter_free(second);
  CHECK_EQ(lido_pool_destroy(letter_pool()), 0);
}

TEST(typed, zeroed_objects_come_zeroed) {
  for (int round = 0; round < 5; round++) {
    struct conn *all[100];
    for (int i = 0; i < 100; i++) {
      all[i] = zeroed_alloc();
      CHECK_NOT_NULL(all[i]);
      CHECK(objects_are_all(all[i], sizeof *all[i], 0));
      memset(all[i], 0xff, sizeof *all[i]);
    }
    for (int i = 0; i < 100; i++) zeroed_free(all[i]);
  }
  CHECK_EQ(lido_pool_destroy(zeroed_pool()), 0);
}

TEST(typed, typed_and_plain_calls_may_be_mixed) {
  for (int plain_first = 0; plain_first < 2; plain_first++) {
    if (plain_first) lido_pool_free(conn_pool(), lido_pool_alloc(conn_pool()));
    object_list all = {0};
    for (int i = 0; i < 100; i++) {
      object_list_push(&all, conn_alloc());
      object_list_push(&all, lido_pool_alloc(conn_pool()));
    }
    for (int i = 0; i < 200; i++) CHECK_NOT_NULL(all.items[i]);
    CHECK(objects_are_distinct(&all));
    for (int i = 0; i < 200; i++) {
      if (i % 3) {
        conn_free(all.items[i]);
      } else {
        lido_pool_free(conn_pool(), all.items[i]);
      }
    }
    CHECK_EQ(objects_stats(conn_pool()).live, 0);
    CHECK_SOUND(conn_pool());
    CHECK_EQ(lido_pool_destroy(conn_pool()), 0);
    object_list_end(&all);
  }
}

TEST(typed, one_thread_may_mix_the_calls_of_a_single_thread_pool) {
  misuse_log log;
  misuse_log_start(&log);
  void *plain = lido_pool_alloc(lonely_pool());
  struct conn *typed = lonely_alloc();
  void *plain_again = lido_pool_alloc(lonely_pool());
  size_t misuses = log.count;
  lonely_free(plain);
  lido_pool_free(lonely_pool(), typed);
  lonely_free(plain_again);
  misuse_log_stop();
  CHECK_EQ(misuses, 0);
  CHECK_EQ(log.count, 0);
  CHECK_NOT_NULL(plain);
  CHECK_NOT_NULL(typed);
  CHECK_NOT_NULL(plain_again);
  CHECK_EQ(lido_pool_destroy(lonely_pool()), 0);
}

TEST(typed, a_pool_that_can_not_be_made_says_why) {
  CHECK_FAILS(impossible_alloc(), EINVAL);
  CHECK_FAILS(impossible_pool(), EINVAL);
  CHECK_FAILS(impossible_alloc(), EINVAL);
  misuse_log log;
  struct conn foreign;
  misuse_log_start(&log);
  impossible_free(&foreign);
  impossible_free(NULL);
  misuse_log_stop();
  CHECK_EQ(log.count, 1);
  CHECK_EQ(log.last.kind, LIDO_MISUSE_FOREIGN);
  CHECK_TEXT(log.pool, "impossible");
}

TEST(typed, a_pool_for_which_there_was_no_memory_is_made_later) {
  lido_pool_destroy(conn_pool());
  lido_fault_arm(1, true);
  errno = 0;
  struct conn *none = conn_alloc();
  int error = errno;
  uint64_t failed = lido_fault_disarm();
  if (failed != 0) { /* memory left by others may have been enough */
    CHECK_NULL(none);
    CHECK_EQ(error, ENOMEM);
  }
  conn_free(none);
  struct conn *now = conn_alloc();
  CHECK_NOT_NULL(now);
  conn_free(now);
  CHECK_EQ(lido_pool_destroy(conn_pool()), 0);
}

/* ---- The first use by many threads at once ---- */

typedef struct racer {
  pthread_barrier_t *meet;
  struct conn *object;
  lido_pool *pool;
} racer;

static void *use_first(void *argument) {
  racer *r = argument;
  pthread_barrier_wait(r->meet);
  r->object = first_use_alloc();
  r->pool = first_use_pool();
  return NULL;
}

TEST(typed, first_uses_at_once_make_one_pool) {
  enum { THREADS = 4 };
  for (size_t round = 0; round < testing_scaled(100); round++) {
    pthread_barrier_t meet;
    pthread_barrier_init(&meet, NULL, THREADS);
    racer racers[THREADS];
    pthread_t threads[THREADS];
    for (int t = 0; t < THREADS; t++) {
      racers[t] = (racer){.meet = &meet};
      CHECK_EQ(pthread_create(&threads[t], NULL, use_first, &racers[t]), 0);
    }
    for (int t = 0; t < THREADS; t++) pthread_join(threads[t], NULL);
    pthread_barrier_destroy(&meet);
    for (int t = 0; t < THREADS; t++) {
      CHECK_NOT_NULL(racers[t].object);
      CHECK_SAME(racers[t].pool, racers[0].pool);
      for (int other = 0; other < t; other++) CHECK(racers[t].object != racers[other].object);
    }
    CHECK_EQ(lido_pool_destroy(racers[0].pool), THREADS);
  }
}
