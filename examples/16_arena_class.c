/* 16_arena_class.c: arenas for requests that overlap. The class learns how large a first block should be, and an arena
 * that was released waits in its thread for the next request. */
#include <lido/arena.h>
#include <stdio.h>

enum { REQUESTS = 1000, AT_ONCE = 8 };

struct request {
  lido_arena *arena;
  char *body;
};

/* The request itself lies in its arena. */
static struct request *begin(const lido_arena_class *requests) {
  lido_arena *arena = lido_arena_acquire(requests);
  if (arena == NULL) return NULL;
  struct request *request = LIDO_ARENA_NEW(arena, struct request);
  char *body = lido_arena_alloc(arena, 3000);
  if (request == NULL || body == NULL) {
    lido_arena_release(arena);
    return NULL;
  }
  *request = (struct request){.arena = arena, .body = body};
  return request;
}

int main(void) {
  lido_arena_class *requests = lido_arena_class_create(&(lido_arena_options){.name = "requests"});
  if (requests == NULL) return 1;
  struct request *open[AT_ONCE] = {0};
  for (int i = 0; i < REQUESTS; i++) {
    struct request **slot = &open[i % AT_ONCE];
    if (*slot != NULL) lido_arena_release((*slot)->arena);
    *slot = begin(requests);
    if (*slot == NULL) return 1;
  }
  for (int i = 0; i < AT_ONCE; i++) lido_arena_release(open[i]->arena);

  lido_arena_class_stats stats;
  lido_arena_class_stats_get(requests, &stats);
  printf("%llu requests, %llu arenas made, %llu still out\n", (unsigned long long)stats.acquires,
         (unsigned long long)stats.misses, (unsigned long long)stats.live);
  if (stats.acquires != REQUESTS || stats.live != 0) return 1;
  return lido_arena_class_destroy(requests);
}
