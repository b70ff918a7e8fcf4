/* pool_stats.c: numbers, summed when asked.
 *
 * The fast paths count one thing, frees, in the cache's own line. Everything else follows: what is
 * out of the slabs is known (L3), what caches hold is counted there, so live = taken - cached - set
 * aside, and allocs = frees + live.
 */
#include <string.h>

#include "lib/base/atomic.h"
#include "lib/base/bits.h"
#include "pools/registry.h"
#include "pools/thread_cache.h"

static void add_caches(lido_pool_core *core, lido_pool_stats *out) {
  lido_registry_lock();
  out->frees += core->retired_frees;
  out->misses += core->retired_misses;
  out->refills_depot += core->retired_refills_depot;
  out->refills_slab += core->retired_refills_slab;
  out->refills_backing += core->retired_refills_backing;
  out->thread_caches = core->cache_count;
  for (const lido_thread_cache_rest *rest = core->caches; rest != NULL; rest = rest->pool_next) {
    /* RELAXED: statistics */
    out->frees += lido_load_relaxed(&rest->cache->frees);
    out->misses += lido_load_relaxed(&rest->misses);
    out->refills_depot += lido_load_relaxed(&rest->refills_depot);
    out->refills_slab += lido_load_relaxed(&rest->refills_slab);
    out->refills_backing += lido_load_relaxed(&rest->refills_backing);
    out->cached += lido_thread_cache_objects(rest);
    out->bytes_metadata +=
        sizeof *rest + (rest->allocated ? sizeof *rest->cache : 0) + lido_thread_cache_magazine_bytes(rest);
  }
  lido_registry_unlock();
}

static void add_slabs(lido_pool_core *core, lido_pool_stats *out) {
  lido_slab_lists *lists = &core->slabs;
  const lido_geometry *g = &core->geometry;
  lido_slab_lists_lock(lists);
  size_t taken = lido_slab_lists_taken(lists);
  size_t held = out->cached + lido_load_relaxed(&core->set_aside); /* RELAXED: statistic */
  out->live = lido_less(taken, held);                              /* other threads move objects while we count */
  out->peak = lists->peak;
  out->objects = lists->objects;
  out->slabs = lists->slabs;
  out->slabs_empty = lido_slab_lists_empty(lists);
  out->slabs_ready = lists->ready_slabs;
  out->slabs_populated = lists->populated;
  out->slabs_made = lists->made;
  out->slabs_released = lists->released;
  out->fallbacks = core->fallbacks;
  out->exhausted = core->exhausted;
  out->waits = core->waits;
  out->retired = lists->retired;
  lido_slab_lists_unlock(lists);
  out->bytes_metadata += out->slabs * (lido_slab_descriptor_bytes(g->slab_objects) + (g->slab_bytes >> g->shift));
  out->bytes_reserved = out->slabs * g->slab_bytes;
}

/* RELAXED: statistics */
static void add_direct(const lido_pool_core *core, lido_pool_stats *out) {
  uint64_t frees = lido_load_relaxed(&core->direct_frees);
  out->frees += frees;
  out->allocs_direct = lido_load_relaxed(&core->direct_allocs);
  out->misses += frees + out->allocs_direct;
}

/* RELAXED: statistics */
static void add_passthrough(const lido_pool_core *core, lido_pool_stats *out) {
  size_t aside = lido_load_relaxed(&core->set_aside);
  size_t taken = lido_load_relaxed(&core->passthrough_live);
  out->live += lido_less(taken, aside);
  out->peak += lido_load_relaxed(&core->passthrough_peak);
}

void lido_pool_stats_get(const lido_pool *pool, lido_pool_stats *out) {
  lido_pool_core *core = lido_core_of(pool);
  memset(out, 0, sizeof *out);
  lido_core_sweep_if_needed(core);
  add_caches(core, out);
  lido_depot_counts depot = lido_depot_counts_get(&core->depot);
  out->cached += depot.objects;
  out->bytes_metadata += sizeof *core + strlen(core->name) + 1 + depot.bytes;
  add_slabs(core, out);
  add_direct(core, out);
  if (core->passthrough) add_passthrough(core, out);
  out->contended = lido_depot_contended(&core->depot);
  out->allocs = out->frees + out->live;
  if (out->live > out->peak) out->peak = out->live;
  out->bytes_reserved += out->bytes_metadata;
  out->bytes_live = out->live * core->geometry.stride;
  out->bytes_cached = out->cached * core->geometry.stride;
}

size_t lido_pool_recent_peak(lido_pool *pool) {
  lido_slab_lists *lists = &lido_core_of(pool)->slabs;
  lido_slab_lists_lock(lists);
  size_t peak = lists->recent_peak;
  lists->recent_peak = lido_slab_lists_taken(lists);
  lido_slab_lists_unlock(lists);
  return peak;
}

double lido_pool_hit_rate(const lido_pool_stats *stats) {
  uint64_t calls = stats->allocs + stats->frees;
  if (calls == 0 || stats->misses > calls) return 0;
  return (double)(calls - stats->misses) / (double)calls;
}

/* A pool without caches has no refills, and counts its fallbacks among the direct ones. */
void lido_pool_alloc_paths_get(const lido_pool_stats *stats, lido_pool_alloc_paths *out) {
  uint64_t refills = stats->refills_depot + stats->refills_slab + stats->refills_backing;
  uint64_t direct = refills != 0 ? stats->allocs_direct : lido_less(stats->allocs_direct, stats->fallbacks);
  *out = (lido_pool_alloc_paths){.thread_cache = lido_less(stats->allocs, refills + direct + stats->fallbacks),
                                 .depot = stats->refills_depot,
                                 .slab = stats->refills_slab,
                                 .backing = stats->refills_backing,
                                 .direct = direct,
                                 .fallback = stats->fallbacks};
}
