/* 24_epoll.c: handles as the data of epoll. An event may be delivered for a connection that another event of the same
 * round has just closed; with a pointer that is a use after free, with a handle it is NULL. */
#include <lido/lido.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PAIRS = 2 };

struct conn {
  int descriptor;
  struct conn *partner;
};

static void close_conn(void *object, void *context) {
  (void)context;
  close(((struct conn *)object)->descriptor);
}

static struct conn *watch(lido_pool *conns, int epoll, int descriptor) {
  struct conn *conn = lido_pool_alloc(conns);
  if (conn == NULL) return NULL;
  *conn = (struct conn){.descriptor = descriptor};
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = lido_weak_to_u64(lido_weak_make(conn))};
  return epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) == 0 ? conn : NULL;
}

int main(void) {
  int near[PAIRS], far[PAIRS];
  int epoll = epoll_create1(0);
  lido_pool *conns = lido_pool_create(&(lido_pool_options){
      .name = "conn", .object_size = sizeof(struct conn), .flags = LIDO_POOL_HANDLES, .destroy = close_conn});
  struct conn *made[PAIRS];
  if (epoll < 0 || conns == NULL) return 1;
  for (int i = 0; i < PAIRS; i++) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return 1;
    near[i] = pair[0], far[i] = pair[1];
    made[i] = watch(conns, epoll, near[i]);
    if (made[i] == NULL || write(far[i], "x", 1) != 1) return 1;
  }
  made[0]->partner = made[1], made[1]->partner = made[0];

  struct epoll_event events[PAIRS];
  int count = epoll_wait(epoll, events, PAIRS, 0);
  int served = 0, stale = 0;
  for (int i = 0; i < count; i++) {
    struct conn *conn = lido_weak_acquire(lido_weak_from_u64(events[i].data.u64));
    if (conn == NULL) {
      stale++;
      continue;
    }
    served++;
    lido_release(conn->partner); /* serving one closes the other, whose event is in our hands already */
    lido_release(conn);
  }
  printf("%d events: %d served, %d for a connection that was gone\n", count, served, stale);
  for (int i = 0; i < PAIRS; i++) close(far[i]);
  close(epoll);
  lido_pool_destroy(conns);
  return served == 1 && stale == 1 ? 0 : 1;
}
