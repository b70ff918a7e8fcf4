/* death.h: what happens when the last reference goes, in which order, and on whose stack.
 *
 * Order (each step ends before the next begins)
 *   1. the word says dying: no handle leads here any more, and a new reference is misuse;
 *   2. the list of cleanups is closed: adding fails, stopping still works for those that have not begun;
 *   3. the owner's destroy(object);
 *   4. the cleanups, newest first, here or onto their queues;
 *   5. the slot is at rest under the next generation, or retired under the last;
 *   6. the memory goes back to the owner, who poisons it.
 * In a guarded pool the object leaves the owner's lists after 1, and 2 waits for readers (grace_period.h).
 * When an owner ends, 5 and 6 come when all its objects have been through 4: so a destructor may still drop a reference
 * to an object that died before it, which is then ignored.
 * Invariants
 *   D1  a life ends once: only who takes the count to 0 (or ends a pool) comes to step 1.
 *   D2  between 1 and 6 a slot waits for readers (grace_period.h), is on one thread's list of the dying, is being
 *       finished, or waits for the end of its ending owner.
 *   D3  no lock of Lido is held while steps 3 and 4 call the program.
 * Stack: a death inside step 3 or 4 is only noted, in the thread's list, and finished when that step has returned. The
 * list's links lie beside the slots, so noting can't fail. A pool that is destroyed in there first finishes its own
 * deaths on the list.
 * Threads: any; the list is the thread's own. A thread that is gone after a fork takes its unfinished deaths with it:
 * in the child these objects stay dying, until their owner ends.
 */
#ifndef LIDO_LIB_REFS_DEATH_H
#define LIDO_LIB_REFS_DEATH_H

#include "lib/refs/span.h"

/* The object dies: its count is 0, or it is published for nobody and the caller is alone with it. */
void lido_death(lido_slot *slot);

/* A dying object, and what it waited for has come: it goes on this thread's list. Then run the list, unless a death is
 * being finished: then it will be. */
void lido_death_note(lido_slot *slot);
void lido_deaths_run(void);

/* The same for one that calls nothing of the program's: it is finished at once, whatever else is being finished here,
 * so that nobody who waits for it waits for the program. false: it is not so. */
bool lido_death_quietly(lido_slot *slot);

/* Is one being finished, that is, is this called by a destructor or a cleanup? And of an object of that owner? */
bool lido_deaths_are_busy(void);
bool lido_deaths_are_of(const lido_refs_owner *owner);

/* Deaths that waited for readers and are in this thread's hands, of that owner; NULL: of all. For the child of a fork,
 * where those in others' hands are over. */
size_t lido_deaths_in_hands(const lido_refs_owner *owner);

/* ---- The end of an owner; in this order ---- */

/* Finish what this thread has noted of the owner's. */
void lido_deaths_finish_of(lido_refs_owner *owner);

/* From here on the owner is ending. Steps 1 to 4 for an object, whatever its count, and for what that brings about. */
void lido_death_by_force(lido_slot *slot);

/* A dying object whose thread was lost in a fork: nobody is called. */
void lido_death_abandoned(lido_slot *slot);

/* Steps 5 and 6 for all of them. */
void lido_deaths_give_back(lido_refs_owner *owner);

void lido_deaths_count(lido_weak_stats *stats);

#endif
