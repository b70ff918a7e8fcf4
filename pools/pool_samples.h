/* pool_samples.h: which objects of pools are samples of the heap profile (lib/mem/heap_samples.h).
 *
 * Idea: the inlined paths know nothing of it. Each visit of a slow path tells, by C6 of thread_cache.h, how many
 * objects were allocated through the cache since the last one; so many bytes are counted down. Near its end the
 * magazine is shown to the inlined path only in part, so that the very alloc that is due finds nothing and comes to the
 * slow path. When the turn has passed unseen, because objects came from the hot slot again and again, each call is made
 * to come there for a while, and one of the next sixteen allocs is the sample. A live sample's state byte says SAMPLED,
 * which the inlined free does not know: the object comes to the slow path once more, there the sample is dropped, and
 * the free goes on as usual. The same byte brings in a thread that never leaves its hot slot: whoever wants to see it
 * marks the object, without a sample behind it (lido_pools_nudge).
 * Invariants
 *   G1  an object that is a sample is SAMPLED or HELD, but for the moments of alloc, free and death.
 *   G2  SAMPLED alone means nothing but that its free comes to the slow path. A mark may hit an object in whosever
 *       hands, since a cache remembers as hot what is another's by now.
 *   G3  objects are hidden, or each call wanted, only in a cache that is watched; such a cache stays watched until a
 *       visit finds the profile off and shows all again.
 * Threads: a cache's countdown is its owner's. Objects that come past the caches are counted in the pool, atomically;
 * of samples taken there at once, one may stand for all objects so far, and another for none.
 * Passthrough pools have no state bytes: each free looks the address up while the pool has samples.
 * Failure: a sample that comes to nothing leaves its weight for the next.
 * Proof: of marks, tests/interleavings/hot_slot_test.c.
 * Not done: counting the inlined allocs one by one, which would cost each of them; a nudge that does nothing but
 * withdraw the cache's owner, as a flush does: a free of the hot object does not look at the owner. A free a few cycles
 * after its alloc may still miss the mark, since a processor reads its own last write before others' (store
 * forwarding); the next nudge tries again.
 */
#ifndef LIDO_POOLS_POOL_SAMPLES_H
#define LIDO_POOLS_POOL_SAMPLES_H

#include "lib/mem/heap_samples.h"
#include "pools/thread_cache.h"

/* While it is on, and the next sample is far: no attention is needed. Most visits end here, and by the first question:
 * what came into the cache, whether it is still there or not. */
static inline bool lido_sampling_is_calm(const lido_thread_cache_rest *rest, uint32_t run) {
  const lido_sampling *s = &rest->sampling;
  if (s->run != run) return false;
  return rest->moved + (int64_t)rest->cache->frees < s->calm_until || lido_thread_cache_allocs(rest) < s->calm_until;
}

/* The one question of slow paths while the profile is off: does it want attention? */
static inline bool lido_thread_cache_is_watched(const lido_thread_cache_rest *rest) {
  uint32_t run = LIDO_CHECKS != LIDO_CHECKS_NONE ? lido_heap_run_now() : 0;
  if (LIDO_LIKELY((run | rest->sampling.run) == 0)) return false;
  return !lido_sampling_is_calm(rest, run);
}

/* The slow path is about to take an object from the cache, which is watched: it shows all it has. */
void lido_sampling_before_alloc(lido_pool_cache *cache);

/* The cache has just given out `object` at the slow path, and is watched. It may become a sample. No lock is held. */
void lido_sampling_after_alloc(lido_pool_cache *cache, void *object, const void *caller);

/* A slow path other than alloc is done with a watched cache. No lock is held. */
void lido_sampling_visit(lido_pool_cache *cache);

/* The cache goes: what it counted and no sample stands for is left to the pool. */
void lido_sampling_end(lido_thread_cache_rest *rest);

/* An object came past the caches. No lock is held. */
void lido_sampling_alone(lido_pool_core *core, void *object, const void *caller);

/* Ask caches to come by that gave back more than the profile's mean since their last visit; or with `all`, each. -> how
 * many. */
size_t lido_pools_nudge(bool all);

#endif
