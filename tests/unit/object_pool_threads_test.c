/* object_pool_threads_test.c: object pools that several threads use, one after the other or beside one that is idle;
 * exits and forks. */
#include <pthread.h>

#include "tests/support/child.h"
#include "tests/support/workshop.h"

/* ---- Threads ---- */

typedef struct visit {
  lido_object_pool *pool;
  size_t count;
  pthread_barrier_t *meet; /* twice: when it has kept them, and before it ends */
} visit;

static void *visit_pool(void *argument) {
  const visit *v = argument;
  thing *things[64];
  for (size_t i = 0; i < v->count; i++) things[i] = lido_object_pool_get(v->pool);
  for (size_t i = 0; i < v->count; i++) lido_object_pool_put(v->pool, things[i]);
  for (int i = 0; i < 2 && v->meet != NULL; i++) pthread_barrier_wait(v->meet);
  return NULL;
}

TEST(object_pool_threads, an_exiting_thread_leaves_all_it_kept_to_others) {
  for (size_t count = 1; count < 64; count += 5) {
    lido_object_pool *pool = open_shop((lido_object_pool_options){0});
    objects_in_thread(visit_pool, &(visit){.pool = pool, .count = count});
    CHECK_EQ(stats_of(pool).kept, count);
    CHECK_EQ(stats_of(pool).stores, 0);
    CHECK_EQ(stats_of(pool).gets, count);
    keep_many(pool, count);
    CHECK_EQ(shop.created, count);
    close_shop(pool, 0);
  }
}

/* ---- After a thread's stores have gone ---- */

enum { LATE_ROUNDS = 3 };

static pthread_key_t late_key;

typedef struct late {
  lido_object_pool *pool;
  int rounds;
  size_t got;
} late;

/* Destructors come again as long as they set their key; Lido's has run by the second time. */
static void use_late(void *argument) {
  late *l = argument;
  void *objects[20];
  for (size_t i = 0; i < 20; i++) objects[i] = lido_object_pool_get(l->pool);
  for (size_t i = 0; i < 20; i++) l->got += objects[i] != NULL;
  for (size_t i = 0; i < 20; i++) lido_object_pool_put(l->pool, objects[i]);
  if (++l->rounds < LATE_ROUNDS) pthread_setspecific(late_key, l);
}

static void *exit_late(void *argument) {
  pthread_setspecific(late_key, argument);
  return NULL;
}

TEST(object_pool_threads, destructors_of_thread_locals_may_use_it_when_the_stores_have_gone) {
  lido_object_pool *pool = open_shop((lido_object_pool_options){.reset = thing_reset});
  late l = {.pool = pool};
  CHECK_EQ(pthread_key_create(&late_key, use_late), 0);
  objects_in_thread(exit_late, &l);
  pthread_key_delete(late_key);
  CHECK_EQ(l.rounds, LATE_ROUNDS);
  CHECK_EQ(l.got, 20 * LATE_ROUNDS);
  CHECK_EQ(shop.created, 20);
  CHECK_EQ(stats_of(pool).gets, l.got);
  CHECK_EQ(stats_of(pool).kept, 20);
  CHECK_EQ(stats_of(pool).stores, 0);
  close_shop(pool, 0);
}

static void beside_an_idle_thread(void (*act)(lido_object_pool *pool), lido_object_pool *pool, size_t count) {
  pthread_t thread;
  pthread_barrier_t meet;
  visit v = {.pool = pool, .count = count, .meet = &meet};
  pthread_barrier_init(&meet, NULL, 2);
  CHECK_EQ(pthread_create(&thread, NULL, visit_pool, &v), 0);
  pthread_barrier_wait(&meet);
  act(pool);
  pthread_barrier_wait(&meet);
  pthread_join(thread, NULL);
  pthread_barrier_destroy(&meet);
}

static void trim_twice(lido_object_pool *pool) {
  CHECK_EQ(lido_object_pool_trim(pool), 0);
  CHECK_EQ(stats_of(pool).victims, 20);
  CHECK_EQ(lido_object_pool_trim(pool), 20);
  check_sound(pool);
}

TEST(object_pool_threads, trims_reach_the_store_of_an_idle_thread) {
  for (int sized = 0; sized < 2; sized++) {
    lido_object_pool *pool =
        open_shop((lido_object_pool_options){.size = sized ? thing_size : NULL, .keep_bytes = sized ? SIZE_MAX : 0});
    beside_an_idle_thread(trim_twice, pool, 20);
    CHECK_EQ(shop.destroyed, 20);
    close_shop(pool, 0);
  }
}

static void use_victims(lido_object_pool *pool) {
  lido_object_pool_trim(pool);
  keep_many(pool, 20);
  CHECK_EQ(shop.created, 20);
}

TEST(object_pool_threads, what_an_idle_thread_kept_can_be_used_by_others_after_a_trim) {
  lido_object_pool *pool = open_shop((lido_object_pool_options){0});
  beside_an_idle_thread(use_victims, pool, 20);
  close_shop(pool, 0);
}

static void end_pool(lido_object_pool *pool) { lido_object_pool_destroy(pool); }

TEST(object_pool_threads, its_end_reaches_the_stores_of_all_threads) {
  lido_object_pool *pool = open_shop((lido_object_pool_options){0});
  beside_an_idle_thread(end_pool, pool, 20);
  CHECK_EQ(shop.destroyed, 20);
}

TEST(object_pool_threads, a_flush_lets_others_have_them) {
  lido_object_pool *pool = open_shop((lido_object_pool_options){0});
  keep_many(pool, 20);
  lido_thread_flush();
  check_sound(pool);
  objects_in_thread(visit_pool, &(visit){.pool = pool, .count = 20});
  CHECK_EQ(shop.created, 20);
  close_shop(pool, 0);
}

/* ---- Fork ---- */

static void live_as_a_child(void *scene) {
  lido_object_pool *pool = scene;
  IN_CHILD(lido_object_pool_check(pool) == NULL);
  IN_CHILD(stats_of(pool).kept == 30);
  IN_CHILD(stats_of(pool).stores == 1);
  thing *things[30];
  for (size_t i = 0; i < 30; i++) IN_CHILD((things[i] = lido_object_pool_get(pool)) != NULL);
  IN_CHILD(shop.created == 30);
  for (size_t i = 0; i < 30; i++) lido_object_pool_put(pool, things[i]);
  IN_CHILD(lido_object_pool_trim(pool) == 0);
  IN_CHILD(lido_object_pool_trim(pool) == 30);
  IN_CHILD(lido_object_pool_check(pool) == NULL);
  IN_CHILD(lido_object_pool_destroy(pool) == 0);
  IN_CHILD(shop.destroyed == 30);
}

static void fork_with(lido_object_pool *pool) {
  thing *things[30];
  get_many(pool, things, 10);
  put_many(pool, things, 10);
  check_child(live_as_a_child, pool);
}

TEST(object_pool_threads, the_child_of_a_fork_has_what_other_threads_kept) {
  lido_object_pool *pool = open_shop((lido_object_pool_options){0});
  beside_an_idle_thread(fork_with, pool, 20);
  close_shop(pool, 0);
}
