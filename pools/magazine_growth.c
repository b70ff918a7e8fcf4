/* magazine_growth.c: see magazine_growth.h. */
#include "pools/magazine_growth.h"

#include <errno.h>

#include "lib/base/atomic.h"
#include "lib/base/bits.h"
#include "pools/pool_tuning.h"

enum { CONTENTION_PATIENCE = 2 };

/* Twice the storage: magazines of 4, 12, 28, ... objects fill theirs. */
static uint32_t doubled(uint32_t capacity, uint32_t limit) {
  return (uint32_t)lido_min(limit, 2 * ((size_t)capacity + 4) - 4);
}

/* Magazines are larger than the target only if it was tuned. RELAXED: a hint. */
uint32_t lido_magazine_next_capacity(const lido_pool_core *core, uint32_t capacity) {
  uint32_t tuned = lido_tuned_magazine(core);
  uint32_t target = lido_load_relaxed(&core->magazine_target);
  if (LIDO_UNLIKELY(tuned != 0)) return tuned;
  return capacity < target ? doubled(capacity, target) : target;
}

lido_magazine *lido_magazine_exchanged(lido_pool_core *core, lido_magazine *old, uint32_t capacity) {
  if (capacity == old->capacity) return old;
  int saved_errno = errno;
  lido_magazine *other = lido_magazine_create(core, capacity);
  errno = saved_errno;
  if (other == NULL) return old;
  lido_magazine_destroy(old);
  return other;
}

uint32_t lido_magazine_learn(lido_pool_core *core, uint32_t contention_seen) {
  uint32_t contended = (uint32_t)lido_depot_contended(&core->depot); /* it may wrap */
  if (contended - contention_seen < CONTENTION_PATIENCE) return contention_seen;
  if (lido_tuned_magazine(core) != 0) return contended;
  uint32_t target = lido_load_relaxed(&core->magazine_target); /* RELAXED: a hint; a lost update is no harm */
  lido_store_relaxed(&core->magazine_target, doubled(target, core->geometry.magazine_limit));
  return contended;
}
