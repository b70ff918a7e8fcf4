/* handover.c: whole magazines from thread to thread, past the depot.
 *
 * The pointer that is passed must itself be passed with release and acquire, as any pointer between threads.
 */
#include <errno.h>

#include "lib/base/atomic.h"
#include "lib/base/misuse_report.h"
#include "pools/pool_samples.h"
#include "pools/set_aside.h"
#include "pools/slow_paths.h"
#include "pools/thread_cache.h"

lido_magazine *lido_pool_magazine_detach(lido_pool *pool) {
  lido_pool_cache *cache = lido_pool_cache_of_thread(pool);
  if (cache->rest == NULL) return NULL;
  int saved_errno = errno;
  lido_magazine *magazine = lido_thread_cache_give_magazine(cache);
  if (LIDO_UNLIKELY(lido_thread_cache_is_watched(cache->rest))) lido_sampling_visit(cache);
  errno = saved_errno;
  if (magazine != NULL) lido_set_aside(lido_core_of(pool), magazine->items, magazine->count);
  return magazine;
}

void lido_pool_magazine_attach(lido_pool *pool, lido_magazine *magazine) {
  if (magazine == NULL) return;
  lido_pool_core *core = lido_core_of(pool);
  if (magazine->core != core) {
    lido_misuse_report((lido_misuse){.kind = LIDO_MISUSE_WRONG_POOL,
                                     .pool = core->name,
                                     .other_pool = magazine->core->name,
                                     .address = magazine,
                                     .object = LIDO_NO_OBJECT});
    return;
  }
  int saved_errno = errno;
  bool refused = false;
  lido_core_sweep_if_needed(core); /* while the objects are still set aside */
  lido_pool_cache *cache =
      core->direct ? NULL : lido_thread_cache_reach(lido_pool_cache_of_thread(pool), core, &refused);
  if (refused) {
    errno = saved_errno;
    lido_report_wrong_thread(core, magazine);
    return;
  }
  lido_set_aside_end(core, magazine->items, magazine->count, LIDO_STATE_FREE);
  if (cache != NULL) {
    lido_thread_cache_accept_magazine(cache, magazine);
  } else {
    lido_core_put(core, magazine->items, magazine->count);
    lido_magazine_destroy(magazine);
  }
  errno = saved_errno;
}
