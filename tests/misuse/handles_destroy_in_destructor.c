/* A destructor ends its object's pool. */
#include "misuse_program.h"

static void on_death(void *object, void *pool) {
  (void)object;
  lido_pool_destroy(*(lido_pool **)pool);
}

int main(void) {
  lido_pool *pool = NULL;
  lido_pool_options options = {.name = "conn", .object_size = 64, .flags = LIDO_POOL_HANDLES, .destroy = on_death};
  options.context = &pool;
  pool = pool_with(&options);
  void *object = object_of(pool);
  expect("lido: reset or end inside a clean-up in pool 'conn': address %p, no object", (void *)pool);
  lido_release(object);
  return 0;
}
