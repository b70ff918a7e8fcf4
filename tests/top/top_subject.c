/* top_subject.c: a program to look at: a manager with a little of everything, and a snapshot socket.
 *
 *     top_subject PATH [POOLS]      PATH "": the default one; POOLS more pools of no use
 * It writes the socket's path, then obeys lines, and writes "done" after each:
 *     alloc NAME COUNT   objects of that pool, kept
 *     free NAME STEP     each STEPth of them
 * and ends at the end of its input.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lido/json.h"
#include "lido/lido.h"

enum { POOLS = 4, OBJECTS = 20000 };

static const struct {
  const char *name;
  size_t size;
} shapes[POOLS] = {
    {"alpha", 64}, {"beta", 1000}, {"k\xc3\xb6nig \xe6\xbc\xa2\xe5\xad\x97", 128}, {"escape\x1b[2J \xff", 32}};

static lido_pool *pools[POOLS];
static void *objects[POOLS][OBJECTS];
static size_t counts[POOLS];

static bool make_pools(lido_manager *manager, int more) {
  for (int i = 0; i < POOLS; i++) {
    const lido_pool_options options = {.name = shapes[i].name, .object_size = shapes[i].size, .cache_bytes = SIZE_MAX};
    pools[i] = lido_manager_pool(manager, &options);
    if (pools[i] == NULL) return false;
  }
  for (int i = 0; i < more; i++) {
    char name[200];
    snprintf(name, sizeof name, "filler %03d %0100d", i, i);
    if (lido_manager_pool(manager, &(lido_pool_options){.name = name, .object_size = 16}) == NULL) return false;
  }
  return true;
}

static bool make_others(lido_manager *manager) {
  lido_arena_class *requests = lido_manager_arena_class(manager, &(lido_arena_options){.name = "requests"});
  if (requests == NULL) return false;
  lido_arena *arena = lido_arena_acquire(requests);
  if (lido_arena_alloc(arena, 100) == NULL) return false;
  lido_arena_release(arena);
  lido_manager_cache(manager, &(lido_cache_options){.name = "fonts"}); /* a build without caches has none */
  return true;
}

static int pool_of(const char *name) {
  int i = 0;
  while (i < POOLS && strcmp(shapes[i].name, name) != 0) i++;
  return i;
}

static bool alloc_some(int pool, size_t count) {
  for (; count > 0 && counts[pool] < OBJECTS; count--) {
    void *object = lido_pool_alloc(pools[pool]);
    if (object == NULL) return false;
    objects[pool][counts[pool]++] = object;
  }
  return true;
}

static bool free_some(int pool, size_t step) {
  size_t kept = 0;
  for (size_t i = 0; i < counts[pool]; i++) {
    if (i % step == 0) lido_pool_free(pools[pool], objects[pool][i]);
    if (i % step != 0) objects[pool][kept++] = objects[pool][i];
  }
  counts[pool] = kept;
  return true;
}

static bool obey(const char *line) {
  char word[16], name[64];
  size_t number;
  if (sscanf(line, "%15s %63s %zu", word, name, &number) != 3 || number == 0 || pool_of(name) == POOLS) return false;
  if (strcmp(word, "alloc") == 0) return alloc_some(pool_of(name), number);
  return strcmp(word, "free") == 0 && free_some(pool_of(name), number);
}

static void obey_all(void) {
  char line[128];
  while (fgets(line, sizeof line, stdin) != NULL) {
    puts(obey(line) ? "done" : "what?");
    fflush(stdout);
  }
}

static void free_all(void) {
  for (int pool = 0; pool < POOLS; pool++) free_some(pool, 1);
}

int main(int argc, char **argv) {
  const char *path = argc > 1 && argv[1][0] != '\0' ? argv[1] : NULL;
  lido_manager *manager = lido_manager_create(
      &(lido_manager_options){.name = "subject", .soft_bytes = 64 << 20, .hard_bytes = 96 << 20}, NULL);
  if (manager == NULL || !make_pools(manager, argc > 2 ? atoi(argv[2]) : 0) || !make_others(manager)) return 1;
  lido_snapshot_socket *window = lido_snapshot_socket_open(
      manager, &(lido_snapshot_socket_options){.answer = lido_json_answer, .path = path, .timeout_ns = 1000000000});
  if (window == NULL) {
    perror("top_subject");
    return 1;
  }
  puts(lido_snapshot_socket_path(window));
  fflush(stdout);
  obey_all();
  free_all();
  lido_snapshot_socket_close(window);
  return lido_manager_destroy(manager) == 0 ? 0 : 1;
}
