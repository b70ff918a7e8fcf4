/* pool_tuning.c: see pool_tuning.h. */
#include "pools/pool_tuning.h"

#include <errno.h>

#include "lib/base/atomic.h"
#include "lib/base/bits.h"
#include "pools/registry.h"

enum { RETAIN_BYTES = 1 << 20, RETAIN_PERCENT = 25, RETAIN_PERCENT_MAX = 1000 };

/* RELAXED throughout: pool_tuning.h tells why any mixture of old and new knobs will do. */

/* ---- The public calls ---- */

static bool is_valid(const lido_pool_tuning *tuning) {
  if ((unsigned)tuning->purge > LIDO_PURGE_NEVER || tuning->ready_bytes > PTRDIFF_MAX) return false;
  return tuning->retain_percent <= RETAIN_PERCENT_MAX || tuning->retain_percent == LIDO_RETAIN_NONE;
}

static size_t retain_bytes(const lido_pool_core *core) {
  size_t tuned = lido_load_relaxed(&core->tuning.retain_bytes);
  if (tuned != 0) return tuned;
  return core->options.retain_bytes != 0 ? core->options.retain_bytes : RETAIN_BYTES;
}

/* What other fields follow from the knobs. */
static void settle(lido_pool_core *core) {
  uint32_t magazine = lido_tuned_magazine(core);
  lido_store_relaxed(&core->magazine_target, magazine != 0 ? magazine : core->geometry.magazine_target);
  lido_depot_limit_set(&core->depot, retain_bytes(core) / core->geometry.stride);
}

int lido_pool_tune(lido_pool *pool, const lido_pool_tuning *tuning) {
  if (tuning == NULL || !is_valid(tuning)) return EINVAL;
  lido_pool_core *core = lido_core_of(pool);
  lido_pool_tuning *now = &core->tuning;
  lido_registry_lock();
  lido_store_relaxed(&now->magazine_objects, tuning->magazine_objects);
  lido_store_relaxed(&now->batch_objects, tuning->batch_objects);
  lido_store_relaxed(&now->retain_bytes, tuning->retain_bytes);
  lido_store_relaxed(&now->retain_percent, tuning->retain_percent);
  lido_store_relaxed(&now->purge, tuning->purge);
  lido_store_relaxed(&now->purge_delay_ns, tuning->purge_delay_ns);
  lido_store_relaxed(&now->ready_bytes, tuning->ready_bytes);
  settle(core);
  lido_registry_unlock();
  return 0;
}

void lido_pool_tuning_get(const lido_pool *pool, lido_pool_tuning *out) {
  const lido_pool_core *core = lido_core_of(pool);
  lido_registry_lock();
  *out = core->tuning;
  lido_registry_unlock();
}

/* ---- What slow paths ask ---- */

void lido_tuning_begin(lido_pool_core *core) { settle(core); }

void lido_tuning_end(lido_pool_core *core) {
  lido_store_relaxed(&core->tuning.purge, LIDO_PURGE_NOW);
  lido_store_relaxed(&core->tuning.purge_delay_ns, 0);
}

uint32_t lido_tuned_magazine(const lido_pool_core *core) {
  uint32_t tuned = lido_load_relaxed(&core->tuning.magazine_objects);
  return tuned < core->geometry.magazine_limit ? tuned : core->geometry.magazine_limit;
}

size_t lido_tuned_batch(const lido_pool_core *core, size_t capacity) {
  size_t tuned = lido_load_relaxed(&core->tuning.batch_objects);
  return tuned != 0 ? lido_min(tuned, capacity) : capacity;
}

static uint32_t retain_percent(const lido_pool_core *core) {
  uint32_t tuned = lido_load_relaxed(&core->tuning.retain_percent);
  if (tuned == LIDO_RETAIN_NONE) return 0;
  return tuned != 0 ? tuned : RETAIN_PERCENT;
}

size_t lido_tuned_keep(const lido_pool_core *core, size_t used_bytes) {
  size_t keep = lido_max(retain_bytes(core), used_bytes * retain_percent(core) / 100);
  return lido_max(keep, 2 * lido_tuned_ready(core));
}

size_t lido_tuned_ready(const lido_pool_core *core) { return lido_load_relaxed(&core->tuning.ready_bytes); }

void lido_tuned_give(const lido_pool_core *core, lido_region *region, uintptr_t units) {
  const lido_pool_tuning *tuning = &core->tuning;
  lido_region_give_later(region, units, core->geometry.slab_units, lido_load_relaxed(&tuning->purge),
                         lido_load_relaxed(&tuning->purge_delay_ns));
}

const char *lido_tuning_check(const lido_pool_core *core) {
  if (!is_valid(&core->tuning)) return "T1: a knob out of its range";
  if (lido_load_relaxed(&core->magazine_target) > core->geometry.magazine_limit)
    return "T1: magazines beyond the limit";
  if (lido_load_relaxed(&core->depot.limit) != retain_bytes(core) / core->geometry.stride) return "T2: another limit";
  return NULL;
}
