/* local_sockets_posix.c: see local_socket.h. The mode that a new file gets is that of the socket's own inode (Linux),
 * less the umask: so it is set before bind, and once more after, for a umask that takes from the owner. */
#define _GNU_SOURCE /* accept4, struct ucred */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/assertion.h"
#include "lib/base/fault.h"
#include "lib/os/local_socket.h"
#include "lib/os/os.h"

enum { BACKLOG = 16, LOCK_TRIES = 50, LOCK_PAUSE_MS = 5, STRANGERS_AT_ONCE = 64, REFUSED_PAUSE_MS = 100 };

static const mode_t OWNER_ONLY = S_IRUSR | S_IWUSR;

LIDO_STATIC_ASSERT(LIDO_OS_LOCAL_PATH_ROOM == sizeof((struct sockaddr_un){0}.sun_path), "what the system has room for");

/* ---- Descriptors ---- */

void lido_os_socket_close(int descriptor) {
  int saved_errno = errno;
  int state = lido_os_cancel_off();
  if (descriptor >= 0) close(descriptor);
  lido_os_cancel_restore(state);
  errno = saved_errno;
}

static int new_socket(void) {
  if (lido_fault_here()) {
    errno = ENOMEM;
    return -1;
  }
  return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static struct sockaddr_un address_of(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  memcpy(address.sun_path, path, strlen(path) + 1);
  return address;
}

/* ---- The folder ---- */

static int set_path(lido_os_listener *listener, const char *path) {
  if (path == NULL) {
    snprintf(listener->path, sizeof listener->path, "/tmp/lido-%lu/%ld.sock", (unsigned long)geteuid(), (long)getpid());
    return 0;
  }
  if (path[0] != '/') return EINVAL;
  if (strlen(path) >= sizeof listener->path) return ENAMETOOLONG;
  memcpy(listener->path, path, strlen(path) + 1);
  return 0;
}

static void folder_of(const lido_os_listener *listener, char folder[static LIDO_OS_LOCAL_PATH_ROOM]) {
  size_t bytes = (size_t)(strrchr(listener->path, '/') - listener->path);
  if (bytes == 0) bytes = 1; /* the root */
  memcpy(folder, listener->path, bytes);
  folder[bytes] = '\0';
}

static int close_with(int descriptor, int error) {
  lido_os_socket_close(descriptor);
  errno = error;
  return -1;
}

/* A umask may have taken from the owner. What this can't mend, the open will tell. */
static void give_to_owner(const char *folder) {
  struct stat status;
  bool has_all = lstat(folder, &status) == 0 && (status.st_mode & S_IRWXU) == S_IRWXU;
  if (!has_all) fchmodat(AT_FDCWD, folder, S_IRWXU, AT_SYMLINK_NOFOLLOW);
}

/* Others may make a folder of that name in /tmp before us. -> descriptor, or -1. */
static int open_own_folder(const char *folder) {
  struct stat status;
  bool is_new = mkdir(folder, S_IRWXU) == 0;
  if (!is_new && errno != EEXIST) return -1;
  if (is_new) give_to_owner(folder);
  int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (descriptor < 0) return errno == ELOOP || errno == ENOTDIR ? close_with(-1, EPERM) : -1;
  if (fstat(descriptor, &status) != 0) return close_with(descriptor, errno);
  bool is_ours = status.st_uid == geteuid() && (status.st_mode & (S_IRWXG | S_IRWXO)) == 0;
  return is_ours ? descriptor : close_with(descriptor, EPERM);
}

static void pause_ms(int milliseconds) { poll(NULL, 0, milliseconds); }

/* Not for ever: whoever may read a folder may lock it. */
static int lock_folder(int folder) {
  for (int i = 0; flock(folder, LOCK_EX | LOCK_NB) != 0; i++) {
    if (errno != EWOULDBLOCK && errno != EINTR) return errno;
    if (i == LOCK_TRIES) return EAGAIN;
    pause_ms(LOCK_PAUSE_MS);
  }
  return 0;
}

/* Closing it gives the lock back. -> descriptor, or -1. */
static int open_locked_folder(const lido_os_listener *listener, bool own) {
  char folder[LIDO_OS_LOCAL_PATH_ROOM];
  folder_of(listener, folder);
  int descriptor = own ? open_own_folder(folder) : open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return -1;
  int error = lock_folder(descriptor);
  return error == 0 ? descriptor : close_with(descriptor, error);
}

/* ---- What is in the way ---- */

/* 0: nobody; EADDRINUSE; or what kept us from asking. */
static int look_for_listener(const char *path) {
  struct sockaddr_un address = address_of(path);
  int descriptor = new_socket();
  if (descriptor < 0) return errno;
  bool nobody = connect(descriptor, (const struct sockaddr *)&address, sizeof address) != 0 &&
                (errno == ECONNREFUSED || errno == ENOENT);
  lido_os_socket_close(descriptor);
  return nobody ? 0 : EADDRINUSE;
}

static int clear_way(const char *path) {
  struct stat status;
  if (lstat(path, &status) != 0) return errno == ENOENT ? 0 : errno;
  if (!S_ISSOCK(status.st_mode)) return EEXIST;
  if (status.st_uid != geteuid()) return EADDRINUSE;
  int error = look_for_listener(path);
  if (error != 0) return error;
  return unlink(path) == 0 || errno == ENOENT ? 0 : errno;
}

/* ---- Listening ---- */

static int fail_to_listen(lido_os_listener *listener, bool is_bound) {
  int error = errno;
  if (is_bound) unlink(listener->path);
  lido_os_listener_drop(listener);
  return error;
}

/* A umask may have taken from the owner. Not by way of a link that somebody has put in its place. */
static bool has_owners_mode(const char *path, struct stat *status) {
  if (lstat(path, status) != 0) return false;
  if ((status->st_mode & (S_IRWXU | S_IRWXG | S_IRWXO)) == OWNER_ONLY) return true;
  return fchmodat(AT_FDCWD, path, OWNER_ONLY, AT_SYMLINK_NOFOLLOW) == 0;
}

static int listen_here(lido_os_listener *listener) {
  struct sockaddr_un address = address_of(listener->path);
  struct stat status;
  listener->descriptor = new_socket();
  if (listener->descriptor < 0) return errno;
  if (fchmod(listener->descriptor, OWNER_ONLY) != 0 ||
      bind(listener->descriptor, (const struct sockaddr *)&address, sizeof address) != 0) {
    return fail_to_listen(listener, false);
  }
  if (!has_owners_mode(listener->path, &status) || listen(listener->descriptor, BACKLOG) != 0) {
    return fail_to_listen(listener, true);
  }
  listener->device = status.st_dev;
  listener->file = status.st_ino;
  return 0;
}

/* `own`: the folder is ours to make. */
static int open_listener(lido_os_listener *listener, bool own) {
  int folder = open_locked_folder(listener, own);
  if (folder < 0) return errno;
  int error = clear_way(listener->path);
  if (error == 0) error = listen_here(listener);
  lido_os_socket_close(folder);
  return error;
}

int lido_os_listener_open(lido_os_listener *listener, const char *path) {
  listener->descriptor = -1;
  int error = set_path(listener, path);
  if (error != 0) return error;
  int state = lido_os_cancel_off();
  error = open_listener(listener, path == NULL);
  lido_os_cancel_restore(state);
  return error;
}

static bool is_still_ours(const lido_os_listener *listener) {
  struct stat status;
  return lstat(listener->path, &status) == 0 && status.st_dev == listener->device && status.st_ino == listener->file;
}

void lido_os_listener_close(lido_os_listener *listener) {
  int saved_errno = errno;
  if (listener->descriptor < 0) return;
  int state = lido_os_cancel_off();
  int folder = open_locked_folder(listener, false); /* without it: as well as can be */
  if (is_still_ours(listener)) unlink(listener->path);
  lido_os_listener_drop(listener);
  lido_os_socket_close(folder);
  lido_os_cancel_restore(state);
  errno = saved_errno;
}

void lido_os_listener_drop(lido_os_listener *listener) {
  lido_os_socket_close(listener->descriptor);
  listener->descriptor = -1;
}

static bool may_ask(int descriptor) {
  struct ucred peer;
  socklen_t bytes = sizeof peer;
  if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0) return false;
  return peer.uid == geteuid() || peer.uid == 0;
}

int lido_os_listener_accept(const lido_os_listener *listener) {
  for (int i = 0; i < STRANGERS_AT_ONCE; i++) {
    int descriptor = accept4(listener->descriptor, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (descriptor >= 0 && may_ask(descriptor)) return descriptor;
    if (descriptor < 0 && errno != ECONNABORTED && errno != EINTR) return -1;
    lido_os_socket_close(descriptor);
  }
  errno = EAGAIN;
  return -1;
}

/* ---- Talking ---- */

static bool is_not_now(void) { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

ptrdiff_t lido_os_socket_receive(int descriptor, char *out, size_t bytes) {
  ssize_t got = recv(descriptor, out, bytes, 0);
  if (got >= 0) return got;
  return is_not_now() ? -1 : 0;
}

ptrdiff_t lido_os_socket_send(int descriptor, const char *text, size_t bytes) {
  ssize_t sent = send(descriptor, text, bytes, MSG_NOSIGNAL);
  if (sent >= 0) return sent;
  return is_not_now() ? 0 : -1;
}

static int milliseconds_until(uint64_t deadline_ns) {
  enum { NS_PER_MS = 1000000, MOST_MS = 1000000 };
  if (deadline_ns == UINT64_MAX) return -1;
  uint64_t now = lido_os_now_ns();
  uint64_t left = deadline_ns > now ? (deadline_ns - now + NS_PER_MS - 1) / NS_PER_MS : 0;
  return left < MOST_MS ? (int)left : MOST_MS;
}

/* The system may count all items against its limit of descriptors, those without one, too. */
static size_t open_items(const struct pollfd *items, size_t count, struct pollfd open[static LIDO_OS_POLL_MOST]) {
  size_t opened = 0;
  LIDO_ASSERT(count <= LIDO_OS_POLL_MOST);
  for (size_t i = 0; i < count; i++) {
    if (items[i].fd >= 0) open[opened++] = items[i];
  }
  return opened;
}

void lido_os_poll(struct pollfd *items, size_t count, uint64_t deadline_ns) {
  struct pollfd open[LIDO_OS_POLL_MOST];
  int wait_ms = milliseconds_until(deadline_ns);
  size_t opened = open_items(items, count, open);
  int ready = poll(open, opened, wait_ms);
  /* The kernel's memory, or the limit of descriptors: it would be refused again at once. */
  if (ready < 0 && errno != EINTR) pause_ms(wait_ms >= 0 && wait_ms < REFUSED_PAUSE_MS ? wait_ms : REFUSED_PAUSE_MS);
  for (size_t i = 0, at = 0; i < count; i++) {
    items[i].revents = 0;
    if (items[i].fd >= 0 && ready > 0) items[i].revents = open[at++].revents;
  }
}
