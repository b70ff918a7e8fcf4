/* The start of the region is freed in which an object lies. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_named("conn", 64);
  void *header = (void *)((uintptr_t)object_of(pool) & ~(uintptr_t)((16 << 20) - 1));
  expect("lido: foreign pointer in pool 'conn': address %p, no object", header);
  lido_pool_free(pool, header);
  return 0;
}
