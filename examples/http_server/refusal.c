/* refusal.c: see refusal.h. */
#include "examples/http_server/refusal.h"

#include "examples/http_server/http_response.h"
#include "examples/http_server/server.h"

enum { PATIENCE_MS = 1000 };

static void on_closed(uv_handle_t *handle) {
  struct refusal *refusal = handle->data;
  refusal->handles--;
  if (refusal->handles == 0) server_accept_waiting(refusal->server);
}

static void close_refusal(struct refusal *refusal) {
  uv_handle_t *stream = (uv_handle_t *)&refusal->stream;
  if (uv_is_closing(stream)) return;
  uv_close(stream, on_closed);
  uv_close((uv_handle_t *)&refusal->timer, on_closed);
}

static void on_timer(uv_timer_t *timer) { close_refusal(timer->data); }

static void on_shut(uv_shutdown_t *shutdown, int status) {
  if (status < 0) close_refusal(shutdown->data);
}

static void on_written(uv_write_t *write, int status) {
  struct refusal *refusal = write->data;
  refusal->shutdown.data = refusal;
  if (status < 0 || uv_shutdown(&refusal->shutdown, (uv_stream_t *)&refusal->stream, on_shut) != 0) {
    close_refusal(refusal);
  }
}

/* What the client says is not looked at: all refusals throw it into the same place. */
static void allocate_input(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
  (void)handle, (void)suggested;
  static char nowhere[4096];
  *buffer = uv_buf_init(nowhere, sizeof nowhere);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
  (void)buffer;
  if (count < 0) close_refusal(stream->data);
}

static struct refusal *free_place(struct server *server) {
  for (size_t i = 0; i < SERVER_REFUSALS; i++) {
    if (server->refusals[i].handles == 0) return &server->refusals[i];
  }
  return NULL;
}

static void prepare(struct refusal *refusal, struct server *server) {
  *refusal = (struct refusal){.server = server, .handles = 2};
  uv_tcp_init(&server->loop, &refusal->stream);
  uv_timer_init(&server->loop, &refusal->timer);
  refusal->stream.data = refusal;
  refusal->timer.data = refusal;
  refusal->write.data = refusal;
}

bool refusal_accept(struct server *server) {
  struct refusal *refusal = free_place(server);
  if (refusal == NULL) return false;
  prepare(refusal, server);
  uv_stream_t *stream = (uv_stream_t *)&refusal->stream;
  uv_buf_t text = http_response_unavailable();
  server->counters.connections_refused_total++;
  if (uv_accept((uv_stream_t *)&server->listener, stream) != 0 ||
      uv_write(&refusal->write, stream, &text, 1, on_written) != 0 ||
      uv_read_start(stream, allocate_input, on_read) != 0 ||
      uv_timer_start(&refusal->timer, on_timer, PATIENCE_MS, 0) != 0) {
    close_refusal(refusal);
  }
  return true;
}

void refusal_stop_all(struct server *server) {
  for (size_t i = 0; i < SERVER_REFUSALS; i++) {
    if (server->refusals[i].handles > 0) close_refusal(&server->refusals[i]);
  }
}
