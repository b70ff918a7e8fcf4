/* exporter_program.c: a manager with an exporter, which does what it is told on standard input, and answers each line
 * by one.
 *
 *     exporter_program [address [path [connections per address]]]  "port 41233"
 *     alloc 5                            "live 5": objects of the pool conns
 *     fail snapshot | text | nothing     "ok": where there is no memory from now on
 *     start 127.0.0.1 41233 /metrics     "started", or the name of the error: a second exporter, stopped at once
 *     few descriptors                    "fine", or what went wrong: starts with too few, each followed by a good one
 *     fork                               "child 4711": a child that does nothing until it is killed
 * At the end of the input everything ends; status 0 if nothing was left.
 */
#include <errno.h>
#include <fcntl.h>
#include <lido/exporter.h>
#include <lido/lido.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { OBJECTS = 1000, DESCRIPTORS_NEEDED_AT_MOST = 8, CHILD_LIVES_S = 60 };

static lido_manager *manager;
static lido_pool *conns;
static void *objects[OBJECTS];
static size_t live;

/* Read by the exporter's thread. */
static _Atomic(int) snapshots_fail;
static _Atomic(int) texts_fail;

void *__real_realloc(void *block, size_t bytes);
void *__wrap_realloc(void *block, size_t bytes);
int __real_lido_snapshot_take(lido_snapshot *snapshot, lido_manager *of);
int __wrap_lido_snapshot_take(lido_snapshot *snapshot, lido_manager *of);

void *__wrap_realloc(void *block, size_t bytes) { return texts_fail ? NULL : __real_realloc(block, bytes); }

int __wrap_lido_snapshot_take(lido_snapshot *snapshot, lido_manager *of) {
  return snapshots_fail ? ENOMEM : __real_lido_snapshot_take(snapshot, of);
}

static void say(const char *text) {
  puts(text);
  fflush(stdout);
}

static void alloc_objects(size_t count) {
  for (; count > 0 && live < OBJECTS; count--, live++) objects[live] = lido_pool_alloc(conns);
  printf("live %zu\n", live);
  fflush(stdout);
}

static void fail_from_now_on(const char *where) {
  snapshots_fail = strcmp(where, "snapshot") == 0;
  texts_fail = strcmp(where, "text") == 0;
  say("ok");
}

static void start_another(const char *address, unsigned port, const char *path) {
  lido_exporter *exporter =
      lido_exporter_start(manager, &(lido_exporter_options){.address = address, .port = (uint16_t)port, .path = path});
  say(exporter != NULL ? "started" : strerrorname_np(errno));
  lido_exporter_stop(exporter);
}

static int lowest_free_descriptor(void) {
  int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);
  close(lowest);
  return lowest;
}

static lido_exporter *start_at(unsigned port) {
  return lido_exporter_start(manager, &(lido_exporter_options){.port = (uint16_t)port});
}

/* A start with room for `left` more descriptors. -> NULL, or what is wrong. */
static const char *start_with_descriptors(unsigned port, int left) {
  struct rlimit all;
  int lowest = lowest_free_descriptor();
  if (getrlimit(RLIMIT_NOFILE, &all) != 0) return "there is no limit";
  struct rlimit few = {.rlim_cur = (rlim_t)(lowest + left), .rlim_max = all.rlim_max};
  if (setrlimit(RLIMIT_NOFILE, &few) != 0) return "no limit can be set";
  lido_exporter *exporter = start_at(port);
  int error = errno;
  setrlimit(RLIMIT_NOFILE, &all);
  if (left == 0 && exporter != NULL) return "it started without descriptors";
  if (exporter == NULL && error != EMFILE) return "it did not say EMFILE";
  lido_exporter_stop(exporter);
  if (lowest_free_descriptor() != lowest) return "a descriptor is left";
  exporter = start_at(port);
  if (exporter == NULL) return "the port is still taken";
  lido_exporter_stop(exporter);
  return NULL;
}

static void start_with_few_descriptors(void) {
  lido_exporter *exporter = start_at(0);
  unsigned port = lido_exporter_port(exporter);
  const char *wrong = NULL;
  lido_exporter_stop(exporter);
  for (int left = 0; left <= DESCRIPTORS_NEEDED_AT_MOST && wrong == NULL; left++) {
    wrong = start_with_descriptors(port, left);
  }
  say(wrong != NULL ? wrong : "fine");
}

static void fork_a_child(void) {
  pid_t child = fork();
  if (child == 0) {
    alarm(CHILD_LIVES_S); /* should the test be killed */
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    for (;;) pause();
  }
  printf("child %ld\n", (long)child);
  fflush(stdout);
}

static void obey(const char *line) {
  size_t count = 0;
  unsigned port = 0;
  char word[64];
  char other[64];
  if (sscanf(line, "alloc %zu", &count) == 1) {
    alloc_objects(count);
  } else if (sscanf(line, "fail %63s", word) == 1) {
    fail_from_now_on(word);
  } else if (sscanf(line, "start %63s %u %63s", word, &port, other) == 3) {
    start_another(word, port, other);
  } else if (strcmp(line, "few descriptors\n") == 0) {
    start_with_few_descriptors();
  } else if (strcmp(line, "fork\n") == 0) {
    fork_a_child();
  } else {
    say("what?");
  }
}

static int make_manager(void) {
  manager = lido_manager_create(&(lido_manager_options){.name = "tested", .hard_bytes = 64 << 20}, NULL);
  if (manager == NULL) return 1;
  conns = lido_manager_pool(manager, &(lido_pool_options){.name = "conns", .object_size = 96, .max_objects = OBJECTS});
  const lido_pool *strange =
      lido_manager_pool(manager, &(lido_pool_options){.name = "a \"strange\"\nname\\ \xff", .object_size = 8});
  if (conns == NULL || strange == NULL) return 1;
  if (lido_manager_arena_class(manager, &(lido_arena_options){.name = "requests"}) == NULL) return 1;
  if (lido_manager_cleanup_queue(manager, &(lido_cleanup_queue_options){.name = "late"}) == NULL) return 1;
  lido_manager_reclaim(manager, NULL);
  return 0;
}

int main(int argc, char **argv) {
  if (setlocale(LC_ALL, "") == NULL || make_manager() != 0) return 1;
  lido_exporter_options options = {.address = argc > 1 ? argv[1] : NULL, .path = argc > 2 ? argv[2] : NULL};
  if (argc > 3) options.connections_per_address = (unsigned)strtoul(argv[3], NULL, 10);
  lido_exporter *exporter = lido_exporter_start(manager, &options);
  if (exporter == NULL) {
    say(strerrorname_np(errno));
    return 1;
  }
  printf("port %u\n", (unsigned)lido_exporter_port(exporter));
  fflush(stdout);
  char line[256];
  while (fgets(line, sizeof line, stdin) != NULL) obey(line);
  lido_exporter_stop(exporter);
  lido_pool_free_batch(conns, objects, live);
  return lido_manager_destroy(manager) == 0 ? 0 : 1;
}
