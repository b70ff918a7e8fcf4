/* A release of an object whose pool has no handles. */
#include "misuse_program.h"

int main(void) {
  pool_with_handles("conn");
  void *object = object_of(pool_named("request", 64));
  expect("lido: foreign pointer in pool 'no pool with handles': address %p, no object", object);
  lido_release(object);
  return 0;
}
