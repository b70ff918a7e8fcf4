/* 25_guard.c: a route table that is read all the time and changed seldom. Readers follow handles without touching a
 * count; a route that is replaced goes when nobody can be reading it. */
#include <lido/lido.h>
#include <pthread.h>
#include <stdio.h>

enum { READS = 1000000, CHANGES = 1000 };

struct route {
  unsigned port;
  unsigned not_port; /* always ~port */
};

static lido_pool *routes;
static _Atomic(uint64_t) current; /* a handle's bits */

static void *read_routes(void *arg) {
  size_t *wrong = arg;
  for (int i = 0; i < READS; i++) {
    lido_guard_enter();
    const struct route *route = lido_weak_get(lido_weak_from_u64(current));
    if (route != NULL && route->port != ~route->not_port) ++*wrong;
    lido_guard_leave();
  }
  return NULL;
}

static struct route *set_route(unsigned port) {
  struct route *route = lido_pool_alloc(routes);
  if (route == NULL) return NULL;
  *route = (struct route){.port = port, .not_port = ~port};
  current = lido_weak_to_u64(lido_weak_make(route));
  return route;
}

int main(void) {
  size_t wrong = 0;
  pthread_t reader;
  routes = lido_pool_create(&(lido_pool_options){
      .name = "route", .object_size = sizeof(struct route), .flags = LIDO_POOL_HANDLES | LIDO_POOL_GUARDED});
  struct route *route = routes != NULL ? set_route(0) : NULL;
  if (route == NULL || pthread_create(&reader, NULL, read_routes, &wrong) != 0) return 1;
  for (unsigned i = 1; i < CHANGES; i++) {
    struct route *old = route;
    route = set_route(i);
    if (route == NULL) return 1;
    lido_release(old); /* dead to new readers; wiped and used again only when the present ones have left */
  }
  pthread_join(reader, NULL);
  lido_guard_stats stats;
  lido_guard_synchronize();
  lido_guard_stats_get(&stats);
  printf("%llu routes died, %llu still wait, %zu were read half\n", (unsigned long long)stats.finished,
         (unsigned long long)stats.deferred, wrong);
  lido_pool_destroy(routes);
  return wrong == 0 && stats.finished == CHANGES - 1 && stats.deferred == 0 ? 0 : 1;
}
