/* pool_uses.c: see pool_uses.h.
 *
 * Pools come and go, so nobody may walk over them without the registry's lock, and no visitor may be called under it.
 * So what is asked for is copied under the lock, and visited afterwards. Room for the copy is made without the lock,
 * and again if more pools came meanwhile.
 */
#include "pools/pool_uses.h"

#include <errno.h>
#include <string.h>

#include "lib/base/atomic.h"
#include "pools/registry.h"
#include "pools/thread_cache.h"

static size_t live_locked(lido_pool_core *core) {
  size_t held = lido_depot_objects(&core->depot) + lido_load_relaxed(&core->set_aside); /* RELAXED: statistic */
  for (const lido_thread_cache_rest *rest = core->caches; rest != NULL; rest = rest->pool_next) {
    held += lido_thread_cache_objects(rest);
  }
  lido_slab_lists_lock(&core->slabs);
  size_t taken =
      lido_slab_lists_taken(&core->slabs) + lido_load_relaxed(&core->passthrough_live); /* RELAXED: statistic */
  lido_slab_lists_unlock(&core->slabs);
  return taken > held ? taken - held : 0; /* other threads move objects while we count */
}

/* A pool of one thread has no locks; what is live in it only that thread can tell. */
static bool may_be_asked(const lido_pool_core *core) { return core->slabs.locks || lido_core_is_only_thread(core); }

static void copy_locked(lido_pool_core *core, lido_pool_use *out) {
  memset(out->name, 0, sizeof out->name);
  strncpy(out->name, core->name, sizeof out->name - 1);
  if (may_be_asked(core)) lido_core_sweep_locked(core);
  out->live = may_be_asked(core) ? live_locked(core) : 0;
  out->bytes_live = out->live * core->geometry.stride;
}

/* -> how many pools there are; the first `room` of them are copied. */
static size_t copy(lido_pool_use *uses, size_t room) {
  size_t count = 0;
  lido_registry_lock();
  for (lido_pool_core *core = lido_registry_first_locked(); core != NULL; core = core->next, count++) {
    if (count < room) copy_locked(core, &uses[count]);
  }
  lido_registry_unlock();
  return count;
}

void lido_pool_uses_free(lido_pool_uses *uses) {
  lido_metadata_free(lido_metadata_system(), uses->items, uses->room * sizeof *uses->items);
  *uses = (lido_pool_uses){.count = 0};
}

int lido_pool_uses_copy(lido_pool_uses *uses) {
  *uses = (lido_pool_uses){.count = 0};
  int saved_errno = errno;
  size_t count = copy(NULL, 0);
  while (count > uses->room) {
    lido_pool_uses_free(uses);
    size_t room = count + count / 8;
    uses->items = lido_metadata_take(lido_metadata_system(), room * sizeof *uses->items);
    errno = saved_errno;
    if (uses->items == NULL) return ENOMEM;
    uses->room = room;
    count = copy(uses->items, room);
  }
  uses->count = count;
  return 0;
}

int lido_pools_each(bool (*visit)(const lido_pool_use *use, void *arg), void *arg) {
  lido_pool_uses uses;
  int error = lido_pool_uses_copy(&uses);
  if (error != 0) return error;
  for (size_t i = 0; i < uses.count && visit(&uses.items[i], arg); i++) {}
  lido_pool_uses_free(&uses);
  return 0;
}
