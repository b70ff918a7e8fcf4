/* An object is freed that was freed before and lies in a magazine that nobody has attached. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_named("conn", 64);
  void *objects[4];
  objects_of(pool, objects, 4);
  for (int i = 0; i < 4; i++) lido_pool_free(pool, objects[i]); /* the last one stays in the hot slot */
  lido_magazine *magazine = lido_pool_magazine_detach(pool);
  NEED(magazine != NULL && lido_magazine_count(magazine) >= 3);
  expect("lido: double free in pool 'conn': address %p, object 2", objects[2]);
  lido_pool_free(pool, objects[2]);
  return 0;
}
