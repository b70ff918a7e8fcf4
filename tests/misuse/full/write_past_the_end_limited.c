/* The last byte behind an object is written to, in a pool of so few that none waits in caches. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_with(&(lido_pool_options){.name = "conn", .object_size = 60, .max_objects = 4});
  void *object = object_of(pool);
  ((volatile char *)object)[63] = 'x';
  expect("lido: write past the end in pool 'conn': address %p, object 0", object);
  lido_pool_free(pool, object);
  return 0;
}
