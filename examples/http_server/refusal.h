/* refusal.h: how clients for whom there is no place, or no memory, are turned away: 503, and the end.
 *
 * Idea: a few places that need no memory. A client gets its answer and our end, and has a moment to read both. While
 * all places are taken, the next clients wait in the listener's queue, where they cost us nothing.
 */
#ifndef LIDO_EXAMPLES_REFUSAL_H
#define LIDO_EXAMPLES_REFUSAL_H

#include <stdbool.h>
#include <uv.h>

struct server;

struct refusal {
  uv_tcp_t stream;
  uv_timer_t timer;
  unsigned handles; /* not yet closed; 0: the place is free */
  struct server *server;
  uv_write_t write;
  uv_shutdown_t shutdown;
};

/* Turn away the client that waits at the listener. -> false: all places are taken; server_accept is called again when
 * one is free. */
bool refusal_accept(struct server *server);

/* The server ends: all of them are closed. */
void refusal_stop_all(struct server *server);

#endif
