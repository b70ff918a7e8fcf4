/* registry.h: every pool by its number, every thread that ever used one, and the lock over both.
 *
 * Idea: a pool's number is its index in each thread's table of caches and its owner in the address
 * map. Numbers are used again, which is safe because the end of a pool empties both places first.
 * Invariants
 *   N1  a pool in the table stands at its number; number 0 is nobody's.
 *   N2  a thread's table has lido_thread_cache_none or that thread's cache at each index below cache_count.
 *   N3  a thread's record exists from its first slow path until its exit hook, and so no longer than its thread-locals,
 *       which others touch under the lock.
 * Threads: any. Lock: REGISTRY, the outermost; slow paths only.
 * Exit: the hook gives everything back at the first round that reaches it; what the thread's other
 * destructors alloc and free later goes without a cache (direct.c). The hook asks nothing of a
 * backing: mimalloc's own comes first.
 * Failure: no memory for a table or record: the thread works without caches.
 */
#ifndef LIDO_POOLS_REGISTRY_H
#define LIDO_POOLS_REGISTRY_H

#include "lido/misuse.h"
#include "pools/pool_core.h"

struct lido_thread_record {
  lido_thread *thread;     /* its thread-local */
  lido_pool_cache **table; /* thread->caches, for a child that can't read that thread-local */
  size_t table_bytes;
  lido_thread_cache_rest *caches;
  bool owns_pools; /* only_thread of some */
  lido_thread_record *next;
  lido_thread_record *previous;
};

void lido_registry_lock(void);
void lido_registry_unlock(void); /* then reports what was found meanwhile */

/* Report a misuse now, or when this thread gives the lock back: the handler may call Lido. */
void lido_registry_report(lido_misuse misuse);

/* Give the pool a number. 0, ENOMEM. */
int lido_registry_add(lido_pool_core *core);

/* The rest: called with the lock held. */
void lido_registry_remove_locked(lido_pool_core *core);
lido_pool_core *lido_registry_find_locked(uint32_t number);
lido_pool_core *lido_registry_first_locked(void); /* then by core->next */

/* The calling thread's record; NULL: no memory, or past its exit. */
lido_thread_record *lido_thread_record_get_locked(void);

/* Is this a second thread on a single-thread pool? The first one to come here owns it until it ends; `thread` may be
 * NULL. */
bool lido_thread_is_second_locked(lido_pool_core *core, lido_thread_record *thread);

/* Room for `number` in the thread's table. */
bool lido_thread_table_reserve_locked(lido_thread_record *record, uint32_t number);

/* Enter a cache, or lido_thread_cache_none. pre: there is room. */
void lido_thread_table_set_locked(lido_thread_record *record, uint32_t number, lido_pool_cache *cache);

/* In the child of a fork: forget all threads but the calling one. */
void lido_threads_forget_others_locked(void);

/* Install exit and fork hooks. Once; later calls are cheap. 0, or ENOMEM. (fork.c) */
int lido_fork_hooks_install(void);

void lido_registry_lock_for_fork(void);
void lido_registry_unlock_after_fork(void);

#endif
