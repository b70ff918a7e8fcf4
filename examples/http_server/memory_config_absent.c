/* memory_config_absent.c: see memory_config.h. */
#include <stdio.h>

#include "examples/http_server/memory_config.h"

bool memory_config_read(const char *path) {
  (void)path;
  fprintf(stderr, "http_server: --config: this build is without the part config\n");
  return false;
}

void memory_config_end(void) {}

void memory_config_apply(lido_manager_options *options) { (void)options; }

bool memory_config_apply_pool(lido_pool_options *options) {
  (void)options;
  return true;
}

bool memory_config_apply_arenas(lido_arena_options *options) {
  (void)options;
  return true;
}

uint64_t memory_config_tick_ms(uint64_t otherwise) { return otherwise; }
