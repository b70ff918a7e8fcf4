/* reserve.c: objects set aside for a section that must not fail.
 *
 * They are out of the slabs and in no cache; their state says SET_ASIDE, so that a fork's sweep
 * leaves them alone.
 * Threads: one at a time for one reserve.
 */
#include <errno.h>

#include "lib/base/atomic.h"
#include "lib/base/bits.h"
#include "pools/set_aside.h"
#include "pools/slow_paths.h"
#include "pools/thread_cache.h"

struct lido_reserve {
  lido_pool_core *core;
  size_t capacity;
  size_t count;
  void *objects[];
};

static size_t reserve_bytes(size_t count) { return sizeof(lido_reserve) + count * sizeof(void *); }

void lido_set_aside(lido_pool_core *core, void *const *objects, size_t count) {
  for (size_t i = 0; i < count; i++) lido_core_set_state(core, objects[i], LIDO_STATE_SET_ASIDE);
  lido_add_relaxed(&core->set_aside, count); /* RELAXED: a count of its own */
}

void lido_set_aside_end(lido_pool_core *core, void *const *objects, size_t count, uint8_t state) {
  for (size_t i = 0; i < count; i++) lido_core_set_state(core, objects[i], state);
  lido_sub_relaxed(&core->set_aside, count); /* RELAXED: a count of its own */
}

/* What this thread and the depot keep goes to the slabs. */
static void gather(lido_pool_core *core) {
  lido_cache_flush_own(core);
  lido_core_drain_depot(core);
}

/* As many more as the slabs give. */
static size_t take(lido_reserve *reserve) {
  bool limited = false;
  void **places = reserve->objects + reserve->count;
  size_t got = lido_core_take(reserve->core, 0, places, reserve->capacity - reserve->count, false, &limited);
  lido_set_aside(reserve->core, places, got);
  reserve->count += got;
  return got;
}

static int refill(lido_reserve *reserve) {
  bool gathered = false;
  while (reserve->count < reserve->capacity) {
    if (take(reserve) != 0) continue;
    if (gathered) return errno;
    gather(reserve->core);
    gathered = true;
  }
  return 0;
}

lido_reserve *lido_reserve_create(lido_pool *pool, size_t count) {
  lido_pool_core *core = lido_core_of(pool);
  if (count == 0 || core->passthrough) { /* malloc promises nothing */
    errno = EINVAL;
    return NULL;
  }
  if (count > (PTRDIFF_MAX - sizeof(lido_reserve)) / sizeof(void *)) {
    errno = ENOMEM;
    return NULL;
  }
  int saved_errno = errno;
  lido_reserve *reserve = lido_metadata_alloc(lido_core_metadata(core), reserve_bytes(count));
  if (reserve == NULL) return NULL;
  reserve->core = core;
  reserve->capacity = count;
  int error = refill(reserve);
  if (error == 0) {
    errno = saved_errno;
    return reserve;
  }
  lido_reserve_destroy(reserve);
  errno = error;
  return NULL;
}

size_t lido_reserve_count(const lido_reserve *reserve) { return reserve->count; }

void *lido_reserve_alloc(lido_reserve *reserve) {
  if (reserve->count == 0) {
    errno = ENOMEM;
    return NULL;
  }
  lido_core_sweep_if_needed(reserve->core);
  void *object = reserve->objects[--reserve->count];
  lido_set_aside_end(reserve->core, &object, 1, LIDO_STATE_FREE);
  return lido_hand_out(reserve->core, object);
}

int lido_reserve_refill(lido_reserve *reserve) {
  int saved_errno = errno;
  int error = refill(reserve);
  errno = saved_errno;
  return error;
}

void lido_reserve_destroy(lido_reserve *reserve) {
  if (reserve == NULL) return;
  lido_pool_core *core = reserve->core;
  lido_core_sweep_if_needed(core); /* while the objects are still set aside */
  lido_set_aside_end(core, reserve->objects, reserve->count, LIDO_STATE_FREE);
  lido_core_put(core, reserve->objects, reserve->count);
  lido_metadata_free(lido_core_metadata(core), reserve, reserve_bytes(reserve->capacity));
}
