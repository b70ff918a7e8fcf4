/* magazine_growth.h: how large a cache's next magazine is.
 *
 * Idea: a cache begins with the smallest magazine, and each exchange doubles it up to the pool's target, so that a pool
 * touched once costs little. The target grows while threads find the depot's lock busy: fewer, larger exchanges
 * (Bonwick and Adams 2001). Who tunes the pool says the size, and then nothing grows by itself.
 * Threads: any. The target is atomic, and a hint: a lost update is no harm.
 * Failure: no memory for a larger magazine: the old one goes on.
 */
#ifndef LIDO_POOLS_MAGAZINE_GROWTH_H
#define LIDO_POOLS_MAGAZINE_GROWTH_H

#include "pools/pool_core.h"

/* Objects that the magazine after one of `capacity` shall hold. */
uint32_t lido_magazine_next_capacity(const lido_pool_core *core, uint32_t capacity);

/* A magazine of that capacity in place of `old`, which is empty; or `old`, if it is one or there is no memory. */
lido_magazine *lido_magazine_exchanged(lido_pool_core *core, lido_magazine *old, uint32_t capacity);

/* Raise the target if the depot's lock was found busy since `contention_seen`. -> what has been seen now. */
uint32_t lido_magazine_learn(lido_pool_core *core, uint32_t contention_seen);

#endif
