/* An object of a pool in a buffer is freed twice. */
#include "misuse_program.h"

static _Alignas(64) char memory[1 << 20];

int main(void) {
  lido_backing *backing = lido_backing_create_buffer(memory, sizeof memory);
  NEED(backing != NULL);
  lido_pool *pool = pool_on(backing, "conn");
  void *objects[4];
  objects_of(pool, objects, 4);
  lido_pool_free(pool, objects[3]);
  expect("lido: double free in pool 'conn': address %p, object 3", objects[3]);
  lido_pool_free(pool, objects[3]);
  return 0;
}
