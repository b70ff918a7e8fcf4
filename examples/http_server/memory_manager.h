/* memory_manager.h: what stands above the memory of requests and of connections: limits, housekeeping, and the end.
 *
 * memory_manager_lido.c owns a lido_manager, which makes the class of arenas of request_memory_lido.c and the pool of
 * connection_memory_lido.c. memory_manager_malloc.c has none of it, and says so when an option asks for some.
 * Threads: one. The top socket has a thread of Lido's, if it is asked for.
 */
#ifndef LIDO_EXAMPLES_MEMORY_MANAGER_H
#define LIDO_EXAMPLES_MEMORY_MANAGER_H

#include "examples/http_server/memory_options.h"

/* Once, before memory of requests and connections is set up. -> 0, or what the program ends with, after it said on
 * standard error what is wrong: 2, an option; 1, anything else. */
int memory_manager_start(const struct memory_options *options);

/* Milliseconds between two ticks, if a file says so. */
uint64_t memory_manager_tick_ms(uint64_t otherwise);

/* What is due: alerts, a policy's housekeeping, and giving back what is above the soft limit and free. */
void memory_manager_tick(void);

/* Once, after the teardown of requests and connections. -> false if something was left. */
bool memory_manager_end(void);

#endif
