/* policy_adaptive.c: what ADAPTIVE decides by.
 *
 * Idea: for each of the three policies the cost is estimated that it would have had since the tick before, in one unit,
 * nanoseconds a second: so what is added and compared is of one kind, and printed it can be understood.
 *     slow     misses a second, times what one costs, times how many of them the policy has (by the size of its
 *              magazines)
 *     growth   slabs made a second, times what one costs the alloc that waits for it, times how many the policy lets
 *              wait: with slabs made ready ahead none, with memory that goes back at once all of them and more
 *     stall    the share of time in which threads of the cgroup (or the machine) wait for memory is nanoseconds a
 *              second already; it counts by how much of the free memory the policy keeps. A fill above
 *              FILL_BEGINS counts as a stall that is still to come.
 *     idle     free memory that the policy keeps, at a price of IDLE_NS for each MiB: giving it back and having it
 *              again costs some ten times that, so it is worth giving back what is not used for some ten seconds
 * Hysteresis: another policy is chosen when it was better by a quarter, and by CLEAR_NS at least, in AGREEING_TICKS
 * ticks in a row, and DWELL_NS have passed since the last change. Ticks in which no time has passed do not count.
 * The factors are those of docs/policies.md, where each policy's misses and slabs are measured.
 */
#include "lib/control/policy_core.h"

static const double MISS_NS = 100;
static const double GROWTH_NS = 20000;
static const double IDLE_NS = 10000;
static const double MEBIBYTE = 1 << 20;
static const double SECOND_NS = 1e9;
static const double FILL_BEGINS = 0.85; /* of the memory that there may be */
static const double FILL_STALL = 0.05;  /* share of time that a full machine counts as, at least */
static const double CLEAR_NS = 100000;
static const double CLEAR_SHARE = 0.75;
enum { AGREEING_TICKS = 3 };
static const uint64_t DWELL_NS = UINT64_C(10000000000);

typedef struct factors {
  lido_policy policy;
  double misses;
  double growth;
  double kept;
} factors;

static const factors choices[LIDO_POLICY_CHOICES] = {
    {LIDO_POLICY_LOW_LATENCY, 1.0, 0.05, 1.0},
    {LIDO_POLICY_HIGH_THROUGHPUT, 0.5, 1.0, 0.5},
    {LIDO_POLICY_MEMORY_EFFICIENT, 4.0, 4.0, 0.05},
};

/* ---- Costs ---- */

static double stall_of(const lido_pressure *pressure) {
  double stalled = pressure->stalled;
  if (pressure->bytes_most == 0) return stalled;
  double fill = (double)pressure->bytes / (double)pressure->bytes_most;
  double coming = fill > FILL_BEGINS ? FILL_STALL * (fill - FILL_BEGINS) / (1 - FILL_BEGINS) : 0;
  return stalled > coming ? stalled : coming;
}

static void score(lido_policy_score *out, const factors *f, const lido_load *load, const lido_pressure *pressure) {
  out->policy = f->policy;
  out->slow_ns = load->misses * MISS_NS * f->misses;
  out->growth_ns = load->slabs * GROWTH_NS * f->growth;
  out->stall_ns = stall_of(pressure) * SECOND_NS * f->kept;
  out->idle_ns = load->free_bytes / MEBIBYTE * IDLE_NS * f->kept;
  out->total_ns = out->slow_ns + out->growth_ns + out->stall_ns + out->idle_ns;
}

/* ---- The decision ---- */

static const lido_policy_score *find(const lido_adaptive *adaptive, lido_policy policy) {
  for (unsigned i = 0; i < LIDO_POLICY_CHOICES; i++) {
    if (adaptive->scores[i].policy == policy) return &adaptive->scores[i];
  }
  return NULL;
}

static bool is_clearly_better(const lido_policy_score *other, const lido_policy_score *chosen) {
  return other->total_ns < CLEAR_SHARE * chosen->total_ns && other->total_ns + CLEAR_NS <= chosen->total_ns;
}

static void count_agreement(lido_adaptive *adaptive, const lido_policy_score *chosen) {
  for (unsigned i = 0; i < LIDO_POLICY_CHOICES; i++) {
    lido_policy_score *other = &adaptive->scores[i];
    other->agreeing_ticks = is_clearly_better(other, chosen) ? other->agreeing_ticks + 1 : 0;
  }
}

static lido_policy best_agreed(const lido_adaptive *adaptive, lido_policy chosen) {
  const lido_policy_score *best = NULL;
  for (unsigned i = 0; i < LIDO_POLICY_CHOICES; i++) {
    const lido_policy_score *other = &adaptive->scores[i];
    if (other->agreeing_ticks < AGREEING_TICKS) continue;
    if (best == NULL || other->total_ns < best->total_ns) best = other;
  }
  return best != NULL ? best->policy : chosen;
}

lido_policy lido_adaptive_begin(lido_adaptive *adaptive, uint64_t now_ns) {
  *adaptive = (lido_adaptive){.changed_ns = now_ns, .stepped_ns = now_ns};
  return LIDO_POLICY_HIGH_THROUGHPUT;
}

lido_policy lido_adaptive_step(lido_adaptive *adaptive, lido_policy chosen, const lido_load *load,
                               const lido_pressure *pressure, uint64_t now_ns) {
  for (unsigned i = 0; i < LIDO_POLICY_CHOICES; i++) score(&adaptive->scores[i], &choices[i], load, pressure);
  adaptive->pressure = *pressure;
  adaptive->stepped_ns = now_ns;
  count_agreement(adaptive, find(adaptive, chosen));
  lido_policy best = best_agreed(adaptive, chosen);
  if (best == chosen || now_ns - adaptive->changed_ns < DWELL_NS) return chosen;
  adaptive->changed_ns = now_ns;
  for (unsigned i = 0; i < LIDO_POLICY_CHOICES; i++) adaptive->scores[i].agreeing_ticks = 0;
  return best;
}
