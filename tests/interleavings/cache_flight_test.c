/* cache_flight_test.c: threads ask a cache for one key and create what is not there, while another removes the key or
 * puts another value under it. One creates at a time, each who waits gets one result, what was overtaken is not
 * entered, and all memory goes once.
 *
 * Models, in lib/caches:
 *   A_ASK            cache_flights.c: ask_locked under the shard's lock, with join up to the sleep, or take_off up to
 *                    lido_table_give
 *   A_SLEEP          wait_locked: asleep, the lock given; awake by lido_os_condition_wake_all, or because time is over
 *   A_LOOK           wait_locked from where it has the lock again, and join up to leave
 *   A_CREATE         take_off from lido_cache_part, make_value, land up to lido_table_take: the program's create fails,
 *                    or gives a value, which then has a cleanup (cache_entries.c: lido_cache_arrive). Others see of
 *                    that only what lido_cache_part does before the lock is taken, so it is one step
 *   A_LAND           land up to leave
 *   A_FREE_FLIGHT    end_flight
 *   A_PART, C_PART   lido_cache_turn_away, lido_cache_part
 *   A_USE            the program's own: it has its result, and lets it go
 *   D_CLAIM, D_REMOVE as in cache_replace_test.c; the entry's release is part of the latter
 *   C_REMOVE, C_PLACE cache_changes.c: remove_entry, place under the lock
 * What a lock holds together is one step. Entries and flights are made beforehand (provide), so memory does not fail.
 * The last asker has a deadline, which may come at any moment; the others have none. Nothing is kept by the cache. What
 * a thread or an object no longer needs is cleared, so that equal states are equal bytes.
 * Who waits for whom, in more than one flight: cache_wait_ring_test.c.
 */
#include "tests/interleavings/interleaving_explorer.h"

enum { ASKERS = 3, CHANGER = 3, THREADS = 4, IMPATIENT = 2, VALUES = 4, NOTHING = 0xff };

/* Lines left out or changed. */
enum {
  LAND_BY_KEY = 1,           /* who fails removes what the key leads to */
  NO_LOOK_AT_DOOMED = 2,     /* who has created enters the result, doomed or not */
  REFERENCE_AFTER_LEAVE = 4, /* who waited takes its reference when it has left the flight */
  WAKE_FIRST = 8,            /* those who wait are woken before the flight is over */
  FIRST_FREES = 16,          /* who leaves first frees the flight */
  FLIGHT_WITHOUT_REFERENCE = 32,
  PRESENT_TOO_LATE = 64,    /* who waits is counted when it has given the lock */
  NO_DOOM = 128,            /* put leaves the flight to the entry */
  CREATE_UNREGISTERED = 256 /* the flight is the entry's only after the lock was given */
};

enum { D_CLAIM, D_REMOVE };
enum { A_ASK = 2, A_COUNT_IN, A_REGISTER, A_SLEEP, A_LOOK, A_TAKE_LATE };
enum { A_CREATE = 8, A_WAKE, A_LAND, A_FREE_FLIGHT, A_PART, A_USE };
enum { C_CHOOSE = 14, C_REMOVE, C_PLACE, C_PART, C_DROP, OVER };

enum { NOT_ADDED, LISTED, RUNNING, ENDED }; /* a cleanup */

typedef struct value {
  uint8_t references;
  uint8_t dead;
  uint8_t cleanup;
  uint8_t ends;
} value;

typedef struct entry {
  uint8_t listed;
  uint8_t value;
  uint8_t flight;
  uint8_t free; /* how often */
} entry;

typedef struct flight {
  uint8_t present;
  uint8_t is_over;
  uint8_t is_doomed;
  uint8_t failed;
  uint8_t value;
  uint8_t flies; /* its creation goes on */
  uint8_t free;  /* how often */
} flight;

typedef struct one_thread {
  uint8_t at;
  uint8_t then;
  uint8_t dying;
  uint8_t entry; /* whose flight it creates, or that has left the table */
  uint8_t flight;
  uint8_t after_flight; /* where it goes on when it has freed the flight, or need not */
  uint8_t parted;
  uint8_t turns_away;
  uint8_t woken;
  uint8_t value;
  uint8_t results;
} one_thread;

typedef struct machine {
  const char *broken; /* what was done wrong */
  uint16_t variant;
  uint8_t changes; /* bits: which were made */
  uint8_t changes_left;
  value values[VALUES]; /* of each thread one that it creates or puts */
  entry entries[THREADS];
  flight flights[ASKERS];
  one_thread threads[THREADS];
} machine;

static bool is_changed(const machine *m, unsigned line) { return (m->variant & line) != 0; }

static void broke(machine *m, const char *problem) {
  if (m->broken == NULL) m->broken = problem;
}

/* ---- The table: one key ---- */

static uint8_t find_key(const machine *m) {
  for (uint8_t i = 0; i < THREADS; i++) {
    if (m->entries[i].listed) return i;
  }
  return NOTHING;
}

static void list_entry(machine *m, uint8_t which) {
  m->entries[which] = (entry){.listed = 1, .value = NOTHING, .flight = NOTHING};
}

static void doom(machine *m, uint8_t which) {
  entry *e = &m->entries[which];
  if (e->flight == NOTHING) return;
  m->flights[e->flight].is_doomed = 1;
  e->flight = NOTHING;
}

static void remove_entry(machine *m, one_thread *t, uint8_t which) {
  doom(m, which);
  m->entries[which].listed = 0;
  t->parted = m->entries[which].value;
  t->entry = which;
}

static void enter(machine *m, one_thread *t, uint8_t which, uint8_t what) {
  entry *e = &m->entries[which];
  if (!is_changed(m, NO_DOOM)) doom(m, which);
  if (!e->listed) broke(m, "an entry that has left the table gets a value");
  t->parted = e->value;
  e->value = what;
}

/* ---- Values ---- */

static void stop_cleanup(machine *m, uint8_t which) {
  if (which == NOTHING || m->values[which].cleanup != LISTED) return;
  m->values[which].cleanup = ENDED;
  m->values[which].ends++;
}

static void free_entry(machine *m, uint8_t which) { m->entries[which] = (entry){.free = m->entries[which].free + 1}; }

static void part(machine *m, one_thread *t) {
  stop_cleanup(m, t->parted);
  if (t->entry != NOTHING) free_entry(m, t->entry);
  t->parted = t->entry = NOTHING;
}

static void retain(machine *m, uint8_t which) {
  if (which == NOTHING) return;
  if (m->values[which].dead) broke(m, "a dead value is given out");
  m->values[which].references++;
}

static bool acquire(machine *m, uint8_t which) {
  if (which == NOTHING || m->values[which].dead) return false;
  m->values[which].references++;
  return true;
}

/* The thread goes on at `then`, when it has finished what death that brings. */
static void release(machine *m, one_thread *t, uint8_t which, uint8_t then) {
  t->at = then;
  if (which == NOTHING || --m->values[which].references != 0) return;
  m->values[which].dead = 1;
  t->then = then;
  t->dying = which;
  t->at = D_CLAIM;
}

/* ---- A death ---- */

static void end_death(one_thread *t) {
  t->at = t->then;
  t->then = t->dying = 0;
}

static void remove_dead(machine *m, one_thread *t) {
  value *v = &m->values[t->dying];
  uint8_t found = find_key(m);
  if (found != NOTHING && m->entries[found].value == t->dying) {
    doom(m, found);
    free_entry(m, found);
  }
  v->cleanup = ENDED;
  v->ends++;
  end_death(t);
}

static void step_death(machine *m, one_thread *t) {
  value *v = &m->values[t->dying];
  if (t->at == D_REMOVE) {
    remove_dead(m, t);
  } else if (v->cleanup == LISTED) {
    v->cleanup = RUNNING;
    t->at = D_REMOVE;
  } else {
    end_death(t);
  }
}

/* ---- Flights ---- */

static flight *flight_of(machine *m, const one_thread *t) {
  flight *f = &m->flights[t->flight];
  if (f->free) broke(m, "a flight that is free is touched");
  return f;
}

static void leave_flight(machine *m, one_thread *t, uint8_t then) {
  flight *f = flight_of(m, t);
  bool first = is_changed(m, FIRST_FREES);
  bool last = --f->present == 0 || first;
  t->after_flight = last ? then : 0;
  t->at = last ? A_FREE_FLIGHT : then;
}

static void wake_all(machine *m, uint8_t which) {
  for (size_t i = 0; i < ASKERS; i++) {
    one_thread *sleeper = &m->threads[i];
    if (sleeper->at == A_SLEEP && sleeper->flight == which) sleeper->woken = 1;
  }
}

static void free_flight(machine *m, one_thread *t) {
  const flight *f = flight_of(m, t);
  uint8_t held = is_changed(m, FLIGHT_WITHOUT_REFERENCE) ? NOTHING : f->value;
  uint8_t then = t->after_flight;
  m->flights[t->flight] = (flight){.free = f->free + 1, .flies = f->flies};
  t->after_flight = 0;
  release(m, t, held, then);
}

static void answer(machine *m, one_thread *t) {
  if (t->results++ != 0) broke(m, "a question has two results");
}

/* ---- A question ---- */

static void begin_to_wait(machine *m, one_thread *t, uint8_t which) {
  t->flight = which;
  t->at = A_COUNT_IN;
  if (is_changed(m, PRESENT_TOO_LATE)) return;
  flight_of(m, t)->present++;
  t->at = A_SLEEP;
}

static void register_flight(machine *m, one_thread *t, uint8_t self) {
  m->entries[t->entry].flight = self;
  t->at = A_CREATE;
  for (size_t i = 0; i < ASKERS; i++) {
    if (m->flights[i].flies && !m->flights[i].is_doomed) broke(m, "two create at once");
  }
  m->flights[self].flies = 1;
}

static void take_off(machine *m, one_thread *t, uint8_t self, uint8_t found) {
  t->entry = found != NOTHING ? found : self;
  t->flight = self;
  if (found == NOTHING) list_entry(m, self);
  m->flights[self] = (flight){.present = 1, .value = NOTHING};
  t->parted = m->entries[t->entry].value;
  m->entries[t->entry].value = NOTHING;
  if (is_changed(m, CREATE_UNREGISTERED)) {
    t->at = A_REGISTER;
  } else {
    register_flight(m, t, self);
  }
}

static void ask(machine *m, one_thread *t, uint8_t self) {
  uint8_t found = find_key(m);
  if (found != NOTHING && m->entries[found].flight != NOTHING) {
    begin_to_wait(m, t, m->entries[found].flight);
  } else if (found != NOTHING && acquire(m, m->entries[found].value)) {
    t->value = m->entries[found].value;
    answer(m, t);
    t->at = A_USE;
  } else {
    take_off(m, t, self, found);
  }
}

static void take_result(machine *m, one_thread *t) {
  const flight *f = flight_of(m, t);
  t->value = f->value;
  retain(m, f->value);
  answer(m, t);
}

/* The lock is taken again. */
static void look_at_flight(machine *m, one_thread *t, bool in_time) {
  const flight *f = flight_of(m, t);
  t->woken = 0;
  if (!f->is_over && in_time) {
    t->at = A_SLEEP;
  } else if (!f->is_over) {
    answer(m, t);
    leave_flight(m, t, A_USE);
  } else if (is_changed(m, REFERENCE_AFTER_LEAVE)) {
    leave_flight(m, t, A_TAKE_LATE);
  } else {
    take_result(m, t);
    leave_flight(m, t, A_USE);
  }
}

/* Choice 1: time is over, for who has a deadline. */
static explorer_step sleep_on(machine *m, one_thread *t, unsigned choice) {
  bool impatient = t == &m->threads[IMPATIENT];
  if (choice == 0 && !t->woken) return EXPLORER_BLOCKED;
  if (choice > 1 || (choice == 1 && !impatient)) return EXPLORER_BLOCKED;
  if (choice == 1) {
    look_at_flight(m, t, false);
  } else {
    t->at = A_LOOK;
  }
  return EXPLORER_STEPPED;
}

/* ---- Creation ---- */

/* Choice 1: it fails. */
static explorer_step create(machine *m, one_thread *t, uint8_t self, unsigned choice) {
  if (choice > 1) return EXPLORER_BLOCKED;
  flight *f = flight_of(m, t);
  stop_cleanup(m, t->parted); /* of a value that was found dead */
  t->parted = NOTHING;
  f->failed = (uint8_t)choice;
  t->at = is_changed(m, WAKE_FIRST) ? A_WAKE : A_LAND;
  if (f->failed) return EXPLORER_STEPPED;
  m->values[self] = (value){.references = 1, .cleanup = LISTED};
  f->value = t->value = self;
  if (!is_changed(m, FLIGHT_WITHOUT_REFERENCE)) retain(m, self);
  return EXPLORER_STEPPED;
}

static void land_in_entry(machine *m, one_thread *t, uint8_t self, uint8_t which) {
  if (m->entries[which].flight != self) broke(m, "who created first touches a later entry");
  m->entries[which].flight = NOTHING;
  t->entry = NOTHING;
  if (m->flights[self].failed) {
    remove_entry(m, t, which);
  } else {
    enter(m, t, which, self);
  }
}

static void land(machine *m, one_thread *t, uint8_t self) {
  flight *f = flight_of(m, t);
  bool by_key = is_changed(m, LAND_BY_KEY) && f->failed;
  uint8_t target = by_key ? find_key(m) : t->entry;
  bool doomed = f->is_doomed && !is_changed(m, NO_LOOK_AT_DOOMED) && !(by_key && target != NOTHING);
  if (f->is_doomed && !doomed && !by_key) broke(m, "a doomed result is entered");
  t->entry = NOTHING;
  if (!doomed) land_in_entry(m, t, self, target);
  f->flies = 0;
  f->is_over = 1;
  if (!is_changed(m, WAKE_FIRST)) wake_all(m, self);
  answer(m, t);
  t->turns_away = doomed && !f->failed;
  leave_flight(m, t, A_PART);
}

static void part_landed(machine *m, one_thread *t, uint8_t self) {
  if (t->turns_away) stop_cleanup(m, self);
  t->turns_away = 0;
  part(m, t);
  t->at = A_USE;
}

static void use(machine *m, one_thread *t) {
  uint8_t held = t->value;
  if (held != NOTHING && m->values[held].dead) broke(m, "a dead value is given out");
  t->value = t->entry = t->flight = NOTHING;
  release(m, t, held, OVER);
}

/* Steps that always go on. */
static void step_asker(machine *m, one_thread *t, uint8_t self) {
  switch (t->at) {
    case A_ASK:
      ask(m, t, self);
      break;
    case A_COUNT_IN:
      flight_of(m, t)->present++;
      t->at = flight_of(m, t)->is_over ? A_LOOK : A_SLEEP;
      break;
    case A_REGISTER:
      register_flight(m, t, self);
      break;
    case A_LOOK:
      look_at_flight(m, t, true);
      break;
    case A_TAKE_LATE:
      take_result(m, t);
      t->at = A_USE;
      break;
    case A_WAKE:
      wake_all(m, self);
      t->at = A_LAND;
      break;
    case A_LAND:
      land(m, t, self);
      break;
    case A_FREE_FLIGHT:
      free_flight(m, t);
      break;
    case A_PART:
      part_landed(m, t, self);
      break;
    default:
      use(m, t);
      break;
  }
}

/* ---- Remove or put, whichever and in any order, each at most once ---- */

/* Choice 2: no more. */
static explorer_step choose_change(machine *m, one_thread *t, unsigned choice) {
  if (m->changes_left == 0) return EXPLORER_IDLE;
  if (m->changes >> choice & 1) return EXPLORER_BLOCKED;
  m->changes_left--;
  if (choice == 2) {
    m->changes_left = 0;
    return EXPLORER_STEPPED;
  }
  m->changes |= (uint8_t)(1 << choice);
  t->at = choice == 0 ? C_REMOVE : C_PLACE;
  if (choice == 1) m->values[CHANGER] = (value){.references = 1, .cleanup = LISTED};
  return EXPLORER_STEPPED;
}

static void place(machine *m, one_thread *t) {
  uint8_t found = find_key(m);
  t->value = CHANGER;
  if (found == NOTHING) {
    list_entry(m, CHANGER);
    enter(m, t, CHANGER, CHANGER);
  } else {
    enter(m, t, found, CHANGER);
  }
  t->at = C_PART;
}

static void step_changer(machine *m, one_thread *t) {
  uint8_t found = find_key(m);
  uint8_t held = t->value;
  switch (t->at) {
    case C_REMOVE:
      if (found != NOTHING) remove_entry(m, t, found);
      t->at = C_PART;
      break;
    case C_PLACE:
      place(m, t);
      break;
    case C_PART:
      part(m, t);
      t->at = C_DROP;
      break;
    default:
      t->value = NOTHING;
      release(m, t, held, C_CHOOSE);
      break;
  }
}

/* ---- The protocol ---- */

static explorer_step step(void *state, size_t thread, unsigned choice) {
  machine *m = state;
  one_thread *t = &m->threads[thread];
  if (t->at == OVER) return EXPLORER_IDLE;
  if (t->at == A_SLEEP) return sleep_on(m, t, choice);
  if (t->at == A_CREATE) return create(m, t, (uint8_t)thread, choice);
  if (t->at == C_CHOOSE) return choose_change(m, t, choice);
  if (choice != 0) return EXPLORER_BLOCKED;
  if (t->at <= D_REMOVE) {
    step_death(m, t);
  } else if (thread == CHANGER) {
    step_changer(m, t);
  } else {
    step_asker(m, t, (uint8_t)thread);
  }
  return EXPLORER_STEPPED;
}

static void start(void *state, int variant) {
  machine *m = state;
  m->variant = (uint16_t)variant;
  m->changes_left = 2;
  for (size_t i = 0; i < THREADS; i++) {
    uint8_t first = i == CHANGER ? C_CHOOSE : A_ASK;
    m->threads[i] = (one_thread){first, .entry = NOTHING, .flight = NOTHING, .parted = NOTHING, .value = NOTHING};
    m->entries[i] = (entry){.value = NOTHING, .flight = NOTHING};
  }
}

static const char *check_entry(const machine *m, const entry *e) {
  if (e->free > 1) return "an entry is free twice";
  if (e->listed && e->free) return "an entry in the table is free";
  if (e->listed && e->flight != NOTHING && e->value != NOTHING) return "V2: an entry has a value and a flight";
  if (e->listed && e->flight != NOTHING && m->flights[e->flight].is_doomed) return "V6: a doomed flight has an entry";
  return NULL;
}

static const char *check(const void *state) {
  const machine *m = state;
  const char *found = m->broken;
  unsigned listed = 0;
  for (size_t i = 0; i < THREADS && found == NULL; i++) {
    listed += m->entries[i].listed;
    found = check_entry(m, &m->entries[i]);
    if (m->values[i].ends > 1) return "a cleanup ends twice";
  }
  for (size_t i = 0; i < ASKERS && found == NULL; i++) {
    if (m->flights[i].free > 1) found = "a flight is free twice";
  }
  return found == NULL && listed > 1 ? "V1: a key has two entries" : found;
}

static const char *check_value_at_end(const value *v) {
  if (v->references != 0) return "references are miscounted";
  return v->ends == (v->cleanup != NOT_ADDED) ? NULL : "a cleanup is lost";
}

/* Everybody has let go, so all has ended. */
static const char *check_end(const void *state) {
  const machine *m = state;
  const char *found = find_key(m) != NOTHING ? "an entry stays without its value" : NULL;
  for (size_t i = 0; i < THREADS && found == NULL; i++) found = check_value_at_end(&m->values[i]);
  for (size_t i = 0; i < ASKERS && found == NULL; i++) {
    const flight *f = &m->flights[i];
    if (f->present != 0 || f->flies || f->is_over) found = "a flight is never free";
    if (m->threads[i].results == 0) found = "a question has no result";
  }
  return found;
}

static const explorer_protocol flying = {
    .name = "creation, waiters, remove and put",
    .state_bytes = sizeof(machine),
    .threads = THREADS,
    .choices = 3,
    .start = start,
    .step = step,
    .check = check,
    .check_end = check_end,
};

TEST(cache_flight, one_creates_and_all_get_one_result) { CHECK_PROTOCOL_HOLDS(&flying, 0); }

TEST(cache_flight, control_a_failure_that_goes_by_the_key) {
  CHECK_PROTOCOL_BREAKS(&flying, LAND_BY_KEY, "who created first touches a later entry");
}

TEST(cache_flight, control_a_creator_that_does_not_look_whether_it_is_doomed) {
  CHECK_PROTOCOL_BREAKS(&flying, NO_LOOK_AT_DOOMED, "a doomed result is entered");
}

TEST(cache_flight, control_a_reference_that_is_taken_after_leaving) {
  CHECK_PROTOCOL_BREAKS(&flying, REFERENCE_AFTER_LEAVE, "a flight that is free is touched");
}

TEST(cache_flight, control_a_call_before_the_flight_is_over) {
  CHECK_PROTOCOL_BREAKS(&flying, WAKE_FIRST, "threads wait for ever");
}

TEST(cache_flight, control_a_flight_that_the_first_frees) {
  CHECK_PROTOCOL_BREAKS(&flying, FIRST_FREES, "a flight that is free is touched");
}

TEST(cache_flight, control_a_flight_without_a_reference_of_its_own) {
  CHECK_PROTOCOL_BREAKS(&flying, FLIGHT_WITHOUT_REFERENCE, "a dead value is given out");
}

TEST(cache_flight, control_a_waiter_that_is_counted_too_late) {
  CHECK_PROTOCOL_BREAKS(&flying, PRESENT_TOO_LATE, "a flight that is free is touched");
}

TEST(cache_flight, control_a_put_that_dooms_nothing) {
  CHECK_PROTOCOL_BREAKS(&flying, NO_DOOM, "V2: an entry has a value and a flight");
}

TEST(cache_flight, control_a_flight_that_is_registered_too_late) {
  CHECK_PROTOCOL_BREAKS(&flying, CREATE_UNREGISTERED, "two create at once");
}
