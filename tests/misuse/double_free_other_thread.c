/* An object that this thread freed is freed again by another. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_named("conn", 64);
  pool_and_object both = {pool, object_of(pool)};
  lido_pool_free(pool, both.object);
  expect("lido: double free in pool 'conn': address %p, object 0", both.object);
  in_thread(free_it, &both);
  return 0;
}
