/* answer_queue.h: whose turn it is: the connection whose input has waited for longest.
 *
 * Idea: an answer can take the loop some hundred microseconds. If a connection were served as soon as its bytes are
 * read, the order were that in which the system reports descriptors, and one whose next request comes just after the
 * look at them would wait for all the others twice: of 32 busy clients, always the same one. So reading only puts
 * connections here. They are served in this order, one request each, for TURN_NS at a time, and between two turns the
 * loop reads what has come. A request begins to use memory when it is served, so that few are in memory at once.
 * A request that finds no memory when its turn comes is not put back to wait for others: it gets its 503 at once.
 * Memory is held by clients that are slow to read, for as long as they like up to the idle timeout, so the others would
 * wait for the slowest; and requests that hold a part of what they need while they wait could wait for each other for
 * ever. A 503 tells a balancer in front what it wants to know while that is still true.
 * Invariants
 *   Q1  a connection waits here once, and only while it has input; it leaves when served, or before it closes.
 *   Q2  the loop has the idle handle exactly while somebody waits: so it doesn't sleep then, nor run in vain else.
 * Threads: the loop's.
 */
#ifndef LIDO_EXAMPLES_ANSWER_QUEUE_H
#define LIDO_EXAMPLES_ANSWER_QUEUE_H

#include <sys/queue.h>
#include <uv.h>

struct connection;

TAILQ_HEAD(connections_waiting, connection);

struct answer_queue {
  struct connections_waiting waiting;
  uv_idle_t turn;
};

void answer_queue_init(struct answer_queue *queue, uv_loop_t *loop);

/* Nobody waits any more. The loop must run once after it. */
void answer_queue_close(struct answer_queue *queue);

void answer_queue_add(struct answer_queue *queue, struct connection *connection);
void answer_queue_remove(struct answer_queue *queue, struct connection *connection);

#endif
