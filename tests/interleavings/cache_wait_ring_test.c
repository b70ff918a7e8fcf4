/* cache_wait_ring_test.c: each thread creates a key of its own, and asks for the next thread's key while it creates. If
 * so each would wait for the next, exactly one is told EDEADLK, else none is; and nobody waits for ever.
 *
 * Models lib/caches/cache_flights.c:
 *   ASK        ask_locked up to join, or take_off up to lido_table_give
 *   RING       begin_to_wait: would_close_ring_locked and the registration, under flights_lock
 *   WAIT       join from begin_to_wait on: it is present in the flight, and sleeps
 *   WAKE       wait_locked has the lock again: the flight is over, or, for one thread of some protocols, its time is
 *   UNREGISTER end_to_wait
 *   LEAVE      join from end_to_wait on
 *   CREATE     the program's create, when what it asked for was answered: it succeeds, or fails
 *   LAND       land up to note_over
 *   NOTE       note_over under flights_lock
 *   LANDED     the rest of note_over, and leave
 * Each key has a shard of its own here, whose lock is held from ASK to WAIT, from WAKE to LEAVE and from LAND to
 * LANDED; flights_lock for a step. After its own key each thread asks for the next key once more, and holds nobody up
 * then. Values stay alive.
 */
#include "tests/interleavings/interleaving_explorer.h"

enum { THREADS_MOST = 3, ASKS = 3, FLIGHTS = THREADS_MOST * ASKS, NOTHING = 0xff };
enum { OWN_KEY, INSIDE_CREATE, AFTERWARDS }; /* which ask */

/* Lines left out or changed. */
enum {
  SPLIT = 1,             /* the look for a ring and the registration are two critical sections */
  NO_RING_CHECK = 2,     /* everybody waits */
  OWN_FLIGHT_ONLY = 4,   /* only the creator of the flight itself is looked at, not whom that one waits for */
  CREATOR_STAYS = 8,     /* a flight that is over still names its creator */
  LEAVE_REGISTERED = 16, /* who has left a flight still seems to wait for it */
};

enum { ASK, RING, REGISTER, WAIT, WAKE, UNREGISTER, LEAVE, CREATE, LAND, NOTE, LANDED, OVER };

typedef struct flight {
  uint8_t creator;
  uint8_t present;
  uint8_t is_over;
  uint8_t is_free;
} flight;

typedef struct key {
  uint8_t has_value;
  uint8_t flight;
  uint8_t lock; /* thread */
} key;

typedef struct one_thread {
  uint8_t at;
  uint8_t ask;
  uint8_t waits_for; /* flight: under flights_lock */
  uint8_t flight;    /* that it has found */
  uint8_t fails;
  uint8_t creates_own; /* its own key's flight is not over */
  uint8_t meets;   /* of the check: it is about to wait, or waits, for the next thread's own creation, inside its own */
  uint8_t landing; /* which ask's flight */
} one_thread;

typedef struct machine {
  const char *broken;
  uint8_t variant;
  uint8_t count;     /* of threads and keys */
  uint8_t impatient; /* thread whose time may be over whenever it waits, or NOTHING */
  uint8_t deadlocks; /* threads that were refused */
  uint8_t rings;     /* of the check: how often all have met */
  flight flights[FLIGHTS];
  key keys[THREADS_MOST];
  one_thread threads[THREADS_MOST];
} machine;

static void broke(machine *m, const char *problem) {
  if (m->broken == NULL) m->broken = problem;
}

static flight *flight_at(machine *m, uint8_t which) {
  if (m->flights[which].is_free) broke(m, "a flight that is free is touched");
  return &m->flights[which];
}

static key *key_of(machine *m, size_t thread, uint8_t which) {
  return &m->keys[which == OWN_KEY ? thread : (thread + 1) % m->count];
}

static bool take(key *k, size_t thread) {
  if (k->lock != NOTHING) return false;
  k->lock = (uint8_t)thread;
  return true;
}

/* ---- Asking ---- */

static void create_next(one_thread *t) {
  t->landing = t->ask;
  t->at = t->ask == OWN_KEY ? ASK : CREATE;
  if (t->ask != OWN_KEY) return;
  t->ask = INSIDE_CREATE;
  t->creates_own = 1;
}

/* What was asked for is there, or will not be. */
static void answered(one_thread *t) {
  t->meets = 0;
  if (t->ask == INSIDE_CREATE && t->creates_own) {
    t->landing = OWN_KEY;
    t->at = CREATE;
  } else {
    t->at = t->ask == AFTERWARDS ? OVER : ASK;
    t->ask = AFTERWARDS;
  }
}

static bool ask(machine *m, size_t thread, one_thread *t) {
  key *k = key_of(m, thread, t->ask);
  if (!take(k, thread)) return false;
  if (k->flight != NOTHING) {
    t->flight = k->flight;
    t->at = RING;
    return true;
  }
  k->lock = NOTHING;
  if (k->has_value) {
    answered(t);
    return true;
  }
  k->flight = (uint8_t)(thread * ASKS + t->ask);
  m->flights[k->flight] = (flight){.creator = (uint8_t)thread, .present = 1};
  create_next(t);
  return true;
}

/* ---- Waiting ---- */

static bool would_close_ring(machine *m, size_t thread, uint8_t which) {
  if (m->variant & NO_RING_CHECK) return false;
  while (which != NOTHING) {
    uint8_t creator = flight_at(m, which)->creator;
    if (creator == NOTHING) return false;
    if (creator == thread) return true;
    which = m->variant & OWN_FLIGHT_ONLY ? NOTHING : m->threads[creator].waits_for;
  }
  return false;
}

/* Not by who is registered as waiting. */
static void note_meeting(machine *m, size_t thread, one_thread *t) {
  bool all = true;
  t->meets = t->ask == INSIDE_CREATE && t->flight == (thread + 1) % m->count * ASKS + OWN_KEY;
  for (size_t i = 0; i < m->count; i++) all &= m->threads[i].meets != 0;
  m->rings += all;
}

static void look_for_ring(machine *m, size_t thread, one_thread *t) {
  note_meeting(m, thread, t);
  if (!would_close_ring(m, thread, t->flight)) {
    t->at = m->variant & SPLIT ? REGISTER : WAIT;
    if (t->at == WAIT) t->waits_for = t->flight;
    return;
  }
  if (!t->creates_own) broke(m, "a thread is refused that nobody waits for");
  m->deadlocks++;
  key_of(m, thread, t->ask)->lock = NOTHING;
  answered(t);
}

static void leave(machine *m, key *k, uint8_t which) {
  flight *f = flight_at(m, which);
  k->lock = NOTHING;
  if (--f->present == 0) f->is_free = 1;
}

/* Choice 1: its time is over. */
static bool wake(machine *m, size_t thread, one_thread *t, unsigned choice) {
  if (choice == 0 && !flight_at(m, t->flight)->is_over) return false;
  if (!take(key_of(m, thread, t->ask), thread)) return false;
  t->at = UNREGISTER;
  return true;
}

static bool step_waiter(machine *m, size_t thread, one_thread *t, unsigned choice) {
  key *k = key_of(m, thread, t->ask);
  switch (t->at) {
    case RING:
      look_for_ring(m, thread, t);
      return true;
    case REGISTER:
      t->waits_for = t->flight;
      t->at = WAIT;
      return true;
    case WAIT:
      flight_at(m, t->flight)->present++;
      k->lock = NOTHING;
      t->at = WAKE;
      return true;
    case WAKE:
      return wake(m, thread, t, choice);
    case UNREGISTER:
      if (!(m->variant & LEAVE_REGISTERED)) t->waits_for = NOTHING;
      t->meets = 0;
      t->at = LEAVE;
      return true;
    default:
      leave(m, k, t->flight);
      t->flight = NOTHING;
      answered(t);
      return true;
  }
}

/* ---- Creating ---- */

static void landed(machine *m, size_t thread, one_thread *t) {
  uint8_t which = (uint8_t)(thread * ASKS + t->landing);
  flight_at(m, which)->is_over = 1;
  leave(m, key_of(m, thread, t->landing), which);
  if (t->landing == OWN_KEY) t->creates_own = 0;
  t->fails = 0;
  answered(t);
}

static bool step_creator(machine *m, size_t thread, one_thread *t) {
  uint8_t which = (uint8_t)(thread * ASKS + t->landing);
  key *k = key_of(m, thread, t->landing);
  switch (t->at) {
    case LAND:
      if (!take(k, thread)) return false;
      k->flight = NOTHING;
      k->has_value = !t->fails;
      t->at = NOTE;
      return true;
    case NOTE:
      if (!(m->variant & CREATOR_STAYS)) flight_at(m, which)->creator = NOTHING;
      t->at = LANDED;
      return true;
    default:
      landed(m, thread, t);
      return true;
  }
}

/* ---- The protocol ---- */

static explorer_step step(void *state, size_t thread, unsigned choice) {
  machine *m = state;
  one_thread *t = &m->threads[thread];
  if (thread >= m->count || t->at == OVER) return EXPLORER_IDLE;
  if (t->at == CREATE) {
    t->fails = (uint8_t)choice;
    t->at = LAND;
    return EXPLORER_STEPPED;
  }
  if (choice != 0 && (t->at != WAKE || thread != m->impatient)) return EXPLORER_BLOCKED;
  bool steps = t->at == ASK   ? ask(m, thread, t)
               : t->at < LAND ? step_waiter(m, thread, t, choice)
                              : step_creator(m, thread, t);
  return steps ? EXPLORER_STEPPED : EXPLORER_BLOCKED;
}

static void start(machine *m, int variant, uint8_t count, uint8_t impatient) {
  m->variant = (uint8_t)variant;
  m->count = count;
  m->impatient = impatient;
  for (size_t i = 0; i < THREADS_MOST; i++) {
    m->keys[i] = (key){.flight = NOTHING, .lock = NOTHING};
    m->threads[i] = (one_thread){.waits_for = NOTHING, .flight = NOTHING};
  }
}

static void start_two(void *state, int variant) { start(state, variant, 2, NOTHING); }
static void start_two_and_a_deadline(void *state, int variant) { start(state, variant, 2, 0); }
static void start_three(void *state, int variant) { start(state, variant, 3, NOTHING); }
static void start_three_and_a_deadline(void *state, int variant) { start(state, variant, 3, 0); }

static const char *check(const void *state) { return ((const machine *)state)->broken; }

static const char *check_end(const void *state) {
  const machine *m = state;
  for (size_t i = 0; i < m->count; i++) {
    if (m->keys[i].flight != NOTHING) return "a creation is never over";
  }
  for (size_t i = 0; i < FLIGHTS; i++) {
    if (m->flights[i].present != 0) return "a flight is never free";
  }
  return m->deadlocks == m->rings ? NULL : "not exactly one of a ring is refused";
}

#define PROTOCOL(variable, text)              \
  static const explorer_protocol variable = { \
      .name = text,                           \
      .state_bytes = sizeof(machine),         \
      .threads = THREADS_MOST,                \
      .choices = 2,                           \
      .start = start_##variable,              \
      .step = step,                           \
      .check = check,                         \
      .check_end = check_end,                 \
  };

PROTOCOL(two, "a ring of two creations")
PROTOCOL(two_and_a_deadline, "a ring of two creations, one with a deadline")
PROTOCOL(three, "a ring of three creations")
PROTOCOL(three_and_a_deadline, "a ring of three creations, one with a deadline")

TEST(cache_wait_ring, one_of_two_is_refused) { CHECK_PROTOCOL_HOLDS(&two, 0); }
TEST(cache_wait_ring, one_of_three_is_refused) { CHECK_PROTOCOL_HOLDS(&three, 0); }

TEST(cache_wait_ring, nor_more_if_one_has_a_deadline) {
  CHECK_PROTOCOL_HOLDS(&two_and_a_deadline, 0);
  CHECK_PROTOCOL_HOLDS(&three_and_a_deadline, 0);
}

TEST(cache_wait_ring, control_a_look_and_a_registration_apart) {
  CHECK_PROTOCOL_BREAKS(&two, SPLIT, "threads wait for ever");
}

TEST(cache_wait_ring, control_no_look) { CHECK_PROTOCOL_BREAKS(&two, NO_RING_CHECK, "threads wait for ever"); }

TEST(cache_wait_ring, control_a_look_at_one_flight_only) {
  CHECK_PROTOCOL_BREAKS(&two, OWN_FLIGHT_ONLY, "threads wait for ever");
}

TEST(cache_wait_ring, control_a_flight_that_keeps_its_creator) {
  CHECK_PROTOCOL_BREAKS(&two, CREATOR_STAYS, "a thread is refused that nobody waits for");
}

TEST(cache_wait_ring, control_a_waiter_that_leaves_registered) {
  CHECK_PROTOCOL_BREAKS(&two, LEAVE_REGISTERED, "a flight that is free is touched");
}
