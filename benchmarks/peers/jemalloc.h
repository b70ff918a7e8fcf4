/* peers/jemalloc.h: jemalloc, which takes the place of malloc when linked. */
#include <jemalloc/jemalloc.h>
#include <stdlib.h>
#include <string.h>

#define PEER_NAME "jemalloc"
#define PEER_ALLOC() malloc(MICRO_OBJECT)
#define PEER_FREE(object) free(object)
#define PEER_ALIGNED_ALLOC() aligned_alloc(64, MICRO_OBJECT)
#define PEER_ALIGNED_FREE(object) free(object)

static void peer_begin(void) {
  const char *version = NULL;
  size_t size = sizeof version;
  if (mallctl("version", &version, &size, NULL, 0) != 0) bench_die("jemalloc does not tell its version");
  if (strstr(bench_malloc_file(), "jemalloc") == NULL) bench_die("malloc is served by %s", bench_malloc_file());
  bench_fact("serving", bench_malloc_file());
  bench_fact("version", version);
}
