/* cleanup_worker.c: a thread that runs what comes onto a queue, until it is stopped.
 *
 * Idea: the worker is a drain that waits. It visits its queue for as long as it lives, and holds a reference; so
 * neither the queue's memory nor its end can overtake it.
 * Invariants
 *   Y1  a queue has one worker at most; worker_thread is joined by the stop that found it running, or detached by
 *       itself.
 *   Y2  once it was told to end, a worker takes no more nodes.
 *   Y3  an ended queue gets no worker.
 * Threads: any. Lock: the queue's; a thread is made under it, so that who finds a worker finds its thread.
 * Failure: start: ENOMEM, EAGAIN, ESTALE; there is no worker then.
 * The worker that ends its own queue, from a cleanup, can't wait for itself: it leaves when that cleanup returns.
 */
#include <errno.h>

#include "lib/base/lock.h"
#include "lib/refs/cleanup_queue.h"

static bool is_worker_locked(const lido_cleanup_queue *queue) {
  return queue->worker != LIDO_WORKER_NONE && lido_os_thread_is_this(queue->worker_thread);
}

/* Waits for a node. NULL: the worker is to end. */
static lido_cleanup_node *wait_for_node(lido_cleanup_queue *queue) {
  lido_cleanup_node *node = NULL;
  size_t looks = SIZE_MAX;
  lido_lock_take(&queue->lock);
  while (queue->worker == LIDO_WORKER_RUNS && (node = lido_cleanup_queue_take_locked(queue, &looks)) == NULL) {
    lido_os_condition_wait(&queue->changed, &queue->lock, UINT64_MAX);
  }
  lido_lock_give(&queue->lock);
  return node;
}

/* The reference is the worker's. */
static void *work(void *argument) {
  lido_cleanup_queue *queue = argument;
  lido_queue_visit visit;
  lido_cleanup_node *node = NULL;
  lido_cleanup_queue_enter(queue, &visit);
  while ((node = wait_for_node(queue)) != NULL) lido_cleanup_run(node, LIDO_NODE_QUEUED);
  lido_cleanup_queue_leave(&visit);
  lido_cleanup_queue_drop(queue);
  return NULL;
}

static int start_locked(lido_cleanup_queue *queue) {
  if (queue->ended) return ESTALE; /* its end waits for no worker any more: see end_queue */
  if (queue->worker != LIDO_WORKER_NONE) return EALREADY;
  int error = lido_os_thread_start(&queue->worker_thread, work, queue);
  if (error == 0) queue->worker = LIDO_WORKER_RUNS;
  return error;
}

int lido_cleanup_worker_start(lido_cleanup_queue *queue) {
  lido_cleanup_queue_hold(queue);
  lido_lock_take(&queue->lock);
  int error = start_locked(queue);
  lido_lock_give(&queue->lock);
  if (error != 0) lido_cleanup_queue_drop(queue);
  return error;
}

static int tell_to_stop(lido_cleanup_queue *queue) {
  int error = 0;
  lido_lock_take(&queue->lock);
  if (is_worker_locked(queue)) {
    error = EDEADLK;
  } else if (queue->worker != LIDO_WORKER_RUNS) {
    error = ESRCH;
  } else {
    queue->worker = LIDO_WORKER_STOPS;
    lido_os_condition_wake_all(&queue->changed);
  }
  lido_lock_give(&queue->lock);
  return error;
}

static void wait_for_end(lido_cleanup_queue *queue) {
  lido_os_thread_join(queue->worker_thread);
  lido_lock_take(&queue->lock);
  queue->worker = LIDO_WORKER_NONE;
  lido_lock_give(&queue->lock);
}

int lido_cleanup_worker_stop(lido_cleanup_queue *queue) {
  lido_cleanup_queue_hold(queue); /* first: what the worker is in may end the queue at any moment */
  int error = tell_to_stop(queue);
  if (error == 0) wait_for_end(queue);
  lido_cleanup_queue_drop(queue);
  return error;
}

void lido_cleanup_worker_end(lido_cleanup_queue *queue) {
  if (lido_cleanup_worker_stop(queue) != EDEADLK) return;
  lido_lock_take(&queue->lock);
  if (queue->worker == LIDO_WORKER_RUNS) lido_os_thread_detach(queue->worker_thread);
  if (queue->worker == LIDO_WORKER_RUNS) queue->worker = LIDO_WORKER_LEFT;
  lido_lock_give(&queue->lock);
}
