/* An object is written to after it was freed; the next alloc sees it. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_named("conn", 64);
  void *objects[2];
  objects_of(pool, objects, 2);
  lido_pool_free(pool, objects[1]);
  ((volatile char *)objects[1])[17] = 'x';
  expect("lido: write after free in pool 'conn': address %p, object 1", objects[1]);
  object_of(pool);
  return 0;
}
