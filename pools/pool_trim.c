/* pool_trim.c: memory back to where it came from, when asked. What goes back by itself is in
 * core_slabs.c (shed). */
#include <errno.h>

#include "lib/base/atomic.h"
#include "pools/object_threads.h"
#include "pools/registry.h"
#include "pools/thread_cache.h"

size_t lido_core_trim(lido_pool_core *core, bool collects) {
  lido_core_sweep_if_needed(core);
  if (collects) lido_handles_collect(core);
  lido_thread_cache_ask_flush(core);
  lido_thread_cache_flush_own(core);
  lido_core_drain_depot(core);
  return lido_core_release_slabs(core, 0);
}

size_t lido_pool_trim(lido_pool *pool) {
  lido_pool_core *core = lido_core_of(pool);
  int saved_errno = errno;
  size_t bytes = lido_core_trim(core, true);
  lido_backing_trim(core->backing, NULL);
  errno = saved_errno;
  return bytes;
}

size_t lido_pool_trim_to(lido_pool *pool, size_t keep_bytes) {
  lido_pool_core *core = lido_core_of(pool);
  int saved_errno = errno;
  lido_core_sweep_if_needed(core);
  lido_core_drain_depot(core);
  size_t bytes = lido_core_release_slabs(core, keep_bytes);
  errno = saved_errno;
  return bytes;
}

void lido_thread_flush(void) {
  int saved_errno = errno;
  lido_registry_lock();
  const lido_thread_record *thread = lido_this_thread.record;
  for (lido_thread_cache_rest *rest = thread != NULL ? thread->caches : NULL; rest != NULL; rest = rest->thread_next) {
    lido_thread_cache_flush(rest->cache);
  }
  lido_registry_unlock();
  lido_object_stores_flush();
  errno = saved_errno;
}
