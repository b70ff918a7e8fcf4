/* pool.c: the life of a pool. See pool_core.h for what it is.
 *
 * Creation in the order of what can fail: options, geometry, the core, the number, the preallocated
 * slabs. The end takes every thread's cache of the pool away under the registry's lock; the caller
 * promises that no thread is using it.
 */
#include "lido/pool.h"

#include <errno.h>
#include <string.h>

#include "lib/base/atomic.h"
#include "lib/base/bits.h"
#include "lib/base/tool_memory.h"
#include "lib/mem/budgets.h"
#include "lib/mem/heap_samples.h"
#include "lib/mem/region.h"
#include "pools/registry.h"
#include "pools/slow_paths.h"
#include "pools/thread_cache.h"
#include "pools/tool_notes.h"

enum {
  KNOWN_FLAGS = LIDO_POOL_ZERO | LIDO_POOL_SINGLE_THREAD | LIDO_POOL_SPREAD | LIDO_POOL_HUGE_PAGES |
                LIDO_POOL_PASSTHROUGH | LIDO_POOL_HANDLES_53 | LIDO_POOL_GUARDED | LIDO_POOL_POPULATE,
  GROWTH_FACTOR_MAX = 16,
  FIRST_CLAIM = LIDO_STATE_CLAIMS,
  CLAIMS = 256,
};

/* ---- Options ---- */

static bool sizes_are_valid(const lido_pool_options *o) {
  if (o->object_size == 0 || o->object_size > LIDO_OBJECT_BYTES_MAX) return false;
  if (o->align != 0 && (!lido_is_power_of_two(o->align) || o->align > LIDO_ALIGN_MAX)) return false;
  return o->max_objects == 0 || o->prealloc <= o->max_objects;
}

static bool handles_are_valid(const lido_pool_options *o) {
  unsigned handles = o->flags & LIDO_POOL_HANDLES_53;
  if (handles == 0) return o->cleanup_queue == NULL && (o->flags & LIDO_POOL_GUARDED) == 0;
  if (handles == (LIDO_POOL_HANDLES_53 & ~LIDO_POOL_HANDLES)) return false;
  bool strangers_end = (o->flags & LIDO_POOL_GUARDED) != 0; /* whoever looks at the readers finishes deaths */
  if (strangers_end && (o->flags & LIDO_POOL_SINGLE_THREAD) != 0) return false;
  return (o->flags & LIDO_POOL_PASSTHROUGH) == 0 && o->construct == NULL;
}

static bool options_are_valid(const lido_pool_options *o) {
  if (o == NULL || !sizes_are_valid(o) || !handles_are_valid(o)) return false;
  bool growth = o->growth_factor == 0 || (o->growth_factor >= 1 && o->growth_factor <= GROWTH_FACTOR_MAX); /* not NaN */
  bool flags = (o->flags & ~(unsigned)KNOWN_FLAGS) == 0;
  bool policy = (unsigned)o->on_exhausted <= LIDO_EXHAUSTED_WAIT;
  bool waits_alone = o->on_exhausted == LIDO_EXHAUSTED_WAIT && (o->flags & LIDO_POOL_SINGLE_THREAD) != 0;
  bool built_twice = o->construct != NULL && (o->flags & LIDO_POOL_ZERO) != 0;
  /* So many objects of that size can't be: a size that would wrap is a mistake, not a wish. */
  bool countable = o->prealloc <= PTRDIFF_MAX / LIDO_OBJECT_BYTES_MAX;
  return growth && flags && policy && !waits_alone && !built_twice && countable;
}

/* ---- Creation ---- */

static bool copy_name(lido_pool_core *core, const char *name) {
  if (name == NULL) name = "pool";
  size_t bytes = strlen(name) + 1;
  core->name = lido_metadata_alloc(lido_core_metadata(core), bytes);
  if (core->name == NULL) return false;
  memcpy(core->name, name, bytes);
  return true;
}

static void settle(lido_pool_core *core, const lido_pool_options *options) {
  bool locks = (options->flags & LIDO_POOL_SINGLE_THREAD) == 0;
  core->options = *options;
  core->one_thread = !locks;
  if (options->growth_factor == 0) core->options.growth_factor = 1;
  core->handles = (options->flags & LIDO_POOL_HANDLES) != 0;
  core->passthrough =
      (options->flags & LIDO_POOL_PASSTHROUGH) != 0 || (lido_passthrough_is_default() && !core->handles);
  core->valgrind = lido_tool_valgrind();
  core->direct = core->passthrough || core->valgrind || !core->geometry.cached;
  for (size_t claim = FIRST_CLAIM; claim < CLAIMS; claim++) core->free_claims[claim / 64] |= UINT64_C(1) << claim % 64;
  lido_depot_init(&core->depot, locks, 0);
  lido_slab_lists_init(&core->slabs, locks);
  lido_tuning_begin(core);
  lido_os_condition_init(&core->freed);
  lido_budget_hold(options->budget);
}

static void core_free(lido_pool_core *core) {
  lido_backing *backing = core->backing;
  lido_handles_over(core);
  lido_budget_let_go(core->options.budget);
  if (core->name != NULL) lido_metadata_free(&backing->metadata, core->name, strlen(core->name) + 1);
  lido_metadata_free(&backing->metadata, core, sizeof *core);
  lido_backing_pool_removed(backing);
}

static lido_pool_core *core_create(const lido_pool_options *options, lido_backing *backing) {
  lido_geometry geometry;
  lido_pool_core *core = NULL;
  lido_backing_pool_added(backing); /* first: a buffer without users forgets what granule was settled */
  bool in_buffer = backing->buffer != NULL;
  int error = in_buffer && (options->flags & LIDO_POOL_HANDLES) != 0 ? EINVAL : 0;
  if (error == 0) error = lido_geometry_make(options, backing, &geometry);
  if (error == 0) core = lido_metadata_alloc(&backing->metadata, sizeof *core);
  if (core == NULL) {
    lido_backing_pool_removed(backing);
    errno = error != 0 ? error : ENOMEM;
    return NULL;
  }
  core->backing = backing;
  core->geometry = geometry;
  settle(core, options);
  error = copy_name(core, options->name) ? lido_handles_begin(core) : ENOMEM;
  if (error == 0) return core;
  core_free(core);
  errno = error;
  return NULL;
}

lido_pool *lido_pool_create(const lido_pool_options *options) {
  if (!options_are_valid(options)) {
    errno = EINVAL;
    return NULL;
  }
  int saved_errno = errno;
  lido_backing *backing = options->backing != NULL ? options->backing : lido_backing_default();
  lido_pool_core *core = lido_fork_hooks_install() == 0 ? core_create(options, backing) : NULL;
  if (core == NULL) return NULL;
  int error = lido_registry_add(core);
  if (error == 0) {
    if (core->passthrough || lido_core_prealloc(core, options->prealloc)) {
      errno = saved_errno;
      return &core->face;
    }
    error = errno;
    lido_pool_destroy(&core->face);
  } else {
    core_free(core);
  }
  errno = error;
  return NULL;
}

/* ---- End ---- */

static void destroy_slabs(lido_pool_core *core) {
  while (core->slabs.newest != NULL) {
    lido_slab *slab = core->slabs.newest;
    lido_slab_lists_remove(&core->slabs, slab);
    lido_slab_destroy(slab);
  }
}

/* All caches go, no address leads to the pool any more, and only then its number may be another's. */
static void unregister(lido_pool_core *core) {
  lido_registry_lock();
  while (core->caches != NULL) lido_thread_cache_detach_locked(core->caches, LIDO_DETACH_LIVING);
  lido_core_drain_depot(core); /* while the objects' slabs can be found */
  for (lido_slab *slab = core->slabs.newest; slab != NULL; slab = slab->older) lido_slab_hide(slab);
  lido_registry_remove_locked(core);
  lido_registry_unlock();
}

size_t lido_pool_destroy(lido_pool *pool) {
  if (pool == NULL) return 0;
  lido_pool_core *core = lido_core_of(pool);
  int saved_errno = errno;
  lido_core_sweep_if_needed(core);
  size_t were_live = core->handles ? lido_handles_end(core) : 0;
  if (were_live == SIZE_MAX) return 0;
  unregister(core);
  /* RELAXED, twice: nobody else is here. */
  if (lido_load_relaxed(&core->samples) != 0) lido_heap_forget_all_of(&core->samples);
  size_t live = lido_slab_lists_taken(&core->slabs) - lido_load_relaxed(&core->set_aside) +
                lido_load_relaxed(&core->passthrough_live);
  if (core->handles) live = were_live;
  lido_tuning_end(core);
  /* RELEASE typed.pool: the next use makes a new one. */
  if (core->typed != NULL) lido_store_release(&core->typed->pool, NULL);
  destroy_slabs(core);
  lido_os_condition_end(&core->freed);
  lido_lock_end(&core->depot.lock);
  lido_lock_end(&core->slabs.lock);
  core_free(core);
  lido_metadata_trim(lido_metadata_system());
  errno = saved_errno;
  return live;
}

const char *lido_pool_name(const lido_pool *pool) { return lido_core_of(pool)->name; }
