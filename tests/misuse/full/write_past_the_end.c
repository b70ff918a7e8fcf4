/* The byte behind an object of 60 bytes is written to; its free sees it. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_named("conn", 60);
  void *objects[3];
  objects_of(pool, objects, 3);
  ((volatile char *)objects[2])[60] = 'x';
  expect("lido: write past the end in pool 'conn': address %p, object 2", objects[2]);
  lido_pool_free(pool, objects[2]);
  return 0;
}
