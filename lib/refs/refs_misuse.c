/* refs_misuse.c: see refs_misuse.h. */
#include "lib/refs/refs_misuse.h"

#include "lib/base/misuse_report.h"

static lido_misuse about(const void *address, lido_misuse_kind kind) {
  const lido_span *span = lido_span_entry((uintptr_t)address);
  size_t index = lido_span_index(span, (uintptr_t)address);
  lido_misuse misuse = {.kind = kind, .pool = "no pool with handles", .address = address, .object = LIDO_NO_OBJECT};
  if (index == SIZE_MAX) return misuse;
  misuse.pool = span->owner->name;
  misuse.object = index;
  misuse.offset = ((uintptr_t)address - span->start) % span->owner->stride;
  return misuse;
}

void lido_report_no_slot(const void *address) {
  lido_misuse misuse = about(address, LIDO_MISUSE_FOREIGN);
  if (misuse.object != LIDO_NO_OBJECT) misuse.kind = LIDO_MISUSE_INTERIOR;
  lido_misuse_report(misuse);
}

void lido_report_slot(lido_misuse_kind kind, const lido_slot *slot) { lido_misuse_report(about(slot->object, kind)); }

void lido_report_handle(lido_misuse_kind kind, lido_weak weak) {
  const lido_slot *slot = lido_slot_exists(weak) ? lido_slot_named(weak) : NULL;
  lido_misuse_report(about(slot != NULL ? slot->object : NULL, kind));
}
