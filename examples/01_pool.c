/* 01_pool.c: a pool made at run time. */
#include <lido/pool.h>
#include <stdio.h>

struct conn {
  int fd;
  char peer[48];
};

int main(void) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.name = "conn", .object_size = sizeof(struct conn)});
  if (pool == NULL) {
    perror("lido_pool_create");
    return 1;
  }
  struct conn *conn = lido_pool_alloc(pool);
  if (conn == NULL) {
    perror("lido_pool_alloc");
    return 1;
  }
  conn->fd = 7;
  snprintf(conn->peer, sizeof conn->peer, "client of %s", lido_pool_name(pool));
  printf("%s has descriptor %d\n", conn->peer, conn->fd);

  lido_pool_free(pool, conn);
  size_t leaked = lido_pool_destroy(pool);
  printf("%zu objects were still live\n", leaked);
  return leaked == 0 ? 0 : 1;
}
