/* The last address that there is, is freed. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_named("conn", 64);
  lido_pool_free(pool, object_of(pool));
  void *last = (void *)UINTPTR_MAX;
  expect("lido: foreign pointer in pool 'conn': address %p, no object", last);
  lido_pool_free(pool, last);
  return 0;
}
