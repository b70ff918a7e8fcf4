/* object_pool_stats.c: numbers, summed when asked, and the invariants.
 *
 * The fast paths count gets, in the store's own line. What is created and destroyed is counted on slow paths, what is
 * kept is looked at.
 * The rest follows: reuses = gets - created, out = created - destroyed - kept.
 */
#include <string.h>

#include "lib/base/atomic.h"
#include "lib/base/bits.h"
#include "pools/object_threads.h"

static void add_stores_locked(const lido_object_core *core, lido_object_pool_stats *out) {
  for (const lido_link *link = core->stores.next; link != &core->stores; link = link->next) {
    const lido_object_rest *rest = LIDO_LIST_ITEM(link, lido_object_rest, in_pool);
    size_t objects = 0;
    out->kept_bytes += lido_object_rest_sum_locked(rest, &objects).bytes;
    out->kept += objects;
    out->gets += lido_load_relaxed(&rest->face.gets); /* RELAXED: statistic */
  }
}

static void add_shared_locked(const lido_object_core *core, lido_object_pool_stats *out) {
  out->gets = core->retired_gets;
  out->kept = core->fresh.objects + core->victims.objects;
  out->kept_bytes = core->fresh.bytes + core->victims.bytes;
  out->victims = core->victims.objects;
  out->trims = core->trims;
  out->slow = core->slow;
  out->stores = core->store_count;
}

static uint64_t destroyed(const lido_object_core *core, lido_object_reason reason) {
  return lido_load_relaxed(&core->destroyed[reason]); /* RELAXED: statistic */
}

static void add_ends(const lido_object_core *core, lido_object_pool_stats *out) {
  out->gets += lido_load_relaxed(&core->bare_gets); /* RELAXED: statistic */
  out->created = lido_load_relaxed(&core->created); /* RELAXED: statistic */
  out->destroyed_large = destroyed(core, LIDO_OBJECT_LARGE);
  out->destroyed_bound = destroyed(core, LIDO_OBJECT_BOUND);
  out->destroyed_trimmed = destroyed(core, LIDO_OBJECT_TRIMMED);
  out->destroyed_end = destroyed(core, LIDO_OBJECT_END);
}

/* Other threads move objects while we count. */
static uint64_t difference(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

void lido_object_pool_stats_get(const lido_object_pool *pool, lido_object_pool_stats *out) {
  lido_object_core *core = lido_object_core_of(pool);
  *out = (lido_object_pool_stats){0};
  lido_lock_take(&core->lock);
  add_shared_locked(core, out);
  add_stores_locked(core, out);
  lido_lock_give(&core->lock);
  add_ends(core, out);
  uint64_t ended = out->destroyed_large + out->destroyed_bound + out->destroyed_trimmed + out->destroyed_end;
  out->out = difference(out->created, ended + out->kept);
  out->reuses = difference(out->gets, out->created);
}

double lido_object_pool_reuse_rate(const lido_object_pool_stats *stats) {
  return stats->gets != 0 ? (double)stats->reuses / (double)stats->gets : 0;
}

/* ---- Invariants ---- */

static const char *check_stores_locked(const lido_object_core *core) {
  size_t granted = 0;
  size_t granted_bytes = 0;
  size_t count = 0;
  for (const lido_link *link = core->stores.next; link != &core->stores; link = link->next) {
    const lido_object_rest *rest = LIDO_LIST_ITEM(link, lido_object_rest, in_pool);
    const char *broken = lido_object_rest_check(rest);
    if (broken != NULL) return broken;
    granted += rest->credit;
    granted_bytes += rest->credit_bytes;
    count++;
  }
  bool counted = granted == core->granted && granted_bytes == core->granted_bytes && count == core->store_count;
  return counted ? NULL : "O2: credit or stores miscounted";
}

static const char *check_locked(const lido_object_core *core) {
  const char *broken = lido_object_shelf_check(&core->fresh);
  if (broken == NULL) broken = lido_object_shelf_check(&core->victims);
  if (broken == NULL) broken = check_stores_locked(core);
  if (broken == NULL && core->granted + core->fresh.objects + core->victims.objects > core->options.keep_objects)
    broken = "O3: more kept than keep_objects";
  if (broken == NULL && core->granted_bytes + core->fresh.bytes + core->victims.bytes > core->options.keep_bytes)
    broken = "O3: more kept than keep_bytes";
  return broken;
}

const char *lido_object_pool_check(lido_object_pool *pool) {
  lido_object_core *core = lido_object_core_of(pool);
  lido_lock_take(&core->lock);
  const char *broken = check_locked(core);
  lido_lock_give(&core->lock);
  return broken != NULL ? broken : lido_object_pools_check();
}
