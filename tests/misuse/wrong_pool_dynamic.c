/* An object of a typed pool is given to a dynamic one. */
#include "misuse_program.h"

struct conn {
  char bytes[64];
};

LIDO_POOL_DEFINE(conn, struct conn)

int main(void) {
  lido_pool *pool = pool_named("request", 64);
  struct conn *object = conn_alloc();
  NEED(object != NULL);
  expect("lido: wrong pool in pool 'request': address %p, object 0 of pool 'conn'", (void *)object);
  lido_pool_free(pool, object);
  return 0;
}
