/* explicit_cache.c: caches that belong to no thread. The hot calls are the inlined ones of every cache. */
#include <errno.h>

#include "lib/base/atomic.h"
#include "pools/registry.h"
#include "pools/thread_cache.h"

lido_pool_cache *lido_pool_cache_create(lido_pool *pool) {
  return lido_thread_cache_attach_explicit(lido_core_of(pool));
}

void lido_pool_cache_flush(lido_pool_cache *cache) {
  int saved_errno = errno;
  lido_thread_cache_flush(cache);
  errno = saved_errno;
}

void lido_pool_cache_destroy(lido_pool_cache *cache) {
  if (cache == NULL) return;
  lido_registry_lock();
  lido_thread_cache_detach_locked(cache->rest, LIDO_DETACH_LIVING);
  lido_registry_unlock();
}
