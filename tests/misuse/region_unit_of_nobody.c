/* An address is freed that lies in a region of the pool's, where no slab is yet. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_named("conn", 64);
  char *nobodys = (char *)object_of(pool) + (1 << 20);
  NEED(lido_pool_of(nobodys) == NULL);
  expect("lido: foreign pointer in pool 'conn': address %p, no object", (void *)nobodys);
  lido_pool_free(pool, nobodys);
  return 0;
}
