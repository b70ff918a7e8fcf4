/* connection_memory_malloc.c: see connection_memory.h. */
#include <stdlib.h>

#include "examples/http_server/connection_memory.h"

static struct {
  size_t bytes;
  size_t most;
  size_t live;
  uint64_t calls;
} connections;

bool connection_memory_setup(size_t bytes, size_t max_connections) {
  connections.bytes = bytes;
  connections.most = max_connections == 0 ? CONNECTIONS_DEFAULT : max_connections;
  return true;
}

bool connection_memory_teardown(void) { return connections.live == 0; }

void *connection_memory_take(void) {
  if (connections.live == connections.most) return NULL;
  connections.calls++;
  void *connection = malloc(connections.bytes);
  if (connection != NULL) connections.live++;
  return connection;
}

void connection_memory_give(void *connection) {
  connections.calls++;
  connections.live--;
  free(connection);
}

uint64_t connection_memory_live(void) { return connections.live; }

uint64_t connection_memory_allocator_calls(void) { return connections.calls; }
