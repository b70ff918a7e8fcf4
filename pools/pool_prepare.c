/* pool_prepare.c: empty slabs with memory behind every page, before somebody needs them.
 *
 * The pages are brought without a lock. A slab that is in the lists can't go back meanwhile, because this announces
 * itself as a walk does (slab_lists.h); others may take objects of it and write to them, which lido_os_pages_populate()
 * allows. Once ready, a slab is ready until it goes back: nothing takes pages from a slab.
 * A call adds no more slabs than are wanted in all: each may bring a budget's soft limit to have the pool trimmed, and
 * the others with it.
 */
#include <errno.h>

#include "pools/pool_core.h"

enum { AT_ONCE = 64 };

bool lido_core_populate(lido_pool_core *core, const lido_slab *slab) {
  return lido_os_pages_populate((void *)slab->units, core->geometry.slab_bytes);
}

static size_t wanted_slabs(const lido_pool_core *core) {
  size_t slab_bytes = core->geometry.slab_bytes;
  return (lido_tuned_ready(core) + slab_bytes - 1) / slab_bytes;
}

/* Called with the slabs' lock held. Some empty slabs that are not ready, as many as are wanted. -> how many. */
static size_t pick_locked(const lido_slab_lists *lists, size_t wanted, lido_slab **picked) {
  size_t most = wanted > lists->ready_slabs ? wanted - lists->ready_slabs : 0;
  size_t count = 0;
  for (lido_slab *slab = lists->bins[LIDO_BIN_EMPTY]; slab != NULL && count < most && count < AT_ONCE;
       slab = slab->next)
    if (!slab->ready) picked[count++] = slab;
  return count;
}

/* -> how many of them are ready now, the first ones. */
static size_t make_ready(lido_pool_core *core, lido_slab **picked, size_t count) {
  size_t done = 0;
  while (done < count && lido_core_populate(core, picked[done])) done++;
  lido_slab_lists_lock(&core->slabs);
  for (size_t i = 0; i < done; i++) lido_slab_lists_ready(&core->slabs, picked[i]);
  lido_slab_lists_unlock(&core->slabs);
  return done;
}

static void change_walkers(lido_pool_core *core, int by) {
  lido_slab_lists_lock(&core->slabs);
  core->slabs.walkers += (unsigned)by;
  lido_slab_lists_unlock(&core->slabs);
}

/* -> how many of the pool's empty slabs have become ready; *enough: no memory was wanting. */
static size_t prepare_old(lido_pool_core *core, size_t wanted, bool *enough) {
  lido_slab *picked[AT_ONCE];
  size_t prepared = 0;
  size_t count = 0;
  change_walkers(core, 1);
  do {
    lido_slab_lists_lock(&core->slabs);
    count = pick_locked(&core->slabs, wanted, picked);
    lido_slab_lists_unlock(&core->slabs);
    size_t done = make_ready(core, picked, count);
    *enough = done == count;
    prepared += done;
  } while (count != 0 && *enough);
  change_walkers(core, -1);
  return prepared;
}

static bool wants_more(lido_pool_core *core, size_t wanted) {
  size_t most = core->options.max_objects != 0 ? core->options.max_objects : SIZE_MAX;
  lido_slab_lists_lock(&core->slabs);
  bool more = core->slabs.ready_slabs < wanted && core->slabs.objects < most;
  lido_slab_lists_unlock(&core->slabs);
  return more;
}

size_t lido_pool_prepare(lido_pool *pool) {
  lido_pool_core *core = lido_core_of(pool);
  if (core->passthrough) return 0;
  int saved_errno = errno;
  lido_core_sweep_if_needed(core);
  size_t wanted = wanted_slabs(core);
  bool enough = true;
  size_t slabs = prepare_old(core, wanted, &enough);
  if (!enough) errno = ENOMEM;
  for (size_t added = 0; enough && added < wanted && wants_more(core, wanted); added++) {
    enough = lido_core_add_ready(core);
    slabs += enough;
  }
  if (enough) errno = saved_errno;
  return slabs * core->geometry.slab_bytes;
}
