/* hash_table.h: a table of nodes by 64-bit hash, read without locks.
 *
 * Idea: an array of chains, in shards with a lock each for who changes them. Nodes are embedded in whatever is listed.
 * Readers walk a chain inside a guard (lido/guard.h) and write nothing; what is removed, node or array, is given back
 * by way of a guarded pool, and so outlives them. A reader that finds a node has found it. One that finds none may have
 * walked a chain that was being moved to another array, so it looks again under the lock before it believes so: hits
 * are fast, and misses are followed by work anyway.
 * The table knows nothing of keys: who walks a chain compares.
 * Invariants
 *   T1  a node is in the chain of its hash in the present array of its shard, once; `count` of a shard is their number.
 *   T2  there are a power of two of chains, at least FEWEST, and four times as many as nodes, so that a walk seldom
 *       goes beyond the first, which a processor can foretell; or there was no memory for so many.
 *   T3  a node's hash does not change while the node is in the table, nor until no reader can be at it.
 *   T4  an old array is kept in `old` until its shard's lock is given, and released after.
 * Why a reader's walk ends: chains have no rings, nodes are moved one at a time to the head of a chain, and in a move
 * each node moves once; so a walk that is led from chain to chain is led on at most once for each node moved meanwhile.
 *
 *               walk  insert  remove  move
 *     walk       -      -       -      m         -: may overlap   m: may miss nodes that are there
 *     insert            L       L      L         L: serialized by the shard's lock
 * Proof: tests/interleavings/table_walk_test.c.
 * Threads: any. Lock: rank SHARD; nothing of the program's runs under it but hash and equality of keys.
 * Failure: reserve: ENOMEM, nothing changed; a table that can't grow gets slower, one that can't shrink stays large.
 * Method: hash tables under read-copy-update (McKenney; Triplett, McKenney and Walpole, 2011), with the confirmation
 * under the lock instead of a resize that readers never notice.
 * Not done: moving a few nodes at a time (a shard of a table of a million moves its 60,000 in some milliseconds, and
 * only writers to it wait); open addressing (a reader could not be shown a moved key's absence without a counter that
 * all readers read).
 */
#ifndef LIDO_LIB_CACHES_HASH_TABLE_H
#define LIDO_LIB_CACHES_HASH_TABLE_H

#include <stddef.h>

#include "lib/base/atomic.h"
#include "lib/base/lock.h"
#include "lido/guard.h"

enum { LIDO_TABLE_SHARD_BITS = 5, LIDO_TABLE_SHARDS = 1 << LIDO_TABLE_SHARD_BITS, LIDO_TABLE_FEWEST = 8 };

typedef struct lido_table_node {
  struct lido_table_node *next; /* atomic */
  uint64_t hash;
} lido_table_node;

/* Where the chains are, and how many there are, in one word that readers load: the address of the first, a multiple of
 * 64, and in its low bits by how much a hash is shifted to the right to give the chain's place, once the shard's bits
 * are gone: 64 less the logarithm of their number. 0: there was no node yet. */
typedef struct lido_table_chains {
  uintptr_t word;
} lido_table_chains;

/* What gives an array back when no reader can be in it. */
typedef struct lido_table_array {
  lido_table_chains chains;
} lido_table_array;

typedef struct lido_table_shard {
  _Alignas(64) lido_table_chains chains; /* atomic */
  size_t count;
  lido_table_array *array; /* of these chains */
  lido_table_array *old;
  lido_lock lock;
} lido_table_shard;

typedef struct lido_table {
  lido_table_shard shards[LIDO_TABLE_SHARDS];
} lido_table;

/* 0, or why readers can't be guarded against. */
int lido_table_init(lido_table *table);

/* pre: empty, and nobody is in it. */
void lido_table_end(lido_table *table);

/* ---- Readers: inside a guard, or with the shard's lock ---- */

static inline lido_table_shard *lido_table_shard_of(lido_table *table, uint64_t hash) {
  return &table->shards[hash >> (64 - LIDO_TABLE_SHARD_BITS)];
}

static inline size_t lido_table_place_in(lido_table_chains chains, uint64_t hash) {
  return hash << LIDO_TABLE_SHARD_BITS >> (chains.word & 63);
}

static inline lido_table_node **lido_table_place(lido_table_chains chains, uint64_t hash) {
  return (lido_table_node **)(chains.word & ~(uintptr_t)63) + lido_table_place_in(chains, hash);
}

/* The first node of the chain where this hash belongs. */
static inline lido_table_node *lido_table_chain(lido_table *table, uint64_t hash) {
  /* ACQUIRE table.array: its chains are seen. */
  lido_table_chains chains = {lido_load_acquire(&lido_table_shard_of(table, hash)->chains.word)};
  if (LIDO_UNLIKELY(chains.word == 0)) return NULL;
  /* ACQUIRE table.node: the node is seen complete. */
  return lido_load_acquire(lido_table_place(chains, hash));
}

static inline lido_table_node *lido_table_next(const lido_table_node *node) {
  /* ACQUIRE table.node: as above. */
  return lido_load_acquire(&node->next);
}

/* ---- Writers ---- */

lido_table_shard *lido_table_take(lido_table *table, uint64_t hash);
void lido_table_give(lido_table_shard *shard);

/* Room for one node more. 0, or ENOMEM. */
int lido_table_reserve_locked(lido_table_shard *shard);

/* pre: reserved since the last insert. */
void lido_table_insert_locked(lido_table_shard *shard, lido_table_node *node);

/* pre: it is in there. The caller releases it when it has given the lock. */
void lido_table_remove_locked(lido_table_shard *shard, lido_table_node *node);

/* Call `visit` for every node of the shard until it returns false; it changes nothing here. */
void lido_table_each_locked(const lido_table_shard *shard, bool (*visit)(lido_table_node *node, void *arg), void *arg);

/* All nodes leave. -> the first, the others linked by next. */
lido_table_node *lido_table_remove_all_locked(lido_table_shard *shard);

/* The same for nodes whose memory is gone. pre: nobody is in the table. */
void lido_table_forget_all_locked(lido_table_shard *shard);

/* Shards without a node lose their arrays. -> bytes given back. */
size_t lido_table_trim(lido_table *table);

/* Nodes, at some moment for each shard. */
size_t lido_table_count(lido_table *table);

const char *lido_table_check(lido_table *table);
void lido_table_lock_for_fork(lido_table *table);
void lido_table_unlock_after_fork(lido_table *table);

#endif
