/* A member of an object of a typed pool is freed. */
#include "misuse_program.h"

struct conn {
  long first;
  long second;
};

LIDO_POOL_DEFINE(conn, struct conn)

int main(void) {
  struct conn *object = conn_alloc();
  NEED(object != NULL);
  expect("lido: interior pointer in pool 'conn': address %p, object 0 + 8 bytes", (void *)&object->second);
  conn_free((struct conn *)(void *)&object->second);
  return 0;
}
