/* snapshot_socket.c: a socket file, and the thread that serves it.
 *
 * Idea: one thread waits (poll) for a word from close, for clients, and for what they send or read; nothing else in it
 * waits, but the answer's own function. A place for a client is an element of an array; when all are taken, newcomers
 * wait in the kernel's queue until one is free, which is after timeout_ns at the latest.
 * Invariants
 *   W4  a socket in the list has a thread, a listener and an event, or is in the child of a fork and has none of them.
 *   W1 to W3 of its clients (socket_client.h), which only its thread can look at, and does in builds with assertions.
 * Threads: open from any; close from one, not the socket's own. Lock: SOCKETS, one for all sockets, around the list,
 * all descriptors and the blocks of answers; so that the child of a fork finds what it has to close. It is the
 * outermost of all locks, is not held while an answer is made, and a fork waits at most the quarter of a second that
 * open or close may take, for the lock of the file's folder.
 * Failure: open: NULL and errno, and nothing is left; without descriptors for a client, the next look is a while later.
 * Not done: a socket that ends with its manager (this room is above the manager's), passing descriptors, pushing
 * samples unasked.
 */
#include "lib/report/snapshot_socket.h"

#include <errno.h>

#include "lib/base/assertion.h"
#include "lib/base/atomic.h"
#include "lib/base/list.h"
#include "lib/base/lock.h"
#include "lib/mem/mem_fork.h"
#include "lib/mem/metadata.h"
#include "lib/os/os.h"
#include "lib/report/socket_client.h"

static const uint64_t TIMEOUT_DEFAULT_NS = 10000000000, PAUSE_NS = 100000000;

struct lido_snapshot_socket {
  lido_link link; /* of all sockets */
  lido_answering answering;
  lido_os_listener listener;
  int event; /* raised: the thread is to end */
  lido_os_thread thread;
  bool is_in_child;
  bool is_ending; /* atomic; said before the event is raised, for a system that refuses to poll */
  /* the thread's alone */
  uint64_t accept_after_ns; /* no descriptor was left for a client */
  lido_socket_client clients[LIDO_SOCKET_CLIENTS];
};

static lido_lock sockets_lock = LIDO_LOCK_INITIAL(LIDO_RANK_SOCKETS);
static lido_link sockets = LIDO_LIST_INITIAL(sockets); /* under the lock */

/* ---- The thread ---- */

static lido_socket_client *free_place(lido_snapshot_socket *s) {
  for (size_t i = 0; i < LIDO_SOCKET_CLIENTS; i++) {
    if (s->clients[i].descriptor < 0) return &s->clients[i];
  }
  return NULL;
}

/* One, or none. The lock, for a fork between the descriptor and its place. */
static void accept_one(lido_snapshot_socket *s) {
  lido_socket_client *place = free_place(s);
  if (place == NULL) return;
  lido_lock_take(&sockets_lock);
  int descriptor = lido_os_listener_accept(&s->listener);
  bool is_late = descriptor < 0 && errno != EAGAIN && errno != EWOULDBLOCK;
  if (descriptor >= 0) lido_socket_client_begin(place, &s->answering, descriptor);
  lido_lock_give(&sockets_lock);
  if (is_late) s->accept_after_ns = lido_os_now_ns() + PAUSE_NS;
}

enum { EVENT, LISTENER, CLIENTS, ITEMS = CLIENTS + LIDO_SOCKET_CLIENTS };
LIDO_STATIC_ASSERT((int)ITEMS <= (int)LIDO_OS_POLL_MOST, "what one poll looks at");

/* -> when to look again, whatever happens. */
static uint64_t prepare(lido_snapshot_socket *s, struct pollfd items[static ITEMS]) {
  uint64_t deadline = UINT64_MAX;
  bool pauses = s->accept_after_ns > lido_os_now_ns();
  bool accepts = !pauses && free_place(s) != NULL;
  if (pauses) deadline = s->accept_after_ns;
  items[EVENT] = (struct pollfd){.fd = s->event, .events = POLLIN};
  items[LISTENER] = (struct pollfd){.fd = accepts ? s->listener.descriptor : -1, .events = POLLIN};
  for (size_t i = 0; i < LIDO_SOCKET_CLIENTS; i++) {
    const lido_socket_client *client = &s->clients[i];
    items[CLIENTS + i] = (struct pollfd){.fd = client->descriptor, .events = lido_socket_client_events(client)};
    if (client->descriptor >= 0 && client->deadline_ns < deadline) deadline = client->deadline_ns;
  }
  return deadline;
}

static void serve_clients(lido_snapshot_socket *s, const struct pollfd items[static ITEMS]) {
  uint64_t now = lido_os_now_ns();
  for (size_t i = 0; i < LIDO_SOCKET_CLIENTS; i++) {
    lido_socket_client *client = &s->clients[i];
    if (client->descriptor < 0) continue;
    if (items[CLIENTS + i].revents != 0) {
      lido_socket_client_serve(client, &s->answering);
    } else if (client->deadline_ns <= now) {
      lido_socket_client_end(client, &s->answering);
    }
    LIDO_ASSERT(lido_socket_client_check(client) == NULL);
  }
}

static void *serve(void *argument) {
  lido_snapshot_socket *s = argument;
  struct pollfd items[ITEMS];
  /* RELAXED: it is looked at again soon, and what close does next is after the thread has ended. An answer may fork. */
  while (!s->is_in_child && !lido_load_relaxed(&s->is_ending)) {
    uint64_t deadline = prepare(s, items);
    lido_os_poll(items, ITEMS, deadline);
    if (items[EVENT].revents != 0) return NULL;
    serve_clients(s, items);
    if (items[LISTENER].revents != 0) accept_one(s);
  }
  return NULL;
}

/* ---- Fork ---- */

static void before(void) { lido_lock_take_for_fork(&sockets_lock); }
static void after(void) { lido_lock_give_after_fork(&sockets_lock); }

static void drop_descriptors(lido_snapshot_socket *s) {
  for (size_t i = 0; i < LIDO_SOCKET_CLIENTS; i++) lido_socket_client_drop(&s->clients[i]);
  lido_os_listener_drop(&s->listener);
  if (s->event >= 0) lido_os_event_close(s->event);
  s->event = -1;
}

/* Else clients would not hear of the parent's end, and its file would look alive. */
static void in_child(void) {
  for (lido_link *link = sockets.next; link != &sockets; link = link->next) {
    lido_snapshot_socket *s = LIDO_LIST_ITEM(link, lido_snapshot_socket, link);
    s->is_in_child = true;
    drop_descriptors(s);
  }
}

static int join_fork(void) {
  static const lido_os_fork_hooks hooks = {.before = before, .after = after, .in_child = in_child};
  int error = lido_mem_fork_join();
  return error != 0 ? error : lido_os_fork_join(LIDO_OS_FORK_REPORT, &hooks);
}

/* ---- Life ---- */

static void settle(lido_snapshot_socket *s, lido_manager *manager, const lido_snapshot_socket_options *options) {
  s->answering = (lido_answering){
      .manager = manager,
      .answer = options->answer,
      .context = options->context,
      .timeout_ns = options->timeout_ns != 0 ? options->timeout_ns : TIMEOUT_DEFAULT_NS,
      .lock = &sockets_lock,
  };
  s->listener.descriptor = s->event = -1;
  for (size_t i = 0; i < LIDO_SOCKET_CLIENTS; i++) s->clients[i].descriptor = -1;
}

static int open_locked(lido_snapshot_socket *s, const char *path) {
  s->event = lido_os_event_open();
  if (s->event < 0) return errno;
  int error = lido_os_listener_open(&s->listener, path);
  if (error == 0) error = lido_os_thread_start(&s->thread, serve, s);
  if (error == 0) {
    lido_list_append(&sockets, &s->link);
    return 0;
  }
  lido_os_listener_close(&s->listener);
  drop_descriptors(s);
  return error;
}

static int start(lido_snapshot_socket *s, const char *path) {
  int error = join_fork();
  if (error != 0) return error;
  lido_lock_take(&sockets_lock);
  error = open_locked(s, path);
  lido_lock_give(&sockets_lock);
  return error;
}

lido_snapshot_socket *lido_snapshot_socket_open(lido_manager *manager, const lido_snapshot_socket_options *options) {
  int saved_errno = errno;
  if (manager == NULL || options == NULL || options->answer == NULL) {
    errno = EINVAL;
    return NULL;
  }
  lido_snapshot_socket *s = lido_metadata_alloc(lido_metadata_system(), sizeof *s);
  if (s == NULL) return NULL;
  settle(s, manager, options);
  int error = start(s, options->path);
  if (error != 0) lido_metadata_free(lido_metadata_system(), s, sizeof *s);
  errno = error != 0 ? error : saved_errno;
  return error == 0 ? s : NULL;
}

static void stop(lido_snapshot_socket *s) {
  lido_store_relaxed(&s->is_ending, true); /* RELAXED: as above */
  lido_os_event_raise(s->event);
  lido_os_thread_join(s->thread);
}

int lido_snapshot_socket_close(lido_snapshot_socket *socket) {
  if (socket == NULL) return 0;
  if (!socket->is_in_child && lido_os_thread_is_this(socket->thread)) return EDEADLK;
  if (!socket->is_in_child) stop(socket);
  lido_lock_take(&sockets_lock);
  lido_list_remove(&socket->link);
  lido_os_listener_close(&socket->listener);
  drop_descriptors(socket);
  lido_lock_give(&sockets_lock);
  lido_metadata_free(lido_metadata_system(), socket, sizeof *socket);
  return 0;
}

const char *lido_snapshot_socket_path(const lido_snapshot_socket *socket) { return socket->listener.path; }

/* ---- Check ---- */

static const char *check_locked(const lido_snapshot_socket *s) {
  bool is_open = s->event >= 0 && s->listener.descriptor >= 0;
  bool is_closed = s->event < 0 && s->listener.descriptor < 0;
  if (s->is_in_child ? !is_closed : !is_open) return "W4: a socket has a part of what it needs";
  return NULL;
}

const char *lido_snapshot_socket_check(const lido_snapshot_socket *socket) {
  lido_lock_take(&sockets_lock);
  const char *broken = check_locked(socket);
  lido_lock_give(&sockets_lock);
  return broken;
}
