/* set_aside.h: free objects that are in no slab, cache or depot, because somebody was promised them. */
#ifndef LIDO_POOLS_SET_ASIDE_H
#define LIDO_POOLS_SET_ASIDE_H

#include "pools/pool_core.h"

void lido_set_aside(lido_pool_core *core, void *const *objects, size_t count);

/* They are so no longer; their state is now `state`. */
void lido_set_aside_end(lido_pool_core *core, void *const *objects, size_t count, uint8_t state);

#endif
