/* A new reference to an object that is dead. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_with_handles("conn");
  void *objects[2];
  objects_of(pool, objects, 2);
  lido_weak_make(objects[1]);
  lido_release(objects[1]);
  expect("lido: use of a dead object in pool 'conn': address %p, object 1", objects[1]);
  lido_retain(objects[1]);
  return 0;
}
