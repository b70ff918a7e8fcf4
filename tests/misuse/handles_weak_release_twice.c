/* A reference that was acquired by a handle is released twice; the second time the object is dead. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_with_handles("conn");
  void *object = object_of(pool);
  lido_weak weak = lido_weak_make(object);
  NEED(lido_weak_acquire(weak) == object);
  lido_weak_release(weak);
  lido_release(object);
  expect("lido: release too many in pool 'conn': address %p, object 0", object);
  lido_weak_release(weak);
  return 0;
}
