/* pool_calls.c: the inlined bodies as functions, and in batches. */
#include "lib/base/atomic.h"
#include "pools/pool_core.h"

void *lido_thread_cache_pop_call(lido_pool_cache *cache, lido_pool *pool) { return lido_thread_cache_pop(cache, pool); }

void lido_thread_cache_free_cold_call(lido_pool_cache *cache, lido_pool *pool, void *object) {
  lido_thread_cache_free_cold(cache, pool, object);
}

void *lido_pool_alloc_call(lido_pool *pool) { return lido_pool_alloc(pool); }

void lido_pool_free_call(lido_pool *pool, void *object) { lido_pool_free(pool, object); }

size_t lido_pool_alloc_batch(lido_pool *pool, void **objects, size_t count) {
  size_t done = 0;
  for (; done < count; done++) {
    objects[done] = lido_pool_alloc(pool);
    if (objects[done] == NULL) break;
  }
  return done;
}

void lido_pool_free_batch(lido_pool *pool, void *const *objects, size_t count) {
  for (size_t i = 0; i < count; i++) lido_pool_free(pool, objects[i]);
}
