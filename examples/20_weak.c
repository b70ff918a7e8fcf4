/* 20_weak.c: a session table that remembers connections without keeping them alive. */
#include <lido/lido.h>
#include <stdio.h>

struct conn {
  int number;
};

LIDO_WEAK_DEFINE(conn, struct conn)

enum { SESSIONS = 4 };

int main(void) {
  conn_weak sessions[SESSIONS];
  struct conn *open[SESSIONS];
  lido_pool *pool = lido_pool_create(
      &(lido_pool_options){.name = "conn", .object_size = sizeof(struct conn), .flags = LIDO_POOL_HANDLES});
  if (pool == NULL) return 1;
  for (int i = 0; i < SESSIONS; i++) {
    open[i] = lido_pool_alloc(pool);
    if (open[i] == NULL) return 1;
    open[i]->number = i;
    sessions[i] = conn_weak_make(open[i]);
  }
  conn_release(open[1]); /* it ends; its memory serves the next one */
  struct conn *next = lido_pool_alloc(pool);
  if (next == NULL) return 1;
  next->number = 100;

  int alive = 0;
  for (int i = 0; i < SESSIONS; i++) {
    struct conn *held = conn_weak_acquire(sessions[i]);
    printf("session %d: %s\n", i, held == NULL ? "gone" : "there");
    if (held == NULL) continue;
    alive += held->number == i; /* never the one that got the memory */
    conn_weak_release(sessions[i]);
  }
  lido_pool_destroy(pool); /* the rest die, and their handles are stale for ever */
  return alive == SESSIONS - 1 && conn_weak_acquire(sessions[0]) == NULL ? 0 : 1;
}
