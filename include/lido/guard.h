/* lido/guard.h: reading objects by their handles without touching their counts.
 *
 *     lido_guard_enter();
 *     struct route *route = lido_weak_get(weak);      // NULL, or good until leave
 *     if (route != NULL) port = route->port;
 *     lido_guard_leave();
 *
 * For objects of pools made with LIDO_POOL_GUARDED, which are read far more often than they die. When such an object
 * dies, its handles fail at once, but everything else - destructor, cleanups, the memory - waits until every thread
 * that was inside a guard then has left it. So inside a guard what get returned stays whole; the reader writes nothing
 * that other threads read, and readers don't slow each other down.
 *
 * The price: a death costs a lock and, once for some dozens, a system call that interrupts the other processors; deaths
 * are finished later, on the thread of a later death, of a leave, or of collect; and a reader who stays inside holds up
 * all of them, in all guarded pools. lido_guard_stats_get shows the oldest.
 *
 * Threads: any; the guard is the calling thread's. Guards nest. A thread that exits inside a guard leaves it, unless
 * there was no memory for its record. No lock is taken but by a thread's first enter, and by a leave when dozens of
 * deaths wait, or one for it. After a fork the child has the calling thread's guard. Not in signal handlers.
 * Method: epoch-based reclamation (Fraser, "Practical lock freedom", 2004) with an asymmetric barrier (Linux,
 * membarrier), as in liburcu's memb flavour.
 */
#ifndef LIDO_GUARD_H
#define LIDO_GUARD_H

#include "lido/base.h"

LIDO_BEGIN

/* Never fail. Some nanoseconds. leave without enter is misuse. */
LIDO_FAST void lido_guard_enter(void);
LIDO_FAST void lido_guard_leave(void);

/* Finish the deaths that nobody's guard holds up any more. Does not wait. -> how many. */
LIDO_API size_t lido_guard_collect(void);

/* Wait until all deaths that have been deferred by now are finished, and those that other threads are finishing. 0, or
 * EDEADLK: this thread is inside a guard, a destructor or a cleanup. */
LIDO_API int lido_guard_synchronize(void);

/* X(name, kind, unit, text), of the whole process. */
#define LIDO_GUARD_STATISTICS(X)                                                                              \
  X(readers, gauge, threads, "threads inside a guard")                                                        \
  X(deferred, gauge, objects, "dead objects that wait for readers")                                           \
  X(finished, counter, objects, "deaths that were deferred and are finished")                                 \
  X(held_up, counter, calls, "attempts to finish some that met a reader who was still inside")                \
  X(oldest_ns, gauge, nanoseconds, "since when the oldest reader is known to hold up deaths; 0: nobody does") \
  X(oldest_thread, gauge, thread, "the system's number of that thread; 0: nobody")

#define LIDO_GUARD_STATISTIC_FIELD(name, kind, unit, text) uint64_t name;
typedef struct lido_guard_stats {
  LIDO_GUARD_STATISTICS(LIDO_GUARD_STATISTIC_FIELD)
} lido_guard_stats;
#undef LIDO_GUARD_STATISTIC_FIELD

LIDO_API void lido_guard_stats_get(lido_guard_stats *out);

LIDO_END

#include "lido/inline/guard_inline.h"

#endif
