/* A release of a member of an object. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_with_handles("conn");
  char *inside = (char *)object_of(pool) + 63;
  expect("lido: interior pointer in pool 'conn': address %p, object 0 + 63 bytes", (void *)inside);
  lido_release(inside);
  return 0;
}
