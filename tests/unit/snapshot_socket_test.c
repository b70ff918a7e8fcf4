/* snapshot_socket_test.c: the socket file, who may use it, and clients that misbehave. */
#include "lib/report/snapshot_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lido/lido.h"
#include "tests/support/cancelled.h"
#include "tests/support/child.h"
#include "tests/support/descriptors_most.h"

enum { DEADLINE_MS = 20000, LARGE = 4 << 20 };

static const uint64_t SHORT_NS = 50000000;

/* ---- The scene ---- */

typedef struct scene {
  char folder[32];
  char path[64];
  lido_manager *manager;
  lido_snapshot_socket *socket;
} scene;

static int put(lido_text_sink sink, void *sink_context, const char *text) {
  return sink(text, strlen(text), sink_context);
}

static int put_large(lido_text_sink sink, void *sink_context) {
  static char piece[LARGE / 64];
  int error = 0;
  memset(piece, 'x', sizeof piece);
  for (int i = 0; i < 64 && error == 0; i++) error = sink(piece, sizeof piece, sink_context);
  return error != 0 ? error : put(sink, sink_context, "\n");
}

/* "large": 4 MiB; "refuse": an error; NULL: "unusable"; anything else comes back. */
static int answer(lido_manager *manager, const char *request, lido_text_sink sink, void *sink_context, void *context) {
  (void)context;
  if (request == NULL) return put(sink, sink_context, "unusable\n");
  if (strcmp(request, "refuse") == 0) return EIO;
  if (strcmp(request, "large") == 0) return put_large(sink, sink_context);
  int error = put(sink, sink_context, lido_manager_name(manager));
  if (error == 0) error = put(sink, sink_context, ":");
  if (error == 0) error = put(sink, sink_context, request);
  return error != 0 ? error : put(sink, sink_context, "\n");
}

static void scene_prepare(scene *s) {
  *s = (scene){.folder = "/tmp/lido_test_XXXXXX"};
  CHECK_NOT_NULL(mkdtemp(s->folder));
  snprintf(s->path, sizeof s->path, "%s/socket", s->folder);
  s->manager = lido_manager_create(&(lido_manager_options){.name = "m"}, NULL);
  CHECK_NOT_NULL(s->manager);
}

static lido_snapshot_socket *open_at(scene *s, uint64_t timeout_ns) {
  return lido_snapshot_socket_open(
      s->manager, &(lido_snapshot_socket_options){.answer = answer, .path = s->path, .timeout_ns = timeout_ns});
}

static void scene_begin(scene *s, uint64_t timeout_ns) {
  scene_prepare(s);
  s->socket = open_at(s, timeout_ns);
  CHECK_NOT_NULL(s->socket);
}

static bool is_there(const char *path) {
  struct stat status;
  return lstat(path, &status) == 0;
}

static void scene_end(scene *s) {
  CHECK_EQ(lido_snapshot_socket_close(s->socket), 0);
  CHECK(!is_there(s->path));
  CHECK_EQ(lido_manager_destroy(s->manager), 0);
  CHECK_EQ(rmdir(s->folder), 0);
}

/* ---- Clients ---- */

static struct sockaddr_un address_of(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  return address;
}

/* -> descriptor, or -1 with errno. */
static int connect_to(const char *path) {
  struct sockaddr_un address = address_of(path);
  int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(client, (const struct sockaddr *)&address, sizeof address) == 0) return client;
  int error = errno;
  close(client);
  errno = error;
  return -1;
}

static void say(int client, const char *text) {
  CHECK_EQ(send(client, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Waits for bytes; 0: the other side has ended; -1: it takes too long. */
static ssize_t hear(int client, char *out, size_t bytes) {
  struct pollfd item = {.fd = client, .events = POLLIN};
  if (poll(&item, 1, DEADLINE_MS) != 1) return -1;
  ssize_t got = recv(client, out, bytes, 0);
  return got < 0 && errno == ECONNRESET ? 0 : got;
}

/* The next line, without its end; "" at the end of all. */
static const char *line_of(int client) {
  static char line[600];
  size_t bytes = 0;
  while (bytes + 1 < sizeof line && hear(client, line + bytes, 1) == 1 && line[bytes] != '\n') bytes++;
  line[bytes] = '\0';
  return line;
}

static bool is_sent_away(int client) {
  static char rest[4096];
  ssize_t got = 0;
  while ((got = hear(client, rest, sizeof rest)) > 0) continue;
  return got == 0;
}

static void check_serves(const scene *s) {
  int client = connect_to(s->path);
  CHECK_GE(client, 0);
  say(client, "hello\n");
  CHECK_TEXT(line_of(client), "m:hello");
  close(client);
}

/* ---- What it does ---- */

TEST(snapshot_socket, each_line_gets_its_answer_on_one_connection) {
  scene s;
  scene_begin(&s, 0);
  CHECK_TEXT(lido_snapshot_socket_path(s.socket), s.path);
  int client = connect_to(s.path);
  say(client, "one\ntwo\r\nthr");
  CHECK_TEXT(line_of(client), "m:one");
  CHECK_TEXT(line_of(client), "m:two");
  say(client, "ee\n\n");
  CHECK_TEXT(line_of(client), "m:three");
  CHECK_TEXT(line_of(client), "m:");
  CHECK_NULL(lido_snapshot_socket_check(s.socket));
  close(client);
  scene_end(&s);
}

TEST(snapshot_socket, a_client_that_says_no_more_still_gets_its_answers) {
  scene s;
  scene_begin(&s, 0);
  int client = connect_to(s.path);
  say(client, "one\ntwo\nhalf a line");
  CHECK_EQ(shutdown(client, SHUT_WR), 0);
  CHECK_TEXT(line_of(client), "m:one");
  CHECK_TEXT(line_of(client), "m:two");
  CHECK(is_sent_away(client));
  close(client);
  scene_end(&s);
}

TEST(snapshot_socket, a_large_answer_comes_whole) {
  scene s;
  scene_begin(&s, 0);
  int client = connect_to(s.path);
  for (int round = 0; round < 3; round++) {
    static char got[1 << 16];
    size_t bytes = 0;
    ssize_t count = 1;
    say(client, "large\n");
    while (bytes < LARGE + 1 && (count = hear(client, got, sizeof got)) > 0) bytes += (size_t)count;
    CHECK_EQ(bytes, LARGE + 1);
    CHECK_EQ(got[count - 1], '\n');
  }
  close(client);
  scene_end(&s);
}

TEST(snapshot_socket, an_answer_that_fails_sends_the_client_away) {
  scene s;
  scene_begin(&s, 0);
  int client = connect_to(s.path);
  say(client, "refuse\nhello\n");
  CHECK(is_sent_away(client));
  close(client);
  check_serves(&s);
  scene_end(&s);
}

/* ---- Options ---- */

TEST(snapshot_socket, nonsense_is_refused) {
  scene s;
  scene_prepare(&s);
  CHECK_FAILS(lido_snapshot_socket_open(s.manager, NULL), EINVAL);
  CHECK_FAILS(lido_snapshot_socket_open(s.manager, &(lido_snapshot_socket_options){0}), EINVAL);
  const lido_snapshot_socket_options good = {.answer = answer, .path = s.path};
  CHECK_FAILS(lido_snapshot_socket_open(NULL, &good), EINVAL);
  lido_snapshot_socket_options bad = good;
  bad.path = "relative";
  CHECK_FAILS(lido_snapshot_socket_open(s.manager, &bad), EINVAL);
  bad.path = "";
  CHECK_FAILS(lido_snapshot_socket_open(s.manager, &bad), EINVAL);
  char nowhere[sizeof s.path + 8];
  snprintf(nowhere, sizeof nowhere, "%s/a/b", s.folder);
  bad.path = nowhere;
  CHECK_FAILS(lido_snapshot_socket_open(s.manager, &bad), ENOENT);
  CHECK_EQ(lido_snapshot_socket_close(NULL), 0);
  CHECK_EQ(lido_manager_destroy(s.manager), 0);
  CHECK_EQ(rmdir(s.folder), 0);
}

TEST(snapshot_socket, a_path_is_as_long_as_the_system_allows) {
  scene s;
  scene_prepare(&s);
  char path[120];
  memset(path, 'a', sizeof path);
  memcpy(path, s.folder, strlen(s.folder));
  path[strlen(s.folder)] = '/';
  path[108] = '\0';
  const lido_snapshot_socket_options options = {.answer = answer, .path = path};
  CHECK_FAILS(lido_snapshot_socket_open(s.manager, &options), ENAMETOOLONG);
  path[107] = '\0';
  s.socket = lido_snapshot_socket_open(s.manager, &options);
  CHECK_NOT_NULL(s.socket);
  CHECK(is_there(path));
  scene_end(&s);
}

/* ---- The file ---- */

TEST(snapshot_socket, the_file_is_the_owners_alone_whatever_the_umask) {
  static const mode_t masks[] = {0, 022, 077, 0777};
  for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++) {
    scene s;
    scene_prepare(&s);
    mode_t before = umask(masks[i]);
    s.socket = open_at(&s, 0);
    umask(before);
    CHECK_NOT_NULL(s.socket);
    struct stat status;
    CHECK_EQ(lstat(s.path, &status), 0);
    CHECK(S_ISSOCK(status.st_mode));
    CHECK_EQ(status.st_mode & 07777, 0600);
    CHECK_EQ(status.st_uid, geteuid());
    scene_end(&s);
  }
}

TEST(snapshot_socket, without_a_path_it_lies_in_the_users_own_folder) {
  scene s;
  scene_prepare(&s);
  char folder[40], path[64];
  snprintf(folder, sizeof folder, "/tmp/lido-%lu", (unsigned long)geteuid());
  snprintf(path, sizeof path, "%s/%ld.sock", folder, (long)getpid());
  const lido_snapshot_socket_options options = {.answer = answer};
  s.socket = lido_snapshot_socket_open(s.manager, &options);
  CHECK_NOT_NULL(s.socket);
  CHECK_TEXT(lido_snapshot_socket_path(s.socket), path);
  CHECK_FAILS(lido_snapshot_socket_open(s.manager, &options), EADDRINUSE);
  struct stat status;
  CHECK_EQ(lstat(folder, &status), 0);
  CHECK(S_ISDIR(status.st_mode));
  CHECK_EQ(status.st_mode & 07777, 0700);
  scene_end(&s);
  CHECK(!is_there(path));
}

/* In the child of a user for whom there is no folder yet, if we may become one. */
static void open_in_a_new_folder(void *context) {
  const scene *s = context;
  char folder[40];
  uid_t stranger = (uid_t)(10000 + getpid() % 50000); /* another one than that of a test at the same time */
  if (geteuid() == 0 && setresuid(stranger, stranger, stranger) != 0) return;
  snprintf(folder, sizeof folder, "/tmp/lido-%lu", (unsigned long)geteuid());
  rmdir(folder);
  if (is_there(folder)) return; /* others use it */
  umask(0777);
  for (int i = 0; i < 2; i++) { /* the folder is new, or it is there */
    lido_snapshot_socket *opened =
        lido_snapshot_socket_open(s->manager, &(lido_snapshot_socket_options){.answer = answer});
    IN_CHILD(opened != NULL);
    IN_CHILD(lido_snapshot_socket_close(opened) == 0);
  }
  struct stat status;
  IN_CHILD(lstat(folder, &status) == 0 && (status.st_mode & 07777) == 0700);
  IN_CHILD(rmdir(folder) == 0);
}

TEST(snapshot_socket, the_users_own_folder_can_be_used_whatever_the_umask) {
  scene s;
  scene_prepare(&s);
  check_child(open_in_a_new_folder, &s);
  CHECK_EQ(lido_manager_destroy(s.manager), 0);
  CHECK_EQ(rmdir(s.folder), 0);
}

TEST(snapshot_socket, where_somebody_listens_there_is_no_second_one) {
  scene s;
  scene_begin(&s, 0);
  CHECK_FAILS(open_at(&s, 0), EADDRINUSE);
  check_serves(&s);
  scene_end(&s);
}

static void leave_a_file(const char *path) {
  struct sockaddr_un address = address_of(path);
  int dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK_EQ(bind(dead, (const struct sockaddr *)&address, sizeof address), 0);
  close(dead);
}

TEST(snapshot_socket, the_file_of_the_dead_is_replaced) {
  scene s;
  scene_prepare(&s);
  leave_a_file(s.path);
  s.socket = open_at(&s, 0);
  CHECK_NOT_NULL(s.socket);
  check_serves(&s);
  scene_end(&s);
}

TEST(snapshot_socket, what_is_no_socket_stays) {
  scene s;
  scene_prepare(&s);
  int file = open(s.path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
  CHECK_GE(file, 0);
  close(file);
  CHECK_FAILS(open_at(&s, 0), EEXIST);
  CHECK(is_there(s.path));
  CHECK_EQ(unlink(s.path), 0);
  CHECK_EQ(symlink("elsewhere", s.path), 0);
  CHECK_FAILS(open_at(&s, 0), EEXIST);
  CHECK_EQ(unlink(s.path), 0);
  s.socket = open_at(&s, 0);
  CHECK_NOT_NULL(s.socket);
  scene_end(&s);
}

TEST(snapshot_socket, a_file_that_came_in_its_place_stays) {
  scene s;
  scene_begin(&s, 0);
  CHECK_EQ(unlink(s.path), 0);
  lido_snapshot_socket *other = open_at(&s, 0);
  CHECK_NOT_NULL(other);
  CHECK_EQ(lido_snapshot_socket_close(s.socket), 0);
  CHECK(is_there(s.path));
  s.socket = other;
  check_serves(&s);
  scene_end(&s);
}

/* ---- Clients that misbehave ---- */

TEST(snapshot_socket, half_a_line_is_not_waited_for_for_ever) {
  scene s;
  scene_begin(&s, SHORT_NS);
  int client = connect_to(s.path);
  say(client, "half a li");
  CHECK(is_sent_away(client));
  close(client);
  client = connect_to(s.path); /* nothing at all */
  CHECK(is_sent_away(client));
  close(client);
  scene_end(&s);
}

TEST(snapshot_socket, the_longest_line_is_answered_and_one_byte_more_is_not) {
  scene s;
  scene_begin(&s, 0);
  char line[LIDO_SOCKET_LINE + 3];
  memset(line, 'y', sizeof line);
  line[LIDO_SOCKET_LINE] = '\n';
  line[LIDO_SOCKET_LINE + 1] = '\0';
  int client = connect_to(s.path);
  say(client, line);
  CHECK_EQ(strlen(line_of(client)), LIDO_SOCKET_LINE + 2);
  line[LIDO_SOCKET_LINE] = 'y';
  line[LIDO_SOCKET_LINE + 1] = '\n';
  line[LIDO_SOCKET_LINE + 2] = '\0';
  say(client, line);
  CHECK_TEXT(line_of(client), "unusable");
  CHECK(is_sent_away(client));
  close(client);
  scene_end(&s);
}

TEST(snapshot_socket, a_mebibyte_without_an_end_of_line_is_no_request) {
  static char much[1 << 20];
  memset(much, 'z', sizeof much);
  scene s;
  scene_begin(&s, 0);
  int client = connect_to(s.path);
  size_t sent = 0;
  ssize_t count = 1;
  while (sent < sizeof much && (count = send(client, much + sent, sizeof much - sent, MSG_NOSIGNAL)) > 0) {
    sent += (size_t)count;
  }
  CHECK(sent < sizeof much); /* nobody takes it */
  CHECK_TEXT(line_of(client), "unusable");
  CHECK(is_sent_away(client));
  close(client);
  check_serves(&s);
  scene_end(&s);
}

TEST(snapshot_socket, a_zero_in_a_line_makes_it_unusable) {
  scene s;
  scene_begin(&s, 0);
  int client = connect_to(s.path);
  CHECK_EQ(send(client, "a\0b\nhello\n", 10, MSG_NOSIGNAL), 10);
  CHECK_TEXT(line_of(client), "unusable");
  CHECK_TEXT(line_of(client), "m:hello");
  close(client);
  scene_end(&s);
}

TEST(snapshot_socket, one_that_does_not_read_holds_nobody_up_and_loses_its_place) {
  scene s;
  scene_begin(&s, 10 * SHORT_NS);
  int sleeper = connect_to(s.path);
  say(sleeper, "large\n");
  check_serves(&s);
  struct pollfd item = {.fd = sleeper};
  CHECK_EQ(poll(&item, 1, DEADLINE_MS), 1); /* only its end can come */
  CHECK((item.revents & POLLHUP) != 0);
  close(sleeper);
  check_serves(&s);
  scene_end(&s);
}

TEST(snapshot_socket, one_that_leaves_in_the_middle_of_its_answer_raises_no_signal) {
  scene s;
  scene_begin(&s, 0);
  for (int i = 0; i < 20; i++) {
    int client = connect_to(s.path);
    char first;
    say(client, "large\nlarge\n");
    CHECK_EQ(hear(client, &first, 1), 1);
    close(client);
  }
  check_serves(&s);
  scene_end(&s);
}

TEST(snapshot_socket, more_clients_than_places_wait_for_one) {
  enum { CLIENTS = 2 * LIDO_SOCKET_CLIENTS };
  scene s;
  scene_begin(&s, 4 * SHORT_NS);
  int clients[CLIENTS];
  for (int i = 0; i < CLIENTS; i++) {
    clients[i] = connect_to(s.path);
    CHECK_GE(clients[i], 0);
  }
  check_serves(&s); /* when those that say nothing have lost their places */
  for (int i = 0; i < CLIENTS; i++) {
    CHECK(is_sent_away(clients[i]));
    close(clients[i]);
  }
  scene_end(&s);
}

/* ---- The end ---- */

TEST(snapshot_socket, close_does_not_wait_for_clients) {
  scene s;
  scene_begin(&s, 0);
  int silent = connect_to(s.path);
  int sleeper = connect_to(s.path);
  say(sleeper, "large\n");
  check_serves(&s);
  scene_end(&s);
  CHECK(is_sent_away(silent));
  CHECK(is_sent_away(sleeper));
  close(silent);
  close(sleeper);
}

/* The system refuses to poll more items than there may be descriptors. */
TEST(snapshot_socket, a_limit_of_descriptors_set_later_neither_silences_it_nor_keeps_it_from_ending) {
  static const rlim_t limits[] = {8, 3, 1, 0};
  struct rlimit before;
  CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
    scene s;
    scene_begin(&s, 0);
    int client = connect_to(s.path);
    say(client, "before\n");
    CHECK_TEXT(line_of(client), "m:before");
    set_descriptors_most(limits[i]);
    say(client, "after\n");                                     /* it polls again in any case */
    if (limits[i] >= 3) CHECK_TEXT(line_of(client), "m:after"); /* the event, the listener and the client */
    int error = lido_snapshot_socket_close(s.socket);
    set_descriptors_most(before.rlim_cur);
    CHECK_EQ(error, 0);
    close(client);
    s.socket = NULL;
    scene_end(&s);
  }
}

static int close_from_inside(lido_manager *manager, const char *request, lido_text_sink sink, void *sink_context,
                             void *context) {
  (void)manager;
  (void)request;
  const scene *s = context;
  return put(sink, sink_context, lido_snapshot_socket_close(s->socket) == EDEADLK ? "deadlock\n" : "?\n");
}

TEST(snapshot_socket, an_answer_that_closes_its_socket_is_told) {
  scene s;
  scene_prepare(&s);
  s.socket = lido_snapshot_socket_open(
      s.manager, &(lido_snapshot_socket_options){.answer = close_from_inside, .context = &s, .path = s.path});
  CHECK_NOT_NULL(s.socket);
  int client = connect_to(s.path);
  say(client, "x\n");
  CHECK_TEXT(line_of(client), "deadlock");
  close(client);
  scene_end(&s);
}

static void open_and_close(void *context) {
  scene *s = context;
  s->socket = open_at(s, 0);
  if (s->socket != NULL) lido_snapshot_socket_close(s->socket);
}

TEST(snapshot_socket, who_is_cancelled_neither_keeps_the_lock_nor_leaves_the_file) {
  scene s;
  scene_prepare(&s);
  CHECK(returns_when_cancelled(open_and_close, &s));
  CHECK_NOT_NULL(s.socket);
  CHECK(!is_there(s.path));
  s.socket = open_at(&s, 0);
  CHECK_NOT_NULL(s.socket);
  check_serves(&s);
  scene_end(&s);
}

/* ---- Fork ---- */

#if defined(__SANITIZE_THREAD__)
#define MAY_START_THREADS false /* ThreadSanitizer knows none in the child of a process with threads */
#else
#define MAY_START_THREADS true
#endif

static void child_of_a_socket(void *context) {
  scene *s = context;
  IN_CHILD(lido_snapshot_socket_check(s->socket) == NULL);
  int client = connect_to(s->path); /* the parent's */
  char got[8] = "";
  IN_CHILD(client >= 0);
  IN_CHILD(send(client, "hi\n", 3, MSG_NOSIGNAL) == 3);
  IN_CHILD(recv(client, got, 5, MSG_WAITALL) == 5 && memcmp(got, "m:hi\n", 5) == 0);
  IN_CHILD(lido_snapshot_socket_close(s->socket) == 0);
  IN_CHILD(is_there(s->path));
  if (!MAY_START_THREADS) return;
  s->path[strlen(s->path) - 1] = '2';
  s->socket = open_at(s, 0);
  IN_CHILD(s->socket != NULL);
  IN_CHILD(lido_snapshot_socket_close(s->socket) == 0);
}

TEST(snapshot_socket, a_child_has_no_thread_and_leaves_the_file_alone) {
  scene s;
  scene_begin(&s, 0);
  check_child(child_of_a_socket, &s);
  check_serves(&s);
  scene_end(&s);
}

TEST(snapshot_socket, a_child_keeps_no_client_of_its_parent_waiting) {
  scene s;
  scene_begin(&s, 0);
  int client = connect_to(s.path);
  say(client, "hello\n");
  CHECK_TEXT(line_of(client), "m:hello");
  int pipes[2];
  CHECK_EQ(pipe(pipes), 0);
  pid_t child = fork();
  if (child == 0) {
    char byte;
    close(pipes[1]);
    close(client);
    _exit(read(pipes[0], &byte, 1) == 0 ? 0 : 1); /* lives until the parent says so */
  }
  scene_end(&s);
  CHECK(is_sent_away(client));
  close(client);
  close(pipes[0]);
  close(pipes[1]);
  int status = 1;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0);
}

static int fork_inside(lido_manager *manager, const char *request, lido_text_sink sink, void *sink_context,
                       void *context) {
  (void)manager;
  (void)request;
  (void)context;
  int status = 1;
  int error = put(sink, sink_context, "ha");
  pid_t child = fork();
  if (child == 0) _exit(put_large(sink, sink_context) == ECANCELED && put(sink, sink_context, "") == ECANCELED ? 0 : 1);
  if (error != 0 || waitpid(child, &status, 0) != child) return EIO;
  return put(sink, sink_context, status == 0 ? "lf\n" : "?\n");
}

TEST(snapshot_socket, a_child_that_is_made_inside_an_answer_writes_nothing_to_it) {
  scene s;
  scene_prepare(&s);
  s.socket =
      lido_snapshot_socket_open(s.manager, &(lido_snapshot_socket_options){.answer = fork_inside, .path = s.path});
  CHECK_NOT_NULL(s.socket);
  int client = connect_to(s.path);
  say(client, "x\n");
  CHECK_TEXT(line_of(client), "half");
  close(client);
  scene_end(&s);
}
