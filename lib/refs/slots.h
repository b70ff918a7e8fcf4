/* slots.h: the slots of all objects with handles, in one range of addresses.
 *
 * Idea: 64 GiB of addresses are reserved once, 16 bytes for each of 2^32 slots (less where the system refuses that
 * much, or where the process has a limit of addresses: then a sixteenth of that, as the program needs the rest), and
 * get memory as they are needed. Nothing is ever unmapped, so a handle of any age, or a forged one, can be looked up
 * without a lock, a directory or a fault. Beside it lies a second range with 8 bytes a slot that only cleanups and
 * deaths touch; until then its pages are no memory.
 * Runs: the slots of a slab are neighbours. Runs are powers of two, from a list of those that were given back or else
 * from the range's end. A run that comes back keeps its generations and serves a later slab; one with a retired slot is
 * not used again.
 * Invariants
 *   H1  a slot's generation never goes down.
 *   H2  slots below `limit` have memory; slot 0 is nobody's, so {0} is no handle.
 *   H3  a slot is in one run, and a run is in use or on one list.
 *   H4  the slots of runs on a list are at rest: state, count and cleanups are zero.
 * Threads: any. Lock: SLOTS. The word and the side of a slot are used without it: see counts.h, death.h, cleanups.h.
 * Failure: ENOMEM, nothing changed. Giving back can't fail, as the list's room is made when a run is taken.
 * Not done: joining neighbours of given back runs; giving pages of old runs back (they hold the generations).
 */
#ifndef LIDO_LIB_REFS_SLOTS_H
#define LIDO_LIB_REFS_SLOTS_H

#include <stddef.h>
#include <stdint.h>

#include "lido/weak.h"

/* LIDO_GENERATION_BITS: for tests, so that generations are used up in milliseconds. */
#ifndef LIDO_GENERATION_BITS
#define LIDO_GENERATION_BITS 32
#endif

enum {
  LIDO_GENERATION_SHIFT = 32,
  LIDO_NARROW_GENERATION_BITS = 24, /* of LIDO_POOL_HANDLES_53 */
  LIDO_NARROW_SLOT_BITS = 29,
  LIDO_SLOT_RUN_MAX = 1 << 20,
};

/* The power of two of things that addresses are to be reserved for, of `bytes` each: `most`, or less where the process
 * has a limit of addresses, but never less than `least`. */
unsigned lido_range_log2(unsigned most, unsigned least, size_t bytes);

/* The last generation that a slot may have; `narrow`: of those whose handles fit into 53 bits. */
static inline uint32_t lido_generation_last(bool narrow) {
  unsigned bits = LIDO_GENERATION_BITS;
  if (narrow && bits > LIDO_NARROW_GENERATION_BITS) bits = LIDO_NARROW_GENERATION_BITS;
  return (uint32_t)((UINT64_C(1) << bits) - 1);
}

/* What few slots ever need. */
typedef struct lido_slot_side {
  uint32_t cleanups;   /* first node of the list; cleanups.h */
  uint32_t next_dying; /* slot; death.h */
} lido_slot_side;

extern lido_slot_side *lido_slot_sides; /* as many as slots */

/* `count` neighbouring slots, each with its generation, at rest. -> the first, or 0: ENOMEM. */
uint32_t lido_slots_take(size_t count, bool narrow);

/* A run goes back. `used_up`: it has a retired slot. */
void lido_slots_give(uint32_t first, size_t count, bool narrow, bool used_up);

static inline lido_slot *lido_slot_at(uint32_t index) { return &lido_slots.slots[index]; }
/* RELAXED: for who knows that the state stays, or asks for some moment. */
static inline bool lido_slot_is_in(const lido_slot *slot, uint64_t state) {
  return (lido_load_relaxed(&slot->word) & LIDO_WORD_STATE) == state;
}
static inline uint32_t lido_slot_index(const lido_slot *slot) { return (uint32_t)(slot - lido_slots.slots); }
static inline lido_slot_side *lido_slot_side_of(const lido_slot *slot) {
  return &lido_slot_sides[lido_slot_index(slot)];
}

void lido_slots_count(lido_weak_stats *stats);
const char *lido_slots_check(void);

void lido_slots_lock_for_fork(void);
void lido_slots_unlock_after_fork(void);

#endif
