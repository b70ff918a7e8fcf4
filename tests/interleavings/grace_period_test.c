/* grace_period_test.c: two readers follow handles inside guards, two threads end objects, and one of these looks at the
 * readers and finishes deaths. Nobody reads an object whose death is finished, and when nobody reads any more all
 * deaths can be finished.
 *
 * Models lido/inline/guard_inline.h: lido_guard_enter, lido_guard_leave; lib/refs/grace_period.c: lido_guard_defer,
 * look_locked, collect_locked; of lib/refs/death.c that the word says "dying" before the slot is listed. A reader's
 * stores to its record wait in a store buffer, the second one with release; the barrier (membarrier) empties it. Loads
 * are done in order; the reader's copy of the epoch may be old by then, for the load is a step of its own. The
 * collector's look at each record is a step.
 *
 * A reader goes through two guards and follows one object of its choice in each.
 */
#include "tests/interleavings/interleaving_explorer.h"
#include "tests/interleavings/store_buffer.h"

enum { FIRST_READER, SECOND_READER, COLLECTOR, KILLER, DRAIN_FIRST, DRAIN_SECOND, THREADS, READERS = 2 };
enum { X, Y, OBJECTS, NOTHING = 0xff };
enum { GUARDS = 2, COLLECTS = 4, FIRST_EPOCH = 1 };

/* Lines left out or changed. */
enum {
  NO_BARRIER = 1,        /* the collector looks at once */
  FINISH_PRESENT = 2,    /* what died in the present epoch is finished with what died in the one before */
  ANY_EPOCH = 4,         /* a reader of an older epoch does not hold up the next */
  LIST_FIRST = 8,        /* the slot is listed before its word says "dying" */
  BARRIER_LAST = 16,     /* the collector looks, and then makes the barrier */
  LEAVE_BEFORE_READ = 32 /* the reader's last read is done after it has left */
};

typedef struct reader {
  uint8_t at;
  uint8_t guards;
  uint8_t epoch; /* as it was loaded */
  uint8_t holds; /* object, or NOTHING */
  store_buffer buffer;
} reader;

typedef struct machine {
  uint8_t variant;
  uint8_t records[READERS]; /* memory: the epoch in which the reader entered, or 0 */
  uint8_t epoch;
  uint8_t dying[OBJECTS];
  uint8_t finished[OBJECTS];
  uint8_t fresh; /* bits */
  uint8_t aging;
  uint8_t lock;
  uint8_t collector_at;
  uint8_t collects;
  uint8_t inside; /* found by the look: readers of the present epoch */
  uint8_t held_up;
  uint8_t killer_at;
  uint8_t read_finished;
  reader readers[READERS];
} machine;

/* ---- A reader ---- */

enum { R_LOAD_EPOCH, R_ENTER, R_FOLLOW, R_READ, R_LEAVE, R_OVER };

static bool announce(reader *r, uint8_t thread, uint8_t epoch, bool release) {
  return store_buffer_put(&r->buffer, thread, epoch, release);
}

static void read_object(machine *m, reader *r) {
  if (r->holds != NOTHING && m->finished[r->holds]) m->read_finished = 1;
  r->holds = NOTHING;
}

static void end_guard(machine *m, reader *r) {
  if (m->variant & LEAVE_BEFORE_READ) {
    if (r->at == R_LEAVE) r->at = R_READ;
    return;
  }
  r->guards++;
  r->at = r->guards == GUARDS ? R_OVER : R_LOAD_EPOCH;
}

static explorer_step step_reader(machine *m, uint8_t thread, unsigned choice) {
  reader *r = &m->readers[thread];
  if (choice != 0 && r->at != R_FOLLOW) return EXPLORER_BLOCKED;
  switch (r->at) {
    case R_LOAD_EPOCH:
      r->epoch = m->epoch;
      r->at = R_ENTER;
      return EXPLORER_STEPPED;
    case R_ENTER:
      if (!announce(r, thread, r->epoch, false)) return EXPLORER_BLOCKED;
      r->at = R_FOLLOW;
      return EXPLORER_STEPPED;
    case R_FOLLOW:
      r->holds = m->dying[choice] ? NOTHING : (uint8_t)choice;
      r->at = m->variant & LEAVE_BEFORE_READ ? R_LEAVE : R_READ;
      return EXPLORER_STEPPED;
    case R_READ:
      read_object(m, r);
      if (m->variant & LEAVE_BEFORE_READ) {
        r->guards++;
        r->at = r->guards == GUARDS ? R_OVER : R_LOAD_EPOCH;
      } else {
        r->at = R_LEAVE;
      }
      return EXPLORER_STEPPED;
    case R_LEAVE:
      if (!announce(r, thread, 0, true)) return EXPLORER_BLOCKED;
      end_guard(m, r);
      return EXPLORER_STEPPED;
    default:
      return EXPLORER_IDLE;
  }
}

/* ---- Deaths ---- */

enum { K_DYING, K_LIST, K_OVER };

/* One step of a death. false: the lock is taken. */
static bool step_death(machine *m, uint8_t object, uint8_t *at) {
  bool list_now = (*at == K_LIST) != ((m->variant & LIST_FIRST) != 0);
  if (list_now && m->lock) return false;
  if (list_now) {
    m->fresh |= (uint8_t)(1 << object);
  } else {
    m->dying[object] = 1;
  }
  ++*at;
  return true;
}

static explorer_step step_killer(machine *m) {
  if (m->killer_at == K_OVER) return EXPLORER_IDLE;
  return step_death(m, Y, &m->killer_at) ? EXPLORER_STEPPED : EXPLORER_BLOCKED;
}

/* ---- The collector: ends X, then collects some times ---- */

enum { C_DEATH, C_LIST, C_LOCK, C_BARRIER, C_LOOK_FIRST, C_LOOK_SECOND, C_LATE_BARRIER, C_FINISH, C_OVER };

static explorer_step barrier(machine *m) {
  for (size_t i = 0; i < READERS; i++) {
    while (m->readers[i].buffer.count != 0) store_buffer_drain(&m->readers[i].buffer, m->records, 0);
  }
  m->collector_at++;
  return EXPLORER_STEPPED;
}

static void look(machine *m, size_t thread) {
  uint8_t epoch = m->records[thread];
  if (epoch == m->epoch || (epoch != 0 && (m->variant & ANY_EPOCH) != 0)) {
    m->inside = 1;
  } else if (epoch != 0) {
    m->held_up = 1;
  }
  m->collector_at++;
}

static void finish(machine *m, uint8_t objects) {
  for (size_t i = 0; i < OBJECTS; i++) m->finished[i] |= objects >> i & 1;
}

static void advance(machine *m) {
  finish(m, m->aging);
  m->aging = m->fresh;
  if (!m->inside || (m->variant & FINISH_PRESENT) != 0) {
    finish(m, m->fresh);
    m->aging = 0;
  }
  m->fresh = 0;
  m->epoch++;
}

static explorer_step end_collect(machine *m) {
  if (!m->held_up && (m->fresh | m->aging) != 0) advance(m);
  m->held_up = m->inside = m->lock = 0;
  m->collects++;
  m->collector_at = m->collects == COLLECTS ? C_OVER : C_LOCK;
  return EXPLORER_STEPPED;
}

static bool skips(const machine *m, uint8_t at) {
  if (at == C_BARRIER) return (m->variant & (NO_BARRIER | BARRIER_LAST)) != 0;
  return at == C_LATE_BARRIER && (m->variant & BARRIER_LAST) == 0;
}

static explorer_step step_collector(machine *m) {
  if (skips(m, m->collector_at)) m->collector_at++;
  switch (m->collector_at) {
    case C_DEATH:
    case C_LIST: {
      uint8_t at = (uint8_t)(m->collector_at - C_DEATH);
      if (!step_death(m, X, &at)) return EXPLORER_BLOCKED;
      m->collector_at++;
      return EXPLORER_STEPPED;
    }
    case C_LOCK:
      m->lock = 1;
      m->collector_at++;
      return EXPLORER_STEPPED;
    case C_BARRIER:
    case C_LATE_BARRIER:
      return barrier(m);
    case C_LOOK_FIRST:
    case C_LOOK_SECOND:
      look(m, m->collector_at - C_LOOK_FIRST);
      return EXPLORER_STEPPED;
    case C_FINISH:
      return end_collect(m);
    default:
      return EXPLORER_IDLE;
  }
}

/* ---- The protocol ---- */

static explorer_step step(void *state, size_t thread, unsigned choice) {
  machine *m = state;
  if (thread < READERS) return step_reader(m, (uint8_t)thread, choice);
  if (choice != 0) return EXPLORER_BLOCKED;
  if (thread == COLLECTOR) return step_collector(m);
  if (thread == KILLER) return step_killer(m);
  bool drained = store_buffer_drain(&m->readers[thread - DRAIN_FIRST].buffer, m->records, 0);
  return drained ? EXPLORER_STEPPED : EXPLORER_IDLE;
}

static void start(void *state, int variant) {
  machine *m = state;
  m->variant = (uint8_t)variant;
  m->epoch = FIRST_EPOCH;
  for (size_t i = 0; i < READERS; i++) m->readers[i].holds = NOTHING;
}

static const char *check(const void *state) {
  const machine *m = state;
  if (m->read_finished) return "a reader reads what is finished";
  return m->fresh & m->aging ? "a death waits twice" : NULL;
}

/* Everybody has left, so one look is enough for all that still waits. */
static const char *check_end(const void *state) {
  const machine *m = state;
  for (size_t i = 0; i < READERS; i++) {
    if (m->records[i] != 0) return "a reader who has left seems inside";
  }
  for (size_t i = 0; i < OBJECTS; i++) {
    bool waits = ((m->fresh | m->aging) >> i & 1) != 0;
    if (m->finished[i] == waits) return "a death is lost";
  }
  return NULL;
}

static const explorer_protocol grace_period = {
    .name = "guards and deaths",
    .state_bytes = sizeof(machine),
    .threads = THREADS,
    .choices = OBJECTS,
    .start = start,
    .step = step,
    .check = check,
    .check_end = check_end,
};

TEST(grace_period, nobody_reads_what_is_finished) { CHECK_PROTOCOL_HOLDS(&grace_period, 0); }

TEST(grace_period, control_without_a_barrier) {
  CHECK_PROTOCOL_BREAKS(&grace_period, NO_BARRIER, "a reader reads what is finished");
}

TEST(grace_period, control_with_one_epoch) {
  CHECK_PROTOCOL_BREAKS(&grace_period, FINISH_PRESENT, "a reader reads what is finished");
}

TEST(grace_period, control_with_readers_of_any_epoch) {
  CHECK_PROTOCOL_BREAKS(&grace_period, ANY_EPOCH, "a reader reads what is finished");
}

TEST(grace_period, control_with_a_slot_that_is_listed_first) {
  CHECK_PROTOCOL_BREAKS(&grace_period, LIST_FIRST, "a reader reads what is finished");
}

TEST(grace_period, control_with_a_barrier_after_the_look) {
  CHECK_PROTOCOL_BREAKS(&grace_period, BARRIER_LAST, "a reader reads what is finished");
}

TEST(grace_period, control_with_a_reader_that_leaves_too_soon) {
  CHECK_PROTOCOL_BREAKS(&grace_period, LEAVE_BEFORE_READ, "a reader reads what is finished");
}
