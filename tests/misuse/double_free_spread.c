/* An object is freed twice in a pool whose state bytes lie far apart. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_with_flags("conn", 100, LIDO_POOL_SPREAD);
  void *objects[2];
  objects_of(pool, objects, 2);
  lido_pool_free(pool, objects[1]);
  expect("lido: double free in pool 'conn': address %p, object 1", objects[1]);
  lido_pool_free(pool, objects[1]);
  return 0;
}
