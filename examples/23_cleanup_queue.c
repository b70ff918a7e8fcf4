/* 23_cleanup_queue.c: cleanups that would take too long where objects die wait on a queue, for an event loop that polls
 * a descriptor, or for a thread of Lido's. */
#include <lido/lido.h>
#include <poll.h>
#include <stdio.h>

static void tear_down(void *copy) { printf("session %d is torn down\n", *(const int *)copy); }

static void end_session(lido_pool *sessions, int number) {
  void *session = lido_pool_alloc(sessions);
  if (session == NULL) return;
  /* Onto the queue of the pool; it can't be full. */
  if (lido_cleanup_add_copy(session, tear_down, &number, sizeof number).bits == 0) puts("no memory");
  lido_release(session);
}

int main(void) {
  lido_cleanup_queue *queue = lido_cleanup_queue_create(&(lido_cleanup_queue_options){.wants_eventfd = true});
  if (queue == NULL) return 1;
  lido_pool *sessions = lido_pool_create(
      &(lido_pool_options){.name = "session", .object_size = 256, .flags = LIDO_POOL_HANDLES, .cleanup_queue = queue});
  if (sessions == NULL) return 1;

  for (int i = 1; i <= 3; i++) end_session(sessions, i);
  struct pollfd events = {.fd = lido_cleanup_queue_eventfd(queue), .events = POLLIN};
  while (poll(&events, 1, 0) == 1) { /* among everything else that a loop waits for */
    lido_cleanup_queue_drain(queue, 2, 1000000);
  }

  if (lido_cleanup_worker_start(queue) != 0) return 1;
  end_session(sessions, 4);
  lido_cleanup_worker_stop(queue);
  lido_pool_destroy(sessions);
  lido_cleanup_queue_destroy(queue); /* runs what the worker has left */
  return 0;
}
