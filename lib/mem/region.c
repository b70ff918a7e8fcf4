/* region.c: see region.h. */
#include "lib/mem/region.h"

#include <errno.h>
#include <string.h>

#include "lib/base/assertion.h"
#include "lib/base/atomic.h"
#include "lib/base/fault.h"
#include "lib/mem/region_purge.h"
#include "lib/os/os.h"
#include "lido/pool.h"

enum { UNIT_SHIFT = LIDO_MAP_UNIT_SHIFT, BUFFER_UNIT_SHIFT_MIN = 8, BUFFER_UNITS = 32, BUFFER_ALIGN = 64 };

/* ---- Layout ---- */

typedef struct layout {
  size_t users; /* offsets from the region's start */
  size_t due;
  size_t free;
  size_t lazy;
  size_t states;
  size_t first;
  size_t units;
} layout;

/* The layout with `units` units; `align` is what unit 0 is aligned to, relative to the start. In a caller's buffer
 * nothing is ever purged, so there no due times are kept. */
static layout layout_with(size_t units, unsigned unit_shift, unsigned shift, size_t align) {
  layout l = {.units = units};
  size_t timed = align == BUFFER_ALIGN ? 0 : units;
  l.users = lido_round_up(sizeof(lido_region), 64);
  l.due = l.users + units * sizeof(void *);
  l.free = l.due + timed * sizeof(uint64_t);
  l.lazy = l.free + lido_bitmap_words(units) * sizeof(uint64_t);
  l.states = lido_round_up(l.lazy + lido_bitmap_words(timed) * sizeof(uint64_t), 64);
  l.first = lido_round_up(l.states + ((units << unit_shift) >> shift), align);
  return l;
}

/* The layout with as many units as fit into `bytes`; units is 0 if none does. */
static layout layout_of(size_t bytes, unsigned unit_shift, unsigned shift, size_t align) {
  size_t units = bytes >> unit_shift;
  layout l = layout_with(units, unit_shift, shift, align);
  while (units != 0 && l.first + (units << unit_shift) > bytes) l = layout_with(--units, unit_shift, shift, align);
  return l;
}

static unsigned buffer_unit_shift(const lido_backing *backing) {
  unsigned shift = lido_log2(backing->buffer_bytes / BUFFER_UNITS);
  if (shift < BUFFER_UNIT_SHIFT_MIN) return BUFFER_UNIT_SHIFT_MIN;
  return shift < UNIT_SHIFT ? shift : UNIT_SHIFT;
}

size_t lido_region_buffer_unit(const lido_backing *backing) { return (size_t)1 << buffer_unit_shift(backing); }

/* ---- Birth and end ---- */

/* State bytes are left as they are: a slab writes those of its units when it is born. */
static lido_region *region_build(lido_backing *backing, char *block, size_t bytes, const layout *l, unsigned unit_shift,
                                 unsigned shift, unsigned region_class) {
  memset(block, 0, l->states);
  lido_region *region = (lido_region *)block;
  region->backing = backing;
  region->start = (uintptr_t)block;
  region->bytes = bytes;
  region->first = (uintptr_t)block + l->first;
  region->units = l->units;
  region->unit_shift = unit_shift;
  region->shift = shift;
  region->region_class = region_class;
  region->states = (uint8_t *)block + l->states;
  region->users = (void **)(block + l->users);
  region->due = l->free != l->due ? (uint64_t *)(block + l->due) : NULL;
  region->free = (uint64_t *)(block + l->free);
  region->lazy = (uint64_t *)(block + l->lazy);
  region->free_units = l->units;
  region->earliest_due = LIDO_NEVER_DUE;
  lido_bitmap_set_run(region->free, 0, l->units);
  return region;
}

static void list_push_locked(lido_region *region) {
  lido_region **list = &region->backing->regions[region->region_class];
  region->previous = NULL;
  region->next = *list;
  if (*list != NULL) (*list)->previous = region;
  *list = region;
}

static void list_remove_locked(lido_region *region) {
  if (region->next != NULL) region->next->previous = region->previous;
  if (region->previous != NULL) {
    region->previous->next = region->next;
  } else {
    region->backing->regions[region->region_class] = region->next;
  }
}

static lido_region *region_add_locked(lido_backing *backing, unsigned shift, bool huge, unsigned region_class) {
  size_t bytes = backing->functions.region_bytes;
  char *block = lido_backing_block_get(backing, bytes, bytes);
  if (block == NULL) return NULL;
  if (huge) lido_os_pages_want_huge(block, bytes);
  layout l = layout_of(bytes, UNIT_SHIFT, shift, (size_t)1 << UNIT_SHIFT);
  lido_region *region = region_build(backing, block, bytes, &l, UNIT_SHIFT, shift, region_class);
  list_push_locked(region);
  backing->region_count++;
  return region;
}

/* The one region of a buffer. Its start is aligned to 64 bytes, for the header and for aligned objects. */
static int buffer_region_settle_locked(lido_backing *backing, unsigned shift) {
  if (backing->buffer_region != NULL) return shift >= backing->buffer_region->shift ? 0 : EINVAL;
  char *block = (char *)lido_round_up((uintptr_t)backing->buffer, BUFFER_ALIGN);
  size_t bytes = backing->buffer_bytes - (size_t)(block - backing->buffer);
  unsigned unit_shift = buffer_unit_shift(backing);
  layout l = layout_of(bytes, unit_shift, shift, BUFFER_ALIGN);
  if (l.units == 0) return ENOMEM;
  backing->buffer_region = region_build(backing, block, bytes, &l, unit_shift, shift, 0);
  return 0;
}

/* ---- Geometry ---- */

int lido_region_geometry_get(lido_backing *backing, unsigned shift, lido_region_geometry *geometry) {
  if (backing->buffer == NULL) {
    layout l = layout_of(backing->functions.region_bytes, UNIT_SHIFT, shift, (size_t)1 << UNIT_SHIFT);
    geometry->mask = ~((uintptr_t)backing->functions.region_bytes - 1);
    geometry->bias = l.states - (l.first >> shift);
    geometry->unit_shift = UNIT_SHIFT;
    geometry->units = l.units;
    return 0;
  }
  lido_lock_take(&backing->lock);
  int error = buffer_region_settle_locked(backing, shift);
  const lido_region *region = backing->buffer_region;
  if (error == 0) {
    geometry->mask = 0;
    geometry->bias = (uintptr_t)region->states - (region->first >> region->shift);
    geometry->unit_shift = region->unit_shift;
    geometry->units = region->units;
  }
  lido_lock_give(&backing->lock);
  return error;
}

unsigned lido_region_shift(lido_backing *backing, unsigned shift) {
  return backing->buffer_region != NULL ? backing->buffer_region->shift : shift;
}

/* ---- Units ---- */

static bool region_take_locked(lido_region *region, size_t units, uintptr_t *start) {
  if (region->free_units < units) return false;
  size_t unit = lido_bitmap_find_run(region->free, region->units, units);
  if (unit == LIDO_NO_BIT) return false;
  lido_bitmap_clear_run(region->free, unit, units);
  region->free_units -= units;
  region->backing->taken_bytes += units << region->unit_shift;
  lido_region_not_due_locked(region, unit, units);
  *start = lido_region_unit_start(region, unit);
  return true;
}

/* A region with room moves to the front, so that the next look finds it at once. */
static lido_region *class_take_locked(lido_backing *backing, unsigned shift, bool huge, size_t units,
                                      uintptr_t *start) {
  unsigned region_class = shift + (huge ? LIDO_SHIFT_MAX + 1u : 0u);
  for (lido_region *region = backing->regions[region_class]; region != NULL; region = region->next) {
    if (!region_take_locked(region, units, start)) continue;
    if (region->previous != NULL) {
      list_remove_locked(region);
      list_push_locked(region);
    }
    return region;
  }
  lido_region *added = region_add_locked(backing, shift, huge, region_class);
  return added != NULL && region_take_locked(added, units, start) ? added : NULL;
}

lido_region *lido_region_take(lido_backing *backing, unsigned shift, bool huge, size_t units, uintptr_t *start) {
  lido_region *region = NULL;
  lido_lock_take(&backing->lock);
  if (backing->buffer == NULL) {
    region = class_take_locked(backing, shift, huge, units, start);
  } else if (!lido_fault_here() && region_take_locked(backing->buffer_region, units, start)) {
    region = backing->buffer_region;
  }
  lido_lock_give(&backing->lock);
  if (region == NULL) errno = ENOMEM;
  return region;
}

static void give_locked(lido_region *region, size_t unit, size_t units) {
  for (size_t u = unit; u < unit + units; u++)
    LIDO_ASSERT(!lido_bitmap_get(region->free, u) && region->users[u] == NULL);
  lido_bitmap_set_run(region->free, unit, units);
  region->free_units += units;
  region->backing->taken_bytes -= units << region->unit_shift;
}

void lido_region_give(lido_region *region, uintptr_t start, size_t units) {
  lido_region_give_later(region, start, units, LIDO_PURGE_NOW, 0);
}

/* What is purged at once is purged while it is still the caller's: of the system's pages that needs no lock. */
void lido_region_give_later(lido_region *region, uintptr_t start, size_t units, lido_purge how, uint64_t delay_ns) {
  lido_backing *backing = region->backing;
  size_t unit = lido_region_unit_of(region, start);
  bool at_once = how != LIDO_PURGE_NEVER && delay_ns == 0;
  uint64_t due = at_once ? 0 : lido_region_due_after(how, delay_ns);
  if (at_once) lido_region_purge_own(region, unit, units, how == LIDO_PURGE_LAZY);
  lido_lock_take(&backing->lock);
  if (at_once) lido_region_purge_own_locked(region, unit, units);
  give_locked(region, unit, units);
  if (!at_once) lido_region_due_locked(region, unit, units, how == LIDO_PURGE_LAZY, due);
  lido_lock_give(&backing->lock);
}

bool lido_region_contains(const lido_region *region, uintptr_t address) {
  return address >= region->first && lido_region_unit_of(region, address) < region->units;
}

void lido_region_set_user(lido_region *region, uintptr_t start, size_t units, void *user) {
  size_t unit = lido_region_unit_of(region, start);
  /* RELEASE region.user: whoever finds the user finds it complete. */
  for (size_t u = unit; u < unit + units; u++) lido_store_release(&region->users[u], user);
}

void *lido_region_user(const lido_region *region, uintptr_t address) {
  /* ACQUIRE region.user: see there. */
  return lido_load_acquire(&region->users[lido_region_unit_of(region, address)]);
}

static size_t release_class_locked(lido_backing *backing, unsigned region_class, size_t keep) {
  size_t bytes = 0;
  size_t kept = 0;
  lido_region *next = NULL;
  for (lido_region *region = backing->regions[region_class]; region != NULL; region = next) {
    next = region->next;
    if (region->free_units != region->units) continue;
    if (keep != 0 && region->dirty_units != 0) continue; /* they shall stay for a while, or for ever */
    if (kept < keep) {
      kept++;
      continue;
    }
    list_remove_locked(region);
    backing->region_count--;
    lido_region_purged_locked(region);
    bytes += region->bytes;
    lido_backing_block_put(backing, region, region->bytes);
  }
  return bytes;
}

static size_t release_locked(lido_backing *backing, size_t keep) {
  size_t bytes = 0;
  for (unsigned region_class = 0; region_class < LIDO_REGION_CLASSES; region_class++) {
    bytes += release_class_locked(backing, region_class, keep);
  }
  return bytes;
}

size_t lido_region_release_empty(lido_backing *backing, size_t keep) {
  lido_lock_take(&backing->lock);
  size_t bytes = release_locked(backing, keep);
  lido_lock_give(&backing->lock);
  return bytes;
}

size_t lido_region_release_all(lido_backing *backing, size_t *purged) {
  lido_lock_take(&backing->lock);
  uint64_t before = backing->purged_bytes;
  size_t bytes = release_locked(backing, 0);
  *purged = (size_t)(backing->purged_bytes - before);
  lido_lock_give(&backing->lock);
  return bytes;
}

/* ---- Check ---- */

static const char *region_check_locked(const lido_region *region) {
  for (size_t unit = 0; unit < region->units; unit++) {
    if (lido_bitmap_get(region->free, unit) && region->users[unit] != NULL) return "R1: a free unit has a user";
  }
  if (lido_bitmap_count(region->free, region->units) != region->free_units) return "R2: free units miscounted";
  return lido_region_due_check_locked(region);
}

typedef struct sums {
  size_t regions, dirty_bytes, taken_bytes;
} sums;

static void add_to(sums *sum, const lido_region *region) {
  size_t taken = region->units - region->free_units - region->purging_units;
  sum->regions += region->backing->buffer_region != region;
  sum->dirty_bytes += region->dirty_units << region->unit_shift;
  sum->taken_bytes += taken << region->unit_shift;
}

static const char *class_check_locked(const lido_backing *backing, unsigned region_class, sums *sum) {
  for (const lido_region *region = backing->regions[region_class]; region != NULL; region = region->next) {
    if (region->backing != backing || region->region_class != region_class) return "R3: a region in the wrong list";
    const char *broken = region_check_locked(region);
    if (broken != NULL) return broken;
    add_to(sum, region);
  }
  return NULL;
}

static const char *check_locked(const lido_backing *backing) {
  sums sum = {0};
  for (unsigned region_class = 0; region_class < LIDO_REGION_CLASSES; region_class++) {
    const char *broken = class_check_locked(backing, region_class, &sum);
    if (broken != NULL) return broken;
  }
  if (backing->buffer_region != NULL) {
    const char *broken = region_check_locked(backing->buffer_region);
    if (broken != NULL) return broken;
    add_to(&sum, backing->buffer_region);
  }
  bool agree = sum.regions == backing->region_count && sum.dirty_bytes == backing->dirty_bytes &&
               sum.taken_bytes == backing->taken_bytes;
  return agree ? NULL : "B3: regions miscounted";
}

const char *lido_region_check(lido_backing *backing) {
  lido_lock_take(&backing->lock);
  const char *broken = check_locked(backing);
  lido_lock_give(&backing->lock);
  return broken;
}
