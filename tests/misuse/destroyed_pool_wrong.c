/* An object of a destroyed pool whose memory another pool has now is given to a third. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_named("conn", 256);
  object_of(pool);
  lido_pool *gone = pool_named("gone", 256);
  void *object = object_of(gone);
  lido_pool_destroy(gone);
  lido_pool *heir = pool_named("heir", 256);
  NEED(object_of(heir) == object);
  expect("lido: wrong pool in pool 'conn': address %p, object 0 of pool 'heir'", object);
  lido_pool_free(pool, object);
  return 0;
}
