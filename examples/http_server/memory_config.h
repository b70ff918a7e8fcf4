/* memory_config.h: settings of the manager, its pool and its class of arenas from a file (--config).
 *
 * Two versions: memory_config_here.c stands on lido/config.h; memory_config_absent.c is for a build without that part.
 * Failure: false, and said on standard error.
 */
#ifndef LIDO_EXAMPLES_MEMORY_CONFIG_H
#define LIDO_EXAMPLES_MEMORY_CONFIG_H

#include <lido/manager.h>

/* Once; nothing else here does anything before it. */
bool memory_config_read(const char *path);
void memory_config_end(void);

void memory_config_apply(lido_manager_options *options);
bool memory_config_apply_pool(lido_pool_options *options);
bool memory_config_apply_arenas(lido_arena_options *options);
uint64_t memory_config_tick_ms(uint64_t otherwise);

#endif
