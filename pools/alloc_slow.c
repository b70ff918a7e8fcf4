/* alloc_slow.c: an alloc that the inlined path could not serve.
 *
 * In order: attach a cache, do what others asked for, refill (other magazine, depot, slabs, new
 * slab), and when max_objects is met what the options say. Without a cache, direct.c.
 */
#include <errno.h>

#include "lib/base/atomic.h"
#include "lib/base/misuse_report.h"
#include "pools/pool_samples.h"
#include "pools/slow_paths.h"
#include "pools/thread_cache.h"
#include "pools/tool_notes.h"

static lido_pool_core *core_behind(const lido_pool_cache *cache, lido_pool *pool) {
  if (cache->rest != NULL) return cache->rest->core;
  if (pool->number != LIDO_NUMBER_TYPED) return lido_core_of(pool);
  lido_pool *made = lido_typed_pool_get((lido_typed_pool *)pool); /* face is its first member */
  return made != NULL ? lido_core_of(made) : NULL;
}

lido_pool_core *lido_core_reach(const lido_pool_cache *cache, lido_pool *pool) {
  lido_pool_core *core = core_behind(cache, pool);
  if (core != NULL) lido_core_sweep_if_needed(core);
  return core;
}

lido_pool_cache *lido_thread_cache_reach(lido_pool_cache *cache, lido_pool_core *core, bool *refused) {
  *refused = false;
  if (cache->rest != NULL) return lido_thread_cache_has_magazines(cache) ? cache : NULL;
  return lido_thread_cache_attach(core, cache == &lido_thread_cache_none ? NULL : cache, refused);
}

void lido_report_wrong_thread(const lido_pool_core *core, const void *address) {
  lido_misuse_report((lido_misuse){
      .kind = LIDO_MISUSE_WRONG_THREAD, .pool = core->name, .address = address, .object = LIDO_NO_OBJECT});
}

/* One object beyond max_objects. */
static void *alloc_fallback(lido_pool_core *core) {
  bool limited = false;
  void *object = lido_take_one(core, true, &limited);
  lido_slab_lists_lock(&core->slabs);
  core->fallbacks += object != NULL;
  lido_slab_lists_unlock(&core->slabs);
  return object;
}

void *lido_alloc_exhausted(lido_pool_core *core) {
  lido_slab_lists_lock(&core->slabs);
  core->exhausted++;
  lido_slab_lists_unlock(&core->slabs);
  lido_thread_cache_ask_flush(core);
  if (core->options.on_exhausted == LIDO_EXHAUSTED_FALLBACK) return alloc_fallback(core);
  errno = ENOMEM;
  return NULL;
}

static void *alloc_from_cache(lido_pool_cache *cache, lido_pool *pool, lido_pool_core *core) {
  bool limited = false;
  if (lido_thread_cache_refill(cache, &limited)) return lido_thread_cache_alloc(cache, pool);
  if (limited && lido_handles_collect(core)) return lido_thread_cache_alloc(cache, pool);
  return limited ? lido_alloc_exhausted(core) : NULL;
}

/* Objects may be hidden from the inlined path, so that it comes here for one of them. */
static void *alloc_watched(lido_pool_cache *cache, lido_pool *pool, lido_pool_core *core, const void *caller) {
  lido_sampling_before_alloc(cache);
  int64_t before = lido_thread_cache_allocs(cache->rest);
  void *object = cache->count != 0 ? lido_thread_cache_alloc(cache, pool) : alloc_from_cache(cache, pool, core);
  if (object == NULL) {
    lido_sampling_visit(cache);
  } else if (lido_thread_cache_allocs(cache->rest) != before) {
    lido_sampling_after_alloc(cache, object, caller);
  } else { /* beyond max_objects */
    lido_sampling_visit(cache);
    lido_sampling_alone(core, object, caller);
  }
  return object;
}

static void *alloc_with_cache(lido_pool_cache *cache, lido_pool *pool, lido_pool_core *core, const void *caller) {
  lido_thread_cache_honour(cache);
  if (LIDO_UNLIKELY(lido_thread_cache_is_watched(cache->rest))) return alloc_watched(cache, pool, core, caller);
  return alloc_from_cache(cache, pool, core);
}

/* Past the caches. */
static void *alloc_alone(lido_pool_core *core, const void *caller) {
  void *object = lido_direct_alloc(core);
  if (LIDO_UNLIKELY(lido_heap_run_now() != 0) && object != NULL) lido_sampling_alone(core, object, caller);
  return object;
}

static void *alloc_somehow(lido_pool_cache *cache, lido_pool *pool, const void *caller) {
  lido_pool_core *core = lido_core_reach(cache, pool);
  if (core == NULL) return NULL;
  if (core->direct) return alloc_alone(core, caller);
  bool refused = false;
  cache = lido_thread_cache_reach(cache, core, &refused);
  if (cache != NULL) return alloc_with_cache(cache, pool, core, caller);
  if (!refused) return alloc_alone(core, caller);
  lido_report_wrong_thread(core, NULL);
  errno = EPERM;
  return NULL;
}

void *lido_alloc_slow(lido_pool_cache *cache, lido_pool *pool) {
  int saved_errno = errno;
  void *object = alloc_somehow(cache, pool, __builtin_return_address(0));
  if (object != NULL) errno = saved_errno; /* whatever was tried on the way, and whatever construct left */
  return object;
}

void *lido_alloc_corrupt(lido_pool_cache *cache, lido_pool *pool, void *object) {
  lido_report_double(cache->rest->core, object);
  return lido_thread_cache_alloc(cache, pool); /* that one is out of the magazine: take the next */
}
