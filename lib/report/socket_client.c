/* socket_client.c: see socket_client.h. */
#include "lib/report/socket_client.h"

#include <errno.h>
#include <string.h>

#include "lib/base/bits.h"
#include "lib/mem/metadata.h"
#include "lib/os/os.h"

enum { ANSWER_LEAST = 4096 };

/* ---- Life ---- */

static void give_more_time(lido_socket_client *client, const lido_answering *with) {
  uint64_t now = lido_os_now_ns();
  client->deadline_ns = with->timeout_ns < UINT64_MAX - now ? now + with->timeout_ns : UINT64_MAX - 1;
}

void lido_socket_client_begin(lido_socket_client *client, const lido_answering *with, int descriptor) {
  *client = (lido_socket_client){.descriptor = descriptor};
  give_more_time(client, with);
}

void lido_socket_client_drop(lido_socket_client *client) {
  lido_os_socket_close(client->descriptor);
  lido_metadata_free(lido_metadata_system(), client->answer, client->answer_room);
  *client = (lido_socket_client){.descriptor = -1};
}

void lido_socket_client_end(lido_socket_client *client, const lido_answering *with) {
  lido_lock_take(with->lock);
  lido_socket_client_drop(client);
  lido_lock_give(with->lock);
}

/* ---- The answer ---- */

typedef struct answer_out {
  lido_socket_client *client;
  const lido_answering *with;
} answer_out;

/* Twice as much at least, so that a byte is copied once or twice in all. */
static int grow(const answer_out *out, size_t needed) {
  lido_socket_client *client = out->client;
  size_t room = lido_max(lido_max(needed, 2 * client->answer_room), (size_t)ANSWER_LEAST);
  char *block = lido_metadata_take(lido_metadata_system(), room);
  if (block == NULL) return ENOMEM;
  if (client->answer_bytes != 0) memcpy(block, client->answer, client->answer_bytes);
  lido_lock_take(out->with->lock);
  char *old = client->answer;
  size_t old_room = client->answer_room;
  client->answer = block;
  client->answer_room = room;
  lido_lock_give(out->with->lock);
  lido_metadata_free(lido_metadata_system(), old, old_room);
  return 0;
}

static int take_text(const char *text, size_t bytes, void *context) {
  const answer_out *out = context;
  lido_socket_client *client = out->client;
  if (client->descriptor < 0) return ECANCELED; /* the child of a fork inside the answer */
  if (bytes == 0) return 0;
  if (bytes > client->answer_room - client->answer_bytes) {
    int error = grow(out, client->answer_bytes + bytes);
    if (error != 0) return error;
  }
  memcpy(client->answer + client->answer_bytes, text, bytes);
  client->answer_bytes += bytes;
  return 0;
}

/* `request` may be NULL: see lido_socket_answer. */
static void make_answer(lido_socket_client *client, const lido_answering *with, const char *request) {
  answer_out out = {client, with};
  int error = with->answer(with->manager, request, take_text, &out, with->context);
  if (error != 0) lido_socket_client_end(client, with);
  if (error == 0) give_more_time(client, with);
}

/* ---- Lines ---- */

static void remove_line(lido_socket_client *client, size_t bytes) {
  client->request_bytes -= bytes;
  memmove(client->request, client->request + bytes, client->request_bytes);
}

static void answer_line(lido_socket_client *client, const lido_answering *with, size_t bytes) {
  char line[LIDO_REQUEST_ROOM];
  memcpy(line, client->request, bytes);
  if (bytes != 0 && line[bytes - 1] == '\r') bytes--;
  line[bytes] = '\0';
  make_answer(client, with, strlen(line) == bytes ? line : NULL);
}

/* -> false: no line is there. */
static bool answer_next_line(lido_socket_client *client, const lido_answering *with) {
  const char *end = memchr(client->request, '\n', client->request_bytes);
  if (end != NULL) {
    size_t bytes = (size_t)(end - client->request);
    answer_line(client, with, bytes);
    if (client->descriptor >= 0) remove_line(client, bytes + 1);
    return true;
  }
  if (client->request_bytes < sizeof client->request) return false;
  client->is_ending = true;
  client->request_bytes = 0;
  make_answer(client, with, NULL);
  return true;
}

/* ---- Serving ---- */

static bool is_answering(const lido_socket_client *client) { return client->sent < client->answer_bytes; }

/* -> true: all that there is has been sent, and the client is still here. */
static bool send_rest(lido_socket_client *client, const lido_answering *with) {
  while (is_answering(client)) {
    ptrdiff_t sent =
        lido_os_socket_send(client->descriptor, client->answer + client->sent, client->answer_bytes - client->sent);
    if (sent < 0) lido_socket_client_end(client, with);
    if (sent <= 0) return false;
    client->sent += (size_t)sent;
  }
  client->sent = client->answer_bytes = 0;
  if (!client->is_ending) return true;
  lido_socket_client_end(client, with);
  return false;
}

/* Once only: others want to be served, too. */
static void receive(lido_socket_client *client) {
  size_t room = sizeof client->request - client->request_bytes;
  if (room == 0 || client->has_ended) return;
  ptrdiff_t got = lido_os_socket_receive(client->descriptor, client->request + client->request_bytes, room);
  if (got > 0) client->request_bytes += (size_t)got;
  client->has_ended = got == 0;
}

void lido_socket_client_serve(lido_socket_client *client, const lido_answering *with) {
  if (!send_rest(client, with)) return;
  receive(client);
  while (answer_next_line(client, with)) {
    if (client->descriptor < 0 || !send_rest(client, with)) return;
    give_more_time(client, with);
  }
  if (client->has_ended) lido_socket_client_end(client, with);
}

short lido_socket_client_events(const lido_socket_client *client) { return is_answering(client) ? POLLOUT : POLLIN; }

/* ---- Check ---- */

const char *lido_socket_client_check(const lido_socket_client *client) {
  if (client->descriptor < 0) return client->answer == NULL ? NULL : "W1: a free place has an answer";
  if (client->request_bytes > sizeof client->request) return "W2: a request has more bytes than room";
  if (client->sent > client->answer_bytes) return "W2: more was sent than there is";
  if (client->answer_bytes > client->answer_room) return "W2: an answer has more bytes than room";
  return client->deadline_ns != 0 ? NULL : "W3: a client may take for ever";
}
