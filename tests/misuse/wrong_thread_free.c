/* A second thread frees an object of a pool that is one thread's. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_with_flags("conn", 64, LIDO_POOL_SINGLE_THREAD);
  pool_and_object both = {pool, object_of(pool)};
  expect("lido: wrong thread in pool 'conn': address %p, no object", both.object);
  in_thread(free_it, &both);
  return 0;
}
