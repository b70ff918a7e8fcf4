/* budgets.h: one limit over many pools and arenas.
 *
 * Idea: a count of bytes that is only raised by a compare-and-swap that stays within the hard limit, so that it never
 * overshoots. A second number says at what count somebody is told next: at first the soft limit, after each call a step
 * above what was used then, and again lower when that much has been given back. So calls are paid for by memory taken,
 * however long the use stays above the limit.
 * Invariants
 *   U1  used is the sum of what was taken and not given.
 *   U2  used <= hard, unless the limit was lowered below what was used.
 *   U3  told_at <= max(soft, the used of some moment since the last call + step), as long as there is a soft limit.
 *   U4  nobody is in a call of a budget that is silent, once lido_budget_silence has returned.
 *   U5  soft <= hard, if there are both; they were set by one call.
 * Threads: any; it guards no memory but its own counts, hence relaxed. Lock: LEAF, one for all budgets, while limits
 * are set, and where both are read. The calls are made without locks; a thread in one of a budget's gets no other of
 * that one. A thread may end in a call.
 * Failure: false, nothing changed.
 */
#ifndef LIDO_LIB_MEM_BUDGETS_H
#define LIDO_LIB_MEM_BUDGETS_H

#include "lido/budget.h"

/* Pools and arenas that stand on it. NULL is ignored. */
void lido_budget_hold(lido_budget *budget);
void lido_budget_let_go(lido_budget *budget);

/* `bytes` more, if there are so many left, or after on_hard are. No lock is held. NULL has no limit. */
bool lido_budget_take(lido_budget *budget, size_t bytes);
/* The same without asking on_hard, and a refusal is not counted: for who can do with less. */
bool lido_budget_try(lido_budget *budget, size_t bytes);
void lido_budget_give(lido_budget *budget, size_t bytes);

/* From now on nobody is called; waits for the end of calls under way. Not from inside one. */
void lido_budget_silence(lido_budget *budget);

/* In the child of a fork: calls of threads that are gone are over. */
void lido_budget_in_child(lido_budget *budget);

void lido_budgets_lock_for_fork(void);
void lido_budgets_unlock_after_fork(void);

/* NULL, or U1 to U5, as far as the budget alone can tell. While nobody takes or gives, comes or goes. */
const char *lido_budget_check(const lido_budget *budget);

#endif
