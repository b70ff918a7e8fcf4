/* slab_lists.c: see slab_lists.h. */
#include "pools/slab_lists.h"

#include "lib/base/assertion.h"
#include "lib/base/bits.h"

void lido_slab_lists_init(lido_slab_lists *lists, bool locks) {
  *lists = (lido_slab_lists){.locks = locks};
  lido_lock_init(&lists->lock, LIDO_RANK_SLABS);
}

void lido_slab_lists_lock(lido_slab_lists *lists) {
  if (lists->locks) lido_lock_take(&lists->lock);
}

void lido_slab_lists_unlock(lido_slab_lists *lists) {
  if (lists->locks) lido_lock_give(&lists->lock);
}

static unsigned bin_for(const lido_slab *slab) {
  if (slab->retired == slab->objects) return LIDO_BIN_SPENT;
  if (slab->free_objects == 0) return LIDO_BIN_FULL;
  if (slab->free_objects + slab->retired == slab->objects) return LIDO_BIN_EMPTY;
  return 1 + (unsigned)(slab->free_objects * 4 / slab->objects);
}

static void bin_push(lido_slab_lists *lists, lido_slab *slab) {
  slab->bin = bin_for(slab);
  slab->previous = NULL;
  slab->next = lists->bins[slab->bin];
  if (slab->next != NULL) slab->next->previous = slab;
  lists->bins[slab->bin] = slab;
  lists->in_bin[slab->bin]++;
  lists->ready_slabs += slab->bin >= LIDO_BIN_EMPTY && slab->ready;
}

static void bin_remove(lido_slab_lists *lists, lido_slab *slab) {
  if (slab->next != NULL) slab->next->previous = slab->previous;
  if (slab->previous != NULL) {
    slab->previous->next = slab->next;
  } else {
    lists->bins[slab->bin] = slab->next;
  }
  lists->in_bin[slab->bin]--;
  lists->ready_slabs -= slab->bin >= LIDO_BIN_EMPTY && slab->ready;
}

static void rebin(lido_slab_lists *lists, lido_slab *slab) {
  if (bin_for(slab) == slab->bin) return;
  bin_remove(lists, slab);
  bin_push(lists, slab);
}

void lido_slab_lists_add(lido_slab_lists *lists, lido_slab *slab) {
  slab->older = lists->newest;
  slab->newer = NULL;
  *(slab->older != NULL ? &slab->older->newer : &lists->oldest) = slab;
  lists->newest = slab;
  bin_push(lists, slab);
  lists->slabs++;
  lists->made++;
  lists->objects += slab->objects;
  lists->free_objects += slab->free_objects;
}

void lido_slab_lists_remove(lido_slab_lists *lists, lido_slab *slab) {
  LIDO_ASSERT(lists->walkers == 0);
  *(slab->older != NULL ? &slab->older->newer : &lists->oldest) = slab->newer;
  *(slab->newer != NULL ? &slab->newer->older : &lists->newest) = slab->older;
  bin_remove(lists, slab);
  lists->slabs--;
  lists->released++;
  lists->objects -= slab->objects;
  lists->free_objects -= slab->free_objects;
  lists->retired -= slab->retired;
}

static lido_slab *fullest(const lido_slab_lists *lists) {
  for (unsigned bin = LIDO_BIN_FULL + 1; bin <= LIDO_BIN_EMPTY; bin++) {
    if (lists->bins[bin] != NULL) return lists->bins[bin];
  }
  return NULL;
}

size_t lido_slab_lists_take(lido_slab_lists *lists, const lido_geometry *geometry, unsigned stripe, void **objects,
                            size_t count) {
  size_t taken = 0;
  while (taken < count) {
    lido_slab *slab = fullest(lists);
    if (slab == NULL) break;
    taken += lido_slab_take(slab, geometry, stripe, objects + taken, count - taken);
    rebin(lists, slab);
  }
  lists->free_objects -= taken;
  lists->peak = lido_max(lists->peak, lido_slab_lists_taken(lists));
  lists->recent_peak = lido_max(lists->recent_peak, lido_slab_lists_taken(lists));
  return taken;
}

bool lido_slab_lists_put(lido_slab_lists *lists, const lido_geometry *geometry, lido_slab *slab, void *object) {
  if (!lido_slab_put(slab, geometry, object)) return false;
  lists->free_objects++;
  rebin(lists, slab);
  return true;
}

void lido_slab_lists_retire(lido_slab_lists *lists, lido_slab *slab) {
  slab->retired++;
  lists->retired++;
  rebin(lists, slab);
}

void lido_slab_lists_ready(lido_slab_lists *lists, lido_slab *slab) {
  if (slab->ready) return;
  slab->ready = true;
  lists->populated++;
  lists->ready_slabs += slab->bin >= LIDO_BIN_EMPTY;
}

size_t lido_slab_lists_surplus(const lido_slab_lists *lists, size_t slab_bytes, size_t keep_bytes) {
  size_t keep = keep_bytes / slab_bytes;
  size_t empty = lists->in_bin[LIDO_BIN_EMPTY];
  return lists->in_bin[LIDO_BIN_SPENT] + (empty > keep ? empty - keep : 0);
}

typedef struct sums {
  size_t slabs, ready, objects, free, retired;
} sums;

static const char *check_bin(const lido_slab_lists *lists, unsigned bin, sums *sum) {
  size_t here = 0;
  for (const lido_slab *slab = lists->bins[bin]; slab != NULL; slab = slab->next) {
    if (slab->bin != bin || bin_for(slab) != bin) return "L1: a slab in the wrong bin";
    const char *broken = lido_slab_check(slab);
    if (broken != NULL) return broken;
    sum->slabs++;
    here++;
    sum->ready += bin >= LIDO_BIN_EMPTY && slab->ready;
    sum->objects += slab->objects;
    sum->free += slab->free_objects;
    sum->retired += slab->retired;
  }
  return here != lists->in_bin[bin] ? "L2: slabs of a bin miscounted" : NULL;
}

static const char *check_ages(const lido_slab_lists *lists) {
  size_t slabs = 0;
  const lido_slab *older = NULL;
  for (const lido_slab *slab = lists->oldest; slab != NULL; older = slab, slab = slab->newer, slabs++) {
    if (slab->older != older) return "L4: slabs out of order";
  }
  return older != lists->newest || slabs != lists->slabs ? "L4: a slab of no age" : NULL;
}

const char *lido_slab_lists_check(const lido_slab_lists *lists) {
  sums sum = {0};
  for (unsigned bin = 0; bin < LIDO_BINS; bin++) {
    const char *broken = check_bin(lists, bin, &sum);
    if (broken != NULL) return broken;
  }
  if (sum.slabs != lists->slabs || sum.ready != lists->ready_slabs) return "L2: slabs miscounted";
  if (sum.objects != lists->objects || sum.free != lists->free_objects || sum.retired != lists->retired)
    return "L2: objects miscounted";
  return check_ages(lists);
}
