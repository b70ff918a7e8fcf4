/* lido/policy.h: how a manager tunes its pools and arenas: what is kept free, for how long, and who pays for giving it
 * back.
 *
 *     lido_manager_policy_set(manager, LIDO_POLICY_LOW_LATENCY);
 *
 * A policy is nothing but a set of values for the knobs of lido_pool_tune() and of a manager's tick;
 * lido_policy_settings_get() shows them. What each costs and buys is measured in docs/policies.md.
 *   LOW_LATENCY       no free gives memory back, and no alloc asks the system for some as long as what is ready
 *                     lasts: slabs are made ready ahead by ticks, pages stay.
 *   HIGH_THROUGHPUT   few and large exchanges; free memory goes back late and lazily.
 *   MEMORY_EFFICIENT  small caches; free memory goes back at once.
 *   ADAPTIVE          one of the three, by what each would have cost in the last ticks, in nanoseconds a second: of
 *                     slow paths, and of waiting for memory, which the system tells (PSI, cgroup v2). A change needs
 *                     several ticks that agree and a clear advantage.
 */
#ifndef LIDO_POLICY_H
#define LIDO_POLICY_H

#include "lido/base.h"
#include "lido/pool.h"

LIDO_BEGIN

#define LIDO_POLICIES(X)                                                             \
  X(LIDO_POLICY_NONE, none, "pools and arenas are as their own options say")         \
  X(LIDO_POLICY_LOW_LATENCY, low_latency, "no alloc or free waits for the system")   \
  X(LIDO_POLICY_HIGH_THROUGHPUT, high_throughput, "few and large exchanges")         \
  X(LIDO_POLICY_MEMORY_EFFICIENT, memory_efficient, "free memory goes back at once") \
  X(LIDO_POLICY_ADAPTIVE, adaptive, "one of the three, as the load and the system ask for")

#define LIDO_POLICY_CONSTANT(constant, name, text) constant,
typedef enum lido_policy { LIDO_POLICIES(LIDO_POLICY_CONSTANT) LIDO_POLICY_COUNT } lido_policy;
#undef LIDO_POLICY_CONSTANT

/* "low_latency"; "" for no policy at all. */
LIDO_API const char *lido_policy_name(lido_policy policy);

/* By name; LIDO_POLICY_COUNT if there is none of that name. */
LIDO_API lido_policy lido_policy_by_name(const char *name);

/* ---- What a policy sets -------------------------------------------------------------------- */

typedef struct lido_policy_settings {
  /* For every pool of the manager. Its ready_bytes are set at each tick: `ready_percent` of the slabs in use, at least
   * one slab and at most ready_most bytes, for pools that have any; a manager's retain_percent takes the place of that
   * one here. */
  lido_pool_tuning tuning;
  unsigned ready_percent;
  size_t ready_most; /* bytes a pool */
  /* So long a tick runs pending cleanups of the manager's queues, those of a worker too; UINT64_MAX: all there are. */
  uint64_t drain_ns;
  /* A tick gives back slabs that the recent use does not need: the most that was in use, which is halved in memory each
   * forget_ns. UINT64_MAX: nothing; 0: all that is free, and idle arenas of classes without live ones, and what other
   * threads' caches hold. */
  uint64_t forget_ns;
} lido_policy_settings;

/* 0; EINVAL: no policy, NONE, or ADAPTIVE, which has none of its own. */
LIDO_API int lido_policy_settings_get(lido_policy policy, lido_policy_settings *out);

/* ---- How the system's memory is ------------------------------------------------------------- */

typedef struct lido_pressure {
  double stalled;          /* share of the last ten seconds in which some thread waited for memory: 0 to 1 */
  uint64_t bytes;          /* that the cgroup, or else the machine, has in use */
  uint64_t bytes_most;     /* that it may have; 0: no limit is known */
  bool stalled_is_unknown; /* the system does not tell it, only bytes: `stalled` is 0 */
} lido_pressure;

/* From the process's cgroup v2 (memory.pressure, memory.current, memory.high, memory.max), or else
 * /proc/pressure/memory and /proc/meminfo. 0; ENOTSUP: the system tells nothing of it. Opens files; some 50
 * microseconds. */
LIDO_API int lido_pressure_read(lido_pressure *out);

/* ---- What ADAPTIVE decides by --------------------------------------------------------------- */

enum { LIDO_POLICY_CHOICES = 3 };

/* What a policy would have cost since the tick before: all of it in nanoseconds a second, of which the least is
 * best. */
#define LIDO_POLICY_COSTS(X)                                                                \
  X(slow, "slow paths of alloc and free")                                                   \
  X(growth, "slabs that allocs had to wait for")                                            \
  X(stall, "threads that waited for memory which this policy keeps: the system's pressure") \
  X(idle, "free memory that this policy keeps, at a price of 10 microseconds a second for each MiB")

#define LIDO_POLICY_COST_FIELD(name, text) double name##_ns;
typedef struct lido_policy_score {
  lido_policy policy;
  LIDO_POLICY_COSTS(LIDO_POLICY_COST_FIELD)
  double total_ns;
  unsigned agreeing_ticks; /* for how many ticks in a row it has been clearly better than the one that is chosen */
} lido_policy_score;
#undef LIDO_POLICY_COST_FIELD

LIDO_END

#endif
