/* sockets_without_memory_test.c: each request for memory, for a descriptor of a socket, or for its thread fails. */
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lido/lido.h"
#include "tests/faults/drill.h"

static lido_manager *manager;
static char path[64];

/* So much that the answer grows once. */
static int answer_much(lido_manager *of, const char *request, lido_text_sink sink, void *sink_context, void *context) {
  (void)of;
  (void)request;
  (void)context;
  int error = 0;
  for (int i = 0; i < 100 && error == 0; i++) {
    error = sink(
        "a text of a hundred bytes, nearly, that makes the answer grow beyond its first block of memory, some day\n",
        100, sink_context);
  }
  return error;
}

/* -> true: there was an answer; false: the client was sent away. */
static bool ask(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  char byte = 0;
  bool answered = connect(client, (const struct sockaddr *)&address, sizeof address) == 0 &&
                  send(client, "x\n", 2, MSG_NOSIGNAL) == 2 && recv(client, &byte, 1, 0) == 1;
  close(client);
  return answered;
}

static void open_ask_close(drill_round *r) {
  const lido_snapshot_socket_options options = {.answer = answer_much, .path = path};
  lido_snapshot_socket *window = NULL;
  TRY(r, window, lido_snapshot_socket_open(manager, &options));
  if (!ask()) {
    r->failed_calls++;
    drill_relief(r);
    CHECK_GT(r->failures, 0);
    CHECK(ask());
  }
  CALM(lido_snapshot_socket_close(window));
}

TEST(sockets_without_memory, a_socket_that_opens_answers_and_closes) {
  lido_fault_disarm();
  char folder[] = "/tmp/lido_test_XXXXXX";
  CHECK_NOT_NULL(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/socket", folder);
  manager = lido_manager_create(NULL, NULL);
  drill(open_ask_close, 5);
  CHECK_EQ(lido_manager_destroy(manager), 0);
  CHECK_EQ(rmdir(folder), 0);
}
