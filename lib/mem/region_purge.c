/* region_purge.c: see region_purge.h. */
#include "lib/mem/region_purge.h"

#include <errno.h>

#include "lib/os/os.h"

enum { RUN_BYTES = 1 << 20 }; /* purged at once, and so kept from others meanwhile */

uint64_t lido_region_due_after(lido_purge how, uint64_t delay_ns) {
  if (how == LIDO_PURGE_NEVER) return LIDO_NEVER_DUE;
  uint64_t now = lido_os_now_ns();
  return delay_ns < LIDO_NEVER_DUE - now ? now + delay_ns : LIDO_NEVER_DUE;
}

/* ---- The pages ---- */

static void purge_pages(const lido_region *region, size_t unit, size_t units, bool lazily) {
  void *pages = (void *)lido_region_unit_start(region, unit);
  size_t bytes = units << region->unit_shift;
  if (lazily) {
    lido_os_pages_purge_lazily(pages, bytes);
  } else {
    lido_os_pages_purge(pages, bytes);
  }
}

static void call_purge_locked(const lido_region *region, size_t unit, size_t units) {
  const lido_backing_functions *functions = &region->backing->functions;
  int saved_errno = errno;
  functions->purge((void *)lido_region_unit_start(region, unit), units << region->unit_shift, functions->context);
  errno = saved_errno;
}

static bool can_purge(const lido_backing *backing) { return backing->purges_pages || backing->functions.purge != NULL; }

static void count_locked(const lido_region *region, size_t units) {
  region->backing->purged_bytes += units << region->unit_shift;
  region->backing->purges++;
}

void lido_region_purge_own(const lido_region *region, size_t unit, size_t units, bool lazily) {
  if (region->backing->purges_pages) purge_pages(region, unit, units, lazily);
}

void lido_region_purge_own_locked(const lido_region *region, size_t unit, size_t units) {
  if (!can_purge(region->backing)) return;
  if (!region->backing->purges_pages) call_purge_locked(region, unit, units);
  count_locked(region, units);
}

/* ---- Due times ---- */

static void count_dirty_locked(lido_region *region, size_t more, size_t fewer) {
  region->dirty_units += more - fewer;
  region->backing->dirty_bytes += (more - fewer) << region->unit_shift;
  if (region->dirty_units == 0) region->earliest_due = LIDO_NEVER_DUE;
}

static void note_earliest_locked(lido_region *region, uint64_t due) {
  if (due < region->earliest_due) region->earliest_due = due;
}

void lido_region_due_locked(lido_region *region, size_t unit, size_t units, bool lazily, uint64_t due) {
  if (region->due == NULL || !can_purge(region->backing)) return;
  for (size_t u = unit; u < unit + units; u++) region->due[u] = due;
  if (lazily) {
    lido_bitmap_set_run(region->lazy, unit, units);
  } else {
    lido_bitmap_clear_run(region->lazy, unit, units);
  }
  count_dirty_locked(region, units, 0);
  note_earliest_locked(region, due);
}

void lido_region_not_due_locked(lido_region *region, size_t unit, size_t units) {
  if (region->dirty_units == 0) return;
  size_t fewer = 0;
  for (size_t u = unit; u < unit + units; u++) {
    fewer += region->due[u] != 0;
    region->due[u] = 0;
  }
  count_dirty_locked(region, 0, fewer);
}

void lido_region_purged_locked(lido_region *region) {
  if (region->dirty_units == 0) return;
  count_locked(region, region->dirty_units);
  count_dirty_locked(region, 0, region->dirty_units);
}

/* ---- What is due ---- */

static bool is_due_locked(const lido_region *region, size_t unit, uint64_t now_ns) {
  return region->due[unit] != 0 && region->due[unit] <= now_ns && lido_bitmap_get(region->free, unit);
}

/* Adjacent units that are due, from `unit` on, which is, and that go in the same way. */
static size_t run_locked(const lido_region *region, size_t unit, uint64_t now_ns) {
  size_t most = lido_min(region->units - unit, RUN_BYTES >> region->unit_shift);
  bool lazily = lido_bitmap_get(region->lazy, unit);
  size_t units = 1;
  while (units < most && is_due_locked(region, unit + units, now_ns) &&
         lido_bitmap_get(region->lazy, unit + units) == lazily)
    units++;
  return units;
}

/* The lock is given up meanwhile, if the pages are the system's. */
static void purge_run_locked(lido_region *region, size_t unit, size_t units) {
  lido_backing *backing = region->backing;
  if (!backing->purges_pages) {
    call_purge_locked(region, unit, units);
  } else {
    bool lazily = lido_bitmap_get(region->lazy, unit);
    lido_bitmap_clear_run(region->free, unit, units);
    region->free_units -= units;
    region->purging_units += units;
    lido_lock_give(&backing->lock);
    purge_pages(region, unit, units, lazily);
    lido_lock_take(&backing->lock);
    region->purging_units -= units;
    region->free_units += units;
    lido_bitmap_set_run(region->free, unit, units);
  }
  count_locked(region, units);
  lido_region_not_due_locked(region, unit, units);
}

/* Whoever gives units meanwhile notes their time in earliest_due as this does, so that it ends up before all of
 * them. */
static size_t purge_region_locked(lido_region *region, uint64_t now_ns) {
  size_t purged = 0;
  bool nothing_yet = region->earliest_due > now_ns && region->purging_units == 0; /* R6 */
  if (region->dirty_units == 0 || nothing_yet) return 0;
  region->earliest_due = LIDO_NEVER_DUE;
  for (size_t unit = 0; unit < region->units && region->dirty_units != 0; unit++) {
    if (!is_due_locked(region, unit, now_ns)) {
      if (region->due[unit] != 0) note_earliest_locked(region, region->due[unit]);
      continue;
    }
    size_t units = run_locked(region, unit, now_ns);
    purge_run_locked(region, unit, units);
    purged += units;
    unit += units - 1;
  }
  return purged << region->unit_shift;
}

size_t lido_region_purge_due(lido_backing *backing, uint64_t now_ns) {
  size_t bytes = 0;
  lido_lock_take(&backing->lock);
  for (unsigned region_class = 0; backing->dirty_bytes != 0 && region_class < LIDO_REGION_CLASSES; region_class++) {
    for (lido_region *region = backing->regions[region_class]; region != NULL; region = region->next) {
      bytes += purge_region_locked(region, now_ns);
    }
  }
  lido_lock_give(&backing->lock);
  return bytes;
}

/* ---- After a fork ---- */

/* Whoever was purging had not come to all of the units, and so not to the earliest of their times. */
static void in_child_locked(lido_region *region) {
  if (region->purging_units == 0) return;
  for (size_t unit = 0; unit < region->units; unit++) {
    if (region->due[unit] == 0) continue;
    note_earliest_locked(region, region->due[unit]);
    if (lido_bitmap_get(region->free, unit)) continue;
    lido_bitmap_set(region->free, unit);
    region->free_units++;
    region->purging_units--;
  }
}

void lido_region_purges_in_child_locked(lido_backing *backing) {
  for (unsigned region_class = 0; region_class < LIDO_REGION_CLASSES; region_class++) {
    for (lido_region *region = backing->regions[region_class]; region != NULL; region = region->next) {
      in_child_locked(region);
    }
  }
}

/* ---- Check ---- */

const char *lido_region_due_check_locked(const lido_region *region) {
  size_t dirty = 0;
  size_t purging = 0;
  for (size_t unit = 0; region->due != NULL && unit < region->units; unit++) {
    if (region->due[unit] == 0) continue;
    dirty++;
    purging += !lido_bitmap_get(region->free, unit);
    if (region->users[unit] != NULL) return "R4: a unit that is due has a user";
    if (region->due[unit] < region->earliest_due && region->purging_units == 0) return "R6: a unit is due too early";
  }
  if (dirty != region->dirty_units) return "R4: units that are due miscounted";
  if (purging != region->purging_units) return "R5: a taken unit is due";
  return NULL;
}
