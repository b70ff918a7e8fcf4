/* passthrough.c: pools whose every allocation is one of malloc, so that a debugger, a sanitizer or
 * a heap checker sees each object by itself. What needs slabs (owns, for_each, misuse reports) is
 * malloc's affair then. A reserve of such a pool holds blocks of malloc. Nobody waits: an alloc that meets max_objects
 * fails at once, or falls back.
 *
 * Threads: any. Construct and destroy run at each alloc and free, since malloc keeps no built
 * objects.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/atomic.h"
#include "lib/base/bits.h"
#include "lib/base/fault.h"
#include "pools/slow_paths.h"

static bool passthrough_default;

void lido_pool_passthrough_set(bool on) {
  lido_store_relaxed(&passthrough_default, on); /* RELAXED: a flag of its own */
}

bool lido_passthrough_is_default(void) {
  return lido_load_relaxed(&passthrough_default); /* RELAXED: a flag of its own */
}

static void count_exhausted(lido_pool_core *core, bool falls_back) {
  lido_slab_lists_lock(&core->slabs);
  core->exhausted++;
  core->fallbacks += falls_back;
  lido_slab_lists_unlock(&core->slabs);
}

/* A lost update makes it too small by what other threads did in that moment. */
static void note_peak(lido_pool_core *core, size_t live) {
  /* RELAXED: statistic */
  if (live > lido_load_relaxed(&core->passthrough_peak)) lido_store_relaxed(&core->passthrough_peak, live);
}

/* RELAXED: a count of its own; the limit is a limit, not a hand-over. */
static bool reserve_one(lido_pool_core *core) {
  size_t before = lido_add_relaxed(&core->passthrough_live, 1);
  if (core->options.max_objects != 0 && before >= core->options.max_objects) {
    bool falls_back = core->options.on_exhausted == LIDO_EXHAUSTED_FALLBACK;
    count_exhausted(core, falls_back);
    if (!falls_back) {
      lido_sub_relaxed(&core->passthrough_live, 1); /* RELAXED: as above */
      return false;
    }
  }
  note_peak(core, before + 1);
  return true;
}

static void *build(lido_pool_core *core, void *object) {
  if (core->options.flags & LIDO_POOL_ZERO) memset(object, 0, core->geometry.object_size);
  int error = core->options.construct != NULL ? core->options.construct(object, core->options.context) : 0;
  if (error == 0) return object;
  free(object);
  errno = error;
  return NULL;
}

void *lido_passthrough_alloc(lido_pool_core *core) {
  const lido_geometry *g = &core->geometry;
  if (!reserve_one(core)) {
    errno = ENOMEM;
    return NULL;
  }
  /* The exact size, not the stride, so that an access past the end is seen. */
  void *object = NULL;
  int error = lido_fault_here() ? ENOMEM : posix_memalign(&object, lido_max(g->align, sizeof(void *)), g->object_size);
  if (error != 0) errno = error;
  if (error == 0) object = build(core, object);
  if (object == NULL) lido_sub_relaxed(&core->passthrough_live, 1); /* RELAXED: a count of its own */
  return object;
}

void lido_passthrough_free(lido_pool_core *core, void *object) {
  if (core->options.destroy != NULL) core->options.destroy(object, core->options.context);
  free(object);
  lido_sub_relaxed(&core->passthrough_live, 1); /* RELAXED: a count of its own */
}
