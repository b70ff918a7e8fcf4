/* magazine.h: an array of pointers to free objects, the unit in which threads trade.
 *
 * A magazine carries its own capacity, so that small and large ones of one pool live side by side
 * and a change of size never empties any. While it is loaded in a cache, the cache counts its
 * objects; the count here is then stale. Storage comes in powers of two from metadata: 64 bytes
 * hold 4 objects, 128 bytes 12, ... 2 KiB 252.
 * Threads: whoever holds it.
 */
#ifndef LIDO_POOLS_MAGAZINE_H
#define LIDO_POOLS_MAGAZINE_H

#include "lib/mem/metadata.h"
#include "lido/pool.h"

typedef struct lido_pool_core lido_pool_core;

struct lido_magazine {
  lido_magazine *next; /* in the depot */
  lido_pool_core *core;
  uint32_t count;
  uint32_t capacity;
  uint32_t storage; /* bytes */
  void *items[];
};

/* An empty magazine for at least one object and at most `capacity`; as many as fit the storage's
 * size. NULL: ENOMEM. */
lido_magazine *lido_magazine_create(lido_pool_core *core, uint32_t capacity);

/* pre: its objects are elsewhere. NULL is ignored. */
void lido_magazine_destroy(lido_magazine *magazine);

#endif
