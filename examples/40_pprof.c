/* 40_pprof.c: the heap profile as a file for pprof:
 *
 *     ./40_pprof heap.pb.gz
 *     go tool pprof -top ./40_pprof heap.pb.gz
 */
#include <fcntl.h>
#include <lido/pool.h>
#include <lido/pprof.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SESSIONS = 1000, MEAN_BYTES = 4096 /* small, for a small example */ };

__attribute__((noinline)) static void open_sessions(lido_pool *pool, void **sessions) {
  for (int i = 0; i < SESSIONS; i++) sessions[i] = lido_pool_alloc(pool);
}

static int write_profile(const char *path) {
  int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return 1;
  int error = lido_pprof_write_fd(file, &(lido_pprof_options){.mean_bytes = MEAN_BYTES});
  if (close(file) != 0 || error != 0) {
    fprintf(stderr, "%s: %s\n", path, strerror(error));
    return 1;
  }
  return 0;
}

int main(int argc, char **argv) {
  static void *sessions[SESSIONS];
  /* ENOTSUP: a build without checks has no profile. The file says so by having no samples. */
  (void)lido_heap_profile_start(&(lido_heap_profile_options){.mean_bytes = MEAN_BYTES});
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.name = "sessions", .object_size = 256});
  if (pool == NULL) return 1;
  open_sessions(pool, sessions);
  if (write_profile(argc > 1 ? argv[1] : "/dev/null") != 0) return 1;
  for (int i = 0; i < SESSIONS; i++) lido_pool_free(pool, sessions[i]);
  return lido_pool_destroy(pool) == 0 ? 0 : 1;
}
