/* server.h: the listener, the signals, and the list of connections, on one loop of one thread.
 *
 * SIGTERM and SIGINT end it gracefully: no more clients are let in, idle ones are closed, requests that have begun are
 * answered, and the loop ends when nothing is left on it. A second signal of the same kind ends it at once, as if
 * there were no handler.
 */
#ifndef LIDO_EXAMPLES_SERVER_H
#define LIDO_EXAMPLES_SERVER_H

#include "examples/http_server/answer_queue.h"
#include "examples/http_server/http_connection.h"
#include "examples/http_server/refusal.h"
#include "examples/http_server/routes.h"
#include "examples/http_server/server_counters.h"

enum { SERVER_SIGNALS = 2, SERVER_REFUSALS = 16 };

struct server {
  uv_loop_t loop;
  uv_tcp_t listener;
  uv_signal_t signals[SERVER_SIGNALS];
  uv_timer_t tick; /* of the memory's housekeeping */
  const struct server_options *options;
  struct request_limits limits;
  struct answer_queue answers;
  struct sources sources;
  struct server_counters counters;
  struct connection *connections; /* all but those that are gone */
  struct refusal refusals[SERVER_REFUSALS];
  bool client_waits; /* at the listener, because there is no place for it */
  bool stopping;
};

/* Serve until a signal comes. -> 0, or 1 after it said on standard error what is wrong. */
int server_run(struct server *server, const struct server_options *options, struct character_database *database);

/* The connection's entry in the list. */
void server_remember(struct server *server, struct connection *connection);
void server_forget(struct server *server, struct connection *connection);

/* There may be a place again for a client that waits. */
void server_accept_waiting(struct server *server);

#endif
