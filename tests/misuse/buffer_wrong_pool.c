/* An object of one pool in a buffer is given to another pool in it. */
#include "misuse_program.h"

static _Alignas(64) char memory[1 << 20];

int main(void) {
  lido_backing *backing = lido_backing_create_buffer(memory, sizeof memory);
  NEED(backing != NULL);
  lido_pool *pool = pool_on(backing, "conn");
  void *objects[4];
  objects_of(pool, objects, 4);
  lido_pool *other = pool_on(backing, "request");
  void *object = object_of(other);
  expect("lido: wrong pool in pool 'conn': address %p, object 0 of pool 'request'", object);
  lido_pool_free(pool, object);
  return 0;
}
