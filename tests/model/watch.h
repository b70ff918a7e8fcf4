/* watch.h: one misuse with a handler that returns: that the call had no effect. */
#ifndef LIDO_TESTS_MODEL_WATCH_H
#define LIDO_TESTS_MODEL_WATCH_H

#include "tests/support/objects.h"

static misuse_log seen; /* by the handler that returns */

typedef struct watch {
  lido_pool *pool;
  lido_pool_stats before;
} watch;

static inline watch watch_start(lido_pool *pool) {
  watch w = {.pool = pool, .before = objects_stats(pool)};
  misuse_log_start(&seen);
  errno = EXDEV;
  return w;
}

/* There was one misuse, of this kind, and nothing changed. */
static inline void watch_end(const watch *w, lido_misuse_kind kind, const void *address) {
  int after_errno = errno;
  misuse_log_stop();
  CHECK_EQ(seen.count, 1);
  CHECK_EQ(seen.last.kind, kind);
  CHECK_SAME(seen.last.address, address);
  CHECK_TEXT(seen.pool, lido_pool_name(w->pool));
  CHECK_EQ(after_errno, EXDEV);
  lido_pool_stats after = objects_stats(w->pool);
  CHECK_EQ(memcmp(&w->before, &after, sizeof after), 0);
  CHECK_SOUND(w->pool);
}

#endif
