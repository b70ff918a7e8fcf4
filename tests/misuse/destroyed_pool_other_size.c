/* An object of a destroyed pool is given to the pool that has its memory now, for objects of another size. */
#include "misuse_program.h"

int main(void) {
  object_of(pool_named("other", 256)); /* keeps the region */
  lido_pool *gone = pool_named("gone", 192);
  void *objects[2];
  objects_of(gone, objects, 2);
  lido_pool_destroy(gone);
  lido_pool *pool = pool_named("conn", 256);
  NEED(object_of(pool) == objects[0]);
  expect("lido: interior pointer in pool 'conn': address %p, object 0 + 192 bytes", objects[1]);
  lido_pool_free(pool, objects[1]);
  return 0;
}
