/* direct_test.c: allocs that pass the caches by (pools/direct.c). Without states nothing of this can be seen. */
#include "pools/pool_core.h"
#include "tests/support/objects.h"

enum { BYTES = 64, LIMIT = 10 };

/* As if somebody had the object: the state says live, while the slab says free. */
static void damage(lido_pool *pool, const void *object) {
  *lido_core_state_of(lido_core_of(pool), (uintptr_t)object) = LIDO_STATE_LIVE;
}

static lido_pool *small_pool(lido_exhausted policy) {
  return lido_pool_create(
      &(lido_pool_options){.object_size = BYTES, .max_objects = LIMIT, .on_exhausted = policy, .wait_ns = 1});
}

static void check_damage(lido_exhausted policy) {
  lido_pool *pool = small_pool(policy);
  CHECK_NOT_NULL(pool);
  void *objects[LIMIT];
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, LIMIT), LIMIT);
  lido_pool_free_batch(pool, objects, LIMIT);
  damage(pool, objects[0]);
  misuse_log log;
  misuse_log_start(&log);
  void *first = lido_pool_alloc(pool); /* objects are handed out by address */
  void *second = lido_pool_alloc(pool);
  misuse_log_stop();
  CHECK_EQ(log.count, 1);
  CHECK_EQ(log.last.kind, LIDO_MISUSE_DOUBLE_FREE);
  CHECK_SAME(log.last.address, objects[0]);
  CHECK_SAME(first, objects[1]);
  CHECK_SAME(second, objects[2]);
  lido_pool_destroy(pool);
}

TEST(direct, a_free_object_that_is_live_is_not_handed_out) {
  if (LIDO_CHECKS == LIDO_CHECKS_NONE) return;
  check_damage(LIDO_EXHAUSTED_FAIL);
  check_damage(LIDO_EXHAUSTED_FALLBACK);
  check_damage(LIDO_EXHAUSTED_WAIT);
}
