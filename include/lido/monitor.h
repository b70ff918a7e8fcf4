/* lido/monitor.h: a manager's last samples, what changed between them, and a thread that takes them.
 *
 *     lido_monitor_start(manager, 1000000000);      // a tick each second, on a thread of Lido's
 *     ...
 *     lido_sample samples[2];
 *     size_t count = lido_samples_get(manager, samples, 2);
 *     if (count == 2) rate = lido_sample_rate(&samples[1], &samples[0], LIDO_SAMPLE_allocs);
 *     lido_monitor_stop(manager);
 *
 * Each lido_manager_tick() takes a sample. The last ones (1,000, or as many as the manager's options say) lie in a ring
 * that was allocated with the manager: sizeof(lido_sample) for each of them, behind which there is memory once it was
 * used. The program calls the tick from its own loop, or starts the thread, or does neither: then there are none, and
 * nothing is paid for but the address space.
 *
 * Threads: any. Of two ticks at once one reads all its numbers before the other, so that counters rise from sample to
 * sample.
 */
#ifndef LIDO_MONITOR_H
#define LIDO_MONITOR_H

#include "lido/manager.h"
#include "lido/snapshot.h"

LIDO_BEGIN

/* X(name, kind, unit, text) for what a sample has beside the manager's statistics. */
#define LIDO_SAMPLE_STATISTICS(X)                                                           \
  LIDO_MANAGER_STATISTICS(X)                                                                \
  X(budget_used, gauge, bytes, "charged to the manager's budget")                           \
  X(budget_refusals, counter, calls, "requests that the hard limit refused")                \
  X(resident_bytes, gauge, bytes, "of the process, as the system says; 0: nobody asked it") \
  X(pressure_stalled_ppm, gauge, ppm,                                                       \
    "millionths of the time in which some thread waited for memory, as ADAPTIVE saw it last; 0: nobody asks or knows")

/* The number of a field: LIDO_SAMPLE_bytes_live, ... */
#define LIDO_SAMPLE_CONSTANT(name, kind, unit, text) LIDO_SAMPLE_##name,
typedef enum lido_sample_field { LIDO_SAMPLE_STATISTICS(LIDO_SAMPLE_CONSTANT) LIDO_SAMPLE_FIELDS } lido_sample_field;
#undef LIDO_SAMPLE_CONSTANT

typedef struct lido_sample {
  uint64_t number;  /* of the tick; the first is 1 */
  uint64_t now_ns;  /* the manager's clock; if that goes back, it is taken to stand still */
  uint64_t wall_ns; /* since 1970 */
  uint64_t values[LIDO_SAMPLE_FIELDS];
} lido_sample;

/* Up to `count` samples, the newest first. -> how many. */
LIDO_API size_t lido_samples_get(lido_manager *manager, lido_sample *out, size_t count);

/* How much a field has grown a second, by the time that has passed between the two; negative when it fell. 0 if no time
 * has passed. */
LIDO_API double lido_sample_rate(const lido_sample *older, const lido_sample *newer, lido_sample_field field);

/* "bytes_live"; and the other way round, LIDO_SAMPLE_FIELDS if there is none of that name. */
LIDO_API const char *lido_sample_field_name(lido_sample_field field);
LIDO_API lido_sample_field lido_sample_field_by_name(const char *name);
LIDO_API bool lido_sample_field_is_counter(lido_sample_field field);

/* A thread of Lido's calls lido_manager_tick(), at once and then each interval_ns (1 ms at least, else EINVAL) of the
 * system's clock. If a tick takes longer, those that were due meanwhile are skipped. While there is the thread, all
 * ticks ask the system for resident_bytes, for which they open a file; without it they do so with
 * LIDO_MANAGER_RESIDENT_BYTES. What a tick calls (lido/alert.h, on_pressure, cleanups) runs on the thread then. 0,
 * EALREADY (there is one, or one that is just stopped), ENOMEM, EAGAIN. */
LIDO_API int lido_monitor_start(lido_manager *manager, uint64_t interval_ns);

/* Stops it, and waits for the tick it is in. 0; ESRCH: there is none, or another thread has stopped it, whose wait this
 * one shared; EDEADLK: called by that thread, in a callback. Blocks: not with a lock held that on_change, or another
 * function that a tick calls, takes. The end of a manager stops it, too; the child of a fork has none, and may start
 * its own. */
LIDO_API int lido_monitor_stop(lido_manager *manager);

LIDO_END

#endif
