/* cache_replace_test.c: a value of a cache dies, while others are put under its key, one asks for the key, and one
 * removes it if it still leads to a certain value. No entry goes because another's value died, nobody gets the dead,
 * and in the end the table has what was put last.
 *
 * Models, in lib/caches:
 *   D_CLAIM          the claim of a cleanup in lib/refs/cleanup_nodes.c: from listed to running, or it was stopped
 *   D_REMOVE         cache_entries.c: on_death between lido_table_take and lido_table_give
 *   D_PART, G_PART, P_PART, R_PART   cache_entries.c: lido_cache_part
 *   G_ENTER, G_FIND, G_READ, G_ACQUIRE, G_LEAVE
 *                    cache_get.c: lido_cache_get_hashed; G_READ is the load in lido_cache_value_of
 *   G_LOCKED         cache_get.c: get_locked under the lock
 *   P_ARRIVE         cache_entries.c: lido_cache_arrive
 *   P_PLACE          cache_changes.c: place under the lock
 *   R_REMOVE         cache_changes.c: remove_entry under the lock
 * What a lock holds together is one step. A handle is a number that no other object ever has (slot_word_test.c); the
 * walk of a chain is one step (table_walk_test.c); a grace period ends as soon as it may (grace_period_test.c). Nothing
 * is kept by the cache.
 */
#include "tests/interleavings/interleaving_explorer.h"

enum { HOLDER, PUTTER, GETTER, REMOVER, THREADS };
enum { V, X, Y, VALUES, NOTHING = 0xff };
enum { FIRST_ENTRY, SPARE_FOR_X, SPARE_FOR_Y, ENTRIES };
enum { GETS = 2 };

/* Lines left out or changed. */
enum {
  REMOVE_BY_KEY = 1,         /* a death removes what its key leads to */
  LOOK_UNLOCKED = 2,         /* a death looks for its entry before it has the lock */
  COMPARE_UNLOCKED = 4,      /* remove_if compares before it has the lock */
  GET_TRUSTS_FIRST_LOOK = 8, /* get removes the entry that it found dead, without a second look */
  NO_STOP = 16,              /* put leaves the cleanup of what it replaced */
  RUN_UNCLAIMED = 32,        /* a death runs its cleanup, stopped or not */
  ENTRY_AT_ONCE = 64,        /* an entry's memory does not wait for readers */
  ACQUIRE_UNCHECKED = 128    /* a handle is followed without a look at the count */
};

enum {
  D_CLAIM,
  D_LOOK,
  D_REMOVE,
  D_PART,
  H_CHOOSE,
  P_ARRIVE,
  P_PLACE,
  P_PART,
  P_DROP,
  G_ENTER,
  G_FIND,
  G_READ,
  G_ACQUIRE,
  G_LEAVE,
  G_LOCKED,
  G_PART,
  G_USE,
  R_CHOOSE,
  R_COMPARE,
  R_REMOVE,
  R_PART,
  OVER
};

/* Of a cleanup. */
enum { NOT_ADDED, LISTED, RUNNING, ENDED };

enum {
  FINE,
  ANOTHER_REMOVED,
  DEAD_GIVEN,
  FREED_READ,
  NEVER_THERE,
  LIVE_REMOVED,
};

static const char *const problems[] = {
    [ANOTHER_REMOVED] = "an entry is removed for another's value",
    [DEAD_GIVEN] = "get gives a dead object",
    [FREED_READ] = "a reader reads an entry that is free",
    [NEVER_THERE] = "get gives what the key never led to meanwhile",
    [LIVE_REMOVED] = "get removes a live value",
};

typedef struct value {
  uint8_t references;
  uint8_t dead;
  uint8_t cleanup;
  uint8_t ends; /* how often its cleanup ran or was stopped */
} value;

typedef struct entry {
  uint8_t listed;
  uint8_t value;
  uint8_t waits; /* for the reader who was inside when it died */
  uint8_t free;
} entry;

typedef struct one_thread {
  uint8_t at;
  uint8_t then;   /* where it goes on after a death */
  uint8_t dying;  /* value */
  uint8_t entry;  /* that was found, or has left the table; or NOTHING */
  uint8_t value;  /* in hands, or to be put, or whose handle was read */
  uint8_t parted; /* value whose cleanup is to be stopped */
  uint8_t done;
} one_thread;

typedef struct machine {
  uint8_t variant;
  uint8_t broken;
  uint8_t inside;    /* the getter is inside its guard */
  uint8_t meanwhile; /* bits: values that the key led to at some moment of this get */
  value values[VALUES];
  entry entries[ENTRIES];
  one_thread threads[THREADS];
} machine;

static void broke(machine *m, uint8_t problem) {
  if (m->broken == FINE) m->broken = problem;
}

/* ---- The table: one key ---- */

static uint8_t find_key(const machine *m) {
  for (uint8_t i = 0; i < ENTRIES; i++) {
    if (m->entries[i].listed) return i;
  }
  return NOTHING;
}

static uint8_t find_value(const machine *m, uint8_t wanted) {
  uint8_t found = find_key(m);
  return found != NOTHING && m->entries[found].value == wanted ? found : NOTHING;
}

static void unlist(machine *m, one_thread *t, uint8_t which) {
  t->entry = which;
  if (which == NOTHING) return;
  m->entries[which].listed = 0;
  t->parted = m->entries[which].value;
}

static void release_entry(machine *m, uint8_t which) {
  if (which == NOTHING) return;
  bool waits = m->inside && !(m->variant & ENTRY_AT_ONCE);
  m->entries[which].waits = waits;
  m->entries[which].free = !waits;
}

/* ---- Values ---- */

static void stop_cleanup(machine *m, uint8_t which) {
  if (which == NOTHING || m->values[which].cleanup != LISTED) return;
  m->values[which].cleanup = ENDED;
  m->values[which].ends++;
}

static void part(machine *m, one_thread *t) {
  stop_cleanup(m, t->parted);
  release_entry(m, t->entry);
  t->parted = t->entry = NOTHING;
}

/* The thread goes on at `then`, when it has finished what death that brings. */
static void release_value(machine *m, one_thread *t, uint8_t which, uint8_t then) {
  t->at = t->then = then;
  t->value = NOTHING;
  if (--m->values[which].references != 0) return;
  m->values[which].dead = 1;
  t->dying = which;
  t->at = D_CLAIM;
}

static bool acquire(machine *m, one_thread *t, uint8_t which) {
  if (which == NOTHING || (m->values[which].dead && !(m->variant & ACQUIRE_UNCHECKED))) return false;
  if (m->values[which].dead) broke(m, DEAD_GIVEN);
  if (!(m->meanwhile >> which & 1)) broke(m, NEVER_THERE);
  m->values[which].references++;
  t->value = which;
  return true;
}

/* ---- A death, in the thread whose release was the last ---- */

static void claim(machine *m, one_thread *t) {
  value *v = &m->values[t->dying];
  if (v->cleanup != LISTED && !(m->variant & RUN_UNCLAIMED)) {
    t->at = t->then;
    return;
  }
  v->cleanup = RUNNING;
  t->at = m->variant & LOOK_UNLOCKED ? D_LOOK : D_REMOVE;
}

static uint8_t entry_of_dead(const machine *m, const one_thread *t) {
  if (m->variant & REMOVE_BY_KEY) return find_key(m);
  if (m->variant & LOOK_UNLOCKED) return t->entry != NOTHING && m->entries[t->entry].listed ? t->entry : NOTHING;
  return find_value(m, t->dying);
}

static void remove_dead(machine *m, one_thread *t) {
  uint8_t found = entry_of_dead(m, t);
  if (found != NOTHING && m->entries[found].value != t->dying) broke(m, ANOTHER_REMOVED);
  unlist(m, t, found);
  t->parted = NOTHING; /* it is the one that runs */
  t->at = D_PART;
}

static void step_death(machine *m, one_thread *t) {
  switch (t->at) {
    case D_CLAIM:
      claim(m, t);
      break;
    case D_LOOK:
      t->entry = find_value(m, t->dying);
      t->at = D_REMOVE;
      break;
    case D_REMOVE:
      remove_dead(m, t);
      break;
    default:
      part(m, t);
      m->values[t->dying].cleanup = ENDED;
      m->values[t->dying].ends++;
      t->at = t->then;
      break;
  }
}

/* ---- Put: of X, which is let go then, and of Y, which stays ---- */

static void place(machine *m, one_thread *t) {
  uint8_t spare = (uint8_t)(FIRST_ENTRY + t->value);
  uint8_t found = find_key(m);
  if (found == NOTHING) {
    m->entries[spare] = (entry){.listed = 1, .value = t->value};
  } else {
    t->parted = m->entries[found].value;
    m->entries[found].value = t->value;
    m->entries[spare].free = 1;
  }
  t->at = P_PART;
}

static void drop_or_end(machine *m, one_thread *t) {
  if (t->value == Y) {
    t->at = OVER;
  } else {
    release_value(m, t, X, P_ARRIVE);
  }
}

static void step_putter(machine *m, one_thread *t) {
  switch (t->at) {
    case P_ARRIVE:
      t->value = t->done++ == 0 ? X : Y;
      m->values[t->value] = (value){.references = 1, .cleanup = LISTED};
      t->at = P_PLACE;
      break;
    case P_PLACE:
      place(m, t);
      break;
    case P_PART:
      if (m->variant & NO_STOP) t->parted = NOTHING;
      part(m, t);
      t->at = P_DROP;
      break;
    default:
      drop_or_end(m, t);
      break;
  }
}

/* ---- Get ---- */

static void begin_get(machine *m, one_thread *t) {
  uint8_t found = find_key(m);
  m->inside = 1;
  m->meanwhile = found != NOTHING ? (uint8_t)(1 << m->entries[found].value) : 0;
  t->at = G_FIND;
}

static void read_handle(machine *m, one_thread *t) {
  if (t->entry != NOTHING && m->entries[t->entry].free) broke(m, FREED_READ);
  t->value = t->entry != NOTHING ? m->entries[t->entry].value : NOTHING;
  t->at = G_ACQUIRE;
}

static void leave_guard(machine *m, one_thread *t) {
  m->inside = 0;
  for (size_t i = 0; i < ENTRIES; i++) {
    m->entries[i].free |= m->entries[i].waits;
    m->entries[i].waits = 0;
  }
  t->at = t->value != NOTHING ? G_USE : G_LOCKED;
}

static void look_locked(machine *m, one_thread *t) {
  uint8_t found = find_key(m);
  bool trusts = (m->variant & GET_TRUSTS_FIRST_LOOK) != 0 && found != NOTHING && found == t->entry;
  if (found != NOTHING && !trusts && acquire(m, t, m->entries[found].value)) {
    t->entry = NOTHING;
    t->at = G_USE;
    return;
  }
  if (found != NOTHING && !m->values[m->entries[found].value].dead) broke(m, LIVE_REMOVED);
  unlist(m, t, found);
  t->at = G_PART;
}

static void end_get(one_thread *t) { t->at = t->done == GETS ? OVER : G_ENTER; }

static void use(machine *m, one_thread *t) {
  if (m->values[t->value].dead) broke(m, DEAD_GIVEN);
  t->entry = NOTHING;
  t->done++;
  release_value(m, t, t->value, t->done == GETS ? OVER : G_ENTER);
}

static void step_getter(machine *m, one_thread *t) {
  switch (t->at) {
    case G_ENTER:
      begin_get(m, t);
      break;
    case G_FIND:
      t->entry = find_key(m);
      t->at = G_READ;
      break;
    case G_READ:
      read_handle(m, t);
      break;
    case G_ACQUIRE:
      if (!acquire(m, t, t->value)) t->value = NOTHING;
      t->at = G_LEAVE;
      break;
    case G_LEAVE:
      leave_guard(m, t);
      break;
    case G_LOCKED:
      look_locked(m, t);
      break;
    case G_PART:
      part(m, t);
      t->done++;
      end_get(t);
      break;
    default:
      use(m, t);
      break;
  }
}

/* ---- Remove, if the key leads to V or to X ---- */

static uint8_t entry_to_remove(const machine *m, const one_thread *t) {
  if (!(m->variant & COMPARE_UNLOCKED)) return find_value(m, t->value);
  return t->entry != NOTHING && m->entries[t->entry].listed ? t->entry : NOTHING;
}

static void step_remover(machine *m, one_thread *t, unsigned choice) {
  switch (t->at) {
    case R_CHOOSE:
      t->value = (uint8_t)choice;
      t->at = m->variant & COMPARE_UNLOCKED ? R_COMPARE : R_REMOVE;
      break;
    case R_COMPARE:
      t->entry = find_value(m, t->value);
      t->at = R_REMOVE;
      break;
    case R_REMOVE: {
      uint8_t found = entry_to_remove(m, t);
      if (found != NOTHING && m->entries[found].value != t->value) broke(m, ANOTHER_REMOVED);
      unlist(m, t, found);
      t->at = R_PART;
      break;
    }
    default:
      part(m, t);
      t->at = OVER;
      break;
  }
}

/* ---- The protocol ---- */

static bool is_choice(const one_thread *t) { return t->at == H_CHOOSE || t->at == R_CHOOSE; }

/* It lets V go, or keeps it to the end. */
static void step_holder(machine *m, one_thread *t, unsigned choice) {
  if (choice == 0) {
    release_value(m, t, V, OVER);
  } else {
    t->at = OVER;
  }
}

static explorer_step step(void *state, size_t thread, unsigned choice) {
  machine *m = state;
  one_thread *t = &m->threads[thread];
  if (t->at == OVER) return EXPLORER_IDLE;
  if (choice != 0 && !is_choice(t)) return EXPLORER_BLOCKED;
  if (t->at <= D_PART) {
    step_death(m, t);
  } else if (thread == PUTTER) {
    step_putter(m, t);
  } else if (thread == GETTER) {
    step_getter(m, t);
  } else if (thread == REMOVER) {
    step_remover(m, t, choice);
  } else {
    step_holder(m, t, choice);
  }
  uint8_t now = find_key(m);
  if (now != NOTHING) m->meanwhile |= (uint8_t)(1 << m->entries[now].value);
  return EXPLORER_STEPPED;
}

static void start(void *state, int variant) {
  static const uint8_t first[THREADS] = {H_CHOOSE, P_ARRIVE, G_ENTER, R_CHOOSE};
  machine *m = state;
  m->variant = (uint8_t)variant;
  m->values[V] = (value){.references = 1, .cleanup = LISTED};
  m->entries[FIRST_ENTRY] = (entry){.listed = 1, .value = V};
  for (size_t i = 0; i < THREADS; i++) {
    m->threads[i] = (one_thread){.at = first[i], .entry = NOTHING, .value = NOTHING, .parted = NOTHING};
  }
}

static const char *check(const void *state) {
  const machine *m = state;
  if (m->broken != FINE) return problems[m->broken];
  unsigned listed = 0;
  for (size_t i = 0; i < ENTRIES; i++) {
    listed += m->entries[i].listed;
    if (m->entries[i].listed && m->entries[i].free) return "an entry in the table is free";
  }
  for (size_t i = 0; i < VALUES; i++) {
    if (m->values[i].ends > 1) return "a cleanup ends twice";
  }
  return listed > 1 ? "a key has two entries" : NULL;
}

static const char *check_end(const void *state) {
  const machine *m = state;
  if (find_value(m, Y) == NOTHING) return "what was put last is not there";
  for (size_t i = 0; i < ENTRIES; i++) {
    if (m->entries[i].listed == m->entries[i].free) return "an entry is lost";
  }
  if (m->values[Y].cleanup != LISTED) return "a value in the table has no cleanup";
  if (m->values[V].ends != 1 || m->values[X].ends != 1) return "a cleanup is left on what is in no entry";
  return m->values[X].dead ? NULL : "a value is never let go";
}

static const explorer_protocol replace = {
    .name = "death of a value, put, get, remove_if",
    .state_bytes = sizeof(machine),
    .threads = THREADS,
    .choices = 2,
    .start = start,
    .step = step,
    .check = check,
    .check_end = check_end,
};

TEST(cache_replace, the_new_outlives_the_old) { CHECK_PROTOCOL_HOLDS(&replace, 0); }

TEST(cache_replace, control_removal_by_key) {
  CHECK_PROTOCOL_BREAKS(&replace, REMOVE_BY_KEY, "an entry is removed for another's value");
}

TEST(cache_replace, control_a_death_that_compares_outside_the_lock) {
  CHECK_PROTOCOL_BREAKS(&replace, LOOK_UNLOCKED, "an entry is removed for another's value");
}

TEST(cache_replace, control_a_removal_that_compares_outside_the_lock) {
  CHECK_PROTOCOL_BREAKS(&replace, COMPARE_UNLOCKED, "an entry is removed for another's value");
}

TEST(cache_replace, control_a_get_that_trusts_its_first_look) {
  CHECK_PROTOCOL_BREAKS(&replace, GET_TRUSTS_FIRST_LOOK, "get removes a live value");
}

TEST(cache_replace, control_a_cleanup_that_is_not_stopped) {
  CHECK_PROTOCOL_BREAKS(&replace, NO_STOP, "a cleanup is left on what is in no entry");
}

TEST(cache_replace, control_a_cleanup_that_runs_though_it_was_stopped) {
  CHECK_PROTOCOL_BREAKS(&replace, RUN_UNCLAIMED, "a cleanup ends twice");
}

TEST(cache_replace, control_an_entry_that_does_not_wait_for_readers) {
  CHECK_PROTOCOL_BREAKS(&replace, ENTRY_AT_ONCE, "a reader reads an entry that is free");
}

TEST(cache_replace, control_a_handle_that_is_followed_unchecked) {
  CHECK_PROTOCOL_BREAKS(&replace, ACQUIRE_UNCHECKED, "get gives a dead object");
}
