/* A reference is released by a handle whose object is dead; its memory is another object by now. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_with_handles("conn");
  void *object = object_of(pool);
  lido_weak weak = lido_weak_make(object);
  lido_release(object);
  NEED(object_of(pool) == object);
  lido_weak_make(object);
  lido_retain(object);
  expect("lido: release too many in pool 'conn': address %p, object 0", object);
  lido_weak_release(weak);
  return 0;
}
