/* cleanups.h: the cleanups of one object.
 *
 * Idea: beside its slot an object has the newest node of a list (slots.h); nodes are linked both ways, so that any can
 * be taken out. Adding and stopping take one of a few locks, by the slot's number; so does a death, once, to close the
 * list, and only if there is one. After that nobody changes its links: the death walks it without a lock, and each node
 * is won by it or by a stop with one compare-and-swap (cleanup_nodes.h).
 * Invariants
 *   F1  an open list holds nodes that are listed, of this slot, newest first; a closed one also such that were stopped.
 *   F2  a list is closed at most from the death of its object until the slot's next life, and nothing is added
 *       meanwhile.
 *   F3  when the list is opened again, no node that was on it is listed.
 *   F4  who holds the lock, has seen the list open, and then has made the node stopped, in this order, unlinks it; if
 *       it was closed, who walks the list frees it.
 *   F5  the first node of an object that one thread alone can reach is linked without the lock: nobody else adds, and
 *       there is no node that a stop could unlink.
 * Why a death may skip the lock when it finds no node: adds are made by holders of references, so each of them came
 * before the last release, which the dying thread has acquired (and any other that finishes the death for it, by a
 * lock). It therefore reads what the last add wrote or something later; later come only stops, and after one that
 * leaves nothing there comes nothing.
 * Why F4: the list is opened by a release after the old nodes' last steps (F3). Who acquires "open" of a new life
 * therefore finds no old node listed; and who holds the lock in an old life's open list keeps it from being closed.
 * Who may run together, on one object
 *                add     stop     death
 *     add        lock    lock, F5 never: who adds has a reference
 *     stop               lock     lock to close; then by node, compare-and-swap
 * Locks: LEAF; sixteen, since a fork takes them all.
 * Failure: add: ENOMEM, nothing changed but that the object may be counted from now on.
 * Cost: one lock in add but for the first (F5), one in the death, one compare-and-swap and one line of memory for each
 * node.
 * Proof: tests/interleavings/cleanup_stop_test.c.
 * Not done: adding without a lock, by a compare-and-swap of the list's head: then stop could only mark its node, and an
 * object that lives long would collect them.
 */
#ifndef LIDO_LIB_REFS_CLEANUPS_H
#define LIDO_LIB_REFS_CLEANUPS_H

#include "lib/refs/span.h"

/* In a slot's side: the list takes no more. */
#define LIDO_CLEANUPS_CLOSED UINT32_MAX

/* The list is closed and taken. -> its newest node, 0: there is none. pre: the word says dying. */
uint32_t lido_cleanups_close(lido_slot *slot);

/* All of a list that was closed: each is run, newest first, or goes to its queue. No lock is held. */
void lido_cleanups_run(uint32_t newest);

/* A new life begins: after the run. */
void lido_cleanups_open(lido_slot *slot);

/* After deaths, with nothing of Lido's going on in this thread: run some of what waits on queues that have too much. */
void lido_cleanups_assist(void);

void lido_cleanups_count(lido_weak_stats *stats);
const char *lido_cleanups_check(void);
void lido_cleanups_lock_for_fork(void);
void lido_cleanups_unlock_after_fork(void);
void lido_cleanups_in_child(void);

#endif
