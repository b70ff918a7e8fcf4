/* Two references to an object are released that has one. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_with_handles("conn");
  void *object = object_of(pool);
  expect("lido: release too many in pool 'conn': address %p, object 0", object);
  lido_release_n(object, 2);
  return 0;
}
