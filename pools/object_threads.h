/* object_threads.h: object pools by number, the threads that use them, and the lock over both.
 *
 * Idea: a pool's number is its index in each thread's table of stores, as in registry.h, but in a table of its own:
 * most programs have few object pools.
 * Invariants
 *   Y1  a pool in the table stands at its number.
 *   Y2  a thread's table has lido_object_store_none or that thread's store at each index below store_count.
 *   Y3  a thread's record exists from its first slow path until its exit hook, and so no longer than its thread-locals,
 *       which others touch under the lock.
 * Threads: any. Lock: rank STORES, outside the pools' own; slow paths only. No callback runs under it.
 * Exit: what the thread's stores hold goes to the fresh shelves. Without memory for magazines such a store stays with
 * its pool as an orphan: the next thread that needs a store adopts it, or the next trim ends it. What destructors of
 * thread-locals get and put later works without a store.
 * Fork: in the child the same is done for all other threads.
 * Failure: no memory for a table or record: the thread works without stores.
 */
#ifndef LIDO_POOLS_OBJECT_THREADS_H
#define LIDO_POOLS_OBJECT_THREADS_H

#include "pools/object_store.h"

/* Give the pool a number. 0, ENOMEM. */
int lido_object_pools_add(lido_object_core *core);

/* Take it back, with all threads' stores of it. pre: they are empty, and nobody uses the pool. */
void lido_object_pools_remove(lido_object_core *core);

/* The calling thread's store of a pool, made if there was none; entered at `place`, too, if that is not NULL. NULL: no
 * memory, or the thread is past its exit. Leaves errno alone. */
lido_object_store *lido_object_store_attach(lido_object_core *core, lido_object_store **place);

/* What the calling thread's stores hold goes to the shelves: for lido_thread_flush(). */
void lido_object_stores_flush(void);

const char *lido_object_pools_check(void);

/* For fork.c. */
void lido_object_pools_lock_for_fork(void);
void lido_object_pools_unlock_after_fork(void);
void lido_object_pools_in_child(void);

#endif
