/* 09_misuse.c: a handler that logs a misuse and goes on. The misused call has no effect. */
#include <lido/misuse.h>
#include <lido/pool.h>
#include <stdio.h>

static void count_and_log(const lido_misuse *misuse, void *context) {
  char line[256];
  lido_misuse_format(misuse, line, sizeof line);
  puts(line);
  ++*(int *)context;
}

int main(void) {
  if (LIDO_CHECKS == LIDO_CHECKS_NONE) return 0; /* in that build nothing is found */
  int misuses = 0;
  lido_misuse_handler_set(count_and_log, &misuses);

  lido_pool *pool = lido_pool_create(&(lido_pool_options){.name = "orders", .object_size = 64});
  if (pool == NULL) return 1;
  char *order = lido_pool_alloc(pool);
  char other = 0;
  lido_pool_free(pool, order + 8); /* interior pointer */
  lido_pool_free(pool, &other);    /* foreign pointer */
  lido_pool_free(pool, order);     /* right */
  lido_pool_free(pool, order);     /* double free */

  printf("%d misuses\n", misuses);
  size_t live = lido_pool_destroy(pool);
  lido_misuse_handler_set(NULL, NULL);
  return misuses == 3 && live == 0 ? 0 : 1;
}
