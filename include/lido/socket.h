/* lido/socket.h: a socket file where programs of the same user ask for a manager's numbers: `lido top`, scripts.
 *
 *     lido_snapshot_socket *window =
 *         lido_snapshot_socket_open(manager, &(lido_snapshot_socket_options){ .answer = lido_json_answer });
 *     ...
 *     lido_snapshot_socket_close(window);      // before the manager ends
 *
 *     $ echo snapshot | nc -U /tmp/lido-1000/4242.sock
 *
 * Nothing is opened unless the program calls this. A client sends lines; each gets one answer, made by a function:
 * lido_json_answer of the part json (lido/json.h), or one of the program's own. A thread of Lido's serves them.
 *
 * Who may ask: the user that the program runs as, and root. The file has mode 0600 before anybody can connect, whatever
 * the umask, and each client's user is checked again by what the kernel says (SO_PEERCRED).
 * Clients that misbehave: up to LIDO_SOCKET_CLIENTS are served at once, others wait for a place. One that does not
 * finish its line, does not read its answer or says nothing for timeout_ns loses its place; so does one whose line is
 * longer than LIDO_SOCKET_LINE bytes, after an answer that says so. None of them holds up the others, or raises
 * SIGPIPE.
 *
 * Threads: open from any; close from one. Errors: NULL and errno. Fork: the child has neither the thread nor the
 * descriptors; close there frees memory and leaves the parent's file alone; an answer that forks goes on in both, and
 * the child's sink refuses (ECANCELED). Signals: not in handlers. Cost: nothing until somebody asks; then what a
 * snapshot costs.
 */
#ifndef LIDO_SOCKET_H
#define LIDO_SOCKET_H

#include "lido/manager.h"
#include "lido/snapshot.h"

LIDO_BEGIN

enum {
  LIDO_SOCKET_CLIENTS = 8, /* at once */
  LIDO_SOCKET_LINE = 511,  /* bytes of a request, without the end of its line */
};

typedef struct lido_snapshot_socket lido_snapshot_socket;

/* Writes the answer to a request into the sink, with the end of line that closes it. `request` is the line without its
 * end, or NULL: there was no such line, for it was too long or had a zero in it. 0, or an errno value: the client is
 * sent away. On Lido's thread, which serves nobody else meanwhile; no lock is held; must not close the socket. */
typedef int (*lido_socket_answer)(lido_manager *manager, const char *request, lido_text_sink sink, void *sink_context,
                                  void *context);

typedef struct lido_snapshot_socket_options {
  lido_socket_answer answer; /* must be given */
  void *context;             /* for it */
  /* Absolute, at most 107 bytes. NULL = /tmp/lido-UID/PID.sock, in a folder that is made with mode 0700; one that is
   * another user's or open to others is refused: EPERM. A process has one socket there; more of them need paths. */
  const char *path;
  uint64_t timeout_ns; /* how long a client may take for a line, and for reading an answer: 0 = 10 s */
} lido_snapshot_socket_options;

/* The file of a dead process in the way is replaced. NULL: EINVAL (no answer, no absolute path), ENAMETOOLONG,
 * EADDRINUSE (somebody listens there, or another user's file is there), EEXIST (something else than a socket is there),
 * EPERM, EAGAIN (another process is opening or closing one in that folder, for a quarter of a second already; or no
 * thread), EACCES (a folder in which nothing may be made, or that may not be read: it is locked meanwhile), ENOMEM, and
 * what the system says of files and sockets. */
LIDO_API lido_snapshot_socket *lido_snapshot_socket_open(lido_manager *manager,
                                                         const lido_snapshot_socket_options *options);

/* Ends the thread, sends clients away, removes the file if it is still this socket's. Waits for the answer that is
 * being made. 0; EDEADLK: called by an answer, nothing is done. NULL is ignored. */
LIDO_API int lido_snapshot_socket_close(lido_snapshot_socket *socket);

/* Where it is; until close. */
LIDO_API const char *lido_snapshot_socket_path(const lido_snapshot_socket *socket);

LIDO_END

#endif
