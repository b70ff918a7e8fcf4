/* lua_job.c: one real program: the Lua interpreter, on one allocator, running one script.
 *
 *     lua_job_lido benchmarks/lua/json.lua [size] [seed]
 *
 * Compiled once for each allocator, with one of JOB_LIBC, JOB_MIMALLOC, JOB_JEMALLOC, JOB_TCMALLOC, JOB_LIDO.
 * Timed is everything from a new state to the closed one. The script returns a checksum of what it
 * computed, which must be the same for every allocator.
 */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

/* ---- Allocators ---- */

#if defined(JOB_LIDO)

#include <lido/lua.h>

#define JOB_NAME "lido"
#define JOB_MALLOC_FILE "libc.so"

static lua_State *open_state(void **memory) {
  *memory = lido_lua_create(NULL);
  return *memory == NULL ? NULL : lua_newstate(lido_lua_alloc, *memory);
}

static void close_memory(void *memory) {
  size_t left = lido_lua_destroy(memory);
  if (left != 0) bench_die("%zu blocks were still live after lua_close", left);
}

#else

#if defined(JOB_MIMALLOC)
#include <mimalloc.h>
#define JOB_NAME "mimalloc"
#define JOB_REALLOC mi_realloc
#define JOB_FREE mi_free
#else
#define JOB_REALLOC realloc
#define JOB_FREE free
#if defined(JOB_JEMALLOC)
#define JOB_NAME "jemalloc"
#define JOB_MALLOC_FILE "jemalloc"
#elif defined(JOB_TCMALLOC)
#define JOB_NAME "tcmalloc"
#define JOB_MALLOC_FILE "tcmalloc"
#else
#define JOB_NAME "libc"
#define JOB_MALLOC_FILE "libc.so"
#endif
#endif

static void *job_alloc(void *context, void *block, size_t old_size, size_t new_size) {
  (void)context;
  (void)old_size;
  if (new_size != 0) return JOB_REALLOC(block, new_size);
  JOB_FREE(block);
  return NULL;
}

static lua_State *open_state(void **memory) {
  *memory = NULL;
  return lua_newstate(job_alloc, NULL);
}

static void close_memory(void *memory) { (void)memory; }

#endif

/* Is the allocator that this program is named after the one that serves it? */
static void check_serving(void) {
#if defined(JOB_MIMALLOC)
  void *block = mi_malloc(64);
  if (!mi_is_in_heap_region(block)) bench_die("mi_malloc does not come from a mimalloc heap");
  mi_free(block);
#else
  if (strstr(bench_malloc_file(), JOB_MALLOC_FILE) == NULL) bench_die("malloc is served by %s", bench_malloc_file());
#endif
}

/* ---- The job ---- */

static const char *text_of(lua_State *state, int index) {
  const char *text = lua_tostring(state, index);
  return text != NULL ? text : "?";
}

int main(int argc, char **argv) {
  if (argc < 2) bench_die("usage: lua_job_... script [size] [seed]");
  char *nothing[] = {argv[0], NULL};
  bench_begin(1, nothing);
  check_serving();
  double start = bench_now();
  void *memory;
  lua_State *state = open_state(&memory);
  if (state == NULL) bench_die("no Lua state");
  luaL_openlibs(state);
  if (luaL_loadfile(state, argv[1]) != LUA_OK) bench_die("%s", text_of(state, -1));
  lua_pushinteger(state, argc > 2 ? strtol(argv[2], NULL, 10) : 1);
  lua_pushinteger(state, argc > 3 ? strtol(argv[3], NULL, 10) : 1);
  if (lua_pcall(state, 2, 1, 0) != LUA_OK) bench_die("%s", text_of(state, -1));
  char checksum[64];
  strncpy(checksum, text_of(state, -1), sizeof checksum - 1);
  checksum[sizeof checksum - 1] = '\0';
  lua_close(state);
  close_memory(memory);
  double elapsed = bench_now() - start;
  bench_fact("checksum", checksum);
  bench_fact("lua", LUA_RELEASE);
  bench_number("lua_time", JOB_NAME, "ms", elapsed / 1e6);
  bench_number("lua_peak", JOB_NAME, "bytes", (double)bench_resident_peak());
  return 0;
}
