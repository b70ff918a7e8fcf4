/* atomic.h: atomic operations with the memory order in their names.
 *
 * They work on plain fields, as the public header's do, so that a struct can be shared with inlined code
 * in C++. Each acquire and release names its partner by a label, `ACQUIRE map.leaf:` and `RELEASE
 * map.leaf:`, and each relaxed says why that is enough; tools/check_labels.py reads them.
 */
#ifndef LIDO_LIB_BASE_ATOMIC_H
#define LIDO_LIB_BASE_ATOMIC_H

#include "lido/inline/atomic_inline.h"

#define lido_add_relaxed(field, value) __atomic_fetch_add(field, value, __ATOMIC_RELAXED)
#define lido_sub_relaxed(field, value) __atomic_fetch_sub(field, value, __ATOMIC_RELAXED)

#define lido_exchange_relaxed(field, value) __atomic_exchange_n(field, value, __ATOMIC_RELAXED)
#define lido_exchange_acquire(field, value) __atomic_exchange_n(field, value, __ATOMIC_ACQUIRE)

#define lido_or_relaxed(field, value) __atomic_fetch_or(field, value, __ATOMIC_RELAXED)
#define lido_or_release(field, value) __atomic_fetch_or(field, value, __ATOMIC_RELEASE)

#define lido_cas_relaxed(field, expected, desired) \
  __atomic_compare_exchange_n(field, expected, desired, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)

/* True, and `desired` is stored, if the field was `*expected`; else *expected is what it was. */
#define lido_cas_release(field, expected, desired) \
  __atomic_compare_exchange_n(field, expected, desired, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED)

#define lido_cas_acq_rel(field, expected, desired) \
  __atomic_compare_exchange_n(field, expected, desired, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)

#endif
