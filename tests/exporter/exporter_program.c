/* exporter_program.c: a manager with an exporter, which does what it is told on standard input, and answers each line
 * by one.
 *
 *     exporter_program [address [path]]  "port 41233"
 *     alloc 5                            "live 5": objects of the pool conns
 *     fail snapshot | text | nothing     "ok": where there is no memory from now on
 *     start 127.0.0.1 41233 /metrics     "started", or the name of the error: a second exporter, stopped at once
 * At the end of the input everything ends; status 0 if nothing was left.
 */
#include <errno.h>
#include <lido/exporter.h>
#include <lido/lido.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OBJECTS = 1000 };

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
  if (make_manager() != 0) return 1;
  lido_exporter *exporter = lido_exporter_start(
      manager, &(lido_exporter_options){.address = argc > 1 ? argv[1] : NULL, .path = argc > 2 ? argv[2] : NULL});
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
