/* address_map.c: see address_map.h. */
#include "lib/mem/address_map.h"

#include <errno.h>

#include "lib/base/atomic.h"
#include "lib/base/fault.h"
#include "lib/base/lock.h"
#include "lib/os/os.h"

uint32_t *lido_map_root[LIDO_MAP_ROOTS];

static lido_lock map_lock = LIDO_LOCK_INITIAL(LIDO_RANK_MAP);

enum { LEAF_ENTRIES = 1 << (LIDO_MAP_LEAF_SHIFT - LIDO_MAP_UNIT_SHIFT), LEAF_BYTES = LEAF_ENTRIES * 4 };

static uint32_t *leaf_locked(uintptr_t address) {
  uintptr_t root = address >> LIDO_MAP_LEAF_SHIFT;
  uint32_t *leaf = lido_map_root[root];
  if (leaf != NULL) return leaf;
  leaf = lido_os_pages_map(LEAF_BYTES, 1);
  if (leaf == NULL) return NULL;
  lido_fault_account(-(int64_t)LEAF_BYTES); /* A1: for ever, so not a leak */
  /* RELEASE map.leaf: a reader that finds the leaf finds it zeroed. */
  lido_store_release(&lido_map_root[root], leaf);
  return leaf;
}

static int reach_leaves_locked(uintptr_t start, size_t bytes) {
  uintptr_t last = start + bytes - 1;
  if (last >> LIDO_MAP_LEAF_SHIFT >= LIDO_MAP_ROOTS) return ENOMEM; /* beyond 48 bits: only by a caller's function */
  for (uintptr_t root = start >> LIDO_MAP_LEAF_SHIFT; root <= last >> LIDO_MAP_LEAF_SHIFT; root++) {
    if (leaf_locked(root << LIDO_MAP_LEAF_SHIFT) == NULL) return ENOMEM;
  }
  return 0;
}

int lido_map_set(uintptr_t start, size_t bytes, uint32_t owner) {
  lido_lock_take(&map_lock);
  int error = reach_leaves_locked(start, bytes);
  for (size_t done = 0; error == 0 && done < bytes; done += (size_t)1 << LIDO_MAP_UNIT_SHIFT) {
    uintptr_t address = start + done;
    uint32_t *entry = &leaf_locked(address)[address >> LIDO_MAP_UNIT_SHIFT & (LEAF_ENTRIES - 1)];
    /* RELEASE map.entry: the slab was made before. */
    lido_store_release(entry, owner);
  }
  lido_lock_give(&map_lock);
  return error;
}

void lido_map_lock_for_fork(void) { lido_lock_take_for_fork(&map_lock); }
void lido_map_unlock_after_fork(void) { lido_lock_give_after_fork(&map_lock); }
