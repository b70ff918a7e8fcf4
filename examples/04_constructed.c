/* 04_constructed.c: objects that are expensive to set up are set up once, not at each alloc. */
#include <lido/pool.h>
#include <pthread.h>
#include <stdio.h>

struct job {
  pthread_mutex_t lock; /* made by construct, kept through every free and alloc */
  int value;
};

static int construct(void *object, void *context) {
  struct job *job = object;
  (*(int *)context)++;
  return pthread_mutex_init(&job->lock, NULL); /* an errno value, or 0 */
}

static void destroy(void *object, void *context) {
  struct job *job = object;
  (*(int *)context)--;
  pthread_mutex_destroy(&job->lock);
}

int main(void) {
  int built = 0;
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.name = "jobs",
                                                          .object_size = sizeof(struct job),
                                                          .construct = construct,
                                                          .destroy = destroy,
                                                          .context = &built});
  if (pool == NULL) return 1;
  for (int i = 0; i < 100000; i++) {
    struct job *job = lido_pool_alloc(pool);
    if (job == NULL) return 1;
    pthread_mutex_lock(&job->lock);
    job->value = i;
    pthread_mutex_unlock(&job->lock);
    lido_pool_free(pool, job);
  }
  printf("100000 jobs, %d mutexes made\n", built);
  lido_pool_destroy(pool);
  return built == 0 ? 0 : 1; /* every one that was made was destroyed */
}
