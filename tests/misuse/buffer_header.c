/* The start of its own buffer is given to a pool. */
#include "misuse_program.h"

static _Alignas(64) char memory[1 << 20];

int main(void) {
  lido_backing *backing = lido_backing_create_buffer(memory, sizeof memory);
  NEED(backing != NULL);
  lido_pool *pool = pool_on(backing, "conn");
  void *objects[4];
  objects_of(pool, objects, 4);
  lido_pool_free(pool, objects[3]);
  expect("lido: foreign pointer in pool 'conn': address %p, no object", (void *)memory);
  lido_pool_free(pool, (void *)memory);
  return 0;
}
