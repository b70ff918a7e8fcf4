/* The first thing that a typed pool ever sees is an object of another pool. */
#include "misuse_program.h"

struct conn {
  char bytes[64];
};

LIDO_POOL_DEFINE(conn, struct conn)

int main(void) {
  lido_pool *other = pool_named("request", 64);
  void *object = object_of(other);
  expect("lido: wrong pool in pool 'conn': address %p, object 0 of pool 'request'", object);
  conn_free(object);
  return 0;
}
