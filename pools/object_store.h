/* object_store.h: one thread's store of an object pool, and how a trim empties it while its owner is at work.
 *
 * Idea: the owner of a store says what it does by the very store that does it: a get writes `hot` (NULL) or `count`
 * (one less), a put `hot` (the object) or `count` (one more). Then it looks at `stop`. A trim sets LIDO_STOP_CLOSED,
 * makes every thread pass a barrier (membarrier, lido_os_barrier), and reads `hot` and `count`: what it finds there is
 * its own. An owner that finds its store closed takes the pool's lock and learns by what the trim noted who got what it
 * was about to take or leave; then the store is empty, and opens. It is the agreement of Cilk's deques (Frigo,
 * Leiserson and Randall, "The implementation of the Cilk-5 multithreaded language", PLDI 1998) with the owner's fence
 * moved to the other side.
 * Invariants
 *   T1  an open store holds `hot`, if not NULL, and items[0 .. count); a closed one only what of these was not taken.
 *   T2  between setting CLOSED and the trim's look lies a barrier in the owner's thread.
 *   T3  while a store is closed the trim's notes stand: taken_hot, taken_count. Only the owner opens it, under the
 *       lock. What is left in a closed store is of the owner's operation that is under way: so an idle owner's has
 *       nothing.
 *   T4  an open store holds at most `credit` objects of `credit_bytes` bytes; a closed one has no credit.
 *   T5  capacity is credit less one for the hot object, at most LIDO_OBJECT_ITEMS; a store with sizes has no hot
 *       object, and capacity is credit. They and capacity_bytes are the owner's; while the store is closed they say
 *       what they said before.
 *   T6  sums[i] is the bytes of items[0 .. i], in a store with sizes. So a get has nothing to count.
 * Why nobody gets an object twice, and none is lost: take the owner's operation, its store W and then its look R; and
 * the trim's set C, barrier M and look L. If W is before M in the owner's thread, L sees W, whatever R finds. If W is
 * after M, R is too and sees C: then the owner waits for the lock, and L saw either the state before W or that after
 * it, which the owner finds out: `hot` was X and the trim noted X, or `count` was n and it noted n. In both cases the
 * trim and the owner agree. After M each operation sees C, so that an owner has at most one operation under way that
 * the trim did not know, and it is settled before the owner's next. An address in taken_hot can't come to the owner
 * again meanwhile but as the object of its own put, which it knows.
 * Threads: the fast paths are the owner's; everything here that is called _locked holds the pool's lock.
 * Without membarrier (LIDO_STOP_FENCE is set in every store) each get and put takes the slow path to a fence.
 * Fork: the child's other threads are gone, so their stores are as one trim would find them after its barrier.
 * Why not a request that each thread honours at its next slow path, as pools' flush requests (thread_cache.h): an idle
 * thread would keep its objects for ever. Why not an "inside" flag that the owner raises and lowers: two more stores
 * for each get and put, and a trim could do nothing with a thread that stays inside.
 * tests/interleavings/object_store_test.c goes through all of it.
 */
#ifndef LIDO_POOLS_OBJECT_STORE_H
#define LIDO_POOLS_OBJECT_STORE_H

#include "pools/object_core.h"

struct lido_object_thread_record;

typedef struct lido_object_rest {
  lido_object_store face;         /* must be first */
  size_t sums[LIDO_OBJECT_ITEMS]; /* atomic, written by the owner */
  size_t capacity_bytes;          /* the owner's, as capacity */
  /* under the pool's lock */
  lido_link in_pool;
  size_t credit;
  size_t credit_bytes;
  void *taken_hot;
  uint32_t taken_count;
  bool is_orphan; /* its thread is gone */
  /* under the lock of object_threads.h */
  lido_link in_thread;
  struct lido_object_thread_record *thread; /* NULL: it is gone */
  lido_object_store **place;                /* a typed pool's, in the thread's thread-locals; or NULL */
} lido_object_rest;

static inline lido_object_rest *lido_object_rest_of(const lido_object_store *store) {
  return (lido_object_rest *)(uintptr_t)store; /* face is the first member */
}

/* Can trims order the owners? Before the first store; later calls are cheap. Called with the lock of object_threads.h
 * held. */
void lido_object_stores_prepare_locked(void);

/* A store of the pool, open and without credit. NULL: ENOMEM. */
lido_object_rest *lido_object_rest_create(lido_object_core *core);

/* An orphan of the pool, for a thread that needs a store. NULL: there is none. */
lido_object_rest *lido_object_rest_adopt(lido_object_core *core);

/* It leaves the pool, and its memory goes. pre: it is empty and without credit. */
void lido_object_rest_destroy_locked(lido_object_rest *rest);

/* The objects kept in it, for statistics, and their bytes. */
lido_kept lido_object_rest_sum_locked(const lido_object_rest *rest, size_t *objects);

/* What a store holds moves to `shelf`, by the owner or when that is gone. Without memory the rest stays. The credit
 * goes back if nothing stays. */
void lido_object_rest_flush_locked(lido_object_rest *rest, lido_object_shelf *shelf);

/* Close every store of the pool that may hold something, and take what it holds, credit too; orphans end. Without
 * memory some stores are left as they are. */
void lido_object_stores_take_locked(lido_object_core *core, lido_object_shelf *shelf);

/* Everything kept, in stores and on shelves, is destroyed, and nothing is kept any more. For the pool's end: nobody but
 * its callbacks uses it, though threads that did may exit. Needs no memory. No lock is held. */
void lido_object_core_empty(lido_object_core *core);

/* Keep an object that the store has no room for, or whose put was not told to anyone yet; or destroy it. The owner's,
 * who holds no lock. `store` may be NULL. */
void lido_object_keep_slow(lido_object_core *core, lido_object_store *store, lido_kept kept);

/* The same in a store with sizes that may have room. */
void lido_object_keep_sized(lido_object_store *store, lido_kept kept);

/* An object that is kept, into the owner's hands, from the shelves. NULL: there is none. `store` may be NULL. */
void *lido_object_find(lido_object_core *core, lido_object_store *store);

/* Is the object kept in this store, which is the caller's? */
bool lido_object_store_holds(const lido_object_store *store, const void *object);

/* NULL, or the invariant that does not hold. */
const char *lido_object_rest_check(const lido_object_rest *rest);

#endif
