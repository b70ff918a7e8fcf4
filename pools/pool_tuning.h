/* pool_tuning.h: what of a pool can be changed while it is used.
 *
 * Idea: lido_pool_tune() stores what is asked, and each slow path reads the one knob it needs and what its zero means.
 * There is no lock between them and no order: the knobs are bounds and sizes of things that all carry their own size,
 * so that any mixture of old and new ones is right, as is one seen late.
 * Invariants
 *   T1  every knob is in its range, as lido/pool.h gives it.
 *   T2  the limit of the depot is what retain_bytes asks for.
 * Threads: any. Lock: REGISTRY for those who tune; single-thread pools, which have no locks of their own, are tuned by
 * others too. Readers: none, relaxed.
 * Failure: EINVAL, nothing changed.
 * Not done: giving back at once what a new bound leaves over; that is lido_pool_trim_to().
 */
#ifndef LIDO_POOLS_POOL_TUNING_H
#define LIDO_POOLS_POOL_TUNING_H

#include "pools/geometry.h"

typedef struct lido_pool_core lido_pool_core;

/* A pool begins, untuned. */
void lido_tuning_begin(lido_pool_core *core);

/* A pool ends: its slabs are purged at once. */
void lido_tuning_end(lido_pool_core *core);

/* Objects in its magazines, however large they are now; 0: not tuned. */
uint32_t lido_tuned_magazine(const lido_pool_core *core);

/* Objects that a refill of an empty magazine takes from the slabs. */
size_t lido_tuned_batch(const lido_pool_core *core, size_t capacity);

/* Bytes of empty slabs that may stay when so many bytes of slabs are in use. Half of them stays when there are more. */
size_t lido_tuned_keep(const lido_pool_core *core, size_t used_bytes);

/* Bytes of empty slabs that shall be ready. */
size_t lido_tuned_ready(const lido_pool_core *core);

/* Units of a slab go back to the backing, their pages as tuned. */
void lido_tuned_give(const lido_pool_core *core, lido_region *region, uintptr_t units);

/* NULL, or the invariant that does not hold. Called with the registry's lock held. */
const char *lido_tuning_check(const lido_pool_core *core);

#endif
