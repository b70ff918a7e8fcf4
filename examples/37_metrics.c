/* 37_metrics.c: what a manager has, as text for Prometheus; `37_metrics openmetrics` and `37_metrics table` give the
 * other forms. */
#include <errno.h>
#include <lido/lido.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct conn {
  int descriptor;
  char peer[60];
};

/* A clock and a pressure of the example's own, so that it says the same each time. */
static uint64_t now_ns = 1000000000;

static uint64_t example_now(void *context) {
  (void)context;
  return now_ns;
}

static int example_pressure(lido_pressure *out, void *context) {
  (void)context;
  *out = (lido_pressure){.stalled = 0.01};
  return 0;
}

/* The policy looks at what has changed between two ticks. */
static void tick_twice(lido_manager *manager) {
  lido_manager_tick(manager);
  now_ns += 1000000000;
  lido_manager_tick(manager);
}

static int put(const char *text, size_t bytes, void *file) { return fwrite(text, 1, bytes, file) == bytes ? 0 : EIO; }

/* A build without caches has none to show. */
static int use_cache(lido_manager *manager, struct conn *conn) {
  lido_cache *cache = lido_manager_cache(manager, &(lido_cache_options){.name = "by_peer", .keep_count = 10});
  if (cache == NULL) return errno == ENOTSUP ? 0 : errno;
  int error = lido_cache_put(cache, conn->peer, strlen(conn->peer), conn);
  if (error != 0) return error;
  lido_release(lido_cache_get(cache, conn->peer, strlen(conn->peer)));
  return 0;
}

static int use_memory(lido_manager *manager) {
  lido_pool *conns = lido_manager_pool(
      manager,
      &(lido_pool_options){
          .name = "conns", .object_size = sizeof(struct conn), .max_objects = 1000, .flags = LIDO_POOL_HANDLES});
  lido_arena_class *requests = lido_manager_arena_class(manager, &(lido_arena_options){.name = "requests"});
  lido_cleanup_queue *late = lido_manager_cleanup_queue(manager, &(lido_cleanup_queue_options){.name = "late"});
  struct conn *conn = conns != NULL ? lido_pool_alloc(conns) : NULL;
  if (conn == NULL || requests == NULL || late == NULL) return ENOMEM;
  *conn = (struct conn){.descriptor = 7, .peer = "192.0.2.1"};
  lido_arena *arena = lido_arena_acquire(requests);
  if (arena == NULL || lido_arena_printf(arena, "GET %s", conn->peer) == NULL) return ENOMEM;
  lido_arena_release(arena);
  int error = use_cache(manager, conn);
  lido_release(conn);
  lido_manager_reclaim(manager, NULL);
  return error;
}

static int show(const lido_snapshot *snapshot, const char *form) {
  if (strcmp(form, "table") == 0) return lido_snapshot_print(snapshot, put, stdout);
  bool open = strcmp(form, "openmetrics") == 0;
  return lido_metrics_write_fd(snapshot, open ? LIDO_METRICS_OPENMETRICS : LIDO_METRICS_PROMETHEUS, STDOUT_FILENO);
}

int main(int argc, char **argv) {
  lido_manager *manager = lido_manager_create(&(lido_manager_options){.name = "example",
                                                                      .soft_bytes = 64 << 20,
                                                                      .hard_bytes = 96 << 20,
                                                                      .policy = LIDO_POLICY_ADAPTIVE,
                                                                      .pressure = example_pressure,
                                                                      .now = example_now},
                                              NULL);
  lido_snapshot *snapshot = lido_snapshot_create();
  if (manager == NULL || snapshot == NULL) return 1;
  int error = use_memory(manager);
  tick_twice(manager);
  if (error == 0) error = lido_snapshot_take(snapshot, manager);
  if (error == 0) error = show(snapshot, argc > 1 ? argv[1] : "prometheus");
  lido_snapshot_destroy(snapshot);
  lido_manager_destroy(manager);
  return error;
}
