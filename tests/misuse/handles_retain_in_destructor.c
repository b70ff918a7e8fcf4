/* A destructor takes a new reference to its object. */
#include "misuse_program.h"

static void on_death(void *object, void *pool) {
  (void)pool;
  lido_retain(object);
}

int main(void) {
  lido_pool *pool = NULL;
  lido_pool_options options = {.name = "conn", .object_size = 64, .flags = LIDO_POOL_HANDLES, .destroy = on_death};
  options.context = &pool;
  pool = pool_with(&options);
  void *object = object_of(pool);
  expect("lido: new reference to a dying object in pool 'conn': address %p, object 0", object);
  lido_release(object);
  return 0;
}
