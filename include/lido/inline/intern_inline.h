/* lido/inline/intern_inline.h: the bodies behind lido/intern.h. Private. */
#ifndef LIDO_INLINE_INTERN_INLINE_H
#define LIDO_INLINE_INTERN_INLINE_H

#include "lido/intern.h"

LIDO_BEGIN

#define LIDO_INTERN_DEFINE_BODY(prefix, type)                                                                 \
  typedef struct prefix##_interned {                                                                          \
    lido_interned untyped;                                                                                    \
  } prefix##_interned;                                                                                        \
  LIDO_FAST prefix##_interned prefix##_intern(lido_intern *intern, const type *value) {                       \
    prefix##_interned typed = {lido_intern_bytes(intern, value, sizeof *value)};                              \
    return typed;                                                                                             \
  }                                                                                                           \
  LIDO_FAST const type *prefix##_interned_get(prefix##_interned value) {                                      \
    return (const type *)lido_interned_bytes(value.untyped, (size_t *)0);                                     \
  }                                                                                                           \
  LIDO_FAST prefix##_interned prefix##_interned_retain(prefix##_interned value) {                             \
    lido_interned_retain(value.untyped);                                                                      \
    return value;                                                                                             \
  }                                                                                                           \
  LIDO_FAST void prefix##_interned_release(prefix##_interned value) { lido_interned_release(value.untyped); } \
  LIDO_FAST bool prefix##_interned_equal(prefix##_interned a, prefix##_interned b) {                          \
    return lido_interned_equal(a.untyped, b.untyped);                                                         \
  }

LIDO_END

#endif
