/* typed_pool.c: pools that LIDO_POOL_DEFINE describes, made at their first use.
 *
 * Threads: any. Two first uses at once both make a pool, and one of them wins; the other pool ends
 * before anyone saw it. A lock would be simpler to read, but construct is the program's code and
 * may itself use a typed pool.
 */
#include "lib/base/atomic.h"
#include "lib/base/bits.h"
#include "pools/slow_paths.h"

static lido_pool *create(lido_typed_pool *typed) {
  lido_pool_options options = typed->options;
  /* An alignment that is none stays what it is, to be refused. */
  if (options.align == 0) options.align = LIDO_ALIGN_DEFAULT;
  if (lido_is_power_of_two(options.align)) options.align = lido_max(options.align, typed->type_align);
  lido_pool *pool = lido_pool_create(&options);
  if (pool != NULL) lido_core_of(pool)->typed = typed;
  return pool;
}

static lido_pool *lose(lido_pool *pool) {
  lido_core_of(pool)->typed = NULL; /* its end is not the end of the typed pool */
  lido_pool_destroy(pool);
  return NULL;
}

lido_pool *lido_typed_pool_get(lido_typed_pool *typed) {
  /* ACQUIRE typed.pool: the pool is seen complete. */
  lido_pool *pool = lido_load_acquire(&typed->pool);
  while (pool == NULL) {
    lido_pool *made = create(typed);
    if (made == NULL) return NULL;
    lido_pool *none = NULL;
    /* RELEASE typed.pool: what creation wrote comes before the pointer. */
    pool = lido_cas_release(&typed->pool, &none, made) ? made : lose(made);
    /* ACQUIRE typed.pool: the winner's pool is seen complete. */
    if (pool == NULL) pool = lido_load_acquire(&typed->pool);
  }
  return pool;
}

const char *lido_typed_name(const lido_pool *pool) { return ((const lido_typed_pool *)pool)->options.name; }
