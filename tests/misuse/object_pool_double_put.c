/* An object is put into an object pool twice, one put after the other. */
#include "misuse_program.h"

static void *new_object(void *context) { return context; }

int main(void) {
  static int the_number;
  lido_object_pool *pool = lido_object_pool_create(
      &(lido_object_pool_options){.name = "buffer", .create = new_object, .context = &the_number});
  NEED(pool != NULL);
  NEED(lido_object_pool_get(pool) == &the_number);
  lido_object_pool_put(pool, &the_number);
  expect("lido: double free in object pool 'buffer': address %p", (void *)&the_number);
  lido_object_pool_put(pool, &the_number);
  return 0;
}
