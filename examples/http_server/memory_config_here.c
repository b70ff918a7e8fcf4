/* memory_config_here.c: see memory_config.h. */
#include <lido/config.h>
#include <stdio.h>
#include <string.h>

#include "examples/http_server/memory_config.h"

enum { NS_PER_MS = 1000000 };

static lido_config *config;

static bool complain(const char *text) {
  fprintf(stderr, "http_server: --config: %s\n", text);
  return false;
}

/* A section for something that the server does not have is a slip of the pen. */
static bool sections_are_ours(void) {
  const char *name;
  for (size_t i = 0; (name = lido_config_pool_name(config, i)) != NULL; i++) {
    if (strcmp(name, "connections") != 0) return complain("the only pool is \"connections\"");
  }
  for (size_t i = 0; (name = lido_config_arena_name(config, i)) != NULL; i++) {
    if (strcmp(name, "requests") != 0) return complain("the only arenas are \"requests\"");
  }
  return true;
}

bool memory_config_read(const char *path) {
  lido_message message = {.text = ""};
  config = lido_config_read(path, &message);
  if (config == NULL) return complain(message.text);
  if (lido_config_passthrough(config, false)) {
    lido_pool_passthrough_set(true);
    lido_arena_passthrough_set(true);
  }
  return sections_are_ours();
}

void memory_config_end(void) {
  lido_config_destroy(config);
  config = NULL;
}

void memory_config_apply(lido_manager_options *options) {
  if (config != NULL) lido_config_apply(config, options);
}

bool memory_config_apply_pool(lido_pool_options *options) {
  lido_message message;
  if (config == NULL || lido_config_pool_options(config, options->name, options, &message) == 0) return true;
  return complain(message.text);
}

bool memory_config_apply_arenas(lido_arena_options *options) {
  lido_message message;
  if (config == NULL || lido_config_arena_options(config, options->name, options, &message) == 0) return true;
  return complain(message.text);
}

uint64_t memory_config_tick_ms(uint64_t otherwise) {
  return config == NULL ? otherwise : lido_config_interval_ns(config, otherwise * NS_PER_MS) / NS_PER_MS;
}
