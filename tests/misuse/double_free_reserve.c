/* An object is freed that was freed before and is now set aside in a reserve. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_named("conn", 64);
  void *objects[2];
  objects_of(pool, objects, 2);
  lido_pool_free(pool, objects[1]);
  lido_pool_trim(pool);
  lido_pool_stats stats;
  lido_pool_stats_get(pool, &stats);
  NEED(lido_reserve_create(pool, stats.objects - 1) != NULL); /* all but the live one */
  expect("lido: double free in pool 'conn': address %p, object 1", objects[1]);
  lido_pool_free(pool, objects[1]);
  return 0;
}
