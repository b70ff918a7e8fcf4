/* A magazine of one pool is attached to another. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_named("conn", 64);
  lido_pool *other = pool_named("request", 64);
  void *objects[4];
  objects_of(other, objects, 4);
  for (int i = 0; i < 4; i++) lido_pool_free(other, objects[i]);
  lido_magazine *magazine = lido_pool_magazine_detach(other);
  NEED(magazine != NULL);
  expect("lido: wrong pool in pool 'conn': address %p, no object of pool 'request'", (void *)magazine);
  lido_pool_magazine_attach(pool, magazine);
  return 0;
}
