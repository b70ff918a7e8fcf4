/* 14_arena.c: one arena for one request after another. Nothing is freed piece by piece; what is not memory gets a
 * clean-up; failure is asked for once, at the end. */
#include <lido/arena.h>
#include <stdio.h>
#include <string.h>

struct query {
  const char *table;
  const char *text;
  FILE *log;
};

static int open_logs;

static void close_log(void *log) {
  fclose(log);
  open_logs--;
}

static bool open_log(lido_arena *arena, struct query *query) {
  query->log = tmpfile();
  if (query->log == NULL) return false;
  if (lido_arena_on_reset(arena, close_log, query->log) != 0) {
    fclose(query->log);
    return false;
  }
  open_logs++;
  return true;
}

static struct query *build(lido_arena *arena, const char *table, int id) {
  struct query *query = LIDO_ARENA_NEW(arena, struct query);
  if (query == NULL || !open_log(arena, query)) return NULL;
  query->table = lido_arena_strdup(arena, table);
  query->text = lido_arena_printf(arena, "select * from %s where id = %d", table, id);
  return lido_arena_failed(arena) ? NULL : query;
}

int main(void) {
  lido_arena *arena = lido_arena_create(&(lido_arena_options){.name = "request"});
  if (arena == NULL) return 1;
  for (int id = 0; id < 100; id++) {
    struct query *query = build(arena, "orders", id);
    if (query == NULL || open_logs != 1) return 1;
    if (id == 42 && strcmp(query->text, "select * from orders where id = 42") != 0) return 1;
    lido_arena_reset(arena); /* the log is closed, the memory stays warm */
  }
  printf("100 requests, %d logs are open\n", open_logs);
  lido_arena_destroy(arena);
  return open_logs;
}
