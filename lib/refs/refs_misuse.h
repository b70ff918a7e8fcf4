/* refs_misuse.h: what is wrong with an address or a count, said through the one handler. */
#ifndef LIDO_LIB_REFS_REFS_MISUSE_H
#define LIDO_LIB_REFS_REFS_MISUSE_H

#include "lib/refs/span.h"
#include "lido/misuse.h"

/* The address is no object's that has a slot: foreign, or inside one. */
LIDO_SLOW void lido_report_no_slot(const void *address);

/* Something wrong with a handle that leads to no living object. */
LIDO_SLOW void lido_report_handle(lido_misuse_kind kind, lido_weak weak);

/* Something wrong with the object at this slot. */
LIDO_SLOW void lido_report_slot(lido_misuse_kind kind, const lido_slot *slot);

#endif
