/* peers/glibc.h: malloc of the C library. */
#include <gnu/libc-version.h>
#include <stdlib.h>
#include <string.h>

#define PEER_NAME "glibc"
#define PEER_ALLOC() malloc(MICRO_OBJECT)
#define PEER_FREE(object) free(object)
#define PEER_ALIGNED_ALLOC() aligned_alloc(64, MICRO_OBJECT)
#define PEER_ALIGNED_FREE(object) free(object)

static void peer_begin(void) {
  if (strstr(bench_malloc_file(), "libc.so") == NULL) bench_die("malloc is served by %s", bench_malloc_file());
  bench_fact("serving", bench_malloc_file());
  bench_fact("version", gnu_get_libc_version());
}
