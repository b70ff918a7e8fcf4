/* monitor_stop_test.c: a monitor's thread ticks and waits; two threads stop it, one starts it again, one forks and
 * stops it in the child, and when all are done the manager ends, which stops it too. No tick begins once the thread was
 * told, no stop returns while the thread it found is there, and nobody waits for ever.
 *
 * Models lib/control/monitor_thread.c: wait_until, work, start_locked, tell_to_stop_locked, wait_for_end,
 * lido_monitor_in_child. What is done under the lock is one step; to wait is to be asleep from that same step on, until
 * woken. When a tick is due is a choice; the thread never wakes by itself, as with the longest interval. In a tick it
 * may try to stop itself.
 */
#include "tests/interleavings/interleaving_explorer.h"

enum { WORKER, FIRST_STOPPER, SECOND_STOPPER, STARTER, FORKER, ENDER, THREADS, STOPPERS = 4 };
enum { TICKS = 3 };

/* Lines left out or changed. */
enum {
  SLEEP_LATER = 1,      /* the thread looks, and sleeps in a step of its own */
  NO_WAKE = 2,          /* who tells it to stop does not wake it */
  SECOND_RETURNS = 4,   /* who finds another one stopping goes its way */
  NONE_BEFORE_JOIN = 8, /* there is none as soon as it was told */
  STOP_ITSELF = 16,     /* the thread waits for its own end */
  CHILD_KEEPS_STATE = 32,
  DUE_BEFORE_STATE = 64, /* what is due is done, whatever was told meanwhile */
  NO_WAKE_AT_END = 128   /* who has joined does not wake the others */
};

enum { NONE, RUNS, STOPS };
enum { W_LOOK, W_SLEEP, W_ASLEEP, W_TICK, W_SELF_JOIN, W_OVER };
enum { S_BEGIN, S_TELL, S_ASLEEP, S_JOIN, S_SET, S_OVER };

typedef struct machine {
  uint8_t variant;
  uint8_t state;
  uint8_t in_child;
  uint8_t worker_at;
  uint8_t incarnation; /* of the thread */
  uint8_t ticks;
  uint8_t at[STOPPERS];    /* first, second, forker, ender */
  uint8_t awake[STOPPERS]; /* was woken */
  uint8_t found[STOPPERS]; /* incarnation that it stopped, or that another did; 0: there was none */
  uint8_t worker_awake;
  uint8_t starter_over;
  uint8_t late_tick;
  uint8_t two_threads;
} machine;

static void wake_all(machine *m) {
  m->worker_awake = m->worker_at == W_ASLEEP;
  for (size_t s = 0; s < STOPPERS; s++) m->awake[s] = m->at[s] == S_ASLEEP;
}

/* ---- The thread ---- */

static void look(machine *m, bool due) {
  bool told = m->state != RUNS;
  if (due && (!told || (m->variant & DUE_BEFORE_STATE) != 0)) {
    m->late_tick |= told;
    m->ticks--;
    m->worker_at = W_TICK;
  } else if (told) {
    m->worker_at = W_OVER;
  } else {
    m->worker_at = m->variant & SLEEP_LATER ? W_SLEEP : W_ASLEEP;
    m->worker_awake = 0;
  }
}

static explorer_step step_worker(machine *m, unsigned choice) {
  if (m->in_child || m->worker_at == W_OVER) return EXPLORER_IDLE;
  switch (m->worker_at) {
    case W_LOOK: /* choice 1: a tick is due */
      if (choice > 1 || (choice == 1 && m->ticks == 0)) return EXPLORER_BLOCKED;
      look(m, choice == 1);
      return EXPLORER_STEPPED;
    case W_TICK: /* choice 1: it tries to stop itself, and is told that it can't */
      if (choice > 1) return EXPLORER_BLOCKED;
      m->worker_at = choice == 1 && m->variant & STOP_ITSELF ? W_SELF_JOIN : W_LOOK;
      return EXPLORER_STEPPED;
    case W_SLEEP:
      if (choice != 0) return EXPLORER_BLOCKED;
      m->worker_at = W_ASLEEP;
      return EXPLORER_STEPPED;
    case W_ASLEEP:
      if (choice != 0 || !m->worker_awake) return EXPLORER_BLOCKED;
      m->worker_at = W_LOOK;
      return EXPLORER_STEPPED;
    default:
      return EXPLORER_BLOCKED;
  }
}

static explorer_step step_starter(machine *m) {
  if (m->in_child || m->starter_over) return EXPLORER_IDLE;
  m->starter_over = 1;
  if (m->state != NONE) return EXPLORER_STEPPED;
  m->two_threads |= m->worker_at != W_OVER;
  m->state = RUNS;
  m->worker_at = W_LOOK;
  m->incarnation++;
  return EXPLORER_STEPPED;
}

/* ---- Stops ---- */

static void tell(machine *m, size_t s) {
  if (m->state == RUNS) {
    m->state = m->variant & NONE_BEFORE_JOIN ? NONE : STOPS;
    m->found[s] = m->incarnation;
    if (!(m->variant & NO_WAKE)) wake_all(m);
    m->at[s] = S_JOIN;
  } else if (m->state == STOPS && !(m->variant & SECOND_RETURNS)) {
    m->found[s] = m->incarnation;
    m->awake[s] = 0;
    m->at[s] = S_ASLEEP;
  } else {
    if (m->state == STOPS) m->found[s] = m->incarnation;
    m->at[s] = S_OVER;
  }
}

static explorer_step step_stopper(machine *m, size_t s) {
  switch (m->at[s]) {
    case S_TELL:
      tell(m, s);
      return EXPLORER_STEPPED;
    case S_ASLEEP:
      if (!m->awake[s]) return EXPLORER_BLOCKED;
      m->awake[s] = 0;
      if (m->state != STOPS) m->at[s] = S_OVER;
      return EXPLORER_STEPPED;
    case S_JOIN: /* in the child there is nothing to join */
      if (m->in_child || m->worker_at != W_OVER) return EXPLORER_BLOCKED;
      m->at[s] = S_SET;
      return EXPLORER_STEPPED;
    case S_SET:
      m->state = NONE;
      if (!(m->variant & NO_WAKE_AT_END)) wake_all(m);
      m->at[s] = S_OVER;
      return EXPLORER_STEPPED;
    default:
      return EXPLORER_IDLE;
  }
}

/* In the child the forker is the only one. */
static explorer_step step_forker(machine *m, unsigned choice) {
  if (m->at[2] != S_BEGIN) return choice == 0 ? step_stopper(m, 2) : EXPLORER_BLOCKED;
  if (choice > 1) return EXPLORER_BLOCKED;
  m->in_child = choice == 0;
  if (m->in_child && !(m->variant & CHILD_KEEPS_STATE)) m->state = NONE;
  m->at[2] = choice == 0 ? S_TELL : S_OVER;
  return EXPLORER_STEPPED;
}

/* The end of the manager: nobody else is in a call. */
static explorer_step step_ender(machine *m) {
  bool alone = m->at[2] == S_OVER && (m->in_child || (m->at[0] == S_OVER && m->at[1] == S_OVER && m->starter_over));
  if (!alone) return EXPLORER_BLOCKED;
  if (m->at[3] == S_BEGIN) m->at[3] = S_TELL;
  return step_stopper(m, 3);
}

static explorer_step step(void *state, size_t thread, unsigned choice) {
  machine *m = state;
  if (thread == WORKER) return step_worker(m, choice);
  if (thread == FORKER) return step_forker(m, choice);
  if (choice != 0) return EXPLORER_BLOCKED;
  if (thread == STARTER) return step_starter(m);
  if (thread == ENDER) return step_ender(m);
  return m->in_child ? EXPLORER_IDLE : step_stopper(m, thread - FIRST_STOPPER);
}

/* ---- The protocol ---- */

static void start(void *state, int variant) {
  machine *m = state;
  m->variant = (uint8_t)variant;
  m->state = RUNS;
  m->incarnation = 1;
  m->ticks = TICKS;
  m->worker_at = W_LOOK;
  m->at[0] = m->at[1] = S_TELL;
}

static const char *check(const void *state) {
  const machine *m = state;
  if (m->two_threads) return "there are two threads";
  if (m->late_tick) return "a tick begins after the thread was told to end";
  for (size_t s = 0; s < STOPPERS; s++) {
    bool returned = m->at[s] == S_OVER && m->found[s] != 0 && !m->in_child;
    if (returned && m->found[s] == m->incarnation && m->worker_at != W_OVER)
      return "a stop returns before its thread ends";
  }
  return NULL;
}

static const char *check_end(const void *state) {
  const machine *m = state;
  if (m->state != NONE) return "the manager has ended, and its thread has not";
  return m->in_child || m->worker_at == W_OVER ? NULL : "a thread goes on without its manager";
}

static const explorer_protocol monitor_stop = {
    .name = "a monitor's thread and who stops it",
    .state_bytes = sizeof(machine),
    .threads = THREADS,
    .choices = 2,
    .start = start,
    .step = step,
    .check = check,
    .check_end = check_end,
};

TEST(monitor_stop, ends_the_thread_and_returns_when_it_has) { CHECK_PROTOCOL_HOLDS(&monitor_stop, 0); }

TEST(monitor_stop, control_that_sleeps_in_a_step_of_its_own) {
  CHECK_PROTOCOL_BREAKS(&monitor_stop, SLEEP_LATER, "threads wait for ever");
}

TEST(monitor_stop, control_that_does_not_wake) {
  CHECK_PROTOCOL_BREAKS(&monitor_stop, NO_WAKE, "threads wait for ever");
}

TEST(monitor_stop, control_with_a_second_stop_that_goes_its_way) {
  CHECK_PROTOCOL_BREAKS(&monitor_stop, SECOND_RETURNS, "a stop returns before its thread ends");
}

TEST(monitor_stop, control_that_forgets_the_thread_before_it_has_ended) {
  CHECK_PROTOCOL_BREAKS(&monitor_stop, NONE_BEFORE_JOIN, "there are two threads");
}

TEST(monitor_stop, control_with_a_thread_that_waits_for_itself) {
  CHECK_PROTOCOL_BREAKS(&monitor_stop, STOP_ITSELF, "threads wait for ever");
}

TEST(monitor_stop, control_with_a_child_that_believes_in_a_thread) {
  CHECK_PROTOCOL_BREAKS(&monitor_stop, CHILD_KEEPS_STATE, "threads wait for ever");
}

TEST(monitor_stop, control_that_does_what_is_due_first) {
  CHECK_PROTOCOL_BREAKS(&monitor_stop, DUE_BEFORE_STATE, "a tick begins after the thread was told to end");
}

TEST(monitor_stop, control_that_does_not_wake_the_other_stops) {
  CHECK_PROTOCOL_BREAKS(&monitor_stop, NO_WAKE_AT_END, "threads wait for ever");
}
