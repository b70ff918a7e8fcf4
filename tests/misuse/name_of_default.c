/* A pool without a name is called "pool". */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_with(&(lido_pool_options){.object_size = 64});
  void *object = object_of(pool);
  lido_pool_free(pool, object);
  expect("lido: double free in pool 'pool': address %p, object 0", object);
  lido_pool_free(pool, object);
  return 0;
}
