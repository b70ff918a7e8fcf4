/* The misuse prints another line than was announced: the checker must complain. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_named("conn", 64);
  void *object = object_of(pool);
  lido_pool_free(pool, object);
  expect("lido: double free in pool 'conn': address %p, object 1", object);
  lido_pool_free(pool, object);
  return 0;
}
