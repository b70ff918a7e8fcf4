/* An object that had a handle is freed once more after its death. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_with_handles("conn");
  void *object = object_of(pool);
  lido_weak_make(object);
  lido_pool_free(pool, object);
  expect("lido: double free in pool 'conn': address %p, object 0", object);
  lido_pool_free(pool, object);
  return 0;
}
