/* An object is put into an object pool again, after others. */
#include "misuse_program.h"

static int objects[3];

static void *new_object(void *context) {
  size_t *count = context;
  return &objects[(*count)++];
}

int main(void) {
  static size_t count;
  lido_object_pool *pool =
      lido_object_pool_create(&(lido_object_pool_options){.name = "buffer", .create = new_object, .context = &count});
  NEED(pool != NULL);
  for (size_t i = 0; i < 3; i++) NEED(lido_object_pool_get(pool) == &objects[i]);
  for (size_t i = 0; i < 3; i++) lido_object_pool_put(pool, &objects[i]);
  expect("lido: double free in object pool 'buffer': address %p", (void *)&objects[0]);
  lido_object_pool_put(pool, &objects[0]);
  return 0;
}
