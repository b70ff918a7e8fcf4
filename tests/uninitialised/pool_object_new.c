/* A new object lies in memory that the backing gave out as zeros. */
#include "uninitialised_program.h"

int main(void) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = sizeof(int)});
  if (pool == NULL) return 1;
  use(lido_pool_alloc(pool));
  int *number = lido_pool_alloc(pool);
  return number == NULL ? 1 : read_wrongly(number);
}
