/* Not an address but a small number is freed. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_named("conn", 64);
  lido_pool_free(pool, object_of(pool));
  void *number = (void *)8;
  expect("lido: foreign pointer in pool 'conn': address %p, no object", number);
  lido_pool_free(pool, number);
  return 0;
}
