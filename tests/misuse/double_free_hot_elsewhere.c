/* An object is freed that waits in the hot slot of another thread, which is still there. */
#include "misuse_program.h"

static pthread_barrier_t freed;

static void *free_and_stay(void *argument) {
  free_it(argument);
  pthread_barrier_wait(&freed);
  pthread_barrier_wait(&freed); /* never over */
  return NULL;
}

int main(void) {
  lido_pool *pool = pool_named("conn", 64);
  void *objects[3];
  objects_of(pool, objects, 3);
  pool_and_object both = {pool, objects[2]};
  pthread_t thread;
  pthread_barrier_init(&freed, NULL, 2);
  NEED(pthread_create(&thread, NULL, free_and_stay, &both) == 0);
  pthread_barrier_wait(&freed);
  expect("lido: double free in pool 'conn': address %p, object 2", both.object);
  lido_pool_free(pool, both.object);
  return 0;
}
