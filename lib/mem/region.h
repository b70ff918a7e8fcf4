/* region.h: large blocks of a backing, from which slabs of many pools are cut.
 *
 * Idea: one aligned block of 16 MiB serves 252 slabs. Its first part holds this header and the
 * state bytes of all objects in it; the rest is units of 64 KiB. Because the block is aligned to
 * its own size, the state byte of an object is found from its address alone; because the state
 * bytes of a region lie together, they fill cache sets evenly (a table at the same offset of every
 * slab cost 40 % in a prototype). All pools of a region have the same granule (one state byte for
 * each 1 << shift bytes), which is what makes the place of the bytes a constant; so a backing keeps
 * its regions by class, a class being a shift and the wish for huge pages.
 *
 *     base   header | users[units] | due[units] | free[units/64] | lazy[units/64] |
 *            states[units << unit_shift >> shift] | units ...   end
 *
 * In a caller's buffer there is one region over all of it, not aligned, with smaller units; there
 * the state byte's place is computed with region mask 0.
 * Invariants
 *   R1  a unit is free (its bit is set, its user NULL) or taken.
 *   R2  free_units is the number of set bits.
 *   R3  a region is in its class's list of its backing; the buffer's region is the only one of its backing.
 * When the pages of free units go back to the system, and R4 to R6, is in region_purge.h.
 * Threads: any. Lock: the backing's, rank BACKING; held while a caller's function is called.
 * Failure: ENOMEM, nothing changed.
 * Not done: one block per slab (mimalloc spends twice the memory on blocks aligned to themselves
 * below 16 MiB).
 */
#ifndef LIDO_LIB_MEM_REGION_H
#define LIDO_LIB_MEM_REGION_H

#include "lib/mem/backing_core.h"

/* How addresses in the regions of one class relate to state bytes and units. */
typedef struct lido_region_geometry {
  uintptr_t mask;      /* address & mask = region; 0 in a buffer */
  uintptr_t bias;      /* region + bias + (offset >> shift) = state byte */
  unsigned unit_shift; /* bytes of a unit, as a power of two */
  size_t units;        /* in a region */
} lido_region_geometry;

/* 0; EINVAL (the buffer's granule is coarser than 1 << shift), ENOMEM (the buffer is too small). In
 * a buffer, the first call settles the granule. */
int lido_region_geometry_get(lido_backing *backing, unsigned shift, lido_region_geometry *geometry);

/* Bytes of a buffer's unit. */
size_t lido_region_buffer_unit(const lido_backing *backing);

/* The shift that pools on this backing really use: a buffer's, once settled, else `shift`. */
unsigned lido_region_shift(lido_backing *backing, unsigned shift);

/* `units` adjacent units, as yet without a user -> their region, with the address of the first in *start. NULL: ENOMEM.
 * Contents and state bytes: any. */
lido_region *lido_region_take(lido_backing *backing, unsigned shift, bool huge, size_t units, uintptr_t *start);

/* Whose units these are from now on, for whoever asks by address; NULL before they go back. */
void lido_region_set_user(lido_region *region, uintptr_t start, size_t units, void *user);

/* Units go back: their pages to the system at once. */
void lido_region_give(lido_region *region, uintptr_t start, size_t units);

/* The same, their pages in the given way, and only when `delay_ns` have passed. */
void lido_region_give_later(lido_region *region, uintptr_t start, size_t units, lido_purge how, uint64_t delay_ns);

/* Whose unit `address` lies in, or NULL. pre: address lies in the region. */
void *lido_region_user(const lido_region *region, uintptr_t address);

/* The region of an address that lies in one of the backing's, by the class's mask. */
static inline lido_region *lido_region_of(const lido_backing *backing, uintptr_t mask, uintptr_t address) {
  return mask != 0 ? (lido_region *)(address & mask) : backing->buffer_region;
}

/* Does the address lie in a unit of this region (not in its header)? Any address. */
bool lido_region_contains(const lido_region *region, uintptr_t address);

/* Regions without a taken unit go back to where they came from, but for `keep` of each class, and unless `keep` is 0
 * for those with pages that are not to be purged yet. -> bytes. */
size_t lido_region_release_empty(lido_backing *backing, size_t keep);
/* The same with a `keep` of 0. *purged: bytes of them that waited for their purge, which count as purged now. */
size_t lido_region_release_all(lido_backing *backing, size_t *purged);

/* NULL, or the invariant that does not hold in some region of the backing. */
const char *lido_region_check(lido_backing *backing);

#endif
