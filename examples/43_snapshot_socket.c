/* 43_snapshot_socket.c: a window into a running program. `lido top` shows what is behind it; here the program itself is
 * the client that asks.
 *
 *     example_43_snapshot_socket wait &
 *     lido top
 */
#include <lido/json.h>
#include <lido/lido.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* One line there, one line back. -> bytes of the answer, of which the first ones are in `out`; 0: there was none. */
static size_t ask(const char *path, const char *request, char *out, size_t room) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  size_t bytes = 0;
  if (client >= 0 && connect(client, (const struct sockaddr *)&address, sizeof address) == 0 &&
      send(client, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request)) {
    char piece[4096];
    ssize_t got;
    shutdown(client, SHUT_WR); /* no more requests: the answer ends with the connection */
    while ((got = recv(client, piece, sizeof piece, 0)) > 0) {
      for (ssize_t i = 0; i < got; i++, bytes++) {
        if (bytes + 1 < room) out[bytes] = piece[i];
      }
    }
  }
  if (client >= 0) close(client);
  out[bytes + 1 < room ? bytes : room - 1] = '\0';
  return bytes;
}

int main(int argc, char **argv) {
  enum { CONNS = 1000 };
  static void *conns[CONNS];
  lido_manager *manager = lido_manager_create(&(lido_manager_options){.name = "server", .soft_bytes = 64 << 20}, NULL);
  if (manager == NULL) return 1;
  lido_pool *pool = lido_manager_pool(manager, &(lido_pool_options){.name = "conns", .object_size = 96});
  if (pool == NULL || lido_pool_alloc_batch(pool, conns, CONNS) != CONNS) return 1;

  lido_snapshot_socket *window =
      lido_snapshot_socket_open(manager, &(lido_snapshot_socket_options){.answer = lido_json_answer});
  if (window == NULL) return 1;
  const char *path = lido_snapshot_socket_path(window);
  char answer[160];
  size_t bytes = ask(path, "snapshot\n", answer, sizeof answer);
  printf("snapshot: %zu bytes: %s...\n", bytes, answer);
  size_t map_bytes = ask(path, "slabs conns\n", answer, sizeof answer);
  printf("slabs: %s", answer);
  if (argc > 1 && strcmp(argv[1], "wait") == 0) pause();

  lido_snapshot_socket_close(window); /* before the manager */
  lido_pool_free_batch(pool, conns, CONNS);
  return bytes > 1000 && map_bytes > 10 && lido_manager_destroy(manager) == 0 ? 0 : 1;
}
