/* reserve.c: objects set aside for a section that must not fail.
 *
 * They are out of the slabs and in no cache; their state says SET_ASIDE, so that a fork's sweep
 * leaves them alone.
 * Threads: one at a time for one reserve.
 */
#include <errno.h>
#include <string.h>

#include "lib/base/atomic.h"
#include "lib/base/bits.h"
#include "pools/pool_samples.h"
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

static void set_states(lido_pool_core *core, void *const *objects, size_t count, uint8_t state) {
  if (core->passthrough) return; /* malloc's blocks have none */
  for (size_t i = 0; i < count; i++) lido_core_set_state(core, objects[i], state);
}

void lido_set_aside(lido_pool_core *core, void *const *objects, size_t count) {
  set_states(core, objects, count, LIDO_STATE_SET_ASIDE);
  lido_add_relaxed(&core->set_aside, count); /* RELAXED: a count of its own */
}

void lido_set_aside_end(lido_pool_core *core, void *const *objects, size_t count, uint8_t state) {
  set_states(core, objects, count, state);
  lido_sub_relaxed(&core->set_aside, count); /* RELAXED: a count of its own */
}

/* What this thread and the depot keep goes to the slabs; other threads shall follow. */
static void gather(lido_pool_core *core) {
  lido_handles_collect(core);
  lido_thread_cache_ask_flush(core);
  lido_thread_cache_flush_own(core);
  lido_core_drain_depot(core);
}

static size_t take_from_pool(lido_pool_core *core, void **places, size_t count) {
  lido_take how;
  if (!core->passthrough) return lido_core_take(core, 0, places, count, false, &how);
  *places = lido_passthrough_alloc(core);
  return *places != NULL;
}

static void put_back(lido_pool_core *core, void *const *objects, size_t count) {
  if (!core->passthrough) lido_core_put(core, objects, count);
  for (size_t i = 0; core->passthrough && i < count; i++) lido_passthrough_free(core, objects[i]);
}

/* Some more, if the slabs or malloc give any. Growth calls construct, which may use this very reserve. */
static size_t take(lido_reserve *reserve) {
  void *objects[LIDO_MAGAZINE_MAX];
  lido_pool_core *core = reserve->core;
  size_t got = take_from_pool(core, objects, lido_min(reserve->capacity - reserve->count, LIDO_MAGAZINE_MAX));
  size_t kept = lido_min(got, reserve->capacity - reserve->count);
  lido_set_aside(core, objects, kept);
  memcpy(reserve->objects + reserve->count, objects, kept * sizeof *objects);
  reserve->count += kept;
  if (kept != got) put_back(core, objects + kept, got - kept);
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

/* 0, EINVAL, or ENOMEM if there can never be so many. */
static int possible(const lido_pool_core *core, size_t count) {
  if (count == 0) return EINVAL;
  if (count > (PTRDIFF_MAX - sizeof(lido_reserve)) / sizeof(void *)) return ENOMEM;
  return core->options.max_objects != 0 && count > core->options.max_objects ? ENOMEM : 0;
}

lido_reserve *lido_reserve_create(lido_pool *pool, size_t count) {
  lido_pool_core *core = lido_core_of(pool);
  int saved_errno = errno;
  errno = possible(core, count);
  lido_reserve *reserve = errno == 0 ? lido_metadata_take(lido_core_metadata(core), reserve_bytes(count)) : NULL;
  if (reserve == NULL) return NULL;
  *reserve = (lido_reserve){.core = core, .capacity = count};
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

static bool hand_out(lido_pool_core *core, void *object) { return core->passthrough || lido_hand_out(core, object); }

void *lido_reserve_alloc(lido_reserve *reserve) {
  lido_core_sweep_if_needed(reserve->core); /* while the objects are still set aside */
  while (reserve->count != 0) {
    void *object = reserve->objects[--reserve->count];
    lido_set_aside_end(reserve->core, &object, 1, LIDO_STATE_FREE);
    if (!hand_out(reserve->core, object)) continue;
    if (LIDO_UNLIKELY(lido_heap_run_now() != 0))
      lido_sampling_alone(reserve->core, object, __builtin_return_address(0));
    return object;
  }
  errno = ENOMEM;
  return NULL;
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
  put_back(core, reserve->objects, reserve->count);
  lido_metadata_free(lido_core_metadata(core), reserve, reserve_bytes(reserve->capacity));
}
