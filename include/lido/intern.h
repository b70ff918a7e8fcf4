/* lido/intern.h: canonical values. Equal bytes get the same handle, so that comparing them is comparing two numbers.
 *
 *     lido_intern *names = lido_intern_create(&(lido_intern_options){ .name = "names" });
 *     lido_interned a = lido_intern_text(names, "Content-Length");
 *     lido_interned b = lido_intern_bytes(names, line, colon - line);
 *     if (lido_interned_equal(a, b)) ...              // one compare, however long they are
 *     puts(lido_interned_text(a));
 *     lido_interned_release(a);                       // the last one gone: the text is, too
 *     lido_interned_release(b);
 *
 * Each intern gives one reference, which is released once. While anybody has one, the bytes stay and every intern of
 * them gives the same handle; after that they are forgotten, and a later intern gives another. A handle that was
 * released is stale for ever: it never comes to mean other bytes. Handles of two tables are never equal.
 *
 * Interned values are objects of pools with handles: the handle is their lido_weak, the bytes are a pointer into the
 * object.
 *
 * Threads: any, but destroy: no other call may be in progress or come later. Finding what is there takes no lock.
 * Errors: {0}, and errno: ENOMEM, EMSGSIZE. A release too many is misuse (lido/misuse.h). Signals: not in handlers.
 * Fork: the child has all tables.
 * Method: weak interning as in Go's package unique (Go 1.23); the hash is xxHash's XXH3 with a random seed.
 */
#ifndef LIDO_INTERN_H
#define LIDO_INTERN_H

#include <string.h>

#include "lido/base.h"
#include "lido/weak.h"

LIDO_BEGIN

typedef struct lido_intern lido_intern;

/* A value; {0} is none. */
typedef struct lido_interned {
  uint64_t bits;
} lido_interned;

enum { LIDO_INTERNED_MAX = 1 << 19 }; /* bytes */

typedef struct lido_intern_options {
  const char *name; /* copied, 63 bytes of it; NULL = "intern" */
  uint64_t seed;    /* of the hash; 0 = random, so that nobody can choose texts that collide */
} lido_intern_options;

/* NULL options: the defaults. NULL: ENOMEM. About 8 KiB, and the least that a pool
 * takes for each size of values that comes up. */
LIDO_API lido_intern *lido_intern_create(const lido_intern_options *options);

/* All values end, referenced or not; their handles are stale. -> how many were still referenced. NULL is ignored. */
LIDO_API size_t lido_intern_destroy(lido_intern *intern);

LIDO_API const char *lido_intern_name(const lido_intern *intern);

/* ---- Values -------------------------------------------------------------------------------- */

/* The handle of these bytes, with one reference that the caller releases. {0}: ENOMEM, or EMSGSIZE beyond
 * LIDO_INTERNED_MAX. Bytes that are there: a hash, a walk of one chain, one compare-and-swap. */
LIDO_API lido_interned lido_intern_bytes(lido_intern *intern, const void *bytes, size_t count);

/* The same for what comes before the first zero. pre: text is not NULL. */
LIDO_FAST lido_interned lido_intern_text(lido_intern *intern, const char *text) {
  return lido_intern_bytes(intern, text, strlen(text));
}

/* The same, but only if they are there already; else {0}, and errno is unchanged. */
LIDO_API lido_interned lido_intern_find(lido_intern *intern, const void *bytes, size_t count);

/* One reference more; the caller has one. -> the same. */
LIDO_API lido_interned lido_interned_retain(lido_interned value);

/* One reference less. {0} is ignored. */
LIDO_FAST void lido_interned_release(lido_interned value) { lido_weak_release(lido_weak_from_u64(value.bits)); }

LIDO_FAST bool lido_interned_equal(lido_interned a, lido_interned b) { return a.bits == b.bits; }

/* The bytes, good while the caller has a reference; 16-byte aligned, and a zero follows them. NULL for a stale handle
 * or {0}. *count, if not NULL: how many. */
LIDO_API const void *lido_interned_bytes(lido_interned value, size_t *count);

LIDO_FAST const char *lido_interned_text(lido_interned value) {
  return (const char *)lido_interned_bytes(value, (size_t *)0);
}

/* As a weak handle, for caches, observers and ephemerons, and to ask whether it is still there. Killed, it is as if it
 * was released for everybody: nobody finds its bytes by it, and an intern of them makes them anew. */
LIDO_FAST lido_weak lido_interned_weak(lido_interned value) { return lido_weak_from_u64(value.bits); }

/* ---- Typed twins --------------------------------------------------------------------------- */

/* LIDO_INTERN_DEFINE(point, struct point) makes the type point_interned and, on it,
 *     point_interned point_intern(lido_intern *, const struct point *);
 *     const struct point *point_interned_get(point_interned);
 *     point_interned_retain, point_interned_release, point_interned_equal.
 * Two values are the same if all their bytes are, padding too: set it to zero (memset, or static storage), and mind
 * that 0.0 and -0.0 differ. No semicolon follows. */
#define LIDO_INTERN_DEFINE(prefix, type) LIDO_INTERN_DEFINE_BODY(prefix, type)

/* ---- Numbers ------------------------------------------------------------------------------- */

/* X(name, kind, unit, text) */
#define LIDO_INTERN_STATISTICS(X)                                                     \
  X(values, gauge, values, "values that somebody references")                         \
  X(bytes, gauge, bytes, "their bytes")                                               \
  X(bytes_reserved, gauge, bytes, "memory of the values, used or not")                \
  X(hits, counter, calls, "interns of what was there")                                \
  X(misses, counter, calls, "interns that made a value, and finds that found none")   \
  X(stale, counter, calls, "interns that met a value which was dying at that moment") \
  X(deaths, counter, values, "values that went with their last reference")

#define LIDO_INTERN_STATISTIC_FIELD(name, kind, unit, text) uint64_t name;
typedef struct lido_intern_stats {
  LIDO_INTERN_STATISTICS(LIDO_INTERN_STATISTIC_FIELD)
} lido_intern_stats;
#undef LIDO_INTERN_STATISTIC_FIELD

LIDO_API void lido_intern_stats_get(const lido_intern *intern, lido_intern_stats *out);

/* Give free memory back. -> bytes. */
LIDO_API size_t lido_intern_trim(lido_intern *intern);

/* NULL, or the number and text of an invariant that does not hold. No other thread may use the table. */
LIDO_API const char *lido_intern_check(lido_intern *intern);

LIDO_END

#include "lido/inline/intern_inline.h"

#endif
