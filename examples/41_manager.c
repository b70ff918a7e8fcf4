/* 41_manager.c: a server's memory under one roof. Two pools, a class of arenas and a queue of cleanups are found by
 * name and share one limit. Beyond its soft part a pass gives back what is idle; the hard part is never passed. At the
 * end all goes in the right order. */
#include <errno.h>
#include <lido/lido.h>
#include <stdio.h>

enum { MEBI = 1 << 20, CONNECTION = 1024, CONNECTIONS = 8 * MEBI / CONNECTION };

static unsigned pressures, closed;

/* A pass has done what it could, and more than the soft limit is still in use: a program would shed load now. */
static void shed_load(lido_manager *manager, const lido_reclaim_report *report, void *context) {
  (void)context;
  if (pressures++ == 0) {
    printf("%s: %zu KiB in use after a pass that gave back %zu\n", lido_manager_name(manager),
           (size_t)report->used_after / 1024, (size_t)report->freed_bytes / 1024);
  }
}

static void note_closed(void *arg) {
  (void)arg;
  closed++;
}

/* As many as there is memory for. -> how many. */
static size_t connect_all(lido_pool *pool, void **connections) {
  size_t count = 0;
  while (count < CONNECTIONS && (connections[count] = lido_pool_alloc(pool)) != NULL) count++;
  return count;
}

int main(void) {
  static void *connections[CONNECTIONS];
  lido_message message;
  lido_manager *manager = lido_manager_create(
      &(lido_manager_options){
          .name = "server", .soft_bytes = 2 * MEBI, .hard_bytes = 4 * MEBI, .on_pressure = shed_load},
      &message);
  if (manager == NULL) return fprintf(stderr, "no manager: %s\n", message.text), 1;

  lido_pool *pool = lido_manager_pool(manager, &(lido_pool_options){.name = "connections", .object_size = CONNECTION});
  lido_pool *files =
      lido_manager_pool(manager, &(lido_pool_options){.name = "files", .object_size = 64, .flags = LIDO_POOL_HANDLES});
  lido_cleanup_queue *later = lido_manager_cleanup_queue(manager, &(lido_cleanup_queue_options){.name = "later"});
  lido_arena_class *requests = lido_manager_arena_class(manager, &(lido_arena_options){.name = "requests"});
  if (pool == NULL || files == NULL || later == NULL || requests == NULL) return 1;
  bool right = lido_manager_pool_find(manager, "connections") == pool;

  void *file = lido_pool_alloc(files); /* its close waits on the queue until somebody has time */
  if (file == NULL || lido_cleanup_add_to(later, file, note_closed, NULL).bits == 0) return 1;
  lido_release(file);
  right &= closed == 0;

  size_t count = connect_all(pool, connections); /* the hard limit comes before the end of the list */
  right &= count < CONNECTIONS && errno == ENOMEM && pressures > 0;
  right &= closed == 1; /* a pass ran what waited */
  right &= lido_budget_used(lido_manager_budget(manager)) <= 4 * MEBI;

  for (size_t i = 0; i < count; i++) lido_pool_free(pool, connections[i]);
  lido_arena *arena = lido_arena_acquire(requests);
  right &= arena != NULL && lido_arena_alloc(arena, 3 * MEBI) != NULL; /* what the pool no longer needs serves it */
  lido_arena_release(arena);

  for (int i = 0; i < 1000; i++) connections[i] = lido_pool_alloc(pool);
  for (int i = 0; i < 1000; i++) lido_pool_free(pool, connections[i]);
  lido_reclaim_report report;
  lido_manager_reclaim(manager, &report);
  right &= report.freed_bytes != 0;
  printf("%zu connections at most; a pass gave back %zu KiB, %zu are left\n", count, (size_t)report.freed_bytes / 1024,
         (size_t)report.used_after / 1024);
  return lido_manager_destroy(manager) == 0 && right ? 0 : 1;
}
