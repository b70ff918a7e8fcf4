/* lock.h: mutexes with ranks.
 *
 * A thread may take a lock only if its rank is higher than that of every lock it holds. The enum is the
 * order, from the outermost to the innermost; builds with assertions check it at each take. No
 * function of a caller's runs while a lock is held, except those of lido_backing_functions.
 *
 * Why pthread mutexes: a lock is taken once for some sixty objects; sanitizers, debuggers and fork know them.
 */
#ifndef LIDO_LIB_BASE_LOCK_H
#define LIDO_LIB_BASE_LOCK_H

#include <pthread.h>
#include <stdbool.h>

enum lido_rank {
  LIDO_RANK_SOCKETS,  /* all snapshot sockets: the list, descriptors, answers */
  LIDO_RANK_MANAGERS, /* the list of all managers */
  LIDO_RANK_MONITOR,  /* one per manager: samples, rules, the thread */
  LIDO_RANK_MANAGER,  /* one per manager: its members */
  LIDO_RANK_CACHES,   /* the lists of all caches, intern tables, subjects and the like */
  LIDO_RANK_SUBJECT,  /* one per subject: its observers */
  LIDO_RANK_SHARD,    /* one per shard of a hash table */
  LIDO_RANK_KEPT,     /* one per cache: what it keeps alive */
  LIDO_RANK_FLIGHTS,  /* which thread waits for whose creation */
  LIDO_RANK_CLASSES,  /* classes of arenas, threads' shelves of them */
  LIDO_RANK_STORES,   /* object pools by number, threads' stores of objects */
  LIDO_RANK_SHELVES,  /* one per object pool: what its threads share */
  LIDO_RANK_REGISTRY, /* pools by number, threads, caches, hooks */
  LIDO_RANK_DEPOT,    /* one per pool: magazines */
  LIDO_RANK_SLABS,    /* one per pool: slabs, bitmaps */
  LIDO_RANK_SLOTS,    /* runs of handles' slots */
  LIDO_RANK_SAMPLES,  /* the heap profile: samples, sites */
  LIDO_RANK_METADATA, /* one per backing: small blocks */
  LIDO_RANK_BACKING,  /* one per backing: regions */
  LIDO_RANK_MAP,      /* leaves of the address map */
  LIDO_RANK_LEAF,     /* nothing is taken below */
};

typedef struct lido_lock {
  pthread_mutex_t mutex;
  enum lido_rank rank;
} lido_lock;

#define LIDO_LOCK_INITIAL(rank) \
  { PTHREAD_MUTEX_INITIALIZER, rank }

void lido_lock_init(lido_lock *lock, enum lido_rank rank);
void lido_lock_end(lido_lock *lock);
void lido_lock_take(lido_lock *lock);
void lido_lock_give(lido_lock *lock);

/* True, and the lock is held, if it was free. */
bool lido_lock_try(lido_lock *lock);

/* Around fork, where locks of one rank are taken one after the other: no rank check. */
void lido_lock_take_for_fork(lido_lock *lock);
void lido_lock_give_after_fork(lido_lock *lock);

#endif
