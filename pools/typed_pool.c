/* typed_pool.c: pools that LIDO_POOL_DEFINE describes, made at their first use.
 *
 * Threads: any; creation is serialized by a lock of its own, so that two first uses make one pool.
 */
#include <errno.h>

#include "lib/base/atomic.h"
#include "lib/base/bits.h"
#include "pools/slow_paths.h"

static lido_lock creation_lock = LIDO_LOCK_INITIAL(LIDO_RANK_CREATION);

static lido_pool *create_locked(lido_typed_pool *typed) {
  lido_pool_options options = typed->options;
  size_t align = options.align != 0 ? options.align : LIDO_ALIGN_DEFAULT;
  options.align = lido_max(align, typed->type_align);
  lido_pool *pool = lido_pool_create(&options);
  if (pool != NULL) lido_core_of(pool)->typed = typed;
  return pool;
}

lido_pool *lido_typed_pool_get(lido_typed_pool *typed) {
  /* ACQUIRE typed.pool: the pool is seen complete. */
  lido_pool *pool = lido_load_acquire(&typed->pool);
  if (pool != NULL) return pool;
  lido_lock_take(&creation_lock);
  pool = typed->pool;
  if (pool == NULL) {
    pool = create_locked(typed);
    /* RELEASE typed.pool: what creation wrote comes before the pointer. */
    lido_store_release(&typed->pool, pool);
  }
  lido_lock_give(&creation_lock);
  return pool;
}

const char *lido_typed_name(const lido_pool *pool) { return ((const lido_typed_pool *)pool)->options.name; }

void lido_typed_lock_for_fork(void) { lido_lock_take_for_fork(&creation_lock); }
void lido_typed_unlock_after_fork(void) { lido_lock_give_after_fork(&creation_lock); }
