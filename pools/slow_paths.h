/* slow_paths.h: what the slow paths of alloc and free share. */
#ifndef LIDO_POOLS_SLOW_PATHS_H
#define LIDO_POOLS_SLOW_PATHS_H

#include "pools/pool_core.h"

/* The pool behind a cache, or behind what stands for a pool; makes a typed pool. NULL: errno. */
lido_pool_core *lido_core_reach(const lido_pool_cache *cache, lido_pool *pool);

/* The cache to work with: the given one, or the calling thread's, attached now. NULL: none can be
 * had; *refused: and the call must have no effect. */
lido_pool_cache *lido_thread_cache_reach(lido_pool_cache *cache, lido_pool_core *core, bool *refused);

/* Report a second thread on a single-thread pool; `address` is what it came with, or NULL. */
void lido_report_wrong_thread(const lido_pool_core *core, const void *address);

/* Report a free object that is live, and so was freed twice. */
void lido_report_double(const lido_pool_core *core, const void *object);

/* A free object becomes live. false: its state says that it is live already, which is reported; it is nobody's then. */
bool lido_hand_out(const lido_pool_core *core, void *object);

/* One object from the slabs, live, within max_objects unless `beyond_limit`. NULL: errno, *limited if it was met. */
void *lido_take_one(lido_pool_core *core, bool beyond_limit, bool *limited);

/* Name of what stands for a typed pool. */
const char *lido_typed_name(const lido_pool *pool);

/* What on_exhausted says, but for waiting. */
void *lido_alloc_exhausted(lido_pool_core *core);

/* A free object's state byte, when it is nobody's and nothing of the caller's either. */
void lido_core_set_state(const lido_pool_core *core, void *object, uint8_t state);

/* An object's state says SAMPLED: the sample goes, and it is plainly live. Any address. -> whether. (free_slow.c) */
bool lido_core_unsample(const lido_pool_core *core, const void *object);

/* Passthrough pools. */
bool lido_passthrough_is_default(void);
void *lido_passthrough_alloc(lido_pool_core *core);
void lido_passthrough_free(lido_pool_core *core, void *object);

#endif
