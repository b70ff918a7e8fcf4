/* pool_trim.c: memory back to where it came from, when asked. What goes back by itself is in
 * core_slabs.c (shed). */
#include <errno.h>

#include "lib/base/atomic.h"
#include "pools/registry.h"
#include "pools/thread_cache.h"

static lido_pool_cache *own_cache(const lido_pool_core *core) {
  lido_pool_cache *cache = lido_pool_cache_of_thread(&core->face);
  return cache->rest != NULL ? cache : NULL;
}

size_t lido_pool_trim(lido_pool *pool) {
  lido_pool_core *core = lido_core_of(pool);
  int saved_errno = errno;
  lido_core_sweep_if_needed(core);
  lido_cache_ask_flush(core);
  lido_pool_cache *cache = own_cache(core);
  if (cache != NULL) lido_cache_flush(cache);
  lido_core_drain_depot(core);
  size_t bytes = lido_core_release_slabs(core, 0);
  lido_backing_trim(core->backing);
  errno = saved_errno;
  return bytes;
}

void lido_thread_flush(void) {
  int saved_errno = errno;
  for (uint32_t number = 0; number < lido_this_thread.cache_count; number++) {
    lido_pool_cache *cache = lido_this_thread.caches[number];
    if (cache->rest != NULL) lido_cache_flush(cache);
  }
  errno = saved_errno;
}
