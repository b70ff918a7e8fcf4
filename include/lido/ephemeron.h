/* lido/ephemeron.h: something attached to an object from outside, that goes when the object dies.
 *
 *     lido_ephemerons *notes = lido_ephemerons_create(&(lido_ephemerons_options){ .name = "notes", .end = free_note });
 *     lido_ephemerons_set(notes, conn, note);     // conn: any object of a pool with handles; its type knows nothing
 *     struct note *n = lido_ephemerons_get(notes, conn);
 *     lido_release(conn);                         // the last reference: free_note(note) has been called
 *
 * A map attaches at most one value to an object, its key; an object may be a key in any number of maps. The key is held
 * weakly. Values are plain pointers that the map owns and ends by a function; or, with `objects`, objects of pools with
 * handles, of which the map holds one reference for as long as the key lives.
 *
 * Cycles. A value that keeps its own key alive, by a reference of its own or by being the key of another attachment
 * that leads back, keeps it alive for ever: counts can't see that nobody else is there. In maps with `objects`,
 * attaching an object to itself is always refused. lido_ephemerons_find_cycle follows what it knows: attachments of all
 * maps with `objects`, and whatever the maps' `references` functions tell of. A library built with full checks asks at
 * every set, reports LIDO_MISUSE_CYCLE, and refuses; there it follows only values that are objects, since others may be
 * ended by other threads meanwhile.
 *
 * Threads: any, but destroy: no other call may be in progress or come later, except deaths of keys. Finding takes no
 * lock. A value that was got stays good while the caller holds the key and nobody replaces or detaches it; acquire is
 * for the other cases. Callbacks run without locks.
 * Errors: int functions return 0 or an errno value. Misuse goes to the handler of lido/misuse.h. Signals: not in
 * handlers. Fork: the child has all maps.
 * Method: ephemerons (Hayes, "Ephemerons: a new finalization mechanism", OOPSLA 1997), with counts in a collector's
 * place.
 */
#ifndef LIDO_EPHEMERON_H
#define LIDO_EPHEMERON_H

#include "lido/base.h"
#include "lido/weak.h"

LIDO_BEGIN

typedef struct lido_ephemerons lido_ephemerons;

typedef struct lido_ephemerons_options {
  const char *name; /* copied, 63 bytes of it; NULL = "ephemerons" */
  /* Values are objects of pools with handles; then `end` is called before the map's reference goes; not if the value's
   * pool has ended, and the value with it. */
  bool objects;
  /* The key is dead, or the value was replaced, or the map ends. After the key's destructor. NULL: nothing to do. */
  void (*end)(void *value, void *context);
  /* For finding cycles: call `tell(object, arg)` for every object that this value holds a strong reference to. NULL:
   * none is known. */
  void (*references)(const void *value, void (*tell)(const void *object, void *arg), void *arg, void *context);
  void *context; /* for both */
} lido_ephemerons_options;

/* NULL options: the defaults. NULL: ENOMEM. */
LIDO_API lido_ephemerons *lido_ephemerons_create(const lido_ephemerons_options *options);

/* All values end; their keys live on. When it returns `end` is not called any more: it waits for other threads that are
 * in it because a key has just died. -> how many there were. NULL is ignored. Inside `end`, called for a key that died,
 * a misuse without effect; inside other callbacks of the map, not allowed. */
LIDO_API size_t lido_ephemerons_destroy(lido_ephemerons *map);

LIDO_API const char *lido_ephemerons_name(const lido_ephemerons *map);

/* From now on `value` is attached to `key`, of which the caller holds a reference; what was before ends. The map owns
 * the value; with `objects` it takes a reference of its own. 0; EINVAL (NULL, no object), ESTALE (the key is dying),
 * ELOOP (a cycle, reported), ENOMEM: then nothing is changed. */
LIDO_API int lido_ephemerons_set(lido_ephemerons *map, const void *key, void *value);

/* The value, or NULL. The caller holds a reference to the key. A hash, a walk of one chain. */
LIDO_API void *lido_ephemerons_get(lido_ephemerons *map, const void *key);

/* With `objects`: the value with one reference more, or NULL; whoever replaces it meanwhile. One that was killed is not
 * found. */
LIDO_API void *lido_ephemerons_acquire(lido_ephemerons *map, const void *key);

/* The value, no longer attached and not ended: it is the caller's, with `objects` including the map's reference. NULL:
 * there was none. */
LIDO_API void *lido_ephemerons_detach(lido_ephemerons *map, const void *key);

/* Would `value`, attached to `key` in this map, keep it alive? Follows up to 10,000 objects; what lies beyond is not
 * found. Other threads should not change attachments meanwhile. */
LIDO_API bool lido_ephemerons_find_cycle(lido_ephemerons *map, const void *key, const void *value);

/* X(name, kind, unit, text) */
#define LIDO_EPHEMERONS_STATISTICS(X)                                            \
  X(attached, gauge, values, "values attached")                                  \
  X(bytes_reserved, gauge, bytes, "memory of the map's own, used or not")        \
  X(sets, counter, calls, "values that were attached")                           \
  X(replaced, counter, values, "values that ended because another was attached") \
  X(deaths, counter, values, "values that ended with their key")                 \
  X(cycles, counter, calls, "values refused because they would have made a cycle")

#define LIDO_EPHEMERONS_STATISTIC_FIELD(name, kind, unit, text) uint64_t name;
typedef struct lido_ephemerons_stats {
  LIDO_EPHEMERONS_STATISTICS(LIDO_EPHEMERONS_STATISTIC_FIELD)
} lido_ephemerons_stats;
#undef LIDO_EPHEMERONS_STATISTIC_FIELD

LIDO_API void lido_ephemerons_stats_get(const lido_ephemerons *map, lido_ephemerons_stats *out);

/* Give free memory back. -> bytes. */
LIDO_API size_t lido_ephemerons_trim(lido_ephemerons *map);

/* NULL, or the number and text of an invariant that does not hold. No other thread may use the map. */
LIDO_API const char *lido_ephemerons_check(lido_ephemerons *map);

LIDO_END

#endif
