/* socket_client.h: one client of a snapshot socket: lines in, answers out, never waiting.
 *
 * Idea: a client is either sending a line or reading an answer. The answer to a line is made as a whole, in memory, and
 * then sent as fast as the client reads; the next line is looked at when all of it is sent.
 * Invariants
 *   W1  a free place has no descriptor and no answer.
 *   W2  request_bytes is at most its room; sent is at most answer_bytes, and that at most answer_room.
 *   W3  a client that has a descriptor has a deadline.
 * Threads: the socket's. Lock: SOCKETS around changes of the descriptor and of the answer's block, for the child of a
 * fork, which gives both back.
 * Failure: without memory the client is sent away.
 */
#ifndef LIDO_LIB_REPORT_SOCKET_CLIENT_H
#define LIDO_LIB_REPORT_SOCKET_CLIENT_H

#include "lib/base/lock.h"
#include "lib/os/local_socket.h"
#include "lido/socket.h"

enum { LIDO_REQUEST_ROOM = LIDO_SOCKET_LINE + 1 };

/* The same for all clients of a socket. */
typedef struct lido_answering {
  lido_manager *manager;
  lido_socket_answer answer;
  void *context;
  uint64_t timeout_ns;
  lido_lock *lock;
} lido_answering;

typedef struct lido_socket_client {
  int descriptor; /* -1: a free place */
  uint64_t deadline_ns;
  bool is_ending; /* the answer is the last one */
  bool has_ended; /* sends no more lines */
  size_t request_bytes;
  char request[LIDO_REQUEST_ROOM];
  char *answer;
  size_t answer_room;
  size_t answer_bytes;
  size_t sent;
} lido_socket_client;

/* A free place becomes that client's. */
void lido_socket_client_begin(lido_socket_client *client, const lido_answering *with, int descriptor);

/* Does what can be done at once; at the end of all the place is free. */
void lido_socket_client_serve(lido_socket_client *client, const lido_answering *with);

/* Sends the client away. */
void lido_socket_client_end(lido_socket_client *client, const lido_answering *with);

/* The same where the lock is held, or nobody else is left. */
void lido_socket_client_drop(lido_socket_client *client);

/* What to wait for. */
short lido_socket_client_events(const lido_socket_client *client);

/* NULL, or W1, W2, W3. */
const char *lido_socket_client_check(const lido_socket_client *client);

#endif
