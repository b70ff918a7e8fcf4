/* A local variable is freed. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_named("conn", 64);
  lido_pool_free(pool, object_of(pool));
  _Alignas(64) char local[64];
  expect("lido: foreign pointer in pool 'conn': address %p, no object", (void *)local);
  lido_pool_free(pool, (void *)local);
  return 0;
}
