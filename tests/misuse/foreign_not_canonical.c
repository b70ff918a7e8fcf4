/* An address is freed that no x86-64 processor takes. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_named("conn", 64);
  lido_pool_free(pool, object_of(pool));
  void *nowhere = (void *)0x1234567812345678;
  expect("lido: foreign pointer in pool 'conn': address %p, no object", nowhere);
  lido_pool_free(pool, nowhere);
  return 0;
}
