/* consumer_c.c: a program that uses an installed Lido: a pool, a typed pool, and malloc as it was before.
 * Arguments: the version that should be linked, and 1 if mimalloc should be loaded. */
#include <lido/lido.h>
#include <stdlib.h>
#include <string.h>

#include "malloc_owner.h"

struct item {
  int number;
  char text[60];
};

LIDO_POOL_DEFINE(item, struct item, .max_objects = 1000)

int main(int argc, char **argv) {
  if (argc != 3 || strcmp(lido_version(), argv[1]) != 0) return 1;
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 100});
  if (pool == NULL) return 2;
  void *object = lido_pool_alloc(pool);
  if (object == NULL || !lido_pool_owns(pool, object)) return 3;
  lido_pool_free(pool, object);
  if (lido_pool_destroy(pool) != 0) return 4;

  struct item *item = item_alloc();
  if (item == NULL) return 5;
  item->number = 42;
  item_free(item);

  if (atoi(argv[2]) != mimalloc_is_loaded()) return 6;
  return count_taken_over() != 0 ? 7 : 0;
}
