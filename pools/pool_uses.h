/* pool_uses.h: what is live, in all pools at once. */
#ifndef LIDO_POOLS_POOL_USES_H
#define LIDO_POOLS_POOL_USES_H

#include "lido/pool.h"

typedef struct lido_pool_uses {
  lido_pool_use *items;
  size_t count;
  size_t room;
} lido_pool_uses;

/* One for each pool there is. 0, or ENOMEM. */
int lido_pool_uses_copy(lido_pool_uses *uses);
void lido_pool_uses_free(lido_pool_uses *uses);

#endif
