/* connection_memory_lido.c: see connection_memory.h. A pool of the manager, whose max_objects is the limit. */
#include "examples/http_server/connection_memory.h"
#include "examples/http_server/memory_manager_owner.h"

static lido_pool *pool;

/* A pool of one thread needs no locks; but the top socket's thread reads its numbers, too. */
static void set_threads(lido_pool_options *options) {
  if (memory_manager_options()->top_socket == NULL) {
    options->flags |= LIDO_POOL_SINGLE_THREAD;
  } else {
    options->flags &= ~(unsigned)LIDO_POOL_SINGLE_THREAD;
  }
}

/* With a hard limit, connections get at most half of it: however many clients come, some memory is left to answer
 * them. */
static void leave_room_for_requests(lido_pool_options *options) {
  lido_budget_stats budget;
  lido_budget_stats_get(lido_manager_budget(memory_manager()), &budget);
  size_t most = budget.hard / 2 / options->object_size;
  if (budget.hard != 0 && options->max_objects > most) options->max_objects = most == 0 ? 1 : most;
}

bool connection_memory_setup(size_t bytes, size_t max_connections) {
  lido_pool_options options = {.name = "connections", .object_size = bytes};
  if (!memory_manager_configure_pool(&options)) return false;
  set_threads(&options);
  if (max_connections != 0) options.max_objects = max_connections;
  if (options.max_objects == 0) options.max_objects = CONNECTIONS_DEFAULT;
  leave_room_for_requests(&options);
  pool = lido_manager_pool(memory_manager(), &options);
  return pool != NULL;
}

/* The pool itself ends with the manager. */
bool connection_memory_teardown(void) { return pool == NULL || connection_memory_live() == 0; }

void *connection_memory_take(void) { return lido_pool_alloc(pool); }

void connection_memory_give(void *connection) { lido_pool_free(pool, connection); }

/* ---- Figures ---- */

static lido_pool_stats stats(void) {
  lido_pool_stats stats;
  lido_pool_stats_get(pool, &stats);
  return stats;
}

uint64_t connection_memory_live(void) { return stats().live; }

/* What the thread's cache served stays inside inlined code. */
uint64_t connection_memory_allocator_calls(void) { return stats().misses; }
