/* grace_period.h: deaths that wait for readers.
 *
 * Idea: a reader writes the present epoch into its own record when it enters, and 0 when it leaves. A death in a
 * guarded pool ends the handles, and then puts the slot on the list of this epoch. To finish deaths somebody looks at
 * all records: if every reader inside entered in the present epoch, the next one begins, and what died two epochs
 * before it is finished; if nobody is inside at all, everything is.
 * Invariants
 *   G1  `fresh` holds what died in the present epoch, `aging` what died in the one before; nothing older waits.
 *   G2  between the end of a death's handles and the look at a record lies a barrier in the reader's thread.
 *   G3  `deferred` is the number of slots on both lists.
 *   G4  a record in the list belongs to a living thread; a thread without one that is inside counts in `crowd`.
 *   G5  a death is on a list, or counted in its owner's `in_hands` and in the sum of all, until it is over.
 *   G6  a number is free, or that of one record in the list.
 * Why a reader never sees the memory of a finished death: let the object die in epoch s; its handles end (W1) before it
 * is listed, and the barrier M of the first look after that comes later still. A reader announces itself (R1), then
 * follows the handle (R2). If R2 comes after M in the reader's thread, it sees W1 and gets NULL. Else R1 came before M
 * too, and the look finds the record as R1 wrote it, with an epoch of s at most (or 0: it has left, and left means
 * done, by release and acquire): the epoch can go to s + 1 with that reader inside, if it announced s, but not to s +
 * 2. Deaths of s are finished at s + 2, or when nobody was inside at a look after M. Without membarrier the reader
 * fences between R1 and R2, and the look fences in M's place.
 * Threads: enter and leave any; the lists and records under the lock. Lock: LEAF, held during the barrier; deaths are
 * finished without it.
 * Failure: no memory for a record: the thread counts in `crowd` while it is inside, and holds up everything.
 * Not done: on liburcu, which is as fast (benchmarks, guard rows), but needs its own thread for deferred work or a
 * caller that may block, registers threads for ever, and would make handles depend on more than libc; hazard pointers
 * (a fence or a barrier for each object instead of each section); asking readers to leave.
 */
#ifndef LIDO_LIB_REFS_GRACE_PERIOD_H
#define LIDO_LIB_REFS_GRACE_PERIOD_H

#include "lib/base/atomic.h"
#include "lib/refs/span.h"
#include "lido/guard.h"

/* A guard around so little that nothing is called in it, and so nothing nests. pre: this thread's record, and it is
 * outside. */
static inline void lido_guard_peek(lido_guard_record *record) {
  /* RELAXED guard.enter: as in lido_guard_record_enter. */
  lido_store_relaxed(&record->epoch, lido_load_relaxed(&lido_guards.epoch));
  if (LIDO_UNLIKELY(lido_load_relaxed(&lido_guards.fences)))
    lido_fence_full(); /* RELAXED: set before the first guard */
  lido_compiler_barrier();
}

/* -> whether it shall look at what waits, because it held that up. Who makes something wait looks by itself. */
static inline bool lido_guard_peek_over(lido_guard_record *record) {
  /* RELEASE guard.left: who sees this thread outside finds its reading done. */
  lido_store_release(&record->epoch, 0);
  return LIDO_UNLIKELY(lido_load_relaxed(&record->is_asked)); /* RELAXED: a hint */
}

/* Threads inside a guard have numbers from 1 on, each its own as long as it lives, so that they can count each in a
 * place of its own without locks. Who gets a number sees what its last owner did. More threads than there are numbers:
 * 0. */
enum { LIDO_GUARD_NUMBERS = 64 };

/* Before the first guarded object; later calls are cheap. */
void lido_guard_prepare(void);

/* The object at this slot is dying; finish it when nobody can be reading it. */
void lido_guard_defer(lido_slot *slot);

/* A death that was taken off the lists is over. */
void lido_guard_finished(lido_refs_owner *owner);

/* Finish what waits of this owner's, readers or not: it ends, and nobody may be reading. Waits for what other threads
 * have in hands, and for what all that brings about. */
void lido_guard_finish_owner(lido_refs_owner *owner);

const char *lido_guard_check(void);
void lido_guard_lock_for_fork(void);
void lido_guard_unlock_after_fork(void);
void lido_guard_in_child(void);
/* Nobody else has deaths of this owner in hands. */
void lido_guard_owner_in_child(lido_refs_owner *owner);

#endif
