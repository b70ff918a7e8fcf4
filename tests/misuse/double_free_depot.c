/* An object is freed that lies in the depot: the thread that freed it has ended. */
#include "misuse_program.h"

static lido_pool *pool;
static void *objects[3];

static void *free_all(void *argument) {
  (void)argument;
  for (int i = 0; i < 3; i++) lido_pool_free(pool, objects[i]); /* the last stays in the hot slot */
  return NULL;
}

int main(void) {
  pool = pool_named("conn", 64);
  objects_of(pool, objects, 3);
  in_thread(free_all, NULL);
  expect("lido: double free in pool 'conn': address %p, object 1", objects[1]);
  lido_pool_free(pool, objects[1]);
  return 0;
}
