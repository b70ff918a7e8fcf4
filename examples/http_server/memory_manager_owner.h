/* memory_manager_owner.h: the manager, for those files that stand on Lido. */
#ifndef LIDO_EXAMPLES_MEMORY_MANAGER_OWNER_H
#define LIDO_EXAMPLES_MEMORY_MANAGER_OWNER_H

#include <lido/manager.h>

#include "examples/http_server/memory_options.h"

lido_manager *memory_manager(void);
const struct memory_options *memory_manager_options(void);

/* What a file says of the pool or the class of this name. -> false after it said on standard error what is wrong. */
bool memory_manager_configure_pool(lido_pool_options *options);
bool memory_manager_configure_arenas(lido_arena_options *options);

#endif
