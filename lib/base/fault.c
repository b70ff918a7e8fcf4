/* fault.c: see fault.h. */
#include "lib/base/fault.h"

#ifdef LIDO_FAULT_INJECTION

#include "lib/base/atomic.h"

static uint64_t requests_left; /* until the one that fails; 0 = not armed */
static bool failing_for_ever;
static uint64_t failures;
static int64_t bytes_held;

/* RELAXED throughout: the counters stand alone, and a test arms them before it starts what it tests. */

void lido_fault_arm(uint64_t nth, bool for_ever) {
  lido_store_relaxed(&failures, 0);
  lido_store_relaxed(&failing_for_ever, for_ever);
  lido_store_relaxed(&requests_left, nth);
}

uint64_t lido_fault_disarm(void) {
  lido_store_relaxed(&requests_left, 0); /* RELAXED: see above */
  return lido_load_relaxed(&failures);
}

int64_t lido_fault_bytes(void) { return lido_load_relaxed(&bytes_held); /* RELAXED: see above */ }

bool lido_fault_here(void) {
  /* RELAXED: see above */
  if (lido_load_relaxed(&requests_left) == 0) return false;
  uint64_t before = lido_sub_relaxed(&requests_left, 1);
  if (before != 1) return false;
  lido_add_relaxed(&failures, 1);
  if (lido_load_relaxed(&failing_for_ever)) lido_store_relaxed(&requests_left, 1);
  return true;
}

void lido_fault_account(int64_t bytes) { lido_add_relaxed(&bytes_held, bytes); /* RELAXED: see above */ }

#else
typedef int lido_fault_injection_is_off; /* a translation unit may not be empty */
#endif
