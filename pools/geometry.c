/* geometry.c: see geometry.h. */
#include "pools/geometry.h"

#include <errno.h>

#include "lib/base/bits.h"

enum {
  STRIDE_UNIT = 8,
  CACHE_BYTES = 128 << 10,
  SLAB_UNITS_MAX = 64, /* tried before the least wasteful so far is taken */
  WORTHWHILE_OBJECTS = 32,
  SMALLEST_CACHED_LIMIT = 64, /* a pool limited to fewer objects keeps none of them in caches */
};

static void settle_stride(const lido_pool_options *options, lido_geometry *g) {
  g->object_size = options->object_size;
  g->align = options->align != 0 ? options->align : LIDO_ALIGN_DEFAULT;
  g->stride = lido_round_up(g->object_size, lido_max(g->align, STRIDE_UNIT));
  unsigned granule_shift = lido_log2(lido_granule_of(g->stride));
  g->shift = granule_shift < LIDO_SHIFT_MAX ? granule_shift : LIDO_SHIFT_MAX;
  if (options->flags & LIDO_POOL_SPREAD) { /* a granule of stride/64 puts 64 state bytes between objects */
    unsigned line_shift = lido_log2(g->stride);
    unsigned spread = line_shift > 6 ? line_shift - 6 : 0;
    if (spread < g->shift) g->shift = spread;
  }
  g->reciprocal = (uint32_t)((UINT64_C(1) << 32) / g->stride) + 1;
}

/* Bytes at a slab's start that alignment may cost: units of regions are aligned well enough, a
 * buffer's are not. */
static size_t alignment_loss(const lido_geometry *g) { return g->region.mask == 0 && g->align > 64 ? g->align : 0; }

static size_t objects_in(const lido_geometry *g, size_t units) {
  size_t bytes = units << g->region.unit_shift;
  size_t loss = alignment_loss(g);
  return bytes <= loss ? 0 : (bytes - loss) / g->stride;
}

/* One unit of a region is enough. The small units of a buffer make slabs of some objects, to be worth a descriptor, but
 * of an eighth of the buffer at most. */
static size_t least_units(const lido_geometry *g) {
  size_t for_one = (g->stride + alignment_loss(g)) >> g->region.unit_shift;
  size_t for_some = (WORTHWHILE_OBJECTS * g->stride) >> g->region.unit_shift;
  size_t worthwhile = g->region.mask == 0 ? lido_min(for_some, g->region.units / 8) : 1;
  return lido_max(lido_max(for_one, worthwhile), 1);
}

static int settle_slab(lido_geometry *g) {
  size_t best = 0;
  size_t best_waste = SIZE_MAX; /* in 1/1024 of the slab */
  size_t least = least_units(g);
  for (size_t units = least; units <= g->region.units && units <= least + SLAB_UNITS_MAX; units++) {
    size_t objects = objects_in(g, units);
    if (objects == 0) continue;
    size_t bytes = units << g->region.unit_shift;
    size_t waste = (bytes - objects * g->stride) * 1024 / bytes;
    if (waste < best_waste) {
      best = units;
      best_waste = waste;
    }
    if (best_waste <= 128) break;
  }
  if (best == 0) return g->region.mask == 0 ? ENOMEM : EINVAL;
  g->slab_units = best;
  g->slab_bytes = best << g->region.unit_shift;
  g->slab_objects = objects_in(g, best);
  return 0;
}

/* Magazines that fill their storage: 64 bytes to 1 KiB. */
static uint32_t magazine_for(size_t stride) {
  if (stride <= 128) return 124;
  if (stride <= 512) return 60;
  if (stride <= 2048) return 28;
  return stride <= 8192 ? 12 : 4;
}

static void settle_cache(const lido_pool_options *options, lido_geometry *g) {
  size_t bytes = options->cache_bytes != 0 ? options->cache_bytes : CACHE_BYTES;
  size_t limit = bytes / (2 * g->stride); /* a cache has two magazines */
  if (options->max_objects != 0) limit = lido_min(limit, options->max_objects / 8);
  limit = lido_min(limit, LIDO_MAGAZINE_MAX);
  g->cached = limit != 0 && options->cache_bytes != SIZE_MAX && options->on_exhausted != LIDO_EXHAUSTED_WAIT &&
              (options->max_objects == 0 || options->max_objects >= SMALLEST_CACHED_LIMIT);
  g->magazine_limit = (uint32_t)lido_max(limit, 1);
  g->magazine_target = (uint32_t)lido_min(magazine_for(g->stride), g->magazine_limit);
}

int lido_geometry_make(const lido_pool_options *options, lido_backing *backing, lido_geometry *geometry) {
  *geometry = (lido_geometry){0};
  size_t region_bytes = backing->functions.region_bytes; /* 0: a buffer */
  if (region_bytes != 0 && options->object_size > region_bytes / 4) return EINVAL;
  settle_stride(options, geometry);
  int error = lido_region_geometry_get(backing, geometry->shift, &geometry->region);
  if (error != 0) return error;
  geometry->shift = lido_region_shift(backing, geometry->shift);
  error = settle_slab(geometry);
  if (error == 0) settle_cache(options, geometry);
  return error;
}

const char *lido_geometry_check(const lido_geometry *g) {
  size_t granule = (size_t)1 << g->shift;
  if (g->stride % g->align != 0 || g->stride % STRIDE_UNIT != 0) return "G1: stride is no multiple of the alignment";
  if (g->stride % granule != 0) return "G1: stride is no multiple of the granule";
  if (granule > g->stride) return "G2: objects share a state byte";
  for (size_t index = 0; index < g->slab_objects; index++) {
    if (lido_geometry_index(g, index * g->stride) != index) return "G3: index is not offset / stride";
  }
  return NULL;
}
