/* socket_threads_test.c: a socket opens and closes again and again while clients ask, leave in the middle and connect
 * to what is just going, while a pool comes and goes, and the process forks. Each answer that came whole is right. */
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "lib/report/snapshot_socket.h"
#include "lido/lido.h"
#include "tests/stress/crew.h"

enum { CLIENTS = 4, CHILD_SECONDS = 30 };

typedef struct harbour {
  lido_manager *manager;
  char path[64];
  size_t rounds;
  int over;         /* atomic */
  uint64_t answers; /* atomic: that came whole */
} harbour;

/* A word for each pool. */
static int answer(lido_manager *manager, const char *request, lido_text_sink sink, void *sink_context, void *context) {
  (void)request;
  (void)context;
  lido_snapshot *snapshot = lido_snapshot_create();
  if (snapshot == NULL) return ENOMEM;
  int error = lido_snapshot_take(snapshot, manager);
  for (size_t i = 0; i < snapshot->pool_count && error == 0; i++) error = sink("pool ", 5, sink_context);
  lido_snapshot_destroy(snapshot);
  lido_slab_use uses[4];
  size_t slabs = 0;
  lido_manager_pool_occupancy(manager, "p", uses, 4, &slabs); /* it may be just going */
  return error != 0 ? error : sink("\n", 1, sink_context);
}

static int connect_to(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(client, (const struct sockaddr *)&address, sizeof address) == 0) return client;
  close(client);
  return -1;
}

/* -> bytes of the answer to one line, as far as it came. */
static size_t hear_line(int client, char *out, size_t room) {
  size_t bytes = 0;
  while (bytes < room && recv(client, out + bytes, 1, 0) == 1 && out[bytes++] != '\n') continue;
  return bytes;
}

static void ask_on_and_on(crew_member *me) {
  harbour *h = me->shared;
  while (!flag_get(&h->over) && crew_goes_on(me->crew)) {
    int client = connect_to(h->path);
    if (client < 0) {
      sched_yield();
      continue;
    }
    char line[64];
    bool stays = send(client, "x\n", 2, MSG_NOSIGNAL) == 2 && testing_below(&me->random, 4) != 0;
    size_t bytes = stays ? hear_line(client, line, sizeof line) : 0;
    bool is_whole = bytes != 0 && line[bytes - 1] == '\n';
    if (is_whole) CREW_HOLDS(me->crew, bytes == 1 || (bytes == 6 && memcmp(line, "pool \n", 6) == 0));
    if (is_whole) __atomic_fetch_add(&h->answers, 1, __ATOMIC_RELAXED);
    close(client);
  }
}

static void pools_come_and_go(crew_member *me) {
  harbour *h = me->shared;
  while (!flag_get(&h->over) && crew_goes_on(me->crew)) {
    lido_pool *pool = lido_manager_pool(h->manager, &(lido_pool_options){.name = "p", .object_size = 64});
    CREW_HOLDS(me->crew, pool != NULL && lido_manager_pool_end(h->manager, pool) == 0);
  }
}

static void check_fork(crew_member *me, lido_snapshot_socket *window) {
  pid_t child = fork();
  if (child == 0) {
    alarm(CHILD_SECONDS);
    if (lido_snapshot_socket_check(window) != NULL) _exit(1);
    _exit(lido_snapshot_socket_close(window) == 0 ? 0 : 2);
  }
  int status = -1;
  CREW_HOLDS(me->crew, waitpid(child, &status, 0) == child && status == 0);
}

static void open_and_close(crew_member *me) {
  harbour *h = me->shared;
  for (size_t round = 0; round < h->rounds && crew_goes_on(me->crew); round++) {
    const lido_snapshot_socket_options options = {.answer = answer, .path = h->path};
    lido_snapshot_socket *window = lido_snapshot_socket_open(h->manager, &options);
    if (!CREW_HOLDS(me->crew, window != NULL)) break;
    uint64_t before = __atomic_load_n(&h->answers, __ATOMIC_RELAXED);
    while (__atomic_load_n(&h->answers, __ATOMIC_RELAXED) < before + round % 8 && crew_goes_on(me->crew)) sched_yield();
    if (round % 10 == 0) check_fork(me, window);
    CREW_HOLDS(me->crew, lido_snapshot_socket_close(window) == 0);
  }
  flag_set(&h->over, 1);
}

static void work(crew_member *me) {
  if (me->index == 0) {
    open_and_close(me);
  } else if (me->index == 1) {
    pools_come_and_go(me);
  } else {
    ask_on_and_on(me);
  }
}

TEST(socket_threads, sockets_come_and_go_while_clients_ask) {
  static harbour h;
  char folder[] = "/tmp/lido_test_XXXXXX";
  CHECK_NOT_NULL(mkdtemp(folder));
  h = (harbour){.manager = lido_manager_create(NULL, NULL), .rounds = testing_scaled(400)};
  snprintf(h.path, sizeof h.path, "%s/socket", folder);
  static crew team;
  crew_start(&team, 2 + CLIENTS, testing_seed(), work, &h);
  CHECK_CREW(&team);
  CHECK_NULL(lido_manager_check(h.manager));
  CHECK_EQ(lido_manager_destroy(h.manager), 0);
  CHECK_EQ(rmdir(folder), 0);
}
