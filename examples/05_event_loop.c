/* 05_event_loop.c: a loop with a cache of its own, independent of the thread it runs on. */
#include <lido/pool.h>
#include <stdio.h>

struct event {
  int kind;
  long when;
};

struct loop {
  lido_pool_cache *events;
  long handled;
};

static int turn(struct loop *loop, long now) {
  struct event *event = lido_pool_cache_alloc(loop->events);
  if (event == NULL) return 1;
  event->kind = 1;
  event->when = now;
  loop->handled += event->kind;
  lido_pool_cache_free(loop->events, event);
  return 0;
}

int main(void) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.name = "events", .object_size = sizeof(struct event)});
  if (pool == NULL) return 1;
  struct loop loop = {.events = lido_pool_cache_create(pool)};
  if (loop.events == NULL) return 1;
  for (long now = 0; now < 1000; now++) {
    if (turn(&loop, now) != 0) return 1;
  }
  printf("%ld events\n", loop.handled);
  lido_pool_cache_destroy(loop.events);
  return lido_pool_destroy(pool) == 0 ? 0 : 1;
}
