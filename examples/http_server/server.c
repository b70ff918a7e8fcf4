/* server.c: see server.h. */
#include "examples/http_server/server.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>

#include "examples/http_server/memory_manager.h"

static const int ending_signals[SERVER_SIGNALS] = {SIGTERM, SIGINT};

enum { BACKLOG = 511, TICK_MS_DEFAULT = 1000 };

/* ---- Clients ---- */

void server_remember(struct server *server, struct connection *connection) {
  connection->next = server->connections;
  if (connection->next != NULL) connection->next->previous = connection;
  server->connections = connection;
}

void server_forget(struct server *server, struct connection *connection) {
  if (connection->next != NULL) connection->next->previous = connection->previous;
  if (connection->previous != NULL) {
    connection->previous->next = connection->next;
  } else {
    server->connections = connection->next;
  }
}

static void accept_client(struct server *server) {
  server->client_waits = !connection_accept(server) && !refusal_accept(server);
}

void server_accept_waiting(struct server *server) {
  if (server->client_waits && !server->stopping) accept_client(server);
}

static void on_client(uv_stream_t *listener, int status) {
  if (status == 0) accept_client(listener->data);
}

/* ---- The end ---- */

static void stop(struct server *server) {
  server->stopping = true;
  uv_close((uv_handle_t *)&server->listener, NULL);
  uv_close((uv_handle_t *)&server->tick, NULL);
  for (int i = 0; i < SERVER_SIGNALS; i++) uv_close((uv_handle_t *)&server->signals[i], NULL);
  refusal_stop_all(server);
  for (struct connection *connection = server->connections; connection != NULL; connection = connection->next) {
    connection_stop(connection);
  }
}

static void on_signal(uv_signal_t *handle, int number) {
  (void)number;
  stop(handle->data);
}

/* ---- The start ---- */

static bool works(const char *what, int error) {
  if (error != 0) fprintf(stderr, "http_server: %s: %s\n", what, uv_strerror(error));
  return error == 0;
}

static int bind_listener(struct server *server) {
  struct sockaddr_in6 address6;
  struct sockaddr_in address;
  int port = (int)server->options->port;
  if (uv_ip4_addr(server->options->host, port, &address) == 0) {
    return uv_tcp_bind(&server->listener, (struct sockaddr *)&address, 0);
  }
  int error = uv_ip6_addr(server->options->host, port, &address6);
  return error != 0 ? error : uv_tcp_bind(&server->listener, (struct sockaddr *)&address6, 0);
}

/* Programs that start the server read its port here. */
static int announce(struct server *server) {
  struct sockaddr_storage address;
  int size = sizeof address;
  int error = uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address, &size);
  if (error != 0) return error;
  bool is_ip6 = address.ss_family == AF_INET6;
  in_port_t port = is_ip6 ? ((struct sockaddr_in6 *)&address)->sin6_port : ((struct sockaddr_in *)&address)->sin_port;
  printf(is_ip6 ? "listening on [%s]:%u\n" : "listening on %s:%u\n", server->options->host, ntohs(port));
  fflush(stdout);
  return 0;
}

/* Connections get what their listener has. */
static int limit_send_buffer(struct server *server) {
  int bytes = (int)server->options->send_buffer;
  return bytes == 0 ? 0 : uv_send_buffer_size((uv_handle_t *)&server->listener, &bytes);
}

static int start_signals(struct server *server) {
  for (int i = 0; i < SERVER_SIGNALS; i++) {
    int error = uv_signal_start(&server->signals[i], on_signal, ending_signals[i]);
    if (error != 0) return error;
  }
  return 0;
}

static void on_tick(uv_timer_t *tick) {
  (void)tick;
  memory_manager_tick();
}

static int start_ticks(struct server *server) {
  uint64_t said = server->options->tick_ms;
  uint64_t interval = said != 0 ? said : memory_manager_tick_ms(TICK_MS_DEFAULT);
  return uv_timer_start(&server->tick, on_tick, interval, interval);
}

static void init_handles(struct server *server) {
  uv_tcp_init(&server->loop, &server->listener);
  server->listener.data = server;
  uv_timer_init(&server->loop, &server->tick);
  for (int i = 0; i < SERVER_SIGNALS; i++) {
    uv_signal_init(&server->loop, &server->signals[i]);
    server->signals[i].data = server;
  }
}

static bool start(struct server *server) {
  return works(server->options->host, bind_listener(server)) && works("send buffer", limit_send_buffer(server)) &&
         works("listen", uv_listen((uv_stream_t *)&server->listener, BACKLOG, on_client)) &&
         works("signals", start_signals(server)) && works("ticks", start_ticks(server)) &&
         works("port", announce(server));
}

int server_run(struct server *server, const struct server_options *options, struct character_database *database) {
  *server = (struct server){.options = options};
  server->limits = (struct request_limits){.max_header = options->max_header, .max_body = options->max_body};
  server->sources = (struct sources){.database = database, .counters = &server->counters};
  request_parser_setup(&server->limits, CONNECTION_INPUT_SIZE);
  if (!works("loop", uv_loop_init(&server->loop))) return 1;
  init_handles(server);
  answer_queue_init(&server->answers, &server->loop);
  bool started = start(server);
  if (!started) stop(server);
  uv_run(&server->loop, UV_RUN_DEFAULT);
  answer_queue_close(&server->answers);
  uv_run(&server->loop, UV_RUN_DEFAULT);
  bool closed = works("loop", uv_loop_close(&server->loop));
  return started && closed ? 0 : 1;
}
