/* An object is freed twice in a pool of so few that none waits in caches. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_with(&(lido_pool_options){.name = "conn", .object_size = 64, .max_objects = 4});
  void *objects[4];
  objects_of(pool, objects, 4);
  lido_pool_free(pool, objects[3]);
  expect("lido: double free in pool 'conn': address %p, object 3", objects[3]);
  lido_pool_free(pool, objects[3]);
  return 0;
}
