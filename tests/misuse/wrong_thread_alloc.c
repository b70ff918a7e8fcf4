/* A second thread allocs from a pool that is one thread's. */
#include "misuse_program.h"

static void *alloc_one(void *argument) { return lido_pool_alloc(argument); }

int main(void) {
  lido_pool *pool = pool_with_flags("conn", 64, LIDO_POOL_SINGLE_THREAD);
  object_of(pool);
  expect("lido: wrong thread in pool 'conn': address %p, no object", NULL);
  in_thread(alloc_one, pool);
  return 0;
}
