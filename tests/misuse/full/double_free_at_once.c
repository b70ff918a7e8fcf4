/* Two threads free one object at the same time: one of the two is told so. */
#include "misuse_program.h"

static pthread_barrier_t start;

static void *free_at_once(void *argument) {
  pool_and_object *both = argument;
  lido_pool_free(both->pool, object_of(both->pool)); /* the thread has a cache now */
  pthread_barrier_wait(&start);
  lido_pool_free(both->pool, both->object);
  pthread_barrier_wait(&start);
  return NULL;
}

int main(void) {
  lido_pool *pool = pool_named("conn", 64);
  pool_and_object both = {pool, object_of(pool)};
  expect("lido: double free in pool 'conn': address %p, object 0", both.object);
  pthread_barrier_init(&start, NULL, 2);
  pthread_t thread;
  NEED(pthread_create(&thread, NULL, free_at_once, &both) == 0);
  free_at_once(&both);
  pthread_join(thread, NULL);
  return 0;
}
