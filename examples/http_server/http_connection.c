/* http_connection.c: see http_connection.h. */
#include "examples/http_server/http_connection.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "examples/http_server/connection_memory.h"
#include "examples/http_server/http_response.h"
#include "examples/http_server/server.h"

enum {
  ANSWERS_MAX = 64,           /* that wait to be written, before reading stops */
  UNWRITTEN_MAX = 256 * 1024, /* bytes of them, likewise */
  LINGER_MS = 1000,
};

static void on_timer(uv_timer_t *timer);
static void go_on(struct connection *connection);

static struct server_counters *counters_of(struct connection *connection) { return &connection->server->counters; }

/* ---- Birth and end ---- */

static void touch(struct connection *connection, uint64_t milliseconds) {
  connection->unsent = SIZE_MAX;
  uv_timer_start(&connection->timer, on_timer, milliseconds, 0);
}

static void touch_idle(struct connection *connection) {
  touch(connection, connection->server->options->idle_timeout_ms);
}

static void on_closed(uv_handle_t *handle) {
  struct connection *connection = handle->data;
  connection->handles--;
  if (connection->handles > 0) return;
  struct server *server = connection->server;
  exchange_end(connection->parser.exchange);
  server->counters.connections_open--;
  server_forget(server, connection);
  connection_memory_give(connection);
  server_accept_waiting(server);
}

static void close_now(struct connection *connection) {
  if (connection->state == CONNECTION_CLOSING) return;
  connection->state = CONNECTION_CLOSING;
  if (connection->waits) answer_queue_remove(&connection->server->answers, connection);
  uv_handle_t *stream = (uv_handle_t *)&connection->stream;
  uv_handle_t *timer = (uv_handle_t *)&connection->timer;
  uv_close(timer, on_closed);
  uv_close(stream, on_closed);
}

static void on_shut(uv_shutdown_t *shutdown, int status) {
  struct connection *connection = shutdown->data;
  if (status < 0) close_now(connection);
}

/* The client gets our end at once, and has a moment to read what came before it. */
static void linger(struct connection *connection) {
  if (connection->peer_ended) {
    close_now(connection);
    return;
  }
  connection->state = CONNECTION_LINGERING;
  connection->shutdown.data = connection;
  if (uv_shutdown(&connection->shutdown, (uv_stream_t *)&connection->stream, on_shut) == 0) {
    touch(connection, LINGER_MS);
  } else {
    close_now(connection);
  }
}

/* ---- Answers ---- */

/* All answers are written; was the last of them the connection's last? */
static bool is_at_its_end(const struct connection *connection) {
  bool idle = connection->parser.exchange == NULL && connection->input_count == 0;
  return connection->state == CONNECTION_LAST || (connection->server->stopping && idle);
}

static void after_answer(struct connection *connection, int status) {
  connection->answers--;
  counters_of(connection)->answers_waiting--;
  if (connection->state == CONNECTION_CLOSING) return;
  if (status < 0) {
    close_now(connection);
  } else if (connection->answers == 0 && is_at_its_end(connection)) {
    linger(connection);
  } else {
    touch_idle(connection);
    go_on(connection);
  }
}

static void end_answer(struct exchange *exchange, int status) {
  struct connection *connection = exchange->connection;
  if (status == 0) {
    counters_of(connection)->bytes_out_total += exchange->response.bytes;
  } else {
    counters_of(connection)->answers_aborted_total++;
  }
  exchange_end(exchange);
  after_answer(connection, status);
}

static void on_written(uv_write_t *write, int status) { end_answer(write->data, status); }

static void log_answer(const struct exchange *exchange) {
  const request_bytes *target = &exchange->request.target;
  const char *method = target->count == 0 ? "-" : http_method_str(exchange->request.method);
  fprintf(stderr, "%s %.*s %d %zu\n", method, (int)target->count, target->count == 0 ? "" : target->data,
          exchange->response.status, exchange->response.bytes);
}

/* What the system takes at once, as it takes most answers, needs no callback: the request's memory can serve the next
 * one while it is in the processor's caches. -> 0: all is written; UV_EAGAIN: `parts` are left; else what went
 * wrong. */
static int write_at_once(struct connection *connection, struct http_response *response) {
  int written = uv_try_write((uv_stream_t *)&connection->stream, response->parts, response->part_count);
  if (written < 0) return written;
  http_response_drop(response, (size_t)written);
  return response->part_count == 0 ? 0 : UV_EAGAIN;
}

/* The exchange is given away: to the loop, or to its end. */
static void write_answer(struct connection *connection, struct exchange *exchange) {
  struct http_response *response = &exchange->response;
  int status = write_at_once(connection, response);
  if (status == UV_EAGAIN) {
    exchange->write.data = exchange;
    status = uv_write(&exchange->write, (uv_stream_t *)&connection->stream, response->parts, response->part_count,
                      on_written);
    if (status == 0) return;
  }
  end_answer(exchange, status);
}

static void send_answer(struct connection *connection, struct exchange *exchange) {
  struct http_response *response = &exchange->response;
  if (connection->server->stopping) response->closes = true;
  http_response_render(exchange);
  if (connection->server->options->verbose) log_answer(exchange);
  counters_of(connection)->requests[response->status / 100]++;
  if (response->closes) connection->state = CONNECTION_LAST;
  connection->answers++;
  counters_of(connection)->answers_waiting++;
  connection->unsent = SIZE_MAX;
  write_answer(connection, exchange);
}

/* ---- Requests ---- */

static struct exchange *take_exchange(struct connection *connection) {
  struct exchange *exchange = connection->parser.exchange;
  connection->parser.exchange = NULL;
  return exchange;
}

static void answer_request(struct connection *connection) {
  struct exchange *exchange = take_exchange(connection);
  exchange->response.closes = !exchange->request.keep_alive;
  routes_answer(exchange, &connection->server->sources);
  send_answer(connection, exchange);
}

/* The last answer: to a request that is not understood, too large or too slow. */
static void answer_failure(struct connection *connection, enum http_status status, const char *problem) {
  if (connection->parser.exchange == NULL) {
    connection->parser.exchange = exchange_begin(connection, uv_now(&connection->server->loop), &connection->spare);
  }
  struct exchange *exchange = take_exchange(connection);
  exchange->response.status = status;
  exchange->response.problem = problem;
  exchange->response.closes = true;
  send_answer(connection, exchange);
}

static void answer_timeout(struct connection *connection) {
  counters_of(connection)->timeouts_total++;
  answer_failure(connection, HTTP_STATUS_REQUEST_TIMEOUT, NULL);
  touch_idle(connection);
}

/* Bytes come, but so slowly that the request never ends? */
static void check_request_time(struct connection *connection) {
  const struct exchange *exchange = connection->parser.exchange;
  if (exchange == NULL) return;
  uint64_t age = uv_now(&connection->server->loop) - exchange->began;
  if (age > connection->server->options->request_timeout_ms) answer_timeout(connection);
}

/* Bytes that the client has not got yet: those that wait here and those that wait in the system, which takes more only
 * when a good part of what it has is gone. */
static size_t unsent_bytes(struct connection *connection) {
  int in_system = 0;
  uv_os_fd_t descriptor;
  if (uv_fileno((uv_handle_t *)&connection->stream, &descriptor) == 0) ioctl(descriptor, TIOCOUTQ, &in_system);
  return uv_stream_get_write_queue_size((uv_stream_t *)&connection->stream) + (size_t)in_system;
}

static void on_timer(uv_timer_t *timer) {
  struct connection *connection = timer->data;
  size_t unsent = unsent_bytes(connection);
  if (connection->waits && connection->answers == 0) {
    touch_idle(connection); /* we are slow, not the client */
  } else if (connection->answers > 0 && unsent < connection->unsent) {
    touch_idle(connection);
    connection->unsent = unsent;
  } else if (connection->state == CONNECTION_OPEN && connection->answers == 0 && connection->parser.exchange != NULL) {
    answer_timeout(connection);
  } else {
    if (connection->state != CONNECTION_LINGERING) counters_of(connection)->timeouts_total++;
    close_now(connection);
  }
}

/* ---- Input ---- */

static void allocate_input(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
  (void)suggested;
  struct connection *connection = handle->data;
  *buffer = connection->waits ? uv_buf_init(NULL, 0) : uv_buf_init(connection->input, sizeof connection->input);
}

static void drop_input(struct connection *connection) { connection->input_count = 0; }

static void parse_some(struct connection *connection) {
  struct request_parser *parser = &connection->parser;
  size_t used;
  enum parse_result result =
      request_parser_feed(parser, connection->input + connection->input_first, connection->input_count, &used);
  connection->input_first += used;
  connection->input_count -= used;
  if (result == PARSE_COMPLETE) {
    answer_request(connection);
  } else if (result == PARSE_FAILED) {
    answer_failure(connection, parser->failure, parser->problem);
  }
}

static bool is_spare_being_answered(const struct connection *connection) {
  const struct exchange *spare = &connection->spare;
  return spare->connection != NULL && connection->parser.exchange != spare;
}

static bool has_much_to_write(struct connection *connection) {
  return is_spare_being_answered(connection) || connection->answers >= ANSWERS_MAX ||
         uv_stream_get_write_queue_size((uv_stream_t *)&connection->stream) >= UNWRITTEN_MAX;
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer);

static void pause_reading(struct connection *connection) {
  if (!connection->paused) uv_read_stop((uv_stream_t *)&connection->stream);
  connection->paused = true;
}

static void resume_reading(struct connection *connection) {
  if (!connection->paused) return;
  connection->paused = false;
  if (uv_read_start((uv_stream_t *)&connection->stream, allocate_input, on_read) != 0) close_now(connection);
}

/* Wait for a turn if there is input; else read. */
static void go_on(struct connection *connection) {
  if (connection->state == CONNECTION_CLOSING || connection->waits) return;
  if (connection->state != CONNECTION_OPEN) drop_input(connection);
  if (connection->input_count == 0) {
    resume_reading(connection);
  } else if (has_much_to_write(connection)) {
    pause_reading(connection);
  } else {
    answer_queue_add(&connection->server->answers, connection);
  }
}

void connection_take_turn(struct connection *connection) {
  if (connection->state == CONNECTION_OPEN) parse_some(connection);
  if (connection->state == CONNECTION_OPEN) check_request_time(connection);
  go_on(connection);
}

/* The client sends no more. What it asked for completely is still answered. */
static void on_end(struct connection *connection) {
  connection->peer_ended = true;
  if (connection->answers == 0 || connection->state == CONNECTION_LINGERING) {
    close_now(connection);
  } else {
    connection->state = CONNECTION_LAST;
  }
}

static void on_input(struct connection *connection, size_t count) {
  counters_of(connection)->bytes_in_total += count;
  if (connection->state != CONNECTION_OPEN || count == 0) return;
  connection->input_first = 0;
  connection->input_count = count;
  touch_idle(connection);
  go_on(connection);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
  (void)buffer;
  struct connection *connection = stream->data;
  if (count == UV_ENOBUFS) {
    pause_reading(connection);
  } else if (count == UV_EOF) {
    on_end(connection);
  } else if (count < 0) {
    close_now(connection);
  } else {
    on_input(connection, (size_t)count);
  }
}

/* ---- The server's calls ---- */

static void start(struct connection *connection) {
  struct server *server = connection->server;
  connection->state = CONNECTION_OPEN;
  connection->paused = true;
  request_parser_init(&connection->parser, connection, &server->limits, &server->loop, &connection->spare);
  uv_timer_init(&server->loop, &connection->timer);
  connection->stream.data = connection;
  connection->timer.data = connection;
  connection->handles = 2;
  counters_of(connection)->connections_open++;
  counters_of(connection)->connections_accepted_total++;
  server_remember(server, connection);
  uv_tcp_nodelay(&connection->stream, 1);
  touch_idle(connection);
  resume_reading(connection);
}

bool connection_accept(struct server *server) {
  struct connection *connection = connection_memory_take();
  if (connection == NULL) return false;
  memset(connection, 0, offsetof(struct connection, input));
  connection->server = server;
  uv_tcp_init(&server->loop, &connection->stream);
  bool accepted = uv_accept((uv_stream_t *)&server->listener, (uv_stream_t *)&connection->stream) == 0;
  start(connection);
  if (!accepted) close_now(connection);
  return true;
}

void connection_stop(struct connection *connection) {
  bool asked = connection->waits || connection->parser.exchange != NULL;
  if (connection->state == CONNECTION_OPEN && connection->answers == 0 && !asked) close_now(connection);
}
