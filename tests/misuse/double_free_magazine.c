/* An object is freed twice with frees of others between, so that it has moved on to a magazine. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_named("conn", 64);
  void *objects[4];
  objects_of(pool, objects, 4);
  for (int i = 0; i < 4; i++) lido_pool_free(pool, objects[i]);
  expect("lido: double free in pool 'conn': address %p, object 1", objects[1]);
  lido_pool_free(pool, objects[1]);
  return 0;
}
