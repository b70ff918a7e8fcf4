/* pprof_program.c: allocates in known functions, and writes the profile to the file that is named; for check_pprof.py.
 *
 * Prints one line for each owner: "pool conns ALLOC_OBJECTS ALLOC_BYTES LIVE_OBJECTS LIVE_BYTES", as the sites add up.
 */
#include <fcntl.h>
#include <lido/arena.h>
#include <lido/pool.h>
#include <lido/pprof.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CONNS = 40000, BUFFERS = 400000, ARENA_BYTES = 1 << 20, OWNERS_MAX = 16, MEAN_BYTES = 4096 };
enum { ON_RESET = 5000, ON_VISIT = 3000 };

typedef struct owner {
  char name[80];
  uint64_t numbers[4];
} owner;

static owner owners[OWNERS_MAX];
static void *conns[CONNS];
static lido_pool *late_pool; /* what Lido's calls of the program allocate */
static void *late[ON_RESET + ON_VISIT];

/* The next two are static, so that only the program's file knows their names. */
__attribute__((noinline)) static void keeps_conns(lido_pool *pool) {
  for (int i = 0; i < CONNS; i++) conns[i] = lido_pool_alloc(pool);
}

__attribute__((noinline)) static void churns_buffers(lido_pool *pool) {
  for (int i = 0; i < BUFFERS / 16; i++) {
    void *buffers[16];
    for (int j = 0; j < 16; j++) buffers[j] = lido_pool_alloc(pool);
    for (int j = 0; j < 16; j++) lido_pool_free(pool, buffers[j]);
  }
}

/* Exported, so that the process itself knows its name. */
__attribute__((noinline)) void fills_arena(lido_arena *arena);
__attribute__((noinline)) void fills_arena(lido_arena *arena) {
  for (int i = 0; i < ARENA_BYTES / 1024; i++) memset(lido_arena_alloc(arena, 1024), 1, 1024);
}

__attribute__((noinline)) static void keeps_on_reset(void *arg) {
  (void)arg;
  for (int i = 0; i < ON_RESET; i++) late[i] = lido_pool_alloc(late_pool);
}

__attribute__((noinline)) static bool keeps_on_visit(void *object, void *arg) {
  (void)object;
  (void)arg;
  for (int i = 0; i < ON_VISIT; i++) late[ON_RESET + i] = lido_pool_alloc(late_pool);
  return false;
}

__attribute__((noinline)) static bool ends_request(void) {
  static _Alignas(64) char room[8192]; /* so the arena itself takes nothing */
  const lido_arena_options options = {.buffer = room, .buffer_bytes = sizeof room, .flags = LIDO_ARENA_FIXED};
  lido_arena *arena = lido_arena_create(&options);
  bool fine = arena != NULL && lido_arena_on_reset(arena, keeps_on_reset, NULL) == 0;
  if (fine) lido_arena_reset(arena);
  lido_arena_destroy(arena);
  return fine;
}

static bool add_site(const lido_heap_site *site, void *arg) {
  char name[80];
  (void)arg;
  snprintf(name, sizeof name, "%s %s", site->kind, site->name);
  size_t i = 0;
  while (i + 1 < OWNERS_MAX && owners[i].name[0] != '\0' && strcmp(owners[i].name, name) != 0) i++;
  memcpy(owners[i].name, name, sizeof name);
  owners[i].numbers[0] += site->alloc_objects;
  owners[i].numbers[1] += site->alloc_bytes;
  owners[i].numbers[2] += site->live_objects;
  owners[i].numbers[3] += site->live_bytes;
  return true;
}

static int write_profile(const char *path) {
  int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return 1;
  int error = lido_pprof_write_fd(file, &(lido_pprof_options){.mean_bytes = MEAN_BYTES, .duration_ns = 1500000000});
  return close(file) != 0 || error != 0;
}

int main(int argc, char **argv) {
  if (argc != 2 ||
      lido_heap_profile_start(&(lido_heap_profile_options){.mean_bytes = MEAN_BYTES, .cost_permille = 1000}) != 0)
    return 1;
  lido_pool *conn_pool = lido_pool_create(&(lido_pool_options){.name = "conns", .object_size = 128});
  lido_pool *buffer_pool = lido_pool_create(&(lido_pool_options){.name = "buffers", .object_size = 256});
  lido_arena *arena = lido_arena_create(&(lido_arena_options){.name = "requests"});
  late_pool = lido_pool_create(&(lido_pool_options){.name = "late", .object_size = 512});
  if (conn_pool == NULL || buffer_pool == NULL || arena == NULL || late_pool == NULL) return 1;
  keeps_conns(conn_pool);
  churns_buffers(buffer_pool);
  fills_arena(arena);
  if (!ends_request()) return 1;
  lido_pool_for_each(conn_pool, keeps_on_visit, NULL);
  lido_heap_profile_stop();
  if (write_profile(argv[1]) != 0 || lido_heap_profile_read(add_site, NULL) != 0) return 1;
  for (int i = 0; i < OWNERS_MAX && owners[i].name[0] != '\0'; i++) {
    const uint64_t *numbers = owners[i].numbers;
    printf("%s %llu %llu %llu %llu\n", owners[i].name, (unsigned long long)numbers[0], (unsigned long long)numbers[1],
           (unsigned long long)numbers[2], (unsigned long long)numbers[3]);
  }
  for (int i = 0; i < CONNS; i++) lido_pool_free(conn_pool, conns[i]);
  for (int i = 0; i < ON_RESET + ON_VISIT; i++) lido_pool_free(late_pool, late[i]);
  lido_arena_destroy(arena);
  lido_pool_destroy(late_pool);
  lido_pool_destroy(buffer_pool);
  lido_pool_destroy(conn_pool);
  return 0;
}
