/* pool_occupancy.c: how full the slabs of a pool are.
 *
 * The map announces itself as a walk does (slab_lists.h), so that no slab goes while it gives the lock back between
 * some slabs and the next. Slabs come only after the newest one.
 */
#include "lib/base/assertion.h"
#include "lib/base/bits.h"
#include "pools/pool_core.h"

enum { AT_ONCE = 64 };

/* Called with the slabs' lock held. -> how many slabs were noted; *slab is the next one then. */
static size_t note_locked(const lido_slab **slab, lido_slab_use *out, size_t count) {
  size_t noted = 0;
  for (; *slab != NULL && noted < count; *slab = (*slab)->newer, noted++) {
    size_t used = (*slab)->objects - (*slab)->free_objects;
    out[noted] = (lido_slab_use){.objects = (uint32_t)(*slab)->objects, .used = (uint32_t)used};
  }
  return noted;
}

/* The number is told under the same lock as the last slab: so all of them were noted, or as many as were asked for. */
size_t lido_pool_occupancy(lido_pool *pool, lido_slab_use *out, size_t count) {
  lido_slab_lists *lists = &lido_core_of(pool)->slabs;
  lido_slab_lists_lock(lists);
  lists->walkers++;
  const lido_slab *slab = lists->oldest;
  size_t noted = note_locked(&slab, out, lido_min(count, AT_ONCE));
  while (slab != NULL && noted < count) {
    lido_slab_lists_unlock(lists);
    lido_slab_lists_lock(lists);
    noted += note_locked(&slab, out + noted, lido_min(count - noted, AT_ONCE));
  }
  lists->walkers--;
  size_t slabs = lists->slabs;
  lido_slab_lists_unlock(lists);
  return slabs;
}

void lido_pool_occupancy_histogram(lido_pool *pool, uint64_t bins[LIDO_OCCUPANCY_BINS]) {
  lido_slab_lists *lists = &lido_core_of(pool)->slabs;
  LIDO_STATIC_ASSERT(LIDO_OCCUPANCY_BINS == LIDO_BIN_EMPTY - LIDO_BIN_FULL + 1, "one for each but the spent");
  lido_slab_lists_lock(lists);
  for (unsigned bin = LIDO_BIN_FULL; bin <= LIDO_BIN_EMPTY; bin++) bins[LIDO_BIN_EMPTY - bin] = lists->in_bin[bin];
  bins[LIDO_OCCUPANCY_BINS - 1] += lists->in_bin[LIDO_BIN_SPENT];
  lido_slab_lists_unlock(lists);
}
