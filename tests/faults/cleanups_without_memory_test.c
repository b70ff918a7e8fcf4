/* cleanups_without_memory_test.c: requests for memory fail while cleanups are added and queues made: a clean error, and
 * what was added before still runs. After that nothing needs memory.
 */
#include "tests/faults/drill.h"

static void count_call(void *arg) { __atomic_fetch_add((size_t *)arg, 1, __ATOMIC_ACQ_REL); }

static void *with_handles(drill_round *r, lido_pool **pool) {
  void *object = NULL;
  *pool = drill_pool(r, &(lido_pool_options){.object_size = 64, .flags = LIDO_POOL_HANDLES});
  TRY(r, object, lido_pool_alloc(*pool));
  return object;
}

static void add(drill_round *r, lido_cleanup_queue *queue, void *object, size_t *calls) {
  lido_cleanup cleanup = {0};
  TRY_UNTIL(r, cleanup, lido_cleanup_add_to(queue, object, count_call, calls), cleanup.bits == 0);
}

/* ---- Queues and workers ---- */

static void start_worker(drill_round *r, lido_cleanup_queue *queue) {
  int error = lido_cleanup_worker_start(queue);
  if (error == 0) return;
  CHECK_EQ(error, ENOMEM);
  r->failed_calls++;
  drill_relief(r);
  CHECK_EQ(lido_cleanup_worker_start(queue), 0);
  drill_go_on(r);
}

static void queues(drill_round *r) {
  lido_pool *pool = NULL;
  size_t calls = 0;
  lido_cleanup_queue *queue = NULL;
  lido_cleanup_queue *another = NULL;
  void *object = with_handles(r, &pool);
  TRY(r, queue, lido_cleanup_queue_create(&(lido_cleanup_queue_options){.wants_eventfd = true}));
  TRY(r, another, lido_cleanup_queue_create(NULL));
  for (int i = 0; i < 10; i++) add(r, i % 2 ? queue : another, object, &calls);
  CALM(lido_release(object));
  size_t ran = 0;
  CALM(ran = lido_cleanup_queue_drain(queue, 3, 0));
  CHECK_EQ(ran, 3);
  start_worker(r, another);
  CALM(ran += lido_cleanup_queue_destroy(queue));
  CHECK_EQ(ran, 5);
  CALM(lido_cleanup_queue_destroy(another));
  CHECK_EQ(calls, 10);
  drill_end(pool);
  CHECK_NULL(lido_weak_check());
}

TEST(cleanups_without_memory, queues_and_workers) { drill(queues, 4); }

/* ---- Nodes ---- */

/* Until there is no node left. -> how many were added. */
static size_t add_all(void *object, size_t *calls) {
  size_t added = 0;
  for (;; added++) {
    errno = UNTOUCHED_ERRNO;
    if (lido_cleanup_add(object, count_call, calls).bits == 0) break;
    CHECK_EQ(errno, UNTOUCHED_ERRNO);
  }
  CHECK_EQ(errno, ENOMEM);
  return added;
}

static void add_with_little_memory(void) {
  drill_round calm = {0};
  lido_pool *pool = NULL;
  size_t calls = 0;
  size_t added = 0;
  void *object = with_handles(&calm, &pool);
  for (int round = 0; round < 5; round++) {
    lido_fault_arm(1, true);
    added += add_all(object, &calls);
    lido_fault_disarm();
    add(&calm, NULL, object, &calls); /* with memory it goes on */
    added++;
    CHECK_NULL(lido_weak_check());
  }
  CHECK_GT(added, 10000);
  CHECK_EQ(calm.failed_calls, 0);
  lido_fault_arm(1, true);
  CALM(lido_release(object));
  lido_fault_disarm();
  CHECK_EQ(calls, added);
  drill_end(pool);
  CHECK_NULL(lido_weak_check());
}

TEST(cleanups_without_memory, nodes) {
  lido_fault_disarm();
  add_with_little_memory();
}

static void *add_in_thread(void *unused) {
  (void)unused;
  add_with_little_memory();
  return NULL;
}

/* Nor is there any for the thread's cache. */
TEST(cleanups_without_memory, nodes_of_a_new_thread) {
  lido_fault_disarm();
  objects_in_thread(add_in_thread, NULL);
}
