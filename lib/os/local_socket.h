/* local_socket.h: sockets that are files, for processes of one user on one machine; posix/ answers it.
 *
 * Idea: whoever opens or closes such a file holds the lock of its folder (flock), so what is found under that lock
 * stays so: a file on which nobody listens is a dead process's, never that of one who is just between bind and listen.
 * Invariants
 *   O1  a file has mode 0600 before anybody can connect.
 *   O2  a file is removed by the one who bound it, or when nobody listens on it.
 *   O3  no descriptor blocks, none passes an exec, and none raises SIGPIPE.
 * Threads: any; one listener is used by one at a time. To open or close is no cancellation point; accept, poll and talk
 * are, and are for threads of Lido's.
 * Failure: errno values where a function says so.
 * Not done: abstract addresses, which have no owner and no mode; folders that may be written and not read (0300), for
 * only what can be opened can be locked.
 */
#ifndef LIDO_LIB_OS_LOCAL_SOCKET_H
#define LIDO_LIB_OS_LOCAL_SOCKET_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LIDO_OS_LOCAL_PATH_ROOM = 108 }; /* with the zero; what the system has room for */

typedef struct lido_os_listener {
  int descriptor; /* -1: closed */
  /* of the file, to know it again */
  uint64_t device;
  uint64_t file;
  char path[LIDO_OS_LOCAL_PATH_ROOM];
} lido_os_listener;

/* Listen at an absolute path; NULL: at PID.sock in /tmp/lido-UID. 0; EINVAL; ENAMETOOLONG; EADDRINUSE (somebody listens
 * there, or it is another user's); EEXIST (no socket); EPERM (the folder of /tmp is another user's, or open to others);
 * EAGAIN (the folder's lock is busy); what the system says. */
int lido_os_listener_open(lido_os_listener *listener, const char *path);

/* With its file, if that is still the one that was bound. A closed one is ignored. */
void lido_os_listener_close(lido_os_listener *listener);

/* Only the descriptor: in the child of a fork. */
void lido_os_listener_drop(lido_os_listener *listener);

/* A client of this user or of root; others are sent away. -1: EAGAIN: there is none; or what the system says. */
int lido_os_listener_accept(const lido_os_listener *listener);

/* -> bytes; 0: the other side sends no more; -1: nothing is there at present. An error counts as an end. */
ptrdiff_t lido_os_socket_receive(int descriptor, char *out, size_t bytes);

/* -> bytes that it took, maybe 0; -1: nobody reads them. */
ptrdiff_t lido_os_socket_send(int descriptor, const char *text, size_t bytes);

void lido_os_socket_close(int descriptor);

enum { LIDO_OS_POLL_MOST = 16 };

/* Until an item has an event, or the deadline (lido_os_now_ns; UINT64_MAX = none), or a signal. Items with a negative
 * descriptor have none. If the system refuses (a limit of descriptors below the number of open items; no memory), no
 * item has an event, and it returns a tenth of a second later: the caller's own condition must not need an item. */
void lido_os_poll(struct pollfd *items, size_t count, uint64_t deadline_ns);

#endif
