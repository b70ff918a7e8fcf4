/* An object of a destroyed pool is given to the pool that has its memory now, and never handed it out. */
#include "misuse_program.h"

int main(void) {
  object_of(pool_named("other", 256)); /* keeps the region */
  lido_pool *gone = pool_named("gone", 256);
  void *objects[8];
  objects_of(gone, objects, 8);
  lido_pool_destroy(gone);
  lido_pool *pool = pool_named("conn", 256);
  NEED(object_of(pool) == objects[0]);
  expect("lido: double free in pool 'conn': address %p, object 7", objects[7]);
  lido_pool_free(pool, objects[7]);
  return 0;
}
