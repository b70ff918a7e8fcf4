/* intern_race_test.c: two threads intern the same bytes and let go of them, again and again, and a third does so once.
 * All who hold these bytes hold the same value, nobody gets a dead one, and nobody walks over memory that is free.
 *
 * Models lib/caches/intern.c and lib/refs/death.c:
 *   ENTER, HEAD, LOOK, NEXT, LEAVE
 *                intern.c: find_unlocked; the walk of a chain, where LOOK is the compare of bytes and the acquire
 *   MAKE         make_value; and the moment before enter
 *   INSERT       enter, under the lock
 *   TURN_AWAY    make_and_enter releases its own value, because another was faster
 *   USE          the program's own: it has the value, and lets it go
 *   DYING        death.c: mark_dying; the count is 0 already, so no handle leads here
 *   UNLIST       intern.c: unlist, under the lock
 *   DEFER        lib/refs/grace_period.c: lido_guard_defer; free as soon as nobody is inside who was inside then
 * The last thread moves the chain to another array once, which turns it round (hash_table.c: move_all).
 * What a lock holds together is one step. All bytes are the same, so there is one chain. A value's memory is not used
 * again, so that what is free shows. That a handle leads to no later life: slot_word_test.c; that links are followed
 * safely: table_walk_test.c.
 */
#include "tests/interleavings/interleaving_explorer.h"

enum { USERS = 3, MOVER = 3, THREADS = 4, VALUES = 5, NOTHING = 0xff };

/* Lines left out or changed. */
enum {
  UNLIST_LATE = 1,      /* a dying value leaves the table when nobody reads it any more */
  NO_SECOND_LOOK = 2,   /* who has made a value enters it without a look under the lock */
  COUNT_OF_ZERO = 4,    /* a handle leads to the dying, too */
  FREE_AT_ONCE = 8,     /* a value's memory does not wait for readers */
  UNLIST_BY_BYTES = 16, /* a dying value takes out of the table what has its bytes */
  FIRST_FIT_ONLY = 32   /* under the lock, too, a dying value ends the search */
};

enum { ENTER, HEAD, LOOK, NEXT, LEAVE, MAKE, INSERT, TURN_AWAY, USE, DYING, UNLIST, DEFER, OVER };

typedef struct value {
  uint8_t references;
  uint8_t made;
  uint8_t listed;
  uint8_t next; /* value, or NOTHING */
  uint8_t deferred;
  uint8_t waits_for; /* bits: threads that were inside when it was deferred */
  uint8_t freed;
} value;

typedef struct one_thread {
  uint8_t at;
  uint8_t then;
  uint8_t rounds; /* left */
  uint8_t inside;
  uint8_t cursor;
  uint8_t held;
  uint8_t own; /* value that it made */
  uint8_t dying;
} one_thread;

typedef struct machine {
  const char *broken;
  uint8_t variant;
  uint8_t head;
  value values[VALUES];
  one_thread threads[USERS];
  uint8_t moved;
} machine;

static void broke(machine *m, const char *problem) {
  if (m->broken == NULL) m->broken = problem;
}

static value *touch(machine *m, uint8_t which) {
  if (m->values[which].freed) broke(m, "memory is touched that is free");
  return &m->values[which];
}

static bool acquire(machine *m, uint8_t which) {
  value *v = touch(m, which);
  if (v->references == 0 && !(m->variant & COUNT_OF_ZERO)) return false;
  if (v->references == 0) broke(m, "a dead value is given out");
  v->references++;
  return true;
}

/* ---- The table ---- */

static uint8_t find_locked(machine *m) {
  for (uint8_t which = m->head; which != NOTHING; which = m->values[which].next) {
    if (acquire(m, which)) return which;
    if (m->variant & FIRST_FIT_ONLY) break;
  }
  return NOTHING;
}

static void insert(machine *m, uint8_t which) {
  m->values[which].next = m->head;
  m->values[which].listed = 1;
  m->head = which;
}

static void take_out(machine *m, uint8_t which) {
  uint8_t *place = &m->head;
  while (*place != which && *place != NOTHING) place = &touch(m, *place)->next;
  if (*place == which) *place = m->values[which].next;
  m->values[which].listed = 0;
}

/* Not while there is nothing to turn round. */
static explorer_step move(machine *m) {
  if (m->moved || m->head == NOTHING || m->values[m->head].next == NOTHING) return EXPLORER_IDLE;
  uint8_t which = m->head;
  m->head = NOTHING;
  while (which != NOTHING) {
    uint8_t next = m->values[which].next;
    insert(m, which);
    which = next;
  }
  m->moved = 1;
  return EXPLORER_STEPPED;
}

static void unlist(machine *m, uint8_t which) {
  if (m->variant & UNLIST_BY_BYTES) which = m->head;
  if (which != NOTHING && m->values[which].listed) take_out(m, which);
}

/* ---- Readers and memory ---- */

static void finish(machine *m, uint8_t which) {
  value *v = &m->values[which];
  if (m->variant & UNLIST_LATE) take_out(m, which);
  v->freed = 1;
  v->next = 0; /* equal states are equal bytes */
}

static void finish_if_unread(machine *m, uint8_t which) {
  const value *v = &m->values[which];
  if (v->deferred && !v->freed && v->waits_for == 0) finish(m, which);
}

static void defer(machine *m, uint8_t which) {
  value *v = &m->values[which];
  v->deferred = 1;
  if (!(m->variant & FREE_AT_ONCE)) {
    for (size_t i = 0; i < USERS; i++) v->waits_for |= (uint8_t)(m->threads[i].inside << i);
  }
  finish_if_unread(m, which);
}

static void leave(machine *m, size_t thread) {
  m->threads[thread].inside = 0;
  for (uint8_t i = 0; i < VALUES; i++) {
    m->values[i].waits_for &= (uint8_t) ~(1 << thread);
    finish_if_unread(m, i);
  }
}

/* ---- A thread ---- */

static void release(machine *m, one_thread *t, uint8_t which, uint8_t then) {
  t->at = t->then = then;
  if (--m->values[which].references != 0) return;
  t->dying = which;
  t->at = DYING;
}

static uint8_t fresh_value(const machine *m) {
  uint8_t which = 0;
  while (which < VALUES && m->values[which].made) which++;
  return which;
}

static void make(machine *m, one_thread *t) {
  t->own = fresh_value(m);
  if (t->own == VALUES) {
    broke(m, "the model has too few values");
    return;
  }
  m->values[t->own] = (value){.references = 1, .made = 1};
  t->at = INSERT;
}

static void enter(machine *m, one_thread *t) {
  t->held = m->variant & NO_SECOND_LOOK ? NOTHING : find_locked(m);
  t->at = t->held == NOTHING ? USE : TURN_AWAY;
  if (t->held != NOTHING) return;
  insert(m, t->own);
  t->held = t->own;
  t->own = NOTHING;
}

static void look(machine *m, one_thread *t) {
  t->at = NEXT;
  if (!acquire(m, t->cursor)) return;
  t->held = t->cursor;
  t->at = LEAVE;
}

static void let_go(machine *m, one_thread *t) {
  uint8_t held = t->held;
  if (m->values[held].freed) broke(m, "a value is free that somebody holds");
  t->held = NOTHING;
  release(m, t, held, --t->rounds == 0 ? OVER : ENTER);
}

static void turn_away(machine *m, one_thread *t) {
  uint8_t own = t->own;
  t->own = NOTHING;
  release(m, t, own, USE);
}

static void end_death(one_thread *t) {
  t->at = t->then;
  t->dying = t->then = 0;
}

static void step_death(machine *m, one_thread *t) {
  switch (t->at) {
    case DYING:
      t->at = m->variant & UNLIST_LATE ? DEFER : UNLIST;
      break;
    case UNLIST:
      unlist(m, t->dying);
      t->at = DEFER;
      break;
    default:
      defer(m, t->dying);
      end_death(t);
      break;
  }
}

static void step_thread(machine *m, size_t thread, one_thread *t) {
  switch (t->at) {
    case ENTER:
      t->inside = 1;
      t->at = HEAD;
      break;
    case HEAD:
      t->cursor = m->head;
      t->at = t->cursor != NOTHING ? LOOK : LEAVE;
      break;
    case LOOK:
      look(m, t);
      break;
    case NEXT:
      t->cursor = touch(m, t->cursor)->next;
      t->at = t->cursor != NOTHING ? LOOK : LEAVE;
      break;
    case LEAVE:
      leave(m, thread);
      t->cursor = NOTHING;
      t->at = t->held != NOTHING ? USE : MAKE;
      break;
    case MAKE:
      make(m, t);
      break;
    case INSERT:
      enter(m, t);
      break;
    case TURN_AWAY:
      turn_away(m, t);
      break;
    default:
      let_go(m, t);
      break;
  }
}

/* ---- The protocol ---- */

static explorer_step step(void *state, size_t thread, unsigned choice) {
  machine *m = state;
  if (thread == MOVER) return move(m);
  one_thread *t = &m->threads[thread];
  if (t->at == OVER) return EXPLORER_IDLE;
  if (choice != 0) return EXPLORER_BLOCKED;
  if (t->at >= DYING) {
    step_death(m, t);
  } else {
    step_thread(m, thread, t);
  }
  return EXPLORER_STEPPED;
}

static void start(void *state, int variant) {
  machine *m = state;
  m->variant = (uint8_t)variant;
  m->head = NOTHING;
  for (size_t i = 0; i < USERS; i++) {
    m->threads[i] = (one_thread){.rounds = i == USERS - 1 ? 1 : 2, .cursor = NOTHING, .held = NOTHING, .own = NOTHING};
  }
}

/* A value that was turned away was never given out; `held` is what is in hands. */
static const char *check(const void *state) {
  const machine *m = state;
  uint8_t common = NOTHING;
  for (size_t i = 0; i < USERS && m->broken == NULL; i++) {
    uint8_t held = m->threads[i].held;
    if (held == NOTHING) continue;
    if (common != NOTHING && common != held) return "two live values have the same bytes";
    common = held;
  }
  for (size_t i = 0; i < VALUES && m->broken == NULL; i++) {
    const value *v = &m->values[i];
    if (v->freed && v->listed) return "memory in the table is free";
  }
  return m->broken;
}

static const char *check_end(const void *state) {
  const machine *m = state;
  for (size_t i = 0; i < VALUES; i++) {
    if (m->values[i].made && (m->values[i].references != 0 || !m->values[i].freed)) return "a value is never free";
  }
  return m->head == NOTHING ? NULL : "the table has what is dead";
}

static const explorer_protocol interning = {
    .name = "interning and last releases of the same bytes",
    .state_bytes = sizeof(machine),
    .threads = THREADS,
    .choices = 1,
    .start = start,
    .step = step,
    .check = check,
    .check_end = check_end,
};

TEST(intern_race, all_hold_the_same_value) { CHECK_PROTOCOL_HOLDS(&interning, 0); }

TEST(intern_race, control_a_value_that_leaves_the_table_after_its_readers) {
  CHECK_PROTOCOL_BREAKS(&interning, UNLIST_LATE, "memory is touched that is free");
}

TEST(intern_race, control_no_second_look) {
  CHECK_PROTOCOL_BREAKS(&interning, NO_SECOND_LOOK, "two live values have the same bytes");
}

TEST(intern_race, control_the_dead_are_acquired) {
  CHECK_PROTOCOL_BREAKS(&interning, COUNT_OF_ZERO, "a dead value is given out");
}

TEST(intern_race, control_memory_that_is_free_at_once) {
  CHECK_PROTOCOL_BREAKS(&interning, FREE_AT_ONCE, "memory is touched that is free");
}

TEST(intern_race, control_a_value_that_goes_by_its_bytes) {
  CHECK_PROTOCOL_BREAKS(&interning, UNLIST_BY_BYTES, "memory in the table is free");
}

TEST(intern_race, control_a_search_that_ends_at_the_dying) {
  CHECK_PROTOCOL_BREAKS(&interning, FIRST_FIT_ONLY, "two live values have the same bytes");
}
