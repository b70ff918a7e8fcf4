/* An object of a destroyed pool is freed; nobody has its memory now. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_named("conn", 256);
  lido_pool *gone = pool_named("gone", 256);
  void *object = object_of(gone);
  lido_pool_destroy(gone);
  NEED(lido_pool_of(object) == NULL);
  expect("lido: foreign pointer in pool 'conn': address %p, no object", object);
  lido_pool_free(pool, object);
  return 0;
}
