/* death.h: what happens when the last reference goes, in which order, and on whose stack.
 *
 * Order (each step ends before the next begins)
 *   1. the word says dying: no handle leads here any more, and a new reference is misuse;
 *   2. the list of cleanups is closed: adding fails, stopping still works for those that have not begun;
 *   3. the owner's destroy(object);
 *   4. the cleanups, newest first, here or onto their queues;
 *   5. the slot is at rest under the next generation, or retired under the last;
 *   6. the memory goes back to the owner, who poisons it.
 * Invariants
 *   D1  a life ends once: only who takes the count to 0 (or ends a pool) comes to step 1.
 *   D2  between 1 and 6 a slot waits for readers (grace_period.h), is on one thread's list of the dying, or is the one being finished.
 *   D3  no lock of Lido is held while steps 3 and 4 call the program.
 * Stack: a death inside step 3 or 4 is only noted, in the thread's list, and finished when that step has returned. The list's
 * links lie beside the slots, so noting can't fail. A pool that is destroyed in there first finishes the whole list.
 * Threads: any; the list is the thread's own. A thread that is gone after a fork takes its unfinished deaths with it:
 * in the child these objects stay dying, until their owner ends.
 */
#ifndef LIDO_LIB_REFS_DEATH_H
#define LIDO_LIB_REFS_DEATH_H

#include "lib/refs/span.h"

/* The object dies: its count is 0, or it is published for nobody and the caller is alone with it. */
void lido_death(lido_slot *slot);

/* The object is dying, and what it waited for has come: steps 2 to 6, in this call or when the one that is being finished has returned. */
void lido_death_now_or_soon(lido_slot *slot);

/* The same whatever its count, and at once: the owner ends. */
void lido_death_by_force(lido_slot *slot);

/* A dying object whose thread is gone: its slot is at rest and its memory goes back; nobody is called. */
void lido_death_abandoned(lido_slot *slot);

/* Is this called by a destructor or a cleanup of an object of that owner? */
bool lido_deaths_are_of(const lido_refs_owner *owner);

/* After an owner's end: what deaths leave to be done when none is being finished. */
void lido_deaths_over(void);

/* Finish what this thread has noted: before an owner ends. */
void lido_deaths_finish(void);

void lido_deaths_count(lido_weak_stats *stats);

#endif
