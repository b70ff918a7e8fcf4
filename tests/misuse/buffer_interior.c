/* An address inside an object of a pool in a buffer is freed. */
#include "misuse_program.h"

static _Alignas(64) char memory[1 << 20];

int main(void) {
  lido_backing *backing = lido_backing_create_buffer(memory, sizeof memory);
  NEED(backing != NULL);
  lido_pool *pool = pool_on(backing, "conn");
  void *objects[4];
  objects_of(pool, objects, 4);
  char *inside = (char *)objects[2] + 64;
  expect("lido: interior pointer in pool 'conn': address %p, object 2 + 64 bytes", (void *)inside);
  lido_pool_free(pool, (void *)inside);
  return 0;
}
