/* failed_acquires.h: how many acquires gave NULL, and why.
 *
 * Idea: the inlined acquire calls lido_weak_acquire_slow() whenever it does not succeed at once, so a count there costs
 * the successful one nothing. The counts are in stripes, by thread, since threads that look up what is dead may do so
 * often.
 * Invariant  C1  a count only grows.
 * Threads: any. Failure: none.
 * Not done: counting acquires that succeed, and gets. The former would cost each an instruction on memory of the
 * thread's own; the latter have no slow call, and one would make each function that has a get save its registers around
 * it (a loop over gets: from 34 instructions to 51, and from no pushes to four).
 */
#ifndef LIDO_LIB_REFS_FAILED_ACQUIRES_H
#define LIDO_LIB_REFS_FAILED_ACQUIRES_H

#include "lido/weak.h"

/* Counts it. `why`: any state but LIVE. -> NULL */
void *lido_acquire_failed(lido_weak_state why);

void lido_failed_acquires_count(lido_weak_stats *stats);

#endif
