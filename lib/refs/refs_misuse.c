/* refs_misuse.c: see refs_misuse.h. */
#include "lib/refs/refs_misuse.h"

#include "lib/base/misuse_report.h"

static lido_misuse about(const lido_span *span, const void *address, lido_misuse_kind kind) {
  size_t index = lido_span_index(span, (uintptr_t)address);
  lido_misuse misuse = {.kind = kind, .pool = "no pool with handles", .address = address, .object = LIDO_NO_OBJECT};
  if (index == SIZE_MAX) return misuse;
  misuse.pool = span->owner->name;
  misuse.object = index;
  misuse.offset = ((uintptr_t)address - span->start) % span->stride;
  return misuse;
}

void lido_report_no_slot(const lido_span *span, const void *address) {
  lido_misuse misuse = about(span, address, LIDO_MISUSE_FOREIGN);
  if (misuse.object != LIDO_NO_OBJECT) misuse.kind = LIDO_MISUSE_INTERIOR;
  lido_misuse_report(misuse);
}

void lido_report_slot(lido_misuse_kind kind, const lido_slot *slot) {
  lido_misuse_report(about(lido_span_entry((uintptr_t)slot->object), slot->object, kind));
}
