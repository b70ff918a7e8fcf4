/* pool_check.c: the invariants of a pool, by number. */
#include "lib/base/atomic.h"
#include "lib/base/bitmap.h"
#include "lib/mem/heap_samples.h"
#include "lib/mem/region.h"
#include "pools/registry.h"
#include "pools/thread_cache.h"

static const char *check_map(const lido_pool_core *core) {
  for (const lido_slab *slab = core->slabs.newest; slab != NULL; slab = slab->older) {
    for (size_t offset = 0; offset < core->geometry.slab_bytes; offset += (size_t)1 << LIDO_MAP_UNIT_SHIFT) {
      if (core->owner == LIDO_OWNER_NEVER) continue;
      if (lido_map_owner(slab->units + offset) != core->owner) return "P4: a slab that the address map does not know";
    }
    if (slab->core != core || lido_region_user(slab->region, slab->units) != slab) return "P4: a slab of another pool";
  }
  return NULL;
}

static const char *check_caches_locked(const lido_pool_core *core) {
  bool claimed[LIDO_CLAIM_WORDS * 64] = {false};
  for (const lido_thread_cache_rest *rest = core->caches; rest != NULL; rest = rest->pool_next) {
    const char *broken = lido_thread_cache_check(rest);
    if (broken != NULL) return broken;
    const void *hot = rest->cache->hot;
    if (hot != NULL && lido_core_find(core, hot).slab == NULL) return "P3: a hot object outside the pool's slabs";
    if (rest->claim != 0 && claimed[rest->claim]) return "P5: two caches with one claim";
    if (rest->claim != 0 && lido_bitmap_get(core->free_claims, rest->claim)) return "P5: a claim that is also free";
    claimed[rest->claim] = true;
  }
  return NULL;
}

static size_t live_by_state(const lido_pool_core *core) {
  size_t live = 0;
  for (const lido_slab *slab = core->slabs.newest; slab != NULL; slab = slab->older) {
    for (size_t index = 0; index < slab->objects; index++) {
      live += lido_state_is_live(*lido_core_state_of(core, slab->start + index * core->geometry.stride));
    }
  }
  return live;
}

static const char *check_counts(lido_pool_core *core) {
  lido_pool_stats stats;
  lido_pool_stats_get(&core->face, &stats);
  size_t aside = lido_load_relaxed(&core->set_aside); /* RELAXED: nobody else is here */
  if (core->passthrough) return NULL;
  if (lido_slab_lists_taken(&core->slabs) != stats.live + stats.cached + aside) return "P1: objects miscounted";
  if (LIDO_CHECKS == LIDO_CHECKS_NONE) return NULL;
  if (live_by_state(core) != stats.live) return "P2: live objects by state and by count";
  return NULL;
}

const char *lido_pool_check(lido_pool *pool) {
  lido_pool_core *core = lido_core_of(pool);
  lido_core_sweep_if_needed(core);
  const char *broken = lido_geometry_check(&core->geometry);
  if (broken == NULL) broken = lido_depot_check(&core->depot);
  if (broken == NULL) broken = lido_slab_lists_check(&core->slabs);
  if (broken == NULL) broken = check_map(core);
  if (broken == NULL) {
    lido_registry_lock();
    broken = check_caches_locked(core);
    if (broken == NULL) broken = lido_tuning_check(core);
    lido_registry_unlock();
  }
  if (broken == NULL) broken = check_counts(core);
  if (broken == NULL && LIDO_CHECKS != LIDO_CHECKS_NONE) broken = lido_heap_check_count(&core->samples);
  if (broken == NULL) broken = lido_region_check(core->backing);
  if (broken == NULL) broken = lido_metadata_check(lido_core_metadata(core));
  return broken;
}
