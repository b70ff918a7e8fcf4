/* cleanup_nodes.h: a node of 64 bytes for each cleanup that is registered.
 *
 * Idea: nodes lie in one range of addresses that is never unmapped, so whatever lido_cleanup is asked about, there is a
 * word to look at: generation and state. A handle names a node and one of its lives; the generation goes up when the
 * node becomes free. A node is made when a cleanup is added, so that nothing later needs memory.
 * Free nodes wait in a small cache of the thread that freed them, and above that in one list, from which they move by
 * dozens. The caches lie in memory of their own, not in the thread-locals, so that the child of a fork finds what its
 * parent's other threads had.
 * A life: free -> listed (with its object) -> running -> free, by way of `queued` if it is for a queue, or from
 * `listed` straight to free if it is stopped while its object lives. Who stops one that is on its way, on a closed list
 * or on a queue, only marks it `stopped`; who comes for it then frees it. Each step from listed or queued is one
 * compare-and-swap: of stop and run one wins.
 * Invariants
 *   E1  a node is in one place: the list of an object, a queue, a thread's hands, a thread's cache or the free list.
 *   E2  a node's generation never goes down; a node whose generations are used up is never free again.
 *   E3  nodes below `limit` have memory; node 0 is nobody's, so {0} is no handle.
 *   E4  LAST_RAN says of the life before the one that the word names whether it ended by running.
 * Threads: any. Lock: LEAF, for the free list. Words are changed as said above, all else of a node by who has it in
 * hands.
 * Failure: take: ENOMEM, nothing changed. Without memory for a cache a thread does without.
 * Bound: 2^26 cleanups at once, 4 GiB; less where the system refuses that many addresses.
 * Not done: giving nodes back to the system (they hold generations).
 */
#ifndef LIDO_LIB_REFS_CLEANUP_NODES_H
#define LIDO_LIB_REFS_CLEANUP_NODES_H

#include "lib/base/atomic.h"
#include "lib/refs/slots.h"
#include "lido/cleanup.h"

enum {
  LIDO_NODE_FREE,
  LIDO_NODE_LISTED,  /* on the list of its object */
  LIDO_NODE_QUEUED,  /* the object is dead; on a queue or on the way there */
  LIDO_NODE_RUNNING, /* in the hands of the thread that calls it */
  LIDO_NODE_STOPPED, /* where it was when it was listed or queued, but it will not run */
  LIDO_NODE_RETIRED, /* E2 */
  LIDO_NODE_STATE = 7,
  LIDO_NODE_LAST_RAN = 8, /* E4; of a retired node: this life */
};

typedef struct lido_cleanup_node {
  uint64_t word; /* generation 32 | LAST_RAN | state */
  /* On the list of an object: under its lock. On a queue: next is the older one, then the younger one. */
  uint32_t next;
  uint32_t previous;
  uint32_t slot; /* of its object */
  bool copied;   /* content is what fn is shown; else the pointer that it is given */
  lido_cleanup_function fn;
  lido_cleanup_queue *queue; /* one reference to it; NULL: the releasing thread runs it */
  _Alignas(8) unsigned char content[LIDO_CLEANUP_COPY_MAX];
} lido_cleanup_node;

typedef struct lido_cleanup_node_table {
  lido_cleanup_node *nodes;
  uint64_t limit; /* grows only */
} lido_cleanup_node_table;
extern lido_cleanup_node_table lido_cleanup_nodes;

static inline lido_cleanup_node *lido_cleanup_node_at(uint32_t index) { return &lido_cleanup_nodes.nodes[index]; }
static inline uint32_t lido_cleanup_node_index(const lido_cleanup_node *node) {
  return (uint32_t)(node - lido_cleanup_nodes.nodes);
}
static inline unsigned lido_cleanup_state_of(uint64_t word) { return (unsigned)(word & LIDO_NODE_STATE); }

/* The node that a handle names, whoever's it is by now, or NULL: there is none. */
lido_cleanup_node *lido_cleanup_node_named(lido_cleanup cleanup);

/* A free node, or NULL: ENOMEM. It stays `free` until its user says what it is. */
lido_cleanup_node *lido_cleanup_node_take(void);

/* Its life is over. pre: the caller has it in hands. */
void lido_cleanup_node_give(lido_cleanup_node *node, bool ran);

/* From one state to another, within a life. false: it was stopped before.
 * RELAXED: what the node holds is ordered by the locks and the queue that it came by; this only decides who wins. */
static inline bool lido_cleanup_node_step(lido_cleanup_node *node, unsigned from, unsigned to) {
  uint64_t word = lido_load_relaxed(&node->word);
  return lido_cleanup_state_of(word) == from && lido_cas_relaxed(&node->word, &word, word - from + to);
}

/* From `word`, in which it is listed or queued, to stopped. false: it is no longer as the word says. */
bool lido_cleanup_node_stop(lido_cleanup_node *node, uint64_t word);

/* One more was put on an object's list; on a queue; one more has run. Counts of this thread's, whose sums never
 * fall. */
void lido_cleanup_node_note_registered(void);
void lido_cleanup_node_note_queued(void);
void lido_cleanup_node_note_run(void);

/* What fn is called with. */
void *lido_cleanup_node_argument(lido_cleanup_node *node);

void lido_cleanup_nodes_count(lido_weak_stats *stats);
const char *lido_cleanup_nodes_check(void);
void lido_cleanup_nodes_lock_for_fork(void);
void lido_cleanup_nodes_unlock_after_fork(void);
/* What the threads that are gone had in their caches is free for all. */
void lido_cleanup_nodes_in_child(void);

#endif
