/* http_connection.h: one client: its requests come in, their answers go out in the same order, and it ends cleanly.
 *
 * Life of a connection
 *     OPEN       input is read, waits for its turn, and is answered request by request. Reading stops while there is
 *                input, and while too many answers wait to be written.
 *     LAST       the last answer has been given to the loop; what still comes in is thrown away.
 *     LINGERING  all is written and the sending side is shut. The client may still be sending, and closing now would
 *                make its system throw our answer away; so we wait for its end, for a moment.
 *     CLOSING    the loop has been told to close the handles; their callbacks give the memory back.
 * Invariants
 *   C1  `answers` is the number of exchanges given to the loop and not yet written.
 *   C2  while there is input, the connection waits for its turn, or has too many answers to write; nothing is read
 *       meanwhile, for what comes finds no room.
 *   C3  while the spare exchange is being answered, nothing is parsed: so it is free when the next request begins.
 *   C4  the parser's exchange, if any, is ended by the connection; the others when their answer is written.
 * Timeouts: one timer, started anew by each byte that comes or goes. When it runs out, the client gets a 408 if its
 * request is half there; else the connection is closed.
 */
#ifndef LIDO_EXAMPLES_HTTP_CONNECTION_H
#define LIDO_EXAMPLES_HTTP_CONNECTION_H

#include <sys/queue.h>

#include "examples/http_server/request_parser.h"
#include "examples/http_server/server_options.h"

struct server;

enum connection_state { CONNECTION_OPEN, CONNECTION_LAST, CONNECTION_LINGERING, CONNECTION_CLOSING };

enum { CONNECTION_INPUT_SIZE = 8192 };

struct connection {
  uv_tcp_t stream;
  uv_timer_t timer;
  unsigned handles; /* of these two, not yet closed */
  struct server *server;
  struct connection *previous; /* in the server's list */
  struct connection *next;
  TAILQ_ENTRY(connection) waiting; /* in the server's answer queue, if it waits */
  bool waits;
  enum connection_state state;
  struct request_parser parser;
  unsigned answers;
  size_t unsent;   /* bytes at the last look of the timer */
  bool paused;     /* reading is stopped */
  bool peer_ended; /* the client sends no more */
  uv_shutdown_t shutdown;
  struct exchange spare; /* for a request that finds no memory */
  size_t input_first;    /* bytes of the input that are not yet parsed */
  size_t input_count;
  char input[CONNECTION_INPUT_SIZE]; /* the last field: a new connection leaves it as it is */
};

/* Take the client that waits at the server's listener. -> false: no memory, and it still waits there. */
bool connection_accept(struct server *server);

/* Its turn has come: its input is parsed up to the end of a request, and that is answered. */
void connection_take_turn(struct connection *connection);

/* The server ends: close it if nothing is going on; else its next answer is the last one. */
void connection_stop(struct connection *connection);

#endif
