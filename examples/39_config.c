/* 39_config.c: limits and pools as a file says, and as the environment says, which goes before it. */
#include <lido/config.h>
#include <stdio.h>
#include <stdlib.h>

struct conn {
  int descriptor;
  char peer[60];
};

static lido_message message;

/* The file, then the environment: APP_SOFT_BYTES=128MiB ./example */
static lido_config *settings(const char *path) {
  lido_config *file = lido_config_read(path, &message);
  if (file == NULL) return NULL;
  lido_config *environment = lido_config_from_environment("APP_", &message);
  if (environment == NULL || lido_config_merge(file, environment) != 0) {
    lido_config_destroy(environment);
    lido_config_destroy(file);
    return NULL;
  }
  lido_config_destroy(environment);
  return file;
}

static lido_pool *conns_create(const lido_config *config) {
  lido_pool_options options = {.name = "conns", .object_size = sizeof(struct conn)};
  return lido_config_pool_options(config, "conns", &options, &message) == 0 ? lido_pool_create(&options) : NULL;
}

int main(int argc, char **argv) {
  setenv("APP_SOFT_BYTES", "80MiB", 1);
  lido_config *config = settings(argc > 1 ? argv[1] : LIDO_EXAMPLE_FOLDER "/39_config.conf");
  lido_pool *pool = config == NULL ? NULL : conns_create(config);
  if (pool == NULL) {
    fprintf(stderr, "%s\n", message.text);
    lido_config_destroy(config);
    return 1;
  }
  lido_manager_options options = {.name = "server"};
  lido_config_apply(config, &options); /* and then lido_manager_create(&options, &message) */
  printf("soft limit %zu MiB, hard limit %zu MiB, a tick each %g s\n", options.soft_bytes >> 20,
         options.hard_bytes >> 20, (double)lido_config_interval_ns(config, 0) * 1e-9);
  bool right = options.soft_bytes == (size_t)80 << 20 && options.hard_bytes == (size_t)96 << 20;
  lido_config_destroy(config);
  return lido_pool_destroy(pool) == 0 && right ? 0 : 1;
}
