/* A counted object is released once more often than it has references, at once. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_with_handles("conn");
  void *object = object_of(pool);
  lido_retain(object);
  expect("lido: release too many in pool 'conn': address %p, object 0", object);
  lido_release_n(object, 3);
  return 0;
}
