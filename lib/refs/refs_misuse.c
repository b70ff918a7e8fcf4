/* refs_misuse.c: see refs_misuse.h. */
#include "lib/refs/refs_misuse.h"

#include "lib/base/misuse_report.h"

/* `inside`: if it lies in a pool's object; else `outside`. */
static void report(const void *address, lido_misuse_kind inside, lido_misuse_kind outside) {
  lido_span_place place;
  lido_misuse misuse = {.kind = outside, .pool = "no pool with handles", .address = address, .object = LIDO_NO_OBJECT};
  if (lido_span_tell((uintptr_t)address, &place)) {
    misuse.kind = inside;
    misuse.pool = place.name;
    misuse.object = place.index;
    misuse.offset = place.offset;
  }
  lido_misuse_report(misuse);
}

/* RELAXED: whose it is at some moment of the misuse; nobody's, if its slab is going. */
static const void *object_of(const lido_slot *slot) { return lido_load_relaxed(&slot->object); }

void lido_report_no_slot(const void *address) { report(address, LIDO_MISUSE_INTERIOR, LIDO_MISUSE_FOREIGN); }

void lido_report_slot(lido_misuse_kind kind, const lido_slot *slot) { report(object_of(slot), kind, kind); }

void lido_report_handle(lido_misuse_kind kind, lido_weak weak) {
  report(lido_slot_exists(weak) ? object_of(lido_slot_named(weak)) : NULL, kind, kind);
}
