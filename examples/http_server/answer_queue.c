/* answer_queue.c: see answer_queue.h. */
#include "examples/http_server/answer_queue.h"

#include "examples/http_server/http_connection.h"

enum { TURN_NS = 1000000 };

static void serve(uv_idle_t *turn) {
  struct answer_queue *queue = turn->data;
  uint64_t end = uv_hrtime() + TURN_NS;
  do {
    struct connection *connection = TAILQ_FIRST(&queue->waiting);
    answer_queue_remove(queue, connection);
    connection_take_turn(connection);
  } while (!TAILQ_EMPTY(&queue->waiting) && uv_hrtime() < end);
}

void answer_queue_init(struct answer_queue *queue, uv_loop_t *loop) {
  TAILQ_INIT(&queue->waiting);
  uv_idle_init(loop, &queue->turn);
  queue->turn.data = queue;
}

void answer_queue_close(struct answer_queue *queue) { uv_close((uv_handle_t *)&queue->turn, NULL); }

void answer_queue_add(struct answer_queue *queue, struct connection *connection) {
  if (TAILQ_EMPTY(&queue->waiting)) uv_idle_start(&queue->turn, serve);
  TAILQ_INSERT_TAIL(&queue->waiting, connection, waiting);
  connection->waits = true;
}

void answer_queue_remove(struct answer_queue *queue, struct connection *connection) {
  TAILQ_REMOVE(&queue->waiting, connection, waiting);
  connection->waits = false;
  if (TAILQ_EMPTY(&queue->waiting)) uv_idle_stop(&queue->turn);
}
