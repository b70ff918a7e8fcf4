/* An object of one pool is given to another. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_named("conn", 64);
  lido_pool *other = pool_named("request", 64);
  lido_pool_free(pool, object_of(pool));
  void *objects[3];
  objects_of(other, objects, 3);
  expect("lido: wrong pool in pool 'conn': address %p, object 2 of pool 'request'", objects[2]);
  lido_pool_free(pool, objects[2]);
  return 0;
}
