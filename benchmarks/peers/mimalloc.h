/* peers/mimalloc.h: mimalloc by its own names. */
#include <mimalloc.h>
#include <stdio.h>

#define PEER_NAME "mimalloc"
#define PEER_ALLOC() mi_malloc(MICRO_OBJECT)
#define PEER_FREE(object) mi_free(object)
#define PEER_ALIGNED_ALLOC() mi_malloc_aligned(MICRO_OBJECT, 64)
#define PEER_ALIGNED_FREE(object) mi_free(object)
#define PEER_SMALL_ALLOC() mi_malloc_small(MICRO_OBJECT)
#define PEER_SMALL_FREE(object) mi_free(object)

static void peer_begin(void) {
  void *object = mi_malloc(MICRO_OBJECT);
  if (!mi_is_in_heap_region(object)) bench_die("mi_malloc does not come from a mimalloc heap");
  mi_free(object);
  char version[32];
  snprintf(version, sizeof version, "%d (header: %d)", mi_version(), MI_MALLOC_VERSION);
  bench_fact("serving", "mi_malloc");
  bench_fact("version", version);
}
