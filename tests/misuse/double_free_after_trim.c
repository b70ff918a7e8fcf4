/* An object is freed whose slab has gone back to the backing: it is nobody's now. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_named("conn", 64);
  void *object = object_of(pool);
  lido_pool_free(pool, object);
  NEED(lido_pool_trim(pool) != 0);
  expect("lido: foreign pointer in pool 'conn': address %p, no object", object);
  lido_pool_free(pool, object);
  return 0;
}
