/* cleanup_queue.h: cleanups whose time has come, for somebody else to run.
 *
 * Idea: nodes are pushed onto a stack by a compare-and-swap of its head, a node's number. Who takes them does so under
 * the queue's lock, from a list that is oldest first; when that is empty, the whole stack is taken at once and turned
 * round. So releases never wait for a drain, and the order is that of the pushes whoever drains.
 * The end: the head becomes ENDED under the lock. A push that finds it says so, and its thread runs the node itself.
 * Visits: a drain, a worker and a callback are visits of their thread to the queue, counted under the lock and linked
 * on the thread's stack. The end waits for those of other threads, so afterwards no callback and no cleanup of the
 * queue is under way; its own are found on its stack and not waited for.
 * Invariants
 *   J1  a node on the stack or the list is queued, stopped, and has a reference to this queue.
 *   J2  pending is how many nodes are on the stack and the list, plus pushes that are under way.
 *   J3  an event is raised only while something is on the stack or the list; and once the push that found the stack
 *       empty is over, as long as something is.
 *   J4  head is ENDED for ever, once it is; then list and stack are empty.
 *   J5  no lock is held while a function of the program runs.
 * Wake-up: only the push that finds the stack empty raises the event, wakes the worker and calls notify, always, after
 * it has pushed. A taker that finds nothing has, under the lock, seen the stack empty; so the next push finds it empty.
 * (Deciding by `pending` instead loses a wake-up, and so does a drain of as many as were pending:
 * tests/interleavings/cleanup_queue_test.c shows how.)
 * Who may run together: pushes with everything; takers, the end, starting and stopping a worker take turns by the lock.
 * Memory orders: push releases the node and what its thread did, the taker acquires it (queue.pushed).
 * References: the creator's until destroy, one for each node registered, each visit, and each owner whose default it
 * is. Who drops the last one frees the memory.
 * Threads: any. Locks: LEAF; one for each queue, one for the list of all, which fork needs.
 * Failure: create: ENOMEM or what the system says of the event; the worker's thread: ENOMEM, EAGAIN. Nothing else can
 * fail.
 * Fork: the child has the queue with what is on it, without a worker, and with an event of its own. What other threads
 * were just running is lost to the child, and a queue that they were visiting is never freed there.
 * Proof: tests/interleavings/cleanup_queue_test.c.
 * Not done: a taker that needs no lock (it would take from others what they have turned round, out of order).
 */
#ifndef LIDO_LIB_REFS_CLEANUP_QUEUE_H
#define LIDO_LIB_REFS_CLEANUP_QUEUE_H

#include "lib/os/os.h"
#include "lib/refs/cleanup_nodes.h"

typedef enum lido_worker_state {
  LIDO_WORKER_NONE,
  LIDO_WORKER_RUNS,
  LIDO_WORKER_STOPS, /* somebody waits for its end */
  LIDO_WORKER_LEFT,  /* it ended its own queue: nobody waits */
} lido_worker_state;

struct lido_cleanup_queue {
  uint32_t newest;  /* the stack's head */
  uint32_t crowded; /* on_high_water was called, and there were not fewer than half since */
  uint64_t pending; /* J2 */
  uint64_t references;
  lido_cleanup_queue_options options; /* fixed at birth */
  _Alignas(64) lido_lock lock;
  /* under the lock */
  lido_os_condition changed; /* something was pushed, a visit is over, a worker is to end */
  uint32_t oldest;           /* of the list */
  bool raised;
  bool ended;
  int event; /* -1: none */
  size_t visits;
  lido_worker_state worker;
  lido_os_thread worker_thread;
  /* under the lock of the list of all */
  lido_cleanup_queue *next;
  lido_cleanup_queue *previous;
  char name[];
};

/* This thread is inside a queue: it drains it or is in a callback. Lies on its stack. */
typedef struct lido_queue_visit {
  lido_cleanup_queue *queue;
  struct lido_queue_visit *outer;
} lido_queue_visit;

/* NULL is ignored. pre of hold: there is a reference. */
void lido_cleanup_queue_hold(lido_cleanup_queue *queue);
void lido_cleanup_queue_drop(lido_cleanup_queue *queue);

/* Did it end? Then what is added for it is for the releasing thread. */
bool lido_cleanup_queue_is_over(const lido_cleanup_queue *queue);

/* Put a queued node on its queue. false: the queue has ended, the node is still the caller's. */
bool lido_cleanup_queue_push(lido_cleanup_node *node);

/* Run it, unless it was stopped; then the node is free. -> whether it ran. pre: in the caller's hands, but for being
 * stopped `from` a state. */
bool lido_cleanup_run(lido_cleanup_node *node, unsigned from);

/* A visit, which is also a reference. */
void lido_cleanup_queue_enter(lido_cleanup_queue *queue, lido_queue_visit *visit);
void lido_cleanup_queue_leave(lido_queue_visit *visit);

/* Under the lock: the oldest node, which is the caller's now; NULL: there is none. Looks at the stack only when the
 * list is empty, and at most *looks times. */
lido_cleanup_node *lido_cleanup_queue_take_locked(lido_cleanup_queue *queue, size_t *looks);

/* After deaths: see cleanups.h. */
void lido_cleanup_queues_assist(void);

const char *lido_cleanup_queues_check(void);
void lido_cleanup_queues_lock_for_fork(void);
void lido_cleanup_queues_unlock_after_fork(void);
void lido_cleanup_queues_in_child(void);

/* ---- cleanup_worker.c ---- */

/* The worker ends, if there is one: waits for it, unless this thread is the worker. */
void lido_cleanup_worker_end(lido_cleanup_queue *queue);

#endif
