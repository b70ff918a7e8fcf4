/* connection_memory_lido.c: see connection_memory.h. A pool of one thread, whose max_objects is the limit. */
#include <lido/pool.h>

#include "examples/http_server/connection_memory.h"
#include "examples/http_server/metric_text.h"

static lido_pool *pool;

bool connection_memory_setup(size_t bytes, size_t max_connections) {
  pool = lido_pool_create(&(lido_pool_options){
      .name = "connections", .object_size = bytes, .max_objects = max_connections, .flags = LIDO_POOL_SINGLE_THREAD});
  return pool != NULL;
}

bool connection_memory_teardown(void) { return lido_pool_destroy(pool) == 0; }

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

#define DESCRIBE(name, kind, unit, text) \
  metric_single(page, "lido_pool_connections_" #name, #kind, text " (" #unit ")", now.name);

void connection_memory_describe(request_bytes *page) {
  lido_pool_stats now = stats();
  LIDO_POOL_STATISTICS(DESCRIBE)
}
