/* lido/inline/pool_checked_inline.h: alloc and free of one cache, with the checks of the default build.
 *
 * What is proved at each free, before anything is written: the address lies in a slab of this pool
 * (address map), on an object's start (granule mask, state byte) and the object is live (state byte).
 * The byte that proves it is the byte that the free then writes.
 */
#ifndef LIDO_INLINE_POOL_CHECKED_INLINE_H
#define LIDO_INLINE_POOL_CHECKED_INLINE_H

#include "lido/inline/pool_inline.h"

LIDO_BEGIN

/* Live to free, in the name of `claim`; false if the object was not live. */
LIDO_FAST bool lido_state_claim(uint8_t *state, uint8_t claim) {
#if LIDO_CHECKS == LIDO_CHECKS_FULL
  uint8_t live = LIDO_STATE_LIVE;
  return __atomic_compare_exchange_n(state, &live, claim, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
#else
  /* RELAXED: the byte is this thread's while it frees the object, as the object itself is. Two threads
   * that free it at once both pass, but the claim written last wins; it would take two allocs in the
   * same moment as well to hand it out twice (tests/interleavings/hot_slot_test.c). */
  if (LIDO_UNLIKELY(lido_load_relaxed(state) != LIDO_STATE_LIVE)) return false;
  lido_store_relaxed(state, claim);
  return true;
#endif
}

/* The hot slot is empty: take the newest object of the magazine. */
LIDO_FAST void *lido_thread_cache_pop(lido_pool_cache *cache, lido_pool *pool) {
  uint32_t count = cache->count;
  if (LIDO_UNLIKELY(count == 0)) return lido_alloc_slow(cache, pool);
  void *object = cache->items[count - 1];
  /* RELAXED: only statistics of other threads look on. */
  lido_store_relaxed(&cache->count, count - 1);
  uint8_t *state = lido_state_of(cache, (uintptr_t)object);
  if (LIDO_UNLIKELY(lido_load_relaxed(state) <= LIDO_STATE_SAMPLED)) return lido_alloc_corrupt(cache, pool, object);
  lido_store_relaxed(state, LIDO_STATE_LIVE);
  return lido_note_alloc(cache, object);
}

/* The hot object, if there is one. */
LIDO_FAST bool lido_cache_alloc_hot(lido_pool_cache *cache, void **object) {
  uint8_t *state = cache->hot_state;
  /* RELAXED: the byte equals this cache's claim only if this thread wrote it last. */
  if (LIDO_UNLIKELY(lido_load_relaxed(state) != cache->claim)) return false;
  lido_store_relaxed(state, LIDO_STATE_LIVE);
  *object = lido_note_alloc(cache, cache->hot);
  return true;
}

/* Make `object`, just claimed, hot; what was hot, if it still is ours, moves to the magazine. */
LIDO_FAST void lido_cache_push(lido_pool_cache *cache, void *object, uint8_t *state, uint8_t claim) {
  void *old = cache->hot;
  bool demote = lido_load_relaxed(cache->hot_state) == claim;
  /* RELEASE cache.hot: the look at the old state byte is over when a trim sees the new object and
   * may unmap the old one's region. */
  lido_store_release(&cache->hot, object);
  cache->hot_state = state;
  lido_count_owned(&cache->frees);
  if (!demote) return;
  uint32_t count = cache->count;
  if (LIDO_UNLIKELY(count == cache->capacity)) {
    lido_thread_cache_overflow(cache, old);
    return;
  }
  cache->items[count] = old;
  lido_store_relaxed(&cache->count, count + 1); /* RELAXED: as in pop */
}

/* The object that was hot last comes back. It needs no look-up: its address was proved when it became hot. */
LIDO_FAST bool lido_cache_free_hot(lido_pool_cache *cache, void *object) {
  if (LIDO_UNLIKELY(object != cache->hot || !lido_state_claim(cache->hot_state, cache->claim))) return false;
  lido_note_free(cache, object);
  lido_count_owned(&cache->frees);
  return true;
}

/* Any other object. */
LIDO_FAST void lido_thread_cache_free_cold(lido_pool_cache *cache, lido_pool *pool, void *object) {
  uintptr_t address = (uintptr_t)object;
  /* RELAXED: whoever changed the owner wants some later free to come by, this one or the next. */
  if (LIDO_UNLIKELY(lido_map_owner(address) != lido_load_relaxed(&cache->owner)) ||
      LIDO_UNLIKELY(address & cache->granule_mask)) {
    lido_free_slow(cache, pool, object);
    return;
  }
  uint8_t *state = lido_state_of(cache, address);
  uint8_t claim = cache->claim;
  if (LIDO_UNLIKELY(!lido_state_claim(state, claim))) {
    lido_free_slow(cache, pool, object);
    return;
  }
  lido_note_free(cache, object);
  lido_cache_push(cache, object, state, claim);
}

LIDO_END

#endif
