/* depot.c: see depot.h. */
#include "pools/depot.h"

#include "lib/base/assertion.h"
#include "lib/base/atomic.h"

void lido_depot_init(lido_depot *depot, bool locks, size_t limit) {
  *depot = (lido_depot){.locks = locks, .limit = limit};
  lido_lock_init(&depot->lock, LIDO_RANK_DEPOT);
}

static void lock(lido_depot *depot) {
  if (!depot->locks || lido_lock_try(&depot->lock)) return;
  lido_lock_take(&depot->lock);
  lido_add_relaxed(&depot->contended, 1); /* RELAXED: statistic */
}

static void unlock(lido_depot *depot) {
  if (depot->locks) lido_lock_give(&depot->lock);
}

static void push(lido_depot *depot, lido_magazine **list, lido_magazine *magazine) {
  magazine->next = *list;
  *list = magazine;
  depot->bytes += magazine->storage;
}

static lido_magazine *pop(lido_depot *depot, lido_magazine **list) {
  lido_magazine *magazine = *list;
  if (magazine == NULL) return NULL;
  *list = magazine->next;
  depot->bytes -= magazine->storage;
  return magazine;
}

lido_magazine *lido_depot_take_full(lido_depot *depot, lido_magazine *empty) {
  lock(depot);
  lido_magazine *full = pop(depot, &depot->full);
  if (full != NULL) {
    depot->objects -= full->count;
    if (empty != NULL) push(depot, &depot->empty, empty);
  }
  unlock(depot);
  return full;
}

bool lido_depot_give_full(lido_depot *depot, lido_magazine *full, bool always) {
  LIDO_ASSERT(full->count > 0);
  lock(depot);
  /* RELAXED: a bound; a new one need not be seen at once. */
  bool accepted = always || depot->objects + full->count <= lido_load_relaxed(&depot->limit);
  if (accepted) {
    push(depot, &depot->full, full);
    depot->objects += full->count;
  }
  unlock(depot);
  return accepted;
}

lido_magazine *lido_depot_take_empty(lido_depot *depot) {
  lock(depot);
  lido_magazine *empty = pop(depot, &depot->empty);
  unlock(depot);
  return empty;
}

void lido_depot_give_empty(lido_depot *depot, lido_magazine *empty) {
  lock(depot);
  push(depot, &depot->empty, empty);
  unlock(depot);
}

lido_magazine *lido_depot_take_all(lido_depot *depot) {
  lock(depot);
  lido_magazine *all = depot->full;
  lido_magazine **end = &all;
  while (*end != NULL) end = &(*end)->next;
  *end = depot->empty;
  depot->full = NULL;
  depot->empty = NULL;
  depot->objects = 0;
  depot->bytes = 0;
  unlock(depot);
  return all;
}

size_t lido_depot_objects(lido_depot *depot) {
  lock(depot);
  size_t objects = depot->objects;
  unlock(depot);
  return objects;
}

lido_depot_counts lido_depot_counts_get(lido_depot *depot) {
  lock(depot);
  lido_depot_counts counts = {.objects = depot->objects, .bytes = depot->bytes};
  unlock(depot);
  return counts;
}

void lido_depot_limit_set(lido_depot *depot, size_t limit) {
  lido_store_relaxed(&depot->limit, limit); /* RELAXED: as in lido_depot_give_full */
}

uint64_t lido_depot_contended(const lido_depot *depot) {
  return lido_load_relaxed(&depot->contended); /* RELAXED: statistic */
}

static const char *check_locked(const lido_depot *depot) {
  size_t objects = 0;
  size_t bytes = 0;
  for (const lido_magazine *magazine = depot->full; magazine != NULL; magazine = magazine->next) {
    if (magazine->count == 0) return "D2: an empty magazine among the full";
    objects += magazine->count;
    bytes += magazine->storage;
  }
  for (const lido_magazine *magazine = depot->empty; magazine != NULL; magazine = magazine->next)
    bytes += magazine->storage;
  if (bytes != depot->bytes) return "D4: storage miscounted";
  return objects != depot->objects ? "D2: full magazines miscounted" : NULL;
}

const char *lido_depot_check(lido_depot *depot) {
  lock(depot);
  const char *broken = check_locked(depot);
  unlock(depot);
  return broken;
}
