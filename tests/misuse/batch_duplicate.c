/* A batch holds one object twice. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_named("conn", 64);
  void *objects[5];
  objects_of(pool, objects, 5);
  void *batch[] = {objects[4], objects[2], NULL, objects[3], objects[2], objects[0]};
  expect("lido: double free in pool 'conn': address %p, object 2", objects[2]);
  lido_pool_free_batch(pool, batch, 6);
  return 0;
}
