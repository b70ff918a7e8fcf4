/* region_purge.h: when the pages of free units go back to the system.
 *
 * Idea: whoever gives units says how, and after what time, their pages shall go. The time is noted by the unit, in the
 * region, so that pools on one backing do not disturb each other; nothing happens until somebody asks what is due. A
 * unit that is taken again before is no longer due, and has kept its pages: that is what the delay buys. A region knows
 * the earliest of its times, or one before it, so that a call with nothing due looks at no unit.
 *
 * Pages of the system are purged without the lock. The units are out of the free ones meanwhile, a megabyte at most, so
 * that nobody takes them, and their region is not wholly free, so that it stays. Functions of a caller's run under the
 * lock, one run of units at a time, because they are promised to run one at a time.
 * Invariants
 *   R4  dirty_units is the number of units with a due time; none of them has a user.
 *   R5  a unit with a due time is free, or one of the purging_units.
 *   R6  earliest_due is not after any due time, but while somebody is in the middle of a purge.
 * Threads: any. Lock: the backing's, rank BACKING.
 * Failure: none; a system that refuses keeps the pages.
 * Fork: what another thread was just purging is free again in the child, and still due.
 * Not done: a list of regions by time (a call looks at one word of each region); a thread of ours that purges.
 */
#ifndef LIDO_LIB_MEM_REGION_PURGE_H
#define LIDO_LIB_MEM_REGION_PURGE_H

#include "lib/mem/region_core.h"

#define LIDO_NEVER_DUE UINT64_MAX /* but when everything is asked for */

/* When that will be; from the clock. Without the lock. */
uint64_t lido_region_due_after(lido_purge how, uint64_t delay_ns);

/* Purge taken units of the caller's own: first without the lock what needs none, then with it the rest. */
void lido_region_purge_own(const lido_region *region, size_t unit, size_t units, bool lazily);
void lido_region_purge_own_locked(const lido_region *region, size_t unit, size_t units);

/* These units have just become free, and are due then. Nothing if the backing can't purge. */
void lido_region_due_locked(lido_region *region, size_t unit, size_t units, bool lazily, uint64_t due);

/* These units have just been taken. */
void lido_region_not_due_locked(lido_region *region, size_t unit, size_t units);

/* The whole region goes: what was due counts as purged. */
void lido_region_purged_locked(lido_region *region);

/* Purge what is due in all regions of the backing; at UINT64_MAX everything. -> bytes. Without the lock. */
size_t lido_region_purge_due(lido_backing *backing, uint64_t now_ns);

/* In the child of a fork, with the lock held. */
void lido_region_purges_in_child_locked(lido_backing *backing);

/* NULL, or the invariant that does not hold. */
const char *lido_region_due_check_locked(const lido_region *region);

#endif
