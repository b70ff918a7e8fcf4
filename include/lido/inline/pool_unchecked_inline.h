/* lido/inline/pool_unchecked_inline.h: alloc and free of one cache with LIDO_CHECKS=none. No state bytes: the
 * hot slot is full when `hot` is not NULL. For measuring what the checks cost.
 */
#ifndef LIDO_INLINE_POOL_UNCHECKED_INLINE_H
#define LIDO_INLINE_POOL_UNCHECKED_INLINE_H

#include "lido/inline/pool_inline.h"

LIDO_BEGIN

LIDO_FAST bool lido_cache_alloc_hot(lido_pool_cache *cache, void **object) {
  void *hot = cache->hot;
  if (LIDO_UNLIKELY(hot == NULL)) return false;
  lido_store_relaxed(&cache->hot, NULL); /* RELAXED: only statistics of other threads look on */
  *object = lido_note_alloc(cache, hot);
  return true;
}

LIDO_FAST void *lido_thread_cache_pop(lido_pool_cache *cache, lido_pool *pool) {
  uint32_t count = cache->count;
  if (LIDO_UNLIKELY(count == 0)) return lido_alloc_slow(cache, pool);
  lido_store_relaxed(&cache->count, count - 1); /* RELAXED: as above */
  return lido_note_alloc(cache, cache->items[count - 1]);
}

LIDO_FAST bool lido_cache_is_plain(const lido_pool_cache *cache, const void *object) {
  /* RELAXED: whoever changed the owner wants some later free to come by, this one or the next. */
  return lido_load_relaxed(&cache->owner) != LIDO_OWNER_NEVER && object != NULL;
}

LIDO_FAST bool lido_cache_free_hot(lido_pool_cache *cache, void *object) {
  if (cache->hot != NULL || LIDO_UNLIKELY(!lido_cache_is_plain(cache, object))) return false;
  lido_note_free(cache, object);
  lido_store_relaxed(&cache->hot, object); /* RELAXED: as above */
  lido_count_owned(&cache->frees);
  return true;
}

LIDO_FAST void lido_thread_cache_free_cold(lido_pool_cache *cache, lido_pool *pool, void *object) {
  if (LIDO_UNLIKELY(!lido_cache_is_plain(cache, object))) {
    lido_free_slow(cache, pool, object);
    return;
  }
  lido_note_free(cache, object);
  void *old = cache->hot;                  /* not NULL: else free_hot had done it */
  lido_store_relaxed(&cache->hot, object); /* RELAXED: as above */
  lido_count_owned(&cache->frees);
  uint32_t count = cache->count;
  if (LIDO_UNLIKELY(count == cache->capacity)) {
    lido_thread_cache_overflow(cache, old);
    return;
  }
  cache->items[count] = old;
  lido_store_relaxed(&cache->count, count + 1); /* RELAXED: as above */
}

LIDO_END

#endif
