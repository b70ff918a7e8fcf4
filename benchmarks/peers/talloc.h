/* peers/talloc.h: talloc, each object a context of its own: children of one parent would be linked
 * into a list that two threads may not touch. */
#include <stdio.h>
#include <talloc.h>

#define PEER_NAME "talloc"
#define PEER_ALLOC() talloc_size(NULL, MICRO_OBJECT)
#define PEER_FREE(object) talloc_free(object)

static void peer_begin(void) {
  void *object = talloc_size(NULL, MICRO_OBJECT);
  if (object == NULL || talloc_get_size(object) != MICRO_OBJECT) bench_die("talloc does not know its own object");
  talloc_free(object);
  char version[32];
  snprintf(version, sizeof version, "%d.%d", talloc_version_major(), talloc_version_minor());
  bench_fact("serving", "talloc_size");
  bench_fact("version", version);
}
