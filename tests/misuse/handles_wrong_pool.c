/* A counted object is freed to another pool. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_with_handles("conn");
  lido_pool *other = pool_with_handles("request");
  void *object = object_of(other);
  lido_weak_make(object);
  lido_pool_free(pool, object_of(pool));
  expect("lido: wrong pool in pool 'conn': address %p, object 0 of pool 'request'", object);
  lido_pool_free(pool, object);
  return 0;
}
