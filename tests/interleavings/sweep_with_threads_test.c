/* sweep_with_threads_test.c: the child of a fork starts threads before its first slow path, so that the sweep
 * meets them. No object ends in two places, and none is lost.
 *
 * Models pools/core_slabs.c: lido_core_sweep, sweep_slab_locked; pools/pool_core.h:
 * lido_core_sweep_if_needed; pools/alloc_slow.c: lido_core_reach; and lido_thread_cache_close of
 * pools/thread_cache.c: after the fork the caches are empty and closed, so that the first alloc or free of
 * each thread comes by the sweep.
 *
 * Object 0 was lost by a thread that is gone. Object 1 is live, and one of the child's threads frees it;
 * another allocs what it can get. Object 2 is in a slab.
 */
#include "tests/interleavings/interleaving_explorer.h"

enum { LOST, LIVE, IN_SLAB, OBJECTS };
enum { FREES, ALLOCS, ALLOCS_TOO, THREADS };
enum { STATE_LIVE = 1, STATE_FREE = 2 };

enum {
  CACHES_OPEN = 1, /* a free does not come by the sweep */
  FLAG_FIRST = 2,  /* needs_sweep is cleared when the sweep begins */
  UNLOCKED = 4,    /* the sweep takes no lock: two may sweep at once */
};

enum {
  AT_LOOK,
  AT_LOCK,
  AT_LOOK_AGAIN,
  AT_SWEEP,
  AT_UNLOCK = AT_SWEEP + 2 * OBJECTS,
  AT_WORK,
  AT_WORK_2,
  AT_WORK_3,
  AT_OVER
};

typedef struct machine {
  uint8_t variant;
  uint8_t needs_sweep;
  uint8_t lock;
  uint8_t slab; /* bits */
  uint8_t states[OBJECTS];
  uint8_t at[THREADS];
  uint8_t seen[THREADS];    /* by a sweep: the object is nobody's */
  uint8_t in_hand[THREADS]; /* bits: taken from the slab, or freed into the cache */
  bool twice;
} machine;

static void put(machine *m, uint8_t object) {
  m->twice |= (m->slab >> object & 1) != 0;
  m->slab |= (uint8_t)(1 << object);
}

/* Two steps for each object: a look at state and bit, and then what follows. */
static void sweep(machine *m, size_t t) {
  uint8_t number = (uint8_t)(m->at[t] - AT_SWEEP);
  uint8_t object = number / 2;
  if (number % 2 == 0) {
    m->seen[t] = m->states[object] != STATE_LIVE && (m->slab >> object & 1) == 0;
  } else if (m->seen[t]) {
    put(m, object);
    m->seen[t] = 0;
  }
}

static void free_live(machine *m, size_t t) {
  if (m->at[t] == AT_WORK) m->states[LIVE] = STATE_FREE; /* from here on it is in the thread's cache */
  if (m->at[t] == AT_WORK) m->in_hand[t] |= 1 << LIVE;
}

static void alloc_any(machine *m, size_t t) {
  if (m->at[t] == AT_WORK) { /* under the slabs' lock */
    for (uint8_t object = 0; object < OBJECTS && m->in_hand[t] == 0; object++) {
      if (m->slab >> object & 1) m->in_hand[t] = (uint8_t)(1 << object);
    }
    m->slab &= (uint8_t)~m->in_hand[t];
  } else if (m->at[t] == AT_WORK_2 && m->in_hand[t] != 0) { /* hand_out; until here its state is free */
    for (uint8_t object = 0; object < OBJECTS; object++) {
      if (m->in_hand[t] >> object & 1) m->states[object] = STATE_LIVE;
    }
  }
}

static explorer_step sweep_or_pass(machine *m, size_t t) {
  bool locks = (m->variant & UNLOCKED) == 0;
  switch (m->at[t]) {
    case AT_LOOK:
      m->at[t] = m->needs_sweep ? AT_LOCK : AT_WORK;
      return EXPLORER_STEPPED;
    case AT_LOCK:
      if (locks && m->lock) return EXPLORER_BLOCKED;
      m->lock = locks;
      break;
    case AT_LOOK_AGAIN:
      if (!m->needs_sweep) {
        m->at[t] = AT_UNLOCK;
        return EXPLORER_STEPPED;
      }
      if (m->variant & FLAG_FIRST) m->needs_sweep = 0;
      break;
    case AT_UNLOCK:
      m->needs_sweep = 0;
      if (locks) m->lock = 0;
      break;
    default:
      sweep(m, t);
      break;
  }
  m->at[t]++;
  return EXPLORER_STEPPED;
}

static explorer_step step(void *state, size_t t, unsigned choice) {
  machine *m = state;
  (void)choice;
  if (m->at[t] == AT_OVER) return EXPLORER_IDLE;
  if (m->at[t] < AT_WORK) return sweep_or_pass(m, t);
  if (t == FREES) {
    free_live(m, t);
  } else {
    alloc_any(m, t);
  }
  m->at[t]++;
  return EXPLORER_STEPPED;
}

static void start(void *state, int variant) {
  machine *m = state;
  m->variant = (uint8_t)variant;
  m->needs_sweep = 1;
  m->states[LOST] = STATE_FREE;
  m->states[LIVE] = STATE_LIVE;
  m->states[IN_SLAB] = STATE_FREE;
  m->slab = 1 << IN_SLAB;
  if (m->variant & CACHES_OPEN) m->at[FREES] = AT_WORK;
}

static const char *check(const void *state) {
  const machine *m = state;
  if (m->twice) return "an object is put twice";
  for (uint8_t object = 0; object < OBJECTS; object++) {
    unsigned places = (m->slab >> object & 1) != 0;
    for (size_t t = 0; t < THREADS; t++) places += (m->in_hand[t] >> object & 1) != 0;
    if (places > 1) return "an object is in two places";
  }
  return NULL;
}

static const char *check_end(const void *state) {
  const machine *m = state;
  uint8_t all = m->slab;
  for (size_t t = 0; t < THREADS; t++) all |= m->in_hand[t];
  return all != (1 << OBJECTS) - 1 ? "an object is lost" : NULL;
}

static const explorer_protocol sweep_with_threads = {
    .name = "a sweep among threads",
    .state_bytes = sizeof(machine),
    .threads = THREADS,
    .choices = 1,
    .start = start,
    .step = step,
    .check = check,
    .check_end = check_end,
};

TEST(sweep_with_threads, meets_nothing_in_flight) { CHECK_PROTOCOL_HOLDS(&sweep_with_threads, 0); }

TEST(sweep_with_threads, control_with_frees_that_do_not_come_by) {
  CHECK_PROTOCOL_BREAKS(&sweep_with_threads, CACHES_OPEN, "an object is in two places");
}

TEST(sweep_with_threads, control_with_the_flag_cleared_first) {
  CHECK_PROTOCOL_BREAKS(&sweep_with_threads, FLAG_FIRST, "an object is in two places");
}

TEST(sweep_with_threads, control_without_the_lock) {
  CHECK_PROTOCOL_BREAKS(&sweep_with_threads, UNLOCKED, "an object is put twice");
}
