/* address_map.h: which pool owns an address, for any address at all.
 *
 * Idea: a table by address, two levels, one 32-bit pool number for each 64 KiB (the unit of which slabs are
 * made). The root is a static array that the system backs with memory only where it is touched;
 * leaves are mapped when the first slab falls under them and stay for ever, so a reader needs no lock. The
 * reader, lido_map_owner(), is inlined into every free (lido/inline/pool_inline.h).
 * Invariants
 *   A1  a leaf, once reachable, is never unmapped or moved.
 *   A2  an entry is the number of the pool whose slab covers these 64 KiB, or LIDO_OWNER_NONE.
 * Threads: readers any; writers under the map's lock, and only for units that they own.
 * Failure: no memory for a leaf: ENOMEM, nothing changed.
 * Not done: one level (8 GiB of reserved addresses, which limits on address space refuse); a hashed table
 * (8 % faster at random frees, measured, but with collisions to be resolved).
 */
#ifndef LIDO_LIB_MEM_ADDRESS_MAP_H
#define LIDO_LIB_MEM_ADDRESS_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "lido/pool.h"

/* Note `owner` for `bytes` from `start`, both multiples of 64 KiB. 0, or ENOMEM; can't fail where
 * an owner was noted before. */
int lido_map_set(uintptr_t start, size_t bytes, uint32_t owner);

void lido_map_lock_for_fork(void);
void lido_map_unlock_after_fork(void);

#endif
