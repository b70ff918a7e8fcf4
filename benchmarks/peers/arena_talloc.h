/* peers/arena_talloc.h: children of a talloc pool that has room for a request. */
#include <stdio.h>
#include <talloc.h>

#define PEER_NAME "talloc"

enum { TALLOC_POOL_BYTES = 64 << 10 };

static void *talloc_requests;

#define SUBJECT talloc_pool
#define SUBJECT_BEGIN void *pool = talloc_requests;
#define SUBJECT_OPEN
#define SUBJECT_ALLOC(bytes) talloc_size(pool, bytes)
#define SUBJECT_KEEP(index, piece)
#define SUBJECT_CLOSE(count) talloc_free_children(pool)
#include "arena_loops.h"

#define PEER_SUBJECTS ARENA_SUBJECT(talloc_pool)

static void peer_begin(void) {
  talloc_requests = talloc_pool(NULL, TALLOC_POOL_BYTES);
  if (talloc_requests == NULL) bench_die("no talloc pool");
  char version[32];
  snprintf(version, sizeof version, "%d.%d", talloc_version_major(), talloc_version_minor());
  bench_fact("serving", "talloc_size");
  bench_fact("version", version);
}
