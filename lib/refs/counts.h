/* counts.h: the strong count and the state of a slot's word. The word's layout is in lido/inline/weak_inline.h.
 *
 * Idea: while nobody has asked for a count, a handle or a cleanup, an object is alone in its owner's hands, its slot is
 * at rest, and its end is a plain free of its pool. The first who asks is that owner, alone still, so the step to
 * "counted" is a plain store; from then on the word is changed by atomic operations only, until the one that takes the
 * count to 0 makes its thread the only one again.
 * Invariants
 *   W1  at rest: state 0, guard set, count 0. The pool knows whether the object is live.
 *   W2  counted, published, killed: count >= 1 is the number of references; the pool calls the object held.
 *   W3  count 0 is final: acquire refuses it, so the step from 1 to 0 happens once in a life.
 *   W4  a published word with generation g is seen only in the life g of its object.
 * Who may run together with whom, on one slot
 *               acquire  retain  release  publish  kill  first   death
 *     acquire   CAS      ok      ok       CAS      CAS   CAS     refused
 *     retain             ok      ok       ok       CAS   never   misuse
 *     release                    ok       ok       CAS   never   misuse
 *     first, death: the thread is alone but for acquire, kill and questions by handle, which only ever look.
 * Memory orders: publish releases, acquire acquires (slot.published). Each release releases, and who takes the count to
 * 0 acquires all of them (count.released). Retain needs none: who retains has a reference.
 * The unpublished object with one reference ends by a plain store, for nobody else can reach it.
 * Threads: any. Failure: none but misuse.
 * Proof: tests/interleavings/slot_word_test.c goes through every interleaving of small cases.
 * Not done: fetch_add in acquire (wait-free, but an undo may have to end somebody else's object).
 */
#ifndef LIDO_LIB_REFS_COUNTS_H
#define LIDO_LIB_REFS_COUNTS_H

#include "lib/refs/span.h"

static inline bool lido_word_is_at_rest(uint64_t word) { return (uint32_t)word == LIDO_WORD_GUARD; }

/* One reference, counted, and no handle leads here. */
static inline bool lido_word_is_alone(uint64_t word) {
  return (uint32_t)word == (LIDO_WORD_COUNTED | LIDO_WORD_GUARD | 1);
}

/* From "alone in its owner's hands" to `state` with `count` references. false: it is not live; reported. */
bool lido_count_begin(lido_slot *slot, uint64_t state, size_t count);

/* What the word of the slot that a handle names says of the handle. */
lido_weak_state lido_state_by_word(lido_weak weak, uint64_t word);

void lido_counts_count(lido_weak_stats *stats);

#endif
