/* region_core.h: what a region is inside, for region.c and region_purge.c. What it is for is told in region.h. */
#ifndef LIDO_LIB_MEM_REGION_CORE_H
#define LIDO_LIB_MEM_REGION_CORE_H

#include "lib/base/bitmap.h"
#include "lib/mem/region.h"

struct lido_region {
  /* fixed at birth */
  lido_backing *backing;
  uintptr_t start; /* of the block */
  size_t bytes;
  uintptr_t first; /* of unit 0 */
  size_t units;
  unsigned unit_shift;
  unsigned shift;
  unsigned region_class;
  uint8_t *states; /* of unit 0 */
  void **users;    /* [units] */
  uint64_t *due;   /* [units] when a free unit's pages shall be purged; 0: they are, or it is taken. NULL in a buffer */
  uint64_t *free;  /* [units] bits */
  uint64_t *lazy;  /* [units] bits, of units that are due: how */
  /* under the backing's lock */
  size_t free_units;
  size_t dirty_units;    /* with a due time */
  size_t purging_units;  /* of these: out of `free` while somebody purges them */
  uint64_t earliest_due; /* no unit is due before; perhaps none is due then */
  lido_region *next;
  lido_region *previous;
};

static inline uintptr_t lido_region_unit_start(const lido_region *region, size_t unit) {
  return region->first + (unit << region->unit_shift);
}

static inline size_t lido_region_unit_of(const lido_region *region, uintptr_t address) {
  return (address - region->first) >> region->unit_shift;
}

#endif
