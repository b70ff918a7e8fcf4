/* policy_core.h: how a manager follows its policy.
 *
 * Idea: a policy is a row of a table, applied to pools when they come and when the policy changes; and at each tick it
 * says how much is made ready, drained, trimmed. ADAPTIVE chooses one of the rows by what each would cost
 * (policy_adaptive.c).
 * Invariants
 *   Y1  `chosen` is the policy itself, or with ADAPTIVE one of the three.
 *   Y2  every pool is tuned as `chosen` says, but for ready_bytes, which ticks set, and for what the program has tuned
 *       since: pools come and are tuned, and `chosen` is changed, under the manager's lock. Pools that come while it is
 *       NONE are as their own options say (or have the manager's retain_percent).
 * lido_manager_check() sees Y1; of Y2 nothing can be told from outside, since the program may tune any pool.
 * Threads: any; the choice is made under the manager's lock, and told without.
 */
#ifndef LIDO_LIB_CONTROL_POLICY_CORE_H
#define LIDO_LIB_CONTROL_POLICY_CORE_H

#include "lido/manager.h"
#include "lido/policy.h"

/* What happened since the tick before. */
typedef struct lido_load {
  double misses;     /* a second: allocs and frees that no thread's cache served */
  double slabs;      /* a second: made */
  double free_bytes; /* now, in pools and idle arenas */
} lido_load;

typedef struct lido_adaptive {
  uint64_t changed_ns; /* when the choice was made */
  uint64_t stepped_ns; /* of the last step */
  lido_policy_score scores[LIDO_POLICY_CHOICES];
  lido_pressure pressure;
} lido_adaptive;

/* What is chosen at first. */
lido_policy lido_adaptive_begin(lido_adaptive *adaptive, uint64_t now_ns);

/* -> what is chosen now. pre: now_ns is beyond stepped_ns. */
lido_policy lido_adaptive_step(lido_adaptive *adaptive, lido_policy chosen, const lido_load *load,
                               const lido_pressure *pressure, uint64_t now_ns);

/* The options' policy becomes the manager's. */
void lido_policy_begin(lido_manager *manager);

/* Tune a pool that just comes, by the manager's policy. Called with the manager's lock held. */
void lido_policy_apply_locked(lido_manager *manager, lido_pool *pool);

/* As the table has them, and the manager's options. */
lido_policy_settings lido_policy_settings_for(const lido_manager *manager, lido_policy chosen);

/* Choose, if the policy is ADAPTIVE, and tell of it. */
void lido_policy_decide(lido_manager *manager);

/* NULL, or Y1. */
const char *lido_policy_check(lido_manager *manager);

/* What a tick does for the policy. (policy_tick.c) */
void lido_policy_tick(lido_manager *manager);

#endif
