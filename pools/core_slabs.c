/* core_slabs.c: between the caches of a pool and its slabs: take, put, grow, give back.
 *
 * Growth happens without a lock: a slab is built in private, user code included, and then added.
 * Two threads that find the pool dry at once may both add one; the limit counts objects handed out,
 * not slabs, so it holds all the same. Giving back takes the registry's lock first, for the list of
 * caches: a slab that some cache's hot slot still remembers is kept, since that cache may read the
 * object's state byte at any moment (P3).
 */
#include <errno.h>
#include <string.h>

#include "lib/base/atomic.h"
#include "lib/base/bitmap.h"
#include "pools/registry.h"
#include "pools/thread_cache.h"
#include "pools/tool_notes.h"

enum { GROWTH_SLABS_MAX = 64 };

/* ---- Places ---- */

uint8_t *lido_core_state_of(const lido_pool_core *core, uintptr_t address) {
  const lido_geometry *g = &core->geometry;
  return (uint8_t *)((address & g->region.mask) + g->region.bias + ((address & ~g->region.mask) >> g->shift));
}

lido_slab *lido_core_slab_of(const lido_pool_core *core, const void *object) {
  uintptr_t address = (uintptr_t)object;
  return lido_region_user(lido_region_of(core->backing, core->geometry.region.mask, address), address);
}

bool lido_core_contains(const lido_pool_core *core, uintptr_t address) {
  if (core->owner != LIDO_OWNER_NEVER) return lido_map_owner(address) == core->owner;
  const lido_region *region = core->backing->buffer_region;
  if (!lido_region_contains(region, address)) return false;
  const lido_slab *slab = lido_region_user(region, address);
  return slab != NULL && slab->core == core;
}

lido_place lido_core_find(const lido_pool_core *core, const void *address) {
  lido_place nowhere = {.slab = NULL, .index = LIDO_NO_OBJECT};
  if (!lido_core_contains(core, (uintptr_t)address)) return nowhere;
  lido_slab *slab = lido_core_slab_of(core, address);
  if (slab == NULL || (uintptr_t)address < slab->start) return nowhere;
  uintptr_t offset = (uintptr_t)address - slab->start;
  size_t index = offset / core->geometry.stride;
  if (index >= slab->objects) return nowhere;
  return (lido_place){.slab = slab, .index = index, .offset = offset % core->geometry.stride};
}

/* ---- Growth ---- */

static size_t slabs_to_add(lido_pool_core *core) {
  lido_slab_lists_lock(&core->slabs);
  double wanted = (double)core->slabs.slabs * (core->options.growth_factor - 1);
  lido_slab_lists_unlock(&core->slabs);
  if (wanted < 1) return 1;
  return wanted > GROWTH_SLABS_MAX ? GROWTH_SLABS_MAX : (size_t)wanted;
}

static void add_made(lido_pool_core *core, lido_slab *slab, bool ready) {
  lido_slab_lists_lock(&core->slabs);
  lido_slab_lists_add(&core->slabs, slab);
  if (ready) lido_slab_lists_ready(&core->slabs, slab);
  lido_slab_lists_unlock(&core->slabs);
}

static bool add_slab(lido_pool_core *core) {
  lido_slab *slab = lido_slab_create(core);
  if (slab != NULL) add_made(core, slab, false);
  return slab != NULL;
}

bool lido_core_add_ready(lido_pool_core *core) {
  lido_slab *slab = lido_slab_create(core);
  if (slab == NULL) return false;
  bool ready = lido_core_populate(core, slab);
  add_made(core, slab, ready);
  if (!ready) errno = ENOMEM;
  return ready;
}

/* At least one slab more, or errno. */
static bool grow(lido_pool_core *core) {
  size_t wanted = slabs_to_add(core);
  if (!add_slab(core)) return false;
  int saved_errno = errno;
  for (size_t added = 1; added < wanted && add_slab(core); added++) {}
  errno = saved_errno; /* fewer than wished for is no error */
  return true;
}

bool lido_core_prealloc(lido_pool_core *core, size_t objects) {
  bool populate = (core->options.flags & LIDO_POOL_POPULATE) != 0;
  while (core->slabs.objects < objects) {
    if (!(populate ? lido_core_add_ready(core) : add_slab(core))) return false;
  }
  return true;
}

/* ---- Take and put ---- */

/* Called with the slabs' lock held. How many objects max_objects still allows. */
static size_t allowance_locked(const lido_pool_core *core) {
  size_t taken = lido_slab_lists_taken(&core->slabs);
  if (core->options.max_objects == 0) return SIZE_MAX;
  return core->options.max_objects > taken ? core->options.max_objects - taken : 0;
}

static size_t take_some(lido_pool_core *core, unsigned stripe, void **objects, size_t count, bool beyond_limit,
                        lido_take *how) {
  lido_slab_lists_lock(&core->slabs);
  size_t allowed = beyond_limit ? count : lido_min(count, allowance_locked(core));
  how->limited = allowed == 0;
  size_t taken = lido_slab_lists_take(&core->slabs, &core->geometry, stripe, objects, allowed);
  lido_slab_lists_unlock(&core->slabs);
  return taken;
}

size_t lido_core_take(lido_pool_core *core, unsigned stripe, void **objects, size_t count, bool beyond_limit,
                      lido_take *how) {
  how->grew = false;
  for (;;) {
    lido_core_sweep_if_needed(core); /* at each turn: construct may have forked */
    size_t taken = take_some(core, stripe, objects, count, beyond_limit, how);
    if (taken != 0) return taken;
    if (how->limited) {
      errno = ENOMEM;
      return 0;
    }
    if (!grow(core)) return 0;
    how->grew = true;
  }
}

static void report_twice(const lido_pool_core *core, const void *object) {
  lido_registry_report((lido_misuse){.kind = LIDO_MISUSE_CORRUPTION,
                                     .pool = core->name,
                                     .address = object,
                                     .object = lido_core_find(core, object).index});
}

void lido_core_put(lido_pool_core *core, void *const *objects, size_t count) {
  const void *twice = NULL;
  lido_slab_lists_lock(&core->slabs);
  for (size_t i = 0; i < count; i++) {
    lido_slab *slab = lido_core_slab_of(core, objects[i]);
    if (!lido_slab_lists_put(&core->slabs, &core->geometry, slab, objects[i])) twice = objects[i];
  }
  if (core->waiters != 0) lido_os_condition_wake_all(&core->freed);
  lido_slab_lists_unlock(&core->slabs);
  if (LIDO_UNLIKELY(twice != NULL)) report_twice(core, twice);
}

void lido_core_drain_depot(lido_pool_core *core) {
  lido_magazine *next = NULL;
  for (lido_magazine *magazine = lido_depot_take_all(&core->depot); magazine != NULL; magazine = next) {
    next = magazine->next;
    lido_core_put(core, magazine->items, magazine->count);
    lido_magazine_destroy(magazine);
  }
}

/* ---- Giving back ---- */

/* Called with the registry's and the slabs' locks held. Threads change their hot objects meanwhile, so pins of the last
 * time are not taken back one by one: they are of another round. */
static void pin_hot_slabs(lido_pool_core *core) {
  core->slabs.pin_round++;
  for (const lido_thread_cache_rest *rest = core->caches; rest != NULL; rest = rest->pool_next) {
    /* ACQUIRE cache.hot: a cache that shows a newer object has done with the older one's state byte. */
    const void *hot = lido_load_acquire(&rest->cache->hot);
    lido_slab *slab = hot != NULL ? lido_core_slab_of(core, hot) : NULL;
    if (slab != NULL) slab->pinned_in = core->slabs.pin_round;
  }
}

/* Called with the slabs' lock held. Slabs of a bin out of the lists, linked by next, before those `collected`
 * already. */
static lido_slab *collect_locked(lido_pool_core *core, unsigned bin, size_t keep_bytes, lido_slab *collected) {
  lido_slab *next = NULL;
  lido_slab_lists *lists = &core->slabs;
  for (lido_slab *slab = lists->bins[bin]; slab != NULL; slab = next) {
    next = slab->next;
    if (lido_slab_lists_empty(lists) * core->geometry.slab_bytes <= keep_bytes) break;
    if (slab->pinned_in == lists->pin_round) continue;
    lido_slab_lists_remove(lists, slab);
    lido_slab_hide(slab);
    slab->next = collected;
    collected = slab;
  }
  return collected;
}

/* Whether there is anything to give back, before the lock of all is taken. */
static bool has_surplus(lido_pool_core *core, size_t keep_bytes) {
  lido_slab_lists_lock(&core->slabs);
  bool surplus = lido_slab_lists_surplus(&core->slabs, core->geometry.slab_bytes, keep_bytes) != 0;
  lido_slab_lists_unlock(&core->slabs);
  return surplus;
}

size_t lido_core_release_slabs(lido_pool_core *core, size_t keep_bytes) {
  lido_slab *collected = NULL;
  if (!has_surplus(core, keep_bytes)) return 0;
  lido_registry_lock();
  lido_slab_lists_lock(&core->slabs);
  if (core->slabs.walkers == 0) {
    pin_hot_slabs(core);
    collected = collect_locked(core, LIDO_BIN_SPENT, 0, NULL); /* of no more use */
    collected = collect_locked(core, LIDO_BIN_EMPTY, keep_bytes, collected);
  }
  lido_slab_lists_unlock(&core->slabs);
  lido_registry_unlock();
  size_t bytes = 0;
  while (collected != NULL) {
    lido_slab *slab = collected;
    collected = slab->next;
    lido_slab_destroy(slab);
    bytes += core->geometry.slab_bytes;
  }
  if (bytes != 0) lido_region_release_empty(core->backing, 1);
  return bytes;
}

void lido_core_shed(lido_pool_core *core) {
  lido_slab_lists_lock(&core->slabs);
  size_t slab_bytes = core->geometry.slab_bytes;
  size_t empty = lido_slab_lists_empty(&core->slabs);
  bool spent = core->slabs.bins[LIDO_BIN_SPENT] != NULL;
  size_t keep = lido_tuned_keep(core, (core->slabs.slabs - empty) * slab_bytes);
  lido_slab_lists_unlock(&core->slabs);
  /* Down to half of what may stay, so that the next slab that empties does not come here again. */
  if (spent || empty * slab_bytes > keep) lido_core_release_slabs(core, keep / 2);
}

/* ---- After a fork ---- */

/* All caches are empty then: fork.c emptied and closed those of this process, and whoever opens one comes by here
 * first (lido_core_reach). So what is free and neither in the depot nor in a slab was a vanished thread's. */

/* -> how many are set aside: a thread may have been in the middle of setting aside more than it had counted. */
static size_t sweep_slab_locked(lido_pool_core *core, lido_slab *slab) {
  size_t set_aside = 0;
  for (size_t index = 0; index < slab->objects; index++) {
    uintptr_t object = slab->start + index * core->geometry.stride;
    uint8_t state = *lido_core_state_of(core, object);
    set_aside += state == LIDO_STATE_SET_ASIDE;
    bool taken = lido_state_is_live(state) || state == LIDO_STATE_SET_ASIDE || state == LIDO_STATE_RETIRED;
    if (!taken && !lido_bitmap_get(slab->free, index)) {
      /* Its thread may not have come to wiping it. */
      lido_tool_open(object, core->geometry.stride);
      if (core->options.flags & LIDO_POOL_ZERO) memset((void *)object, 0, core->geometry.object_size);
      lido_note_slab(core, (void *)object, 1);
      lido_slab_lists_put(&core->slabs, &core->geometry, slab, (void *)object);
    }
  }
  return set_aside;
}

static void sweep_slabs(lido_pool_core *core) {
  if (LIDO_CHECKS == LIDO_CHECKS_NONE) return; /* there are no states */
  size_t set_aside = 0;
  lido_slab_lists_lock(&core->slabs);
  for (lido_slab *slab = core->slabs.newest; slab != NULL; slab = slab->older)
    set_aside += sweep_slab_locked(core, slab);
  lido_slab_lists_unlock(&core->slabs);
  lido_store_relaxed(&core->set_aside, set_aside); /* RELAXED: under the registry's lock, soon after the fork */
}

void lido_core_sweep_locked(lido_pool_core *core) {
  if (!lido_load_relaxed(&core->needs_sweep)) return; /* RELAXED: under the lock */
  lido_core_drain_depot(core);
  sweep_slabs(core);
  /* RELEASE fork.swept: not before, or another thread's object in flight would be taken for a lost one. */
  lido_store_release(&core->needs_sweep, false);
}

void lido_core_sweep(lido_pool_core *core) {
  lido_registry_lock();
  lido_core_sweep_locked(core);
  lido_registry_unlock();
}
