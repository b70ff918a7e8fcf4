/* The last bytes of its own buffer are given to a pool. */
#include "misuse_program.h"

static _Alignas(64) char memory[1 << 20];

int main(void) {
  lido_backing *backing = lido_backing_create_buffer(memory, sizeof memory);
  NEED(backing != NULL);
  lido_pool *pool = pool_on(backing, "conn");
  void *objects[4];
  objects_of(pool, objects, 4);
  char *end = memory + sizeof memory - 64;
  expect("lido: foreign pointer in pool 'conn': address %p, no object", (void *)end);
  lido_pool_free(pool, (void *)end);
  return 0;
}
