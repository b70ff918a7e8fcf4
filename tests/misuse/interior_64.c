/* An address 64 bytes into an object is freed. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_named("conn", 256);
  void *objects[4];
  objects_of(pool, objects, 4);
  char *inside = (char *)objects[3] + 64;
  expect("lido: interior pointer in pool 'conn': address %p, object 3 + 64 bytes", (void *)inside);
  lido_pool_free(pool, inside);
  return 0;
}
