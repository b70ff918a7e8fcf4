/* A pool in a buffer is given an address outside. */
#include "misuse_program.h"

static _Alignas(64) char memory[1 << 20];

int main(void) {
  lido_backing *backing = lido_backing_create_buffer(memory, sizeof memory);
  NEED(backing != NULL);
  lido_pool *pool = pool_on(backing, "conn");
  void *objects[4];
  objects_of(pool, objects, 4);
  static _Alignas(64) char outside[256];
  expect("lido: foreign pointer in pool 'conn': address %p, no object", (void *)outside);
  lido_pool_free(pool, (void *)outside);
  return 0;
}
