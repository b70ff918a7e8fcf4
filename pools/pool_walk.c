/* pool_walk.c: questions by address, and a walk over the live objects.
 *
 * A walk holds no lock while it visits. It announces itself in `walkers` instead, and while that is
 * not 0 no slab leaves the list; new ones are put before its start.
 */
#include "lib/base/atomic.h"
#include "lib/base/bitmap.h"
#include "pools/registry.h"
#include "pools/thread_cache.h"

#if LIDO_CHECKS == LIDO_CHECKS_NONE

/* Nobody keeps the state bytes in this build, so they are made up for the walk: everything that is
 * out of the slabs is live, but for what caches and the depot hold. No other thread may use the
 * pool meanwhile. */
static void mark(const lido_pool_core *core, void *const *items, size_t count, uint8_t state) {
  for (size_t i = 0; i < count; i++) *lido_core_state_of(core, (uintptr_t)items[i]) = state;
}

static void mark_cache(const lido_pool_core *core, const lido_thread_cache_rest *rest) {
  mark(core, rest->cache->items, rest->cache->count, LIDO_STATE_FREE);
  if (rest->previous != NULL) mark(core, rest->previous->items, rest->previous->count, LIDO_STATE_FREE);
  if (rest->cache->hot != NULL) mark(core, &rest->cache->hot, 1, LIDO_STATE_FREE);
}

/* Out of the slab, and for ever. */
static bool is_retired(const lido_slab *slab, size_t index) {
  return slab->first_slot != 0 && lido_slot_is_in(lido_slot_at(slab->first_slot + (uint32_t)index), LIDO_WORD_RETIRED);
}

static void make_up_states(lido_pool_core *core) {
  lido_registry_lock();
  for (lido_slab *slab = core->slabs.newest; slab != NULL; slab = slab->older) {
    for (size_t index = 0; index < slab->objects; index++) {
      bool gone = lido_bitmap_get(slab->free, index) || is_retired(slab, index);
      uint8_t state = gone ? LIDO_STATE_FREE : LIDO_STATE_LIVE;
      *lido_core_state_of(core, slab->start + index * core->geometry.stride) = state;
    }
  }
  for (const lido_thread_cache_rest *rest = core->caches; rest != NULL; rest = rest->pool_next) mark_cache(core, rest);
  for (const lido_magazine *m = core->depot.full; m != NULL; m = m->next)
    mark(core, m->items, m->count, LIDO_STATE_FREE);
  lido_registry_unlock();
}

#else
static void make_up_states(lido_pool_core *core) { (void)core; }
#endif

static bool is_live(const lido_pool_core *core, uintptr_t object) {
  /* RELAXED: exact for objects that nobody allocs or frees meanwhile, as promised. */
  return lido_state_is_live(lido_load_relaxed(lido_core_state_of(core, object)));
}

/* Its handles have failed, and its memory waits. pre: is_live. */
static bool is_dying(const lido_pool_core *core, uintptr_t object) {
  lido_slot *slot;
  return core->handles && lido_slot_find(object, &slot) && lido_slot_is_in(slot, LIDO_WORD_DYING);
}

/* ---- By address ---- */

bool lido_pool_owns(const lido_pool *pool, const void *address) {
  lido_pool_core *core = lido_core_of(pool);
  make_up_states(core);
  lido_slab_lists_lock(&core->slabs); /* the slab stays while its state byte is read */
  lido_place place = lido_core_find(core, address);
  bool owns = place.slab != NULL && place.offset == 0 && is_live(core, (uintptr_t)address) &&
              !is_dying(core, (uintptr_t)address);
  lido_slab_lists_unlock(&core->slabs);
  return owns;
}

lido_pool *lido_pool_of(const void *address) {
  uint32_t number = lido_map_owner((uintptr_t)address);
  if (number == LIDO_OWNER_NONE) return NULL;
  lido_registry_lock();
  lido_pool_core *core = lido_registry_find_locked(number);
  lido_registry_unlock();
  return core != NULL ? &core->face : NULL;
}

/* ---- The walk ---- */

typedef struct walk {
  const lido_pool_core *core;
  struct walk *outer; /* of this thread: a visitor may walk */
  bool (*visit)(void *object, void *arg);
  void *arg;
  bool dying_too;
  size_t visited;
} walk;

/* A visitor may fork; the child then goes on with this thread's walks and no others. */
static __thread walk *innermost;

unsigned lido_walks_of_thread(const lido_pool_core *core) {
  unsigned walks = 0;
  for (const walk *w = innermost; w != NULL; w = w->outer) walks += w->core == core;
  return walks;
}

/* -> false: the visitor wants no more. */
static bool walk_slab(const lido_pool_core *core, const lido_slab *slab, walk *w) {
  for (size_t index = 0; index < slab->objects; index++) {
    uintptr_t object = slab->start + index * core->geometry.stride;
    if (!is_live(core, object) || (!w->dying_too && is_dying(core, object))) continue;
    w->visited++;
    if (!w->visit((void *)object, w->arg)) return false;
  }
  return true;
}

static void change_walkers(lido_pool_core *core, int by) {
  lido_slab_lists_lock(&core->slabs);
  core->slabs.walkers += (unsigned)by;
  lido_slab_lists_unlock(&core->slabs);
}

static const lido_slab *first_slab(lido_pool_core *core) {
  lido_slab_lists_lock(&core->slabs);
  const lido_slab *slab = core->slabs.newest;
  lido_slab_lists_unlock(&core->slabs);
  return slab;
}

static size_t go(lido_pool_core *core, walk w) {
  make_up_states(core);
  change_walkers(core, 1);
  innermost = &w;
  const lido_slab *slab = first_slab(core);
  while (slab != NULL && walk_slab(core, slab, &w)) slab = slab->older;
  innermost = w.outer;
  change_walkers(core, -1);
  return w.visited;
}

size_t lido_pool_for_each(lido_pool *pool, bool (*visit)(void *object, void *arg), void *arg) {
  lido_pool_core *core = lido_core_of(pool);
  return go(core, (walk){.core = core, .outer = innermost, .visit = visit, .arg = arg});
}

size_t lido_core_walk(lido_pool_core *core, bool (*visit)(void *object, void *arg), void *arg) {
  return go(core, (walk){.core = core, .outer = innermost, .visit = visit, .arg = arg, .dying_too = true});
}
