/* A block of malloc is freed. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_named("conn", 64);
  lido_pool_free(pool, object_of(pool));
  void *block = malloc(64);
  NEED(block != NULL);
  expect("lido: foreign pointer in pool 'conn': address %p, no object", block);
  lido_pool_free(pool, block);
  return 0;
}
