/* An object that nobody counted is released twice. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_with_handles("conn");
  void *object = object_of(pool);
  lido_release(object);
  expect("lido: double free in pool 'conn': address %p, object 0", object);
  lido_release(object);
  return 0;
}
