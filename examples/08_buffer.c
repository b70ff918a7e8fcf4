/* 08_buffer.c: a pool inside memory that the program already has. It never asks for more. */
#include <errno.h>
#include <lido/backing.h>
#include <lido/pool.h>
#include <stdio.h>

static char memory[64 * 1024];

int main(void) {
  lido_backing *fixed = lido_backing_create_buffer(memory, sizeof memory);
  if (fixed == NULL) return 1;
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.name = "fixed", .object_size = 256, .backing = fixed});
  if (pool == NULL) return 1;

  size_t count = 0;
  for (char *object; (object = lido_pool_alloc(pool)) != NULL; count++) {
    if (object < memory || object + 256 > memory + sizeof memory) return 1;
  }
  printf("%zu objects of 256 bytes fit into %zu bytes; then errno is ENOMEM: %s\n", count, sizeof memory,
         errno == ENOMEM ? "yes" : "no");
  if (errno != ENOMEM || count < 150) return 1;

  if (lido_backing_destroy(fixed) != EBUSY) return 1; /* a pool still stands on it */
  lido_pool_destroy(pool);
  return lido_backing_destroy(fixed);
}
