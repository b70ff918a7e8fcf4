/* A handle for a member of an object. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_with_handles("conn");
  void *objects[4];
  objects_of(pool, objects, 4);
  char *inside = (char *)objects[3] + 8;
  expect("lido: interior pointer in pool 'conn': address %p, object 3 + 8 bytes", (void *)inside);
  lido_weak_make(inside);
  return 0;
}
