/* wake_up_test.c: allocs wait for a pool of one object, which others free, while the only slab comes and
 * goes. Nobody sleeps for ever, and the limit holds.
 *
 * Models pools/direct.c: lido_direct_alloc, wait_for_object, change_waiters, sleep_until_allowed,
 * lido_direct_free; of pools/core_slabs.c: lido_core_take, grow, lido_core_put, lido_core_shed. What is done
 * under the slabs' lock is one step, but a wait, which gives the lock back while it sleeps. There is no
 * deadline, as with UINT64_MAX. Sleepers for ever are what the explorer calls threads that wait for ever.
 */
#include "tests/interleavings/interleaving_explorer.h"

enum { THREADS = 3, MOST = 1, TURNS = 2 };

enum {
  SLEEP_WITHOUT_LOOK = 1, /* a waiter sleeps as soon as it is one */
  LOOK_WITHOUT_LOCK = 2,  /* ... looks, and sleeps in another step */
  TAKE_WHAT_IS_THERE = 4, /* a waiter that wakes does not grow the pool */
  WAKE_ONLY_IF_TAKEN = 8, /* put wakes only when others hold objects, too: never, with one object */
  COUNT_AFTER_LOOK = 16,  /* a thread becomes a waiter after it looked, and looks no more */
};

enum { AT_TAKE, AT_GROW, AT_COUNT, AT_LOOK, AT_SLEEP, AT_ASLEEP, AT_UNCOUNT, AT_HOLD, AT_SHED, AT_OVER };

typedef struct machine {
  uint8_t variant;
  uint8_t slabs; /* each has one object here */
  uint8_t free_objects;
  uint8_t taken;
  uint8_t waiters;
  uint8_t at[THREADS];
  uint8_t waiting[THREADS]; /* counted among the waiters */
  uint8_t awake[THREADS];   /* was signalled */
  uint8_t turns[THREADS];
} machine;

static void got_one(machine *m, size_t t) {
  m->free_objects--;
  m->taken++;
  m->at[t] = m->waiting[t] ? AT_UNCOUNT : AT_HOLD;
}

/* lido_core_take: one round of its loop. */
static void take(machine *m, size_t t) {
  bool limited = m->taken >= MOST;
  if (!limited && m->free_objects != 0) {
    got_one(m, t);
  } else if (!limited) {
    m->at[t] = m->waiting[t] && m->variant & TAKE_WHAT_IS_THERE ? AT_SLEEP : AT_GROW;
  } else if (m->waiting[t]) {
    m->at[t] = AT_LOOK;
  } else {
    m->at[t] = m->variant & COUNT_AFTER_LOOK ? AT_LOOK : AT_COUNT;
  }
}

static void count(machine *m, size_t t) {
  m->waiters++;
  m->waiting[t] = 1;
  bool sleeps = m->variant & (SLEEP_WITHOUT_LOOK | COUNT_AFTER_LOOK);
  m->at[t] = sleeps ? AT_SLEEP : AT_LOOK;
}

/* sleep_until_allowed: the look and the wait are under one lock. */
static void look(machine *m, size_t t) {
  bool allowed = m->taken < MOST;
  bool counts_late = m->variant & COUNT_AFTER_LOOK && !m->waiting[t];
  bool sleeps_late = m->variant & LOOK_WITHOUT_LOCK;
  m->at[t] = allowed ? AT_TAKE : counts_late ? AT_COUNT : sleeps_late ? AT_SLEEP : AT_ASLEEP;
}

static void put(machine *m, size_t t) {
  m->taken--;
  m->free_objects++;
  bool wakes = m->waiters != 0 && (m->variant & WAKE_ONLY_IF_TAKEN ? m->taken != 0 : true);
  for (size_t i = 0; i < THREADS && wakes; i++) m->awake[i] |= m->at[i] == AT_ASLEEP;
  m->at[t] = AT_SHED;
}

/* lido_core_shed, of a pool that keeps nothing; or a trim. */
static void shed(machine *m, size_t t) {
  if (m->free_objects != 0) {
    m->free_objects--;
    m->slabs--;
  }
  m->turns[t]++;
  m->at[t] = m->turns[t] == TURNS ? AT_OVER : AT_TAKE;
}

static explorer_step step(void *state, size_t t, unsigned choice) {
  machine *m = state;
  if (m->at[t] == AT_SHED && choice == 1) { /* the slab stays */
    m->turns[t]++;
    m->at[t] = m->turns[t] == TURNS ? AT_OVER : AT_TAKE;
    return EXPLORER_STEPPED;
  }
  if (choice != 0) return EXPLORER_BLOCKED;
  switch (m->at[t]) {
    case AT_TAKE:
      take(m, t);
      break;
    case AT_GROW:
      m->slabs++;
      m->free_objects++;
      m->at[t] = AT_TAKE;
      break;
    case AT_COUNT:
      count(m, t);
      break;
    case AT_LOOK:
      look(m, t);
      break;
    case AT_SLEEP:
      m->at[t] = AT_ASLEEP;
      break;
    case AT_ASLEEP:
      if (!m->awake[t]) return EXPLORER_BLOCKED;
      m->awake[t] = 0;
      m->at[t] = m->variant & TAKE_WHAT_IS_THERE ? AT_TAKE : AT_LOOK;
      break;
    case AT_UNCOUNT:
      m->waiters--;
      m->waiting[t] = 0;
      m->at[t] = AT_HOLD;
      break;
    case AT_HOLD:
      put(m, t);
      break;
    case AT_SHED:
      shed(m, t);
      break;
    default:
      return EXPLORER_IDLE;
  }
  return EXPLORER_STEPPED;
}

static void start(void *state, int variant) { ((machine *)state)->variant = (uint8_t)variant; }

static const char *check(const void *state) {
  const machine *m = state;
  if (m->taken > MOST) return "more objects are out than the limit allows";
  return m->free_objects + m->taken != m->slabs ? "objects are miscounted" : NULL;
}

static const char *check_end(const void *state) {
  const machine *m = state;
  return m->taken != 0 || m->waiters != 0 ? "something is left" : NULL;
}

static const explorer_protocol wake_up = {
    .name = "waiting for a free object",
    .state_bytes = sizeof(machine),
    .threads = THREADS,
    .choices = 2,
    .start = start,
    .step = step,
    .check = check,
    .check_end = check_end,
};

TEST(wake_up, reaches_every_waiter) { CHECK_PROTOCOL_HOLDS(&wake_up, 0); }

TEST(wake_up, control_that_sleeps_without_a_look) {
  CHECK_PROTOCOL_BREAKS(&wake_up, SLEEP_WITHOUT_LOOK, "threads wait for ever");
}

TEST(wake_up, control_that_looks_and_sleeps_in_two_steps) {
  CHECK_PROTOCOL_BREAKS(&wake_up, LOOK_WITHOUT_LOCK, "threads wait for ever");
}

TEST(wake_up, control_that_counts_itself_after_the_look) {
  CHECK_PROTOCOL_BREAKS(&wake_up, COUNT_AFTER_LOOK, "threads wait for ever");
}

TEST(wake_up, control_that_takes_only_from_slabs_that_are_there) {
  CHECK_PROTOCOL_BREAKS(&wake_up, TAKE_WHAT_IS_THERE, "threads wait for ever");
}

TEST(wake_up, control_that_does_not_wake) {
  CHECK_PROTOCOL_BREAKS(&wake_up, WAKE_ONLY_IF_TAKEN, "threads wait for ever");
}
