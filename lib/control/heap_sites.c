/* heap_sites.c: see heap_sites.h. */
#include "lib/control/heap_sites.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem/metadata.h"

static const char pool_kind[] = "pool";

/* ---- Pools by name ---- */

static int by_name(const void *a, const void *b) {
  return strcmp(((const lido_pool_use *)a)->name, ((const lido_pool_use *)b)->name);
}

static int name_to_pool(const void *name, const void *pool) {
  return strcmp(name, ((const lido_pool_use *)pool)->name);
}

static void merge_names(lido_pool_uses *pools) {
  size_t kept = 0;
  if (pools->count != 0) qsort(pools->items, pools->count, sizeof *pools->items, by_name);
  for (size_t i = 0; i < pools->count; i++) {
    lido_pool_use *last = kept != 0 ? &pools->items[kept - 1] : NULL;
    if (last != NULL && by_name(last, &pools->items[i]) == 0) {
      last->live += pools->items[i].live;
      last->bytes_live += pools->items[i].bytes_live;
    } else {
      pools->items[kept++] = pools->items[i];
    }
  }
  pools->count = kept;
}

/* The index of the pools of this record's name; SIZE_MAX: it is no pool's, or they are gone. */
static size_t find_pool(const lido_pool_uses *pools, const lido_heap_record *record) {
  if (pools->count == 0) return SIZE_MAX;
  const lido_pool_use *found = bsearch(record->name, pools->items, pools->count, sizeof *pools->items, name_to_pool);
  return found != NULL ? (size_t)(found - pools->items) : SIZE_MAX;
}

/* ---- Scaling ---- */

/* What the live samples of a pool say before they are scaled. */
typedef struct estimate {
  double objects;
  double bytes;
} estimate;

static bool is_pool(const lido_heap_record *record) { return strcmp(record->kind, pool_kind) == 0; }

static void add_up(const lido_heap_sites *sites, estimate *sums) {
  for (size_t i = 0; i < sites->records.count; i++) {
    const lido_heap_record *record = &sites->records.items[i];
    size_t pool = is_pool(record) ? find_pool(&sites->pools, record) : SIZE_MAX;
    if (pool == SIZE_MAX) continue;
    sums[pool].objects += record->live_objects;
    sums[pool].bytes += record->live_bytes;
  }
}

static void scale(lido_heap_record *record, const lido_pool_uses *pools, const estimate *sums) {
  size_t pool = find_pool(pools, record);
  bool any = pool != SIZE_MAX && record->live != 0;
  record->live_objects *= any ? (double)pools->items[pool].live / sums[pool].objects : 0;
  record->live_bytes *= any ? (double)pools->items[pool].bytes_live / sums[pool].bytes : 0;
}

/* Pools in which objects are live, but no sample. There is room. */
static void add_unknown(lido_heap_sites *sites, const estimate *sums) {
  for (size_t i = 0; i < sites->pools.count; i++) {
    const lido_pool_use *use = &sites->pools.items[i];
    if (use->live == 0 || sums[i].objects > 0) continue;
    lido_heap_record *record = &sites->records.items[sites->records.count++];
    *record =
        (lido_heap_record){.kind = pool_kind, .live_objects = (double)use->live, .live_bytes = (double)use->bytes_live};
    memcpy(record->name, use->name, sizeof record->name);
  }
}

static int join(lido_heap_sites *sites) {
  size_t bytes = (sites->pools.count + 1) * sizeof(estimate);
  estimate *sums = lido_metadata_take(lido_metadata_system(), bytes);
  if (sums == NULL) return ENOMEM;
  memset(sums, 0, bytes);
  add_up(sites, sums);
  for (size_t i = 0; i < sites->records.count; i++) {
    if (is_pool(&sites->records.items[i])) scale(&sites->records.items[i], &sites->pools, sums);
  }
  add_unknown(sites, sums);
  lido_metadata_free(lido_metadata_system(), sums, bytes);
  return 0;
}

/* ---- The whole of it ---- */

int lido_heap_sites_copy(lido_heap_sites *sites) {
  int saved_errno = errno;
  *sites = (lido_heap_sites){.pools.count = 0};
  int error = lido_pool_uses_copy(&sites->pools);
  if (error == 0) merge_names(&sites->pools);
  if (error == 0) error = lido_heap_records_copy(&sites->records, sites->pools.count);
  if (error == 0) error = join(sites);
  if (error != 0) lido_heap_sites_free(sites);
  errno = saved_errno;
  return error;
}

void lido_heap_sites_free(lido_heap_sites *sites) {
  lido_heap_records_free(&sites->records);
  lido_pool_uses_free(&sites->pools);
}

static uint64_t rounded(double value) { return value > 0 ? (uint64_t)(value + 0.5) : 0; }

lido_heap_site lido_heap_site_of(const lido_heap_record *record) {
  return (lido_heap_site){.kind = record->kind,
                          .name = record->name,
                          .frames = record->frames,
                          .frame_count = record->frame_count,
                          .alloc_objects = record->alloc_objects,
                          .alloc_bytes = record->alloc_bytes,
                          .live_objects = rounded(record->live_objects),
                          .live_bytes = rounded(record->live_bytes)};
}
