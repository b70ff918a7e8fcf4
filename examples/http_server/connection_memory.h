/* connection_memory.h: memory for connections, all of one size and limited in number.
 *
 * connection_memory_lido.c is a pool with max_objects; connection_memory_malloc.c is malloc and a count.
 * Threads: one.
 * Failure: NULL when there is no memory, or when as many connections as allowed are out.
 */
#ifndef LIDO_EXAMPLES_CONNECTION_MEMORY_H
#define LIDO_EXAMPLES_CONNECTION_MEMORY_H

#include "examples/http_server/request_memory.h"

enum { CONNECTIONS_DEFAULT = 1024 };

/* Once, at start. max_connections: 0 = what a file says, or else CONNECTIONS_DEFAULT. */
bool connection_memory_setup(size_t bytes, size_t max_connections);

/* Once, when no connection is left. -> false if one was. */
bool connection_memory_teardown(void);

void *connection_memory_take(void); /* contents: any */
void connection_memory_give(void *connection);

/* ---- Figures: see request_memory.h ---- */

uint64_t connection_memory_live(void);
uint64_t connection_memory_allocator_calls(void);

#endif
