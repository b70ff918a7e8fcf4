/* lido/inline/guard_inline.h: the bodies of enter and leave. Private. The reasoning is in lib/refs/grace_period.h. */
#ifndef LIDO_INLINE_GUARD_INLINE_H
#define LIDO_INLINE_GUARD_INLINE_H

#include "lido/guard.h"
#include "lido/inline/atomic_inline.h"

LIDO_BEGIN

/* One thread's, on a line of its own: others only look at `epoch`. */
typedef struct lido_guard_record {
  uint64_t epoch;  /* when the thread entered; 0: it is outside */
  uint32_t depth;  /* of nested guards */
  uint32_t number; /* that no other living thread has; 0: there were none left */
  bool is_asked;   /* deaths wait for this thread, so it shall look when it leaves */
} lido_guard_record;

typedef struct lido_guard_state {
  uint64_t epoch;    /* from 1 on */
  uint64_t deferred; /* deaths that wait */
  uint64_t worth;    /* how many are worth a look at the readers */
  bool fences;       /* readers must order for themselves: the system can't do it for them */
} lido_guard_state;

enum { LIDO_GUARD_BATCH = 64 }; /* deaths worth a look at the readers */

extern LIDO_API lido_guard_state lido_guards;
extern LIDO_API __thread lido_guard_record *lido_this_guard __attribute__((tls_model("initial-exec")));

LIDO_API LIDO_SLOW void lido_guard_enter_first(void);
LIDO_API LIDO_SLOW void lido_guard_leave_odd(void);
LIDO_API LIDO_SLOW void lido_guard_leave_full(void);

LIDO_FAST void lido_guard_enter(void) {
  lido_guard_record *record = lido_this_guard;
  if (LIDO_UNLIKELY(record == NULL)) {
    lido_guard_enter_first();
    return;
  }
  if (record->depth++ != 0) return;
  /* RELAXED guard.enter: what follows stays behind this by the barrier of whoever looks (G2), or by a fence. */
  lido_store_relaxed(&record->epoch, lido_load_relaxed(&lido_guards.epoch));
  if (LIDO_UNLIKELY(lido_load_relaxed(&lido_guards.fences)))
    lido_fence_full(); /* RELAXED: set before the first guard */
  lido_compiler_barrier();
}

LIDO_FAST void lido_guard_leave(void) {
  lido_guard_record *record = lido_this_guard;
  if (LIDO_UNLIKELY(record == NULL) || LIDO_UNLIKELY(record->depth == 0)) {
    lido_guard_leave_odd();
    return;
  }
  if (--record->depth != 0) return;
  /* RELEASE guard.left: who sees this thread outside finds its reading done. */
  lido_store_release(&record->epoch, 0);
  /* RELAXED: a hint. */
  if (LIDO_UNLIKELY(lido_load_relaxed(&record->is_asked)) ||
      LIDO_UNLIKELY(lido_load_relaxed(&lido_guards.deferred) >= lido_load_relaxed(&lido_guards.worth))) {
    lido_guard_leave_full();
  }
}

LIDO_END

#endif
