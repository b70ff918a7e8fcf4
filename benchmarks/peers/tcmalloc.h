/* peers/tcmalloc.h: tcmalloc of gperftools, which takes the place of malloc when linked. */
#include <gperftools/tcmalloc.h>
#include <stdlib.h>
#include <string.h>

#define PEER_NAME "tcmalloc"
#define PEER_ALLOC() tc_malloc(MICRO_OBJECT)
#define PEER_FREE(object) tc_free(object)

static void peer_begin(void) {
  if (strstr(bench_malloc_file(), "tcmalloc") == NULL) bench_die("malloc is served by %s", bench_malloc_file());
  bench_fact("serving", bench_malloc_file());
  bench_fact("version", tc_version(NULL, NULL, NULL));
}
