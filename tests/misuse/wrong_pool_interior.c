/* An address inside an object of one pool is given to another. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_named("conn", 64);
  lido_pool *other = pool_named("request", 128);
  char *inside = (char *)object_of(other) + 100;
  void *address = inside;
  expect("lido: wrong pool in pool 'conn': address %p, object 0 + 100 bytes of pool 'request'", address);
  lido_pool_free(pool, inside);
  return 0;
}
