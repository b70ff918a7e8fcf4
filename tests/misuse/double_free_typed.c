/* An object of a typed pool is freed twice. */
#include "misuse_program.h"

struct conn {
  char bytes[100];
};

LIDO_POOL_DEFINE(conn, struct conn)

int main(void) {
  struct conn *object = conn_alloc();
  NEED(object != NULL);
  conn_free(object);
  expect("lido: double free in pool 'conn': address %p, object 0", (void *)object);
  conn_free(object);
  return 0;
}
