/* reserve_test.c: objects set aside for a section that must not fail. */
#include <pthread.h>

#include "lib/base/fault.h"
#include "tests/support/objects.h"

enum { BYTES = 128, MOST = 1000 };

static void *objects[MOST];

static lido_pool *plain_pool(void) { return lido_pool_create(&(lido_pool_options){.object_size = BYTES}); }

TEST(reserve, as_many_allocs_as_were_set_aside_can_not_fail) {
  static const size_t counts[] = {1, 2, 63, 64, 65, 300, MOST};
  for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
    lido_pool *pool = plain_pool();
    CHECK_NOT_NULL(pool);
    lido_reserve *reserve = lido_reserve_create(pool, counts[i]);
    CHECK_NOT_NULL(reserve);
    CHECK_EQ(lido_reserve_count(reserve), counts[i]);
    lido_fault_arm(1, true);
    size_t got = 0;
    while (got < counts[i] && (objects[got] = lido_reserve_alloc(reserve)) != NULL) got++;
    CHECK_EQ(lido_fault_disarm(), 0); /* no request was even made */
    CHECK_EQ(got, counts[i]);
    CHECK_EQ(lido_reserve_count(reserve), 0);
    CHECK_FAILS(lido_reserve_alloc(reserve), ENOMEM);
    for (size_t n = 0; n < got; n++) {
      CHECK(lido_pool_owns(pool, objects[n]));
      objects_fill(objects[n], BYTES, n);
    }
    for (size_t n = 0; n < got; n++) {
      CHECK(objects_hold(objects[n], BYTES, n));
      lido_pool_free(pool, objects[n]);
    }
    lido_reserve_destroy(reserve);
    CHECK_SOUND(pool);
    CHECK_EQ(objects_stats(pool).live, 0);
    CHECK_EQ(lido_pool_destroy(pool), 0);
  }
}

TEST(reserve, the_count_goes_down_with_each_alloc) {
  lido_pool *pool = plain_pool();
  CHECK_NOT_NULL(pool);
  lido_reserve *reserve = lido_reserve_create(pool, 10);
  CHECK_NOT_NULL(reserve);
  for (size_t left = 10; left > 0; left--) {
    CHECK_EQ(lido_reserve_count(reserve), left);
    CHECK_NOT_NULL(objects[left] = lido_reserve_alloc(reserve));
  }
  for (size_t left = 10; left > 0; left--) lido_pool_free(pool, objects[left]);
  CHECK_EQ(lido_reserve_count(reserve), 0);
  lido_reserve_destroy(reserve);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(reserve, a_refill_brings_it_to_its_count_again) {
  lido_pool *pool = plain_pool();
  CHECK_NOT_NULL(pool);
  lido_reserve *reserve = lido_reserve_create(pool, 100);
  CHECK_NOT_NULL(reserve);
  CHECK_EQ(lido_reserve_refill(reserve), 0);
  CHECK_EQ(lido_reserve_count(reserve), 100);
  for (size_t i = 0; i < 37; i++) CHECK_NOT_NULL(objects[i] = lido_reserve_alloc(reserve));
  CHECK_EQ(lido_reserve_count(reserve), 63);
  CHECK_EQ(lido_reserve_refill(reserve), 0);
  CHECK_EQ(lido_reserve_count(reserve), 100);
  lido_pool_free_batch(pool, objects, 37);
  for (size_t i = 0; i < 100; i++) CHECK_NOT_NULL(objects[i] = lido_reserve_alloc(reserve));
  lido_pool_free_batch(pool, objects, 100);
  lido_reserve_destroy(reserve);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(reserve, a_refill_that_fails_says_so_and_keeps_what_there_is) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .max_objects = 100});
  CHECK_NOT_NULL(pool);
  lido_reserve *reserve = lido_reserve_create(pool, 60);
  CHECK_NOT_NULL(reserve);
  for (size_t i = 0; i < 60; i++) CHECK_NOT_NULL(objects[i] = lido_reserve_alloc(reserve));
  CHECK_EQ(lido_reserve_refill(reserve), ENOMEM); /* 60 are out: 40 are left */
  size_t kept = lido_reserve_count(reserve);
  CHECK_LE(kept, 40);
  lido_pool_free_batch(pool, objects, 60);
  lido_thread_flush();
  CHECK_EQ(lido_reserve_refill(reserve), 0);
  CHECK_EQ(lido_reserve_count(reserve), 60);
  lido_reserve_destroy(reserve);
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, MOST), 100);
  lido_pool_free_batch(pool, objects, 100);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(reserve, what_is_set_aside_is_neither_live_nor_anyones) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .max_objects = 100});
  CHECK_NOT_NULL(pool);
  lido_reserve *reserve = lido_reserve_create(pool, 70);
  CHECK_NOT_NULL(reserve);
  CHECK_EQ(objects_stats(pool).live, 0);
  CHECK_EQ(objects_stats(pool).allocs, 0);
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, MOST), 30);
  CHECK_SOUND(pool);
  lido_pool_free_batch(pool, objects, 30);
  void *one = lido_reserve_alloc(reserve);
  CHECK_NOT_NULL(one);
  CHECK_EQ(objects_stats(pool).live, 1);
  lido_pool_free(pool, one);
  lido_pool_stats stats = objects_stats(pool);
  CHECK_EQ(stats.live, 0);
  CHECK_EQ(stats.allocs, stats.frees);
  lido_reserve_destroy(reserve);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(reserve, what_is_left_goes_back_when_it_ends) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .max_objects = 500});
  CHECK_NOT_NULL(pool);
  for (int round = 0; round < 20; round++) {
    lido_reserve *reserve = lido_reserve_create(pool, 400);
    CHECK_NOT_NULL(reserve);
    for (int i = 0; i < round; i++) CHECK_NOT_NULL(objects[i] = lido_reserve_alloc(reserve));
    lido_reserve_destroy(reserve);
    CHECK_EQ(objects_stats(pool).live, round);
    lido_pool_free_batch(pool, objects, (size_t)round);
    CHECK_SOUND(pool);
  }
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, MOST), 500);
  lido_pool_free_batch(pool, objects, 500);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(reserve, none_is_made_of_nothing_or_of_more_than_there_is) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .max_objects = 100});
  CHECK_NOT_NULL(pool);
  CHECK_FAILS(lido_reserve_create(pool, 0), EINVAL);
  CHECK_FAILS(lido_reserve_create(pool, 101), ENOMEM);
  static const size_t vast[] = {SIZE_MAX, SIZE_MAX / 8, SIZE_MAX / 8 + 1, SIZE_MAX / 2, (size_t)1 << 60};
  for (size_t i = 0; i < sizeof vast / sizeof vast[0]; i++) {
    errno = 0;
    CHECK_NULL(lido_reserve_create(pool, vast[i]));
    CHECK(errno == ENOMEM || errno == EINVAL);
  }
  CHECK_SOUND(pool);
  lido_reserve *whole = lido_reserve_create(pool, 100); /* the refused ones kept nothing */
  CHECK_NOT_NULL(whole);
  CHECK_FAILS(lido_pool_alloc(pool), ENOMEM);
  lido_reserve_destroy(whole);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(reserve, two_of_one_pool_are_apart) {
  lido_pool *pool = plain_pool();
  CHECK_NOT_NULL(pool);
  lido_reserve *first = lido_reserve_create(pool, 50);
  lido_reserve *second = lido_reserve_create(pool, 50);
  CHECK_NOT_NULL(first);
  CHECK_NOT_NULL(second);
  object_list all = {0};
  for (size_t i = 0; i < 50; i++) {
    object_list_push(&all, lido_reserve_alloc(first));
    object_list_push(&all, lido_reserve_alloc(second));
    object_list_push(&all, lido_pool_alloc(pool));
  }
  CHECK(objects_are_distinct(&all));
  CHECK_EQ(objects_stats(pool).live, 150);
  objects_free_all(pool, &all);
  lido_reserve_destroy(second);
  lido_reserve_destroy(first);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
  object_list_end(&all);
}

static void *alloc_from(void *reserve) { return lido_reserve_alloc(reserve); }

TEST(reserve, a_second_thread_may_use_it_after_the_first) {
  lido_pool *pool = plain_pool();
  CHECK_NOT_NULL(pool);
  lido_reserve *reserve = lido_reserve_create(pool, 10);
  CHECK_NOT_NULL(reserve);
  objects_in_thread(alloc_from, reserve);
  CHECK_EQ(lido_reserve_count(reserve), 9);
  CHECK_EQ(objects_stats(pool).live, 1);
  lido_reserve_destroy(reserve);
  CHECK_EQ(lido_pool_destroy(pool), 1);
}

TEST(reserve, a_trim_leaves_it_alone) {
  lido_pool *pool = plain_pool();
  CHECK_NOT_NULL(pool);
  lido_reserve *reserve = lido_reserve_create(pool, 300);
  CHECK_NOT_NULL(reserve);
  lido_pool_trim(pool);
  CHECK_EQ(lido_reserve_count(reserve), 300);
  for (size_t i = 0; i < 300; i++) {
    CHECK_NOT_NULL(objects[i] = lido_reserve_alloc(reserve));
    objects_fill(objects[i], BYTES, i);
  }
  lido_pool_trim(pool);
  for (size_t i = 0; i < 300; i++) CHECK(objects_hold(objects[i], BYTES, i));
  lido_pool_free_batch(pool, objects, 300);
  lido_reserve_destroy(reserve);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(reserve, more_than_max_objects_is_refused_before_anything_is_taken) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .max_objects = 1000});
  CHECK_NOT_NULL(pool);
  CHECK_FAILS(lido_reserve_create(pool, 1001), ENOMEM);
  CHECK_FAILS(lido_reserve_create(pool, (size_t)1 << 40), ENOMEM);
  CHECK_EQ(objects_stats(pool).slabs_made, 0);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

typedef struct hoard {
  lido_pool *pool;
  pthread_barrier_t meet;
} hoard;

/* Caches objects, and at the second meeting takes a slow path. */
static void *hoard_objects(void *argument) {
  hoard *h = argument;
  static void *mine[300];
  size_t got = lido_pool_alloc_batch(h->pool, mine, 300);
  lido_pool_free_batch(h->pool, mine, got);
  pthread_barrier_wait(&h->meet);
  pthread_barrier_wait(&h->meet);
  got = lido_pool_alloc_batch(h->pool, mine, 2); /* frees of objects that are not hot */
  lido_pool_free_batch(h->pool, mine, got);
  pthread_barrier_wait(&h->meet);
  pthread_barrier_wait(&h->meet);
  return NULL;
}

TEST(reserve, other_threads_are_asked_for_what_they_cache) {
  hoard h = {.pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .max_objects = MOST})};
  CHECK_NOT_NULL(h.pool);
  pthread_barrier_init(&h.meet, NULL, 2);
  pthread_t thread;
  CHECK_EQ(pthread_create(&thread, NULL, hoard_objects, &h), 0);
  pthread_barrier_wait(&h.meet);
  lido_reserve *reserve = lido_reserve_create(h.pool, MOST);
  if (!testing_on_valgrind()) CHECK_NULL(reserve); /* some are in the other thread's cache */
  pthread_barrier_wait(&h.meet);
  pthread_barrier_wait(&h.meet);
  if (reserve == NULL) reserve = lido_reserve_create(h.pool, MOST - 2);
  pthread_barrier_wait(&h.meet);
  pthread_join(thread, NULL);
  pthread_barrier_destroy(&h.meet);
  CHECK_NOT_NULL(reserve);
  lido_reserve_destroy(reserve);
  CHECK_EQ(lido_pool_destroy(h.pool), 0);
}

typedef struct borrower {
  lido_reserve *reserve;
  void *taken[3];
  size_t count;
} borrower;

static int borrow(void *object, void *context) {
  borrower *b = context;
  (void)object;
  if (b->reserve != NULL && b->count < 3) {
    b->taken[b->count] = lido_reserve_alloc(b->reserve);
    b->count += b->taken[b->count] != NULL;
  }
  return 0;
}

TEST(reserve, construct_may_use_the_reserve_that_is_refilled) {
  borrower b = {.reserve = NULL};
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .construct = borrow, .context = &b});
  CHECK_NOT_NULL(pool);
  lido_reserve *reserve = lido_reserve_create(pool, MOST);
  CHECK_NOT_NULL(reserve);
  object_list taken = {0};
  for (size_t i = 0; i < MOST - 3; i++) object_list_push(&taken, lido_reserve_alloc(reserve));
  b.reserve = reserve;
  CHECK_EQ(lido_reserve_refill(reserve), 0);
  CHECK_EQ(b.count, 3);
  CHECK_EQ(lido_reserve_count(reserve), MOST);
  for (size_t i = 0; i < 3; i++) object_list_push(&taken, b.taken[i]);
  CHECK_EQ(objects_stats(pool).live, taken.count);
  CHECK_SOUND(pool);
  for (size_t i = 0; i < MOST; i++) object_list_push(&taken, lido_reserve_alloc(reserve));
  CHECK(objects_are_distinct(&taken));
  objects_free_all(pool, &taken);
  object_list_end(&taken);
  lido_reserve_destroy(reserve);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}
