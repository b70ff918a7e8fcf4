/* pool_occupancy_managed.c: how full the slabs of a pool are, for who knows only its name. The pool is held meanwhile,
 * as by a pass (manager_core.h). Pools of a manager have locks, those of a single thread too.
 */
#include <errno.h>

#include "lib/control/manager_core.h"

typedef struct look {
  lido_manager *manager;
  const char *name;
  lido_slab_use *out;
  size_t count;
  size_t *slabs;
  int error;
} look;

static void take_look(void *argument) {
  look *l = argument;
  const lido_member *member = lido_members_hold(l->manager, LIDO_KIND_POOL, l->name);
  l->error = member != NULL ? 0 : ENOENT;
  if (member != NULL) *l->slabs = lido_pool_occupancy(member->object, l->out, l->count);
}

int lido_manager_pool_occupancy(lido_manager *manager, const char *name, lido_slab_use *out, size_t count,
                                size_t *slabs) {
  look l = {manager, name, out, count, slabs, 0};
  lido_members_call(manager, take_look, NULL, &l);
  return l.error;
}
