/* 06_reserve.c: a section that must not fail half way gets its objects promised beforehand. */
#include <lido/pool.h>
#include <stdio.h>

struct entry {
  struct entry *next;
  int key;
};

enum { STEPS = 3 };

/* All steps or none: what could fail is done before the first step. */
static int commit(lido_pool *pool, struct entry **log) {
  lido_reserve *reserve = lido_reserve_create(pool, STEPS);
  if (reserve == NULL) return -1; /* nothing has happened yet */
  for (int step = 0; step < STEPS; step++) {
    struct entry *entry = lido_reserve_alloc(reserve); /* never NULL: promised */
    entry->key = step;
    entry->next = *log;
    *log = entry;
  }
  lido_reserve_destroy(reserve);
  return 0;
}

int main(void) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.name = "log", .object_size = sizeof(struct entry)});
  if (pool == NULL) return 1;
  struct entry *log = NULL;
  if (commit(pool, &log) != 0) return 1;
  int entries = 0;
  while (log != NULL) {
    struct entry *next = log->next;
    lido_pool_free(pool, log);
    log = next;
    entries++;
  }
  printf("%d entries\n", entries);
  return lido_pool_destroy(pool) == 0 && entries == STEPS ? 0 : 1;
}
