/* span.c: see span.h. */
#include "lib/refs/span.h"

#include <errno.h>
#include <string.h>

#include "lib/base/atomic.h"
#include "lib/base/fault.h"
#include "lib/base/lock.h"
#include "lib/os/os.h"

lido_span *lido_span_root[LIDO_SPAN_ROOTS];

static lido_lock leaves_lock = LIDO_LOCK_INITIAL(LIDO_RANK_LEAF);

enum {
  LEAF_ENTRIES = 1 << (LIDO_SPAN_LEAF_SHIFT - LIDO_SPAN_UNIT_SHIFT),
  LEAF_BYTES = LEAF_ENTRIES * (int)sizeof(lido_span),
  UNIT_BYTES = 1 << LIDO_SPAN_UNIT_SHIFT,
};

static lido_span *leaf_locked(uintptr_t root) {
  lido_span *leaf = lido_span_root[root];
  if (leaf != NULL) return leaf;
  leaf = lido_os_pages_map(LEAF_BYTES, 1);
  if (leaf == NULL) return NULL;
  lido_fault_account(-(int64_t)LEAF_BYTES); /* N1: for ever, so not a leak */
  /* RELEASE span.leaf: a reader that finds the leaf finds it zeroed. */
  lido_store_release(&lido_span_root[root], leaf);
  return leaf;
}

static bool reach_leaves(uintptr_t units, size_t bytes) {
  bool reached = true;
  uintptr_t last = (units + bytes - 1) >> LIDO_SPAN_LEAF_SHIFT;
  if (last >= LIDO_SPAN_ROOTS) return false;
  lido_lock_take(&leaves_lock);
  for (uintptr_t root = units >> LIDO_SPAN_LEAF_SHIFT; reached && root <= last; root++) {
    reached = leaf_locked(root) != NULL;
  }
  lido_lock_give(&leaves_lock);
  return reached;
}

static lido_span *entry_in_leaf(uintptr_t address) {
  lido_span *leaf = lido_span_root[address >> LIDO_SPAN_LEAF_SHIFT];
  return &leaf[(address >> LIDO_SPAN_UNIT_SHIFT) & (LEAF_ENTRIES - 1)];
}

/* RELAXED: an object's address is handed to others only after this, and by means that order it. */
static void write_entry(lido_span *entry, const lido_span_shape *shape, uint64_t slots, lido_refs_owner *owner) {
  lido_store_relaxed(&entry->start, shape->start);
  lido_store_relaxed(&entry->owner, owner);
  lido_store_relaxed(&entry->reciprocal, owner != NULL ? UINT64_MAX / owner->stride + 1 : 0);
  lido_store_relaxed(&entry->slots, slots);
}

/* N3: under the lock, so that no report reads what is no more. */
static void write_entries(const lido_span_shape *shape, uint64_t slots, lido_refs_owner *owner) {
  lido_lock_take(&leaves_lock);
  for (size_t done = 0; done < shape->bytes; done += UNIT_BYTES) {
    write_entry(entry_in_leaf(shape->units + done), shape, slots, owner);
  }
  lido_lock_give(&leaves_lock);
}

/* RELAXED: as above; a stale handle's reader looks at the generation first. */
static void name_object(uint32_t slot, void *object) { lido_store_relaxed(&lido_slot_at(slot)->object, object); }

uint32_t lido_span_open(const lido_span_shape *shape, lido_refs_owner *owner) {
  if (!reach_leaves(shape->units, shape->bytes)) {
    errno = ENOMEM;
    return 0;
  }
  uint32_t first = lido_slots_take(shape->objects, owner->narrow);
  if (first == 0) return 0;
  for (size_t i = 0; i < shape->objects; i++)
    name_object(first + (uint32_t)i, (void *)(shape->start + i * owner->stride));
  write_entries(shape, (uint64_t)first << 32 | shape->objects, owner);
  return first;
}

void lido_span_close(const lido_span_shape *shape, uint32_t first_slot, const lido_refs_owner *owner) {
  bool used_up = false;
  write_entries(shape, 0, NULL);
  for (size_t i = 0; i < shape->objects; i++) {
    uint32_t slot = first_slot + (uint32_t)i;
    used_up |= lido_slot_is_in(lido_slot_at(slot), LIDO_WORD_RETIRED);
    name_object(slot, NULL);
  }
  lido_slots_give(first_slot, shape->objects, owner->narrow, used_up);
}

static bool tell_locked(const lido_span *span, uintptr_t address, lido_span_place *place) {
  const lido_refs_owner *owner = span->owner;
  if (owner == NULL || address < span->start) return false;
  place->index = (address - span->start) / owner->stride;
  place->offset = (address - span->start) % owner->stride;
  if (place->index >= (uint32_t)span->slots) return false;
  strncpy(place->name, owner->name, sizeof place->name - 1);
  return true;
}

bool lido_span_tell(uintptr_t address, lido_span_place *place) {
  const lido_span *span = lido_span_entry(address);
  *place = (lido_span_place){.index = 0};
  if (span == NULL) return false;
  lido_lock_take(&leaves_lock);
  bool told = tell_locked(span, address, place);
  lido_lock_give(&leaves_lock);
  return told;
}

void lido_spans_lock_for_fork(void) { lido_lock_take_for_fork(&leaves_lock); }
void lido_spans_unlock_after_fork(void) { lido_lock_give_after_fork(&leaves_lock); }
