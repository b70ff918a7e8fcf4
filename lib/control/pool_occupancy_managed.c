/* pool_occupancy_managed.c: how full the slabs of a pool are, for who knows only its name. The pool is held meanwhile,
 * as by a pass (manager_core.h). */
#include <errno.h>

#include "lib/control/manager_core.h"

static int look(lido_pool *pool, lido_slab_use *out, size_t count, size_t *slabs) {
  if (!lido_pool_is_trimmable(pool)) return ENOTSUP; /* its slabs have no lock */
  *slabs = lido_pool_occupancy(pool, out, count);
  return 0;
}

int lido_manager_pool_occupancy(lido_manager *manager, const char *name, lido_slab_use *out, size_t count,
                                size_t *slabs) {
  lido_member *member = lido_members_hold(manager, LIDO_KIND_POOL, name);
  if (member == NULL) return ENOENT;
  int error = look(member->object, out, count, slabs);
  lido_members_let_go(manager, member);
  return error;
}
