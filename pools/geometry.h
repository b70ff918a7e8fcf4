/* geometry.h: from a pool's options to sizes: stride, granule, slab, magazine. Pure arithmetic.
 *
 * Stride: the object's size, rounded up to its alignment and to 8 bytes. Granule: the largest power
 * of two that divides the stride, at most 64 bytes; there is one state byte for each. Slab: the
 * fewest 64 KiB units that waste at most an eighth.
 * Invariants
 *   G1  stride is a multiple of the alignment, of 8 and of the granule.
 *   G2  two objects never share a state byte.
 *   G3  (offset * reciprocal) >> 32 == offset / stride for every offset of an object in its slab.
 * G3 holds because reciprocal = floor(2^32 / stride) + 1, so that for offset = index * stride the
 * product is index * 2^32 + index * e with e <= stride, and index * e <= offset < 2^32.
 */
#ifndef LIDO_POOLS_GEOMETRY_H
#define LIDO_POOLS_GEOMETRY_H

#include "lib/mem/region.h"
#include "lido/pool.h"

enum {
  LIDO_OBJECT_BYTES_MAX = 1 << 20,
  LIDO_ALIGN_MAX = 4096,
  LIDO_ALIGN_DEFAULT = 64,
  LIDO_MAGAZINE_MAX = 252, /* objects in the largest magazine: 2 KiB of storage */
};

typedef struct lido_geometry {
  size_t object_size;
  size_t align;
  size_t stride;
  unsigned shift; /* of the granule */
  uint32_t reciprocal;
  lido_region_geometry region;
  size_t slab_units;
  size_t slab_bytes;
  size_t slab_objects;      /* at most; fewer in a buffer, where a slab's start may have to be aligned */
  uint32_t magazine_target; /* objects in a magazine, at first */
  uint32_t magazine_limit;  /* and at most */
  bool cached;              /* do threads keep objects of this pool at all? */
} lido_geometry;

/* 0; EINVAL (sizes out of range, or no slab fits into a region), ENOMEM (a buffer too small). pre:
 * the options were validated but for what depends on the backing. */
int lido_geometry_make(const lido_pool_options *options, lido_backing *backing, lido_geometry *geometry);

static inline size_t lido_geometry_index(const lido_geometry *geometry, uintptr_t offset) {
  return (size_t)((uint64_t)offset * geometry->reciprocal >> 32);
}

/* NULL, or the invariant that does not hold. */
const char *lido_geometry_check(const lido_geometry *geometry);

#endif
