/* top_client.c: see top_client.h. */
#include "tools/lido_top/top_client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { ROOM_LEAST = 1 << 16, ROOM_MOST = 1 << 28 };

static const uint64_t TIMEOUT_NS = 5000000000;

uint64_t top_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void hang_up(struct top_client *client) {
  int saved_errno = errno;
  if (client->descriptor >= 0) close(client->descriptor);
  client->descriptor = -1;
  errno = saved_errno;
}

void client_end(struct top_client *client) {
  hang_up(client);
  free(client->text);
  *client = (struct top_client){.descriptor = -1};
}

/* Somebody else could pretend to be the program: its user is what the kernel says. */
static bool is_trusted(int descriptor) {
  struct ucred peer;
  socklen_t bytes = sizeof peer;
  if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0) return false;
  if (geteuid() == 0 || peer.uid == geteuid() || peer.uid == 0) return true;
  errno = EPERM;
  return false;
}

static bool connect_to(int descriptor, const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return false;
  }
  memcpy(address.sun_path, path, strlen(path) + 1);
  return connect(descriptor, (const struct sockaddr *)&address, sizeof address) == 0 && is_trusted(descriptor);
}

static bool say(int descriptor, const char *request) {
  size_t bytes = strlen(request);
  return send(descriptor, request, bytes, MSG_NOSIGNAL) == (ssize_t)bytes;
}

bool client_begin(struct top_client *client, const char *path, const char *request, unsigned lines) {
  hang_up(client);
  client->bytes = 0;
  client->lines = lines;
  client->deadline_ns = top_now_ns() + TIMEOUT_NS;
  client->descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (client->descriptor >= 0 && connect_to(client->descriptor, path) && say(client->descriptor, request)) return true;
  hang_up(client);
  return false;
}

static bool make_room(struct top_client *client) {
  if (client->room - client->bytes > 1) return true;
  size_t room = client->room != 0 ? 2 * client->room : ROOM_LEAST;
  char *larger = room <= ROOM_MOST ? realloc(client->text, room) : NULL;
  if (larger == NULL) {
    errno = ENOMEM;
    return false;
  }
  client->text = larger;
  client->room = room;
  return true;
}

static void count_lines(struct top_client *client, size_t from) {
  for (size_t i = from; i < client->bytes && client->lines != 0; i++) client->lines -= client->text[i] == '\n';
}

/* -> whether there may be more at once. */
static bool receive(struct top_client *client, enum client_state *state) {
  *state = CLIENT_FAILED;
  if (!make_room(client)) return false;
  ssize_t got = recv(client->descriptor, client->text + client->bytes, client->room - client->bytes - 1, 0);
  if (got < 0 && errno == EINTR) return true;
  if (got < 0 && errno == EAGAIN) {
    *state = CLIENT_WAITS;
    return false;
  }
  if (got == 0) errno = ECONNRESET;
  if (got <= 0) return false;
  client->bytes += (size_t)got;
  client->text[client->bytes] = '\0';
  count_lines(client, client->bytes - (size_t)got);
  if (client->lines == 0) *state = CLIENT_DONE;
  return client->lines != 0;
}

enum client_state client_step(struct top_client *client) {
  enum client_state state = CLIENT_IDLE;
  if (client->descriptor < 0) return state;
  while (receive(client, &state)) continue;
  if (state == CLIENT_WAITS && top_now_ns() >= client->deadline_ns) {
    errno = ETIMEDOUT;
    state = CLIENT_FAILED;
  }
  if (state != CLIENT_WAITS) hang_up(client);
  return state;
}

bool client_ask(struct top_client *client, const char *path, const char *request, unsigned lines) {
  enum { LOOK_MS = 100 };
  if (!client_begin(client, path, request, lines)) return false;
  enum client_state state;
  while ((state = client_step(client)) == CLIENT_WAITS) {
    struct pollfd item = {.fd = client->descriptor, .events = POLLIN};
    poll(&item, 1, LOOK_MS);
  }
  return state == CLIENT_DONE;
}
