/* An address one byte into an object is freed, where there is a state byte for each byte. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_with_flags("conn", 64, LIDO_POOL_SPREAD);
  char *inside = (char *)object_of(pool) + 1;
  expect("lido: interior pointer in pool 'conn': address %p, object 0 + 1 bytes", (void *)inside);
  lido_pool_free(pool, inside);
  return 0;
}
