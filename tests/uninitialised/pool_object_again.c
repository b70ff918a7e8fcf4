/* An object that was freed is handed out again, with the contents that it had. */
#include "uninitialised_program.h"

int main(void) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = sizeof(int)});
  if (pool == NULL) return 1;
  int *first = lido_pool_alloc(pool);
  use(first);
  lido_pool_free(pool, first);
  int *second = lido_pool_alloc(pool);
  if (second != first) return 1;
  return read_wrongly(second);
}
