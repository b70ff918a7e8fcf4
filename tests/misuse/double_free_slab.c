/* An object is freed that is back in its slab, which another object keeps alive. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_named("conn", 64);
  void *objects[8];
  objects_of(pool, objects, 8);
  for (int i = 1; i < 8; i++) lido_pool_free(pool, objects[i]);
  lido_thread_flush();
  lido_pool_trim(pool);
  lido_pool_stats stats;
  lido_pool_stats_get(pool, &stats);
  NEED(stats.cached == 0 && stats.live == 1 && stats.slabs == 1);
  expect("lido: double free in pool 'conn': address %p, object 5", objects[5]);
  lido_pool_free(pool, objects[5]);
  return 0;
}
