/* An address in the kernel's half is freed. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_named("conn", 64);
  lido_pool_free(pool, object_of(pool));
  void *kernel = (void *)0xffff888000000000;
  expect("lido: foreign pointer in pool 'conn': address %p, no object", kernel);
  lido_pool_free(pool, kernel);
  return 0;
}
