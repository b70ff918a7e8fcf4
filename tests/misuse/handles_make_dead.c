/* A handle for an object that was freed. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_with_handles("conn");
  void *object = object_of(pool);
  lido_pool_free(pool, object);
  expect("lido: use of a dead object in pool 'conn': address %p, object 0", object);
  lido_weak_make(object);
  return 0;
}
