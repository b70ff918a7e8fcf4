/* 03_limits.c: a pool that never hands out more than so many, and waits for a free when it has none. */
#include <errno.h>
#include <lido/pool.h>
#include <pthread.h>
#include <stdio.h>

enum { LIMIT = 4, MILLISECOND = 1000000 };

static lido_pool *pool;

static void *free_one(void *object) {
  lido_pool_free(pool, object);
  return NULL;
}

int main(void) {
  pool = lido_pool_create(&(lido_pool_options){.name = "slots",
                                               .object_size = 64,
                                               .max_objects = LIMIT,
                                               .on_exhausted = LIDO_EXHAUSTED_WAIT,
                                               .wait_ns = 10 * MILLISECOND});
  if (pool == NULL) return 1;
  void *objects[LIMIT];
  if (lido_pool_alloc_batch(pool, objects, LIMIT) != LIMIT) return 1;

  /* Nobody frees: after ten milliseconds the answer is no. */
  if (lido_pool_alloc(pool) != NULL || errno != ENOMEM) return 1;

  /* Somebody frees: the waiting alloc gets that object, or fails because the time was up first. */
  pthread_t thread;
  if (pthread_create(&thread, NULL, free_one, objects[0]) != 0) return 1;
  objects[0] = lido_pool_alloc(pool);
  pthread_join(thread, NULL);
  if (objects[0] == NULL) objects[0] = lido_pool_alloc(pool); /* it is free by now */
  if (objects[0] == NULL) return 1;

  lido_pool_stats stats;
  lido_pool_stats_get(pool, &stats);
  printf("%lu live, %lu waits\n", (unsigned long)stats.live, (unsigned long)stats.waits);
  lido_pool_free_batch(pool, objects, LIMIT);
  return lido_pool_destroy(pool) == 0 ? 0 : 1;
}
