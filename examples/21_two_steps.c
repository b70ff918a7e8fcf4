/* 21_two_steps.c: an object that is registered everywhere before it is complete, and found by nobody until it is; and
 * one that is taken away from everybody while somebody still works with it. */
#include <lido/lido.h>
#include <stdio.h>

struct job {
  const char *state;
};

int main(void) {
  lido_pool *jobs = lido_pool_create(
      &(lido_pool_options){.name = "job", .object_size = sizeof(struct job), .flags = LIDO_POOL_HANDLES});
  if (jobs == NULL) return 1;
  struct job *job = lido_pool_alloc(jobs);
  if (job == NULL) return 1;

  lido_weak weak = lido_weak_reserve(job); /* the handle can be stored by now */
  if (lido_weak_acquire(weak) != NULL) return 1;
  job->state = "ready";
  lido_weak_publish(job);

  struct job *worker = lido_weak_acquire(weak);
  if (worker == NULL) return 1;
  if (!lido_weak_kill(weak)) return 1; /* cancelled: no one finds it any more ... */
  if (lido_weak_acquire(weak) != NULL) return 1;
  printf("the worker still sees: %s\n", worker->state); /* ... but who holds it may go on */
  lido_release(worker);
  lido_release(job);
  printf("state of the handle: %s\n", lido_weak_state_get(weak) == LIDO_WEAK_STALE ? "stale" : "?");
  return lido_pool_destroy(jobs) == 0 ? 0 : 1;
}
