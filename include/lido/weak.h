/* lido/weak.h: strong counts and weak handles, for objects of pools made with LIDO_POOL_HANDLES.
 *
 *     lido_pool *pool = lido_pool_create(&(lido_pool_options){ .object_size = sizeof(struct conn),
 *                                                              .flags = LIDO_POOL_HANDLES });
 *     struct conn *conn = lido_pool_alloc(pool);         // one strong reference, the caller's
 *     lido_weak weak = lido_weak_make(conn);             // a value: copy it, store it, send it
 *
 *     struct conn *held = lido_weak_acquire(weak);       // one reference more, or NULL: it is dead
 *     if (held != NULL) lido_release(held);
 *
 *     lido_release(conn);                                // the last one: the object dies now
 *     lido_weak_acquire(weak);                           // NULL, for ever
 *
 * A handle is 64 bits: a slot and a generation. Each object has a slot for as long as its memory is a pool's, and the
 * slot holds one word with generation, state and strong count. The generation goes up when an object dies that had a
 * handle; a slot that has used up its generations is never used again. So equal bits mean the same object, also after
 * its death, and no handle comes back to life. Slots are never unmapped: any value at all may be asked about, at any
 * time.
 *
 * An object is always in one of these states: in one owner's hands, with no count kept (what alloc returns; as cheap as
 * in a pool without handles); counted; counted and published, so that handles lead to it; killed: handles no longer do,
 * but references are still held; dying; dead.
 *
 * Threads: any function from any thread. Who calls with an object must hold a reference to it; who calls with a handle
 * needs nothing. What was written to the object before its handle was made or published is seen by who acquires it;
 * what was written before a release is seen by the destructor, the cleanups, and the next user of the memory.
 * Memory: a slot is 16 bytes; the addresses for all that there may be are reserved at once, of which a process with a
 * limit of addresses (ulimit -v) spends a sixteenth, and has fewer slots: for each GiB of the limit 2 million, at least
 * 65536.
 * Errors: pointers are NULL, handles {0}. Misuse (an address that is no live object, a release too many, a new
 * reference to an object that is dying) goes to the handler of lido/misuse.h. errno is not changed but where a function
 * says so.
 * Signals: only get and state_get may be used in handlers. Fork: the child has all objects with their counts.
 * Method: generation-checked slots as in slot maps; "increment unless zero" on a word that also holds the
 * generation, so that identity and count are one compare; freed memory that stays of its type (Linux,
 * SLAB_TYPESAFE_BY_RCU).
 */
#ifndef LIDO_WEAK_H
#define LIDO_WEAK_H

#include "lido/base.h"

LIDO_BEGIN

/* A value; {0} is null. Compare with ==  on the bits, hash the bits; valid within this process. */
typedef struct lido_weak {
  uint64_t bits;
} lido_weak;

typedef enum lido_weak_state {
  LIDO_WEAK_NULL,         /* {0} */
  LIDO_WEAK_LIVE,         /* acquire would have succeeded */
  LIDO_WEAK_KILLED,       /* killed, and still referenced by somebody */
  LIDO_WEAK_STALE,        /* dead, or dying */
  LIDO_WEAK_NEVER_ISSUED, /* no object was ever given this handle: forged, or damaged */
  LIDO_WEAK_UNPUBLISHED,  /* reserved, and not yet published */
} lido_weak_state;

/* ---- Handles ------------------------------------------------------------------------------- */

/* The object's handle; all calls give the same one. NULL gives {0}. From now on the handle leads to the object, as if
 * it had been published. {0} after a misuse. O(1): a look-up by address, and the first time for an object a few
 * stores. */
LIDO_API lido_weak lido_weak_make(const void *object);

/* Birth in two steps: the handle that the object will have, before anyone can follow it; then, when the object is
 * complete, publish. Until then acquire gives NULL and the state is LIDO_WEAK_UNPUBLISHED. A published object stays
 * so. */
LIDO_API lido_weak lido_weak_reserve(const void *object);
LIDO_API void lido_weak_publish(const void *object);

/* The object, or NULL if it is dead, dying, killed or unpublished. Takes no reference: the answer is good only as long
 * as the caller knows the object to be alive by other means, or is inside a guard (lido/guard.h). Any value. Wait-free;
 * two loads. */
LIDO_FAST void *lido_weak_get(lido_weak weak);

/* The same with one strong reference more, which the caller releases. Any value. Lock-free; a load and a
 * compare-and-swap. */
LIDO_FAST void *lido_weak_acquire(lido_weak weak);

/* Release what lido_weak_acquire(weak) gave. The same as lido_release of the object, but cheaper, and a release too
 * many is found even when the memory has another object by now. Any value; {0} is ignored. */
LIDO_FAST void lido_weak_release(lido_weak weak);

/* Any value. Right at some moment of the call; LIVE may be over when it returns, STALE and KILLED stay what they are
 * (but KILLED becomes STALE). */
LIDO_API lido_weak_state lido_weak_state_get(lido_weak weak);

/* Dead to new acquires now; the memory stays for those who hold references, and cleanups run when the last one goes. ->
 * true in exactly one call for an object; false: it was not LIVE. Takes and drops no reference. */
LIDO_API bool lido_weak_kill(lido_weak weak);

LIDO_FAST bool lido_weak_equal(lido_weak a, lido_weak b) { return a.bits == b.bits; }

/* ---- Strong references --------------------------------------------------------------------- */

/* One reference more, or `count` more; the caller must hold one. -> object. NULL gives NULL. NULL after a misuse. A
 * count that comes near its limit (2^26) is reported once, and from then on that object is never freed rather than
 * freed too early. Wait-free; more than 2^24 at once: lock-free. */
LIDO_API void *lido_retain(void *object);
LIDO_API void *lido_retain_n(void *object, size_t count);

/* One reference less, or `count` less; with the last one the object dies, in this call or, inside a destructor or
 * cleanup, when that has returned. More than there are: a misuse, and all of them stay. NULL is ignored. Wait-free but
 * for the death; more than 2^24 at once: lock-free. lido_pool_free() on such a pool is the same. */
LIDO_FAST void lido_release(void *object);
LIDO_API void lido_release_n(void *object, size_t count);

/* How many references there are; 1 for an object that was never retained. Only for tests and statistics: it may have
 * changed when it is returned. 0 after a misuse. No pool is asked, so a dead object is taken for one that was never
 * retained: 1. */
LIDO_API size_t lido_reference_count(const void *object);

/* ---- Handles in other types ---------------------------------------------------------------- */

/* For epoll's data, a wire, a hash table: all 64 bits. Whatever comes back may be asked about. */
LIDO_FAST uint64_t lido_weak_to_u64(lido_weak weak) { return weak.bits; }
LIDO_FAST lido_weak lido_weak_from_u64(uint64_t bits) {
  lido_weak weak = {bits};
  return weak;
}

/* For languages whose numbers are doubles: an integer below 2^53, exactly representable. Objects of pools made with
 * LIDO_POOL_HANDLES_53 always have one; others may not: then the result is 0, errno EOVERFLOW. What is no such integer
 * comes back as {0}. */
LIDO_API double lido_weak_to_double(lido_weak weak);
LIDO_API lido_weak lido_weak_from_double(double number);

/* ---- Typed twins --------------------------------------------------------------------------- */

/* LIDO_WEAK_DEFINE(conn, struct conn) makes the type conn_weak and, on it,
 *     conn_weak conn_weak_make(const struct conn *);  struct conn *conn_weak_get(conn_weak);
 *     conn_weak_acquire, conn_weak_release, conn_weak_state_get, conn_weak_kill, conn_weak_equal;
 *     struct conn *conn_retain(struct conn *);  void conn_release(struct conn *);
 *     lido_weak conn_weak_untyped(conn_weak);  conn_weak conn_weak_typed(lido_weak): the caller vouches for the type.
 * No semicolon follows. */
#define LIDO_WEAK_DEFINE(prefix, type) LIDO_WEAK_DEFINE_BODY(prefix, type)

/* ---- Statistics ---------------------------------------------------------------------------- */

/* X(name, kind, unit, text), of the whole process. Of acquires those that gave NULL are counted, by why, also those of
 * lido/cache.h and others that use handles; gets, and acquires that succeed, are not, for that would cost them
 * something. */
#define LIDO_WEAK_STATISTICS(X)                                                                \
  X(slots, gauge, slots, "slots ever made; each 16 bytes, never given back")                   \
  X(slots_in_use, gauge, slots, "slots of objects in pools, live or free")                     \
  X(slots_retired, counter, slots, "slots whose generations are used up")                      \
  X(saturated, counter, objects, "objects that are never freed, for their count ran full")     \
  X(cleanups, gauge, cleanups, "cleanups registered, and neither run nor stopped")             \
  X(cleanups_queued, counter, cleanups, "cleanups put on a queue")                             \
  X(cleanups_stopped, counter, cleanups, "cleanups stopped")                                   \
  X(cleanups_registered, counter, cleanups, "cleanups ever registered")                        \
  X(cleanups_run, counter, cleanups, "cleanups that were called")                              \
  X(failed_null, counter, calls, "acquires of {0}")                                            \
  X(failed_never_issued, counter, calls, "acquires by a handle that no object was ever given") \
  X(failed_unpublished, counter, calls, "acquires of what was not yet published")              \
  X(failed_killed, counter, calls, "acquires of what was killed, and still referenced")        \
  X(failed_stale, counter, calls, "acquires of what was dead or dying")

#define LIDO_WEAK_STATISTIC_FIELD(name, kind, unit, text) uint64_t name;
typedef struct lido_weak_stats {
  LIDO_WEAK_STATISTICS(LIDO_WEAK_STATISTIC_FIELD)
} lido_weak_stats;
#undef LIDO_WEAK_STATISTIC_FIELD

LIDO_API void lido_weak_stats_get(lido_weak_stats *out);

/* NULL, or the number and text of an invariant of lib/refs that does not hold. No other thread may use handles
 * meanwhile. */
LIDO_API const char *lido_weak_check(void);

LIDO_END

#include "lido/inline/weak_inline.h"

#endif
