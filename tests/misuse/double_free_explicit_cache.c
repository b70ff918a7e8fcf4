/* An object is freed into an explicit cache that was freed into a thread's before. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_named("conn", 64);
  void *object = object_of(pool);
  lido_pool_cache *cache = lido_pool_cache_create(pool);
  NEED(cache != NULL);
  lido_pool_free(pool, object);
  expect("lido: double free in pool 'conn': address %p, object 0", object);
  lido_pool_cache_free(cache, object);
  return 0;
}
