/* races_test.c: pairs of calls that may run at the same time, each pair for a while. What threads do to each other over
 * longer times is in tests/stress/.
 */
#include <pthread.h>

#include "tests/support/objects.h"

typedef struct pair {
  lido_pool *pool;
  lido_pool *other;
  size_t rounds;
  int done;     /* atomic: the first thread has finished */
  size_t wrong; /* of the second thread */
  void *address;
} pair;

/* `second` runs again and again until `first` returns. */
static void run_pair(pair *p, void *(*first)(void *), void *(*second)(void *)) {
  pthread_t thread;
  CHECK_EQ(pthread_create(&thread, NULL, second, p), 0);
  first(p);
  __atomic_store_n(&p->done, 1, __ATOMIC_RELEASE);
  pthread_join(thread, NULL);
}

static bool goes_on(pair *p) { return __atomic_load_n(&p->done, __ATOMIC_ACQUIRE) == 0; }

/* ---- First halves ---- */

static void *alloc_and_free(void *argument) {
  pair *p = argument;
  void *objects[3];
  for (size_t i = 0; i < p->rounds; i++) {
    lido_pool_alloc_batch(p->pool, objects, 3);
    lido_pool_free_batch(p->pool, objects, 3);
  }
  return NULL;
}

/* ---- Second halves ---- */

static void *trim_again_and_again(void *argument) {
  pair *p = argument;
  while (goes_on(p)) lido_pool_trim(p->pool);
  return NULL;
}

/* ---- Pairs ---- */

static void begin(pair *p, size_t rounds) {
  *p = (pair){.rounds = testing_scaled(rounds)};
  p->pool = lido_pool_create(&(lido_pool_options){.object_size = 16384, .retain_bytes = 1});
  p->other = lido_pool_create(&(lido_pool_options){.object_size = 16384});
  CHECK_NOT_NULL(p->pool);
  CHECK_NOT_NULL(p->other);
}

static void end(pair *p) {
  CHECK_EQ(p->wrong, 0);
  CHECK_SOUND(p->pool);
  CHECK_SOUND(p->other);
  CHECK_EQ(objects_stats(p->pool).live, 0);
  lido_pool_destroy(p->pool);
  lido_pool_destroy(p->other);
}

TEST(races, a_trim_disturbs_no_pair_of_alloc_and_free) {
  pair p;
  misuse_log log;
  begin(&p, 1000000);
  misuse_log_start(&log);
  run_pair(&p, alloc_and_free, trim_again_and_again);
  misuse_log_stop();
  CHECK_EQ(log.count, 0);
  end(&p);
}

/* Without state bytes owns() and a walk make them up, and nobody else may use the pool meanwhile. */
#if LIDO_CHECKS != LIDO_CHECKS_NONE
enum { FEW = 40 };

static void *grow_and_shrink(void *argument) {
  pair *p = argument;
  void *objects[FEW];
  for (size_t i = 0; i < p->rounds; i++) {
    size_t got = lido_pool_alloc_batch(p->pool, objects, FEW);
    __atomic_store_n(&p->address, objects[FEW / 2], __ATOMIC_RELAXED);
    lido_pool_free_batch(p->pool, objects, got);
    lido_pool_trim(p->pool);
  }
  return NULL;
}

static void *ask_who_owns(void *argument) {
  pair *p = argument;
  while (goes_on(p)) {
    char *address = __atomic_load_n(&p->address, __ATOMIC_RELAXED);
    (void)lido_pool_owns(p->pool, address);
    p->wrong += lido_pool_owns(p->pool, address + 1);
    p->wrong += lido_pool_owns(p->other, address);
    lido_pool *owner = lido_pool_of(address);
    p->wrong += owner != NULL && owner != p->pool;
  }
  return NULL;
}

static bool visit(void *object, void *arg) {
  (void)object;
  ++*(size_t *)arg;
  return true;
}

static void *look_on(void *argument) {
  pair *p = argument;
  while (goes_on(p)) {
    lido_pool_stats stats = objects_stats(p->pool);
    p->wrong += stats.live > stats.objects || stats.allocs - stats.frees != stats.live;
    size_t visited = 0;
    p->wrong += lido_pool_for_each(p->pool, visit, &visited) != visited;
  }
  return NULL;
}

static void *make_and_end_pools(void *argument) {
  pair *p = argument;
  for (size_t i = 0; i < p->rounds; i++) {
    lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 64 + i % 100 * 8, .align = 8});
    lido_pool_free(pool, lido_pool_alloc(pool));
    lido_pool_destroy(pool);
  }
  return NULL;
}

static void *free_foreign(void *argument) {
  pair *p = argument;
  int here = 0;
  while (goes_on(p)) {
    lido_pool_free(p->pool, &here);
    lido_pool_free(p->pool, p->address);
  }
  return NULL;
}

TEST(races, a_misuse_may_be_reported_while_pools_come_and_go) {
  pair p;
  misuse_log log;
  begin(&p, 10000);
  p.address = lido_pool_alloc(p.other);
  misuse_log_start(&log);
  run_pair(&p, make_and_end_pools, free_foreign);
  misuse_log_stop();
  CHECK_GT(log.count, 0);
  CHECK(lido_pool_owns(p.other, p.address));
  lido_pool_free(p.other, p.address);
  end(&p);
}
TEST(races, owners_may_be_asked_for_while_slabs_go_back) {
  pair p;
  begin(&p, 5000);
  p.address = &p;
  run_pair(&p, grow_and_shrink, ask_who_owns);
  end(&p);
}

TEST(races, statistics_and_walks_may_look_on) {
  pair p;
  begin(&p, 30000);
  run_pair(&p, alloc_and_free, look_on);
  end(&p);
}

TEST(races, statistics_and_walks_may_look_on_while_slabs_go_back) {
  pair p;
  begin(&p, 5000);
  run_pair(&p, grow_and_shrink, look_on);
  end(&p);
}

#endif
