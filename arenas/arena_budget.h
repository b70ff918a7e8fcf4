/* arena_budget.h: one limit over many arenas.
 *
 * Threads: any. A count of bytes that is only raised by a compare-and-swap that stays within the limit, so that it never
 * overshoots. It guards no other memory, hence relaxed.
 */
#ifndef LIDO_ARENAS_ARENA_BUDGET_H
#define LIDO_ARENAS_ARENA_BUDGET_H

#include "lido/arena.h"

/* Arenas that stand on it. */
void lido_arena_budget_hold(lido_arena_budget *budget);
void lido_arena_budget_let_go(lido_arena_budget *budget);

/* `bytes` more, if there are so many left. */
bool lido_arena_budget_take(lido_arena_budget *budget, size_t bytes);
void lido_arena_budget_give(lido_arena_budget *budget, size_t bytes);

#endif
