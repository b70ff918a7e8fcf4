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

/* The program says what it needs, and the file the rest. */
static lido_pool *conns_create(lido_manager *manager, const lido_config *config) {
  lido_pool_options options = {.name = "conns", .object_size = sizeof(struct conn)};
  if (lido_config_pool_options(config, "conns", &options, &message) != 0) return NULL;
  return lido_manager_pool(manager, &options);
}

static lido_manager *server_create(const lido_config *config) {
  lido_manager_options options = {.name = "server"};
  lido_config_apply(config, &options);
  printf("soft limit %zu MiB, hard limit %zu MiB, policy %s\n", options.soft_bytes >> 20, options.hard_bytes >> 20,
         lido_policy_name(options.policy));
  return lido_manager_create(&options, &message);
}

static int run(const lido_config *config) {
  lido_manager *manager = server_create(config);
  if (manager == NULL) return 1;
  lido_pool *pool = conns_create(manager, config);
  void *conn = pool == NULL ? NULL : lido_pool_alloc(pool);
  if (conn != NULL) lido_pool_free(pool, conn);
  return lido_manager_destroy(manager) == 0 && conn != NULL ? 0 : 1;
}

int main(int argc, char **argv) {
  setenv("APP_SOFT_BYTES", "80MiB", 0);
  lido_config *config = settings(argc > 1 ? argv[1] : LIDO_EXAMPLE_FOLDER "/39_config.conf");
  int status = config == NULL ? 1 : run(config);
  if (status != 0) fprintf(stderr, "%s\n", message.text);
  lido_config_destroy(config);
  return status;
}
