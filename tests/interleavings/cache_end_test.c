/* cache_end_test.c: a cache is destroyed while two threads let go of values in it. Its memory is not touched after its
 * end, each entry goes once, each cleanup runs to its end or is stopped, and no death that begins after destroy has
 * returned finds the cache.
 *
 * Models, in lib/caches:
 *   E_KILL       cache.c: lido_weak_kill in lido_cache_destroy
 *   E_CLEAR      clear_shard under the lock, for one entry: each has a shard of its own here
 *   E_STOP       part_removed up to lido_cleanup_stop in lido_cache_part
 *   E_PART       the rest of lido_cache_part: a value that was kept is let go, and then (E_ENTRY) the entry
 *   E_RELEASE    lido_release of the cache, in lido_cache_destroy
 *   D_CLAIM      the claim of a cleanup in lib/refs/cleanup_nodes.c: from listed to running, or it was stopped
 *   D_ACQUIRE    cache_entries.c: lido_weak_acquire in on_death
 *   D_REMOVE     on_death between lido_table_take and lido_table_give, and its counter
 *   D_PART       lido_cache_part in on_death
 *   D_RELEASE    lido_weak_release in on_death
 *   D_END        the cleanup has returned; a death of the cache that it caused comes now (lib/refs/death.c:
 *                now_or_soon)
 *   X_TABLE, X_ENTRIES, X_FREE   cache.c: lido_table_end, lido_sized_end in end_cache; the cache's memory is free
 * One thread holds the first value and, as the cache itself, the third; another holds the second.
 */
#include "tests/interleavings/interleaving_explorer.h"

enum { DESTROYER, THREADS = 3, VALUES = 3, LAST_VALUE = 2 };

/* Lines left out or changed. */
enum {
  KNOWN_BY_POINTER = 1, /* a death goes to the cache without a look whether it is there */
  NO_KILL = 2,          /* destroy does not end the handle */
  RELEASE_FIRST = 4,    /* a death lets go of the cache before it lets go of the entry */
  END_UNCOUNTED = 8,    /* destroy ends the cache, whoever has a reference */
  CLEAR_IN_TWO = 16,    /* clear looks at an entry and takes it out in two critical sections */
  RUN_UNCLAIMED = 32    /* a death runs its cleanup, stopped or not */
};

enum { E_KILL, E_CLEAR, E_TAKE_OUT, E_STOP, E_PART, E_ENTRY, E_RELEASE, E_RETURN };
enum { H_RELEASE = 8, D_CLAIM, D_ACQUIRE, D_REMOVE, D_PART, D_RELEASE, D_END };
enum { X_TABLE = 15, X_ENTRIES, X_FREE, OVER };

enum { LISTED, RUNNING, ENDED }; /* a cleanup */

typedef struct value {
  uint8_t references;
  uint8_t is_kept;
  uint8_t cleanup;
  uint8_t ends;
  uint8_t entry_listed;
  uint8_t entry_freed; /* how often */
} value;

typedef struct one_thread {
  uint8_t at;
  uint8_t then;  /* after a death */
  uint8_t after; /* after the end of the cache */
  uint8_t dying; /* value */
  uint8_t which; /* the destroyer's: value; another's: how many it has let go */
  uint8_t has_entry;
  uint8_t is_last; /* its release was the cache's last */
} one_thread;

typedef struct machine {
  const char *broken;
  uint8_t variant;
  uint8_t references; /* the cache's */
  uint8_t killed;
  uint8_t returned; /* from destroy */
  uint8_t table_ended;
  uint8_t entries_ended;
  uint8_t freed; /* how often */
  value values[VALUES];
  one_thread threads[THREADS];
} machine;

static void broke(machine *m, const char *problem) {
  if (m->broken == NULL) m->broken = problem;
}

static void touch(machine *m) {
  if (m->freed) broke(m, "the memory of a cache is touched after its end");
}

static void touch_table(machine *m) {
  touch(m);
  if (m->table_ended) broke(m, "a table is used after its end");
}

static void release_entry(machine *m, value *v) {
  if (m->entries_ended) broke(m, "an entry goes after its pool");
  v->entry_freed++;
}

/* ---- The end of the cache ---- */

static void release_cache(machine *m, one_thread *t, uint8_t then) {
  t->at = then;
  if (--m->references != 0 && !(m->variant & END_UNCOUNTED && t == &m->threads[DESTROYER])) return;
  t->is_last = 1;
}

static void end_cache(one_thread *t, uint8_t after) {
  t->is_last = 0;
  t->after = after;
  t->at = X_TABLE;
}

static void step_end(machine *m, one_thread *t) {
  switch (t->at) {
    case X_TABLE:
      touch_table(m);
      m->table_ended = 1;
      t->at = X_ENTRIES;
      break;
    case X_ENTRIES:
      touch(m);
      m->entries_ended = 1;
      t->at = X_FREE;
      break;
    default:
      m->freed++;
      t->at = t->after;
      t->after = 0;
      break;
  }
}

/* ---- The death of a value ---- */

static void release_value(machine *m, one_thread *t, uint8_t which, uint8_t then) {
  t->at = then;
  if (--m->values[which].references != 0) return;
  t->dying = which;
  t->then = then;
  t->at = D_CLAIM;
}

static void claim(const machine *m, one_thread *t, value *v) {
  if (v->cleanup != LISTED && !(m->variant & RUN_UNCLAIMED)) {
    t->at = t->then;
    return;
  }
  v->cleanup = RUNNING;
  t->at = m->variant & KNOWN_BY_POINTER ? D_REMOVE : D_ACQUIRE;
}

static void acquire_cache(machine *m, one_thread *t) {
  bool finds = !m->killed && m->references != 0;
  if (finds && m->returned) broke(m, "a death finds a cache that was destroyed");
  if (finds) m->references++;
  t->at = finds ? D_REMOVE : D_END;
}

static void remove_dead(machine *m, one_thread *t, value *v) {
  touch_table(m);
  t->has_entry = v->entry_listed;
  v->entry_listed = 0;
  t->at = m->variant & RELEASE_FIRST ? D_RELEASE : D_PART;
}

static void part_dead(machine *m, one_thread *t, value *v) {
  touch(m);
  if (t->has_entry) release_entry(m, v);
  t->has_entry = 0;
  t->at = m->variant & (RELEASE_FIRST | KNOWN_BY_POINTER) ? D_END : D_RELEASE;
}

static void release_by_dead(machine *m, one_thread *t) {
  uint8_t then = m->variant & RELEASE_FIRST ? D_PART : D_END;
  release_cache(m, t, then);
  if (t->is_last && m->variant & RELEASE_FIRST) end_cache(t, then);
}

static void end_death(one_thread *t, value *v) {
  v->cleanup = ENDED;
  v->ends++;
  t->at = t->then;
  if (t->is_last) end_cache(t, t->then);
}

static void step_death(machine *m, one_thread *t) {
  value *v = &m->values[t->dying];
  switch (t->at) {
    case D_CLAIM:
      claim(m, t, v);
      break;
    case D_ACQUIRE:
      acquire_cache(m, t);
      break;
    case D_REMOVE:
      remove_dead(m, t, v);
      break;
    case D_PART:
      part_dead(m, t, v);
      break;
    case D_RELEASE:
      release_by_dead(m, t);
      break;
    default:
      end_death(t, v);
      break;
  }
}

/* ---- Destroy ---- */

static void next_entry(one_thread *t) { t->at = ++t->which < VALUES ? E_CLEAR : E_RELEASE; }

static void stop_cleanup(value *v) {
  if (v->cleanup != LISTED) return;
  v->cleanup = ENDED;
  v->ends++;
}

static void part_cleared(machine *m, one_thread *t, value *v) {
  t->at = E_ENTRY;
  if (!v->is_kept) return;
  v->is_kept = 0;
  release_value(m, t, t->which, E_ENTRY);
}

static void destroy(machine *m, one_thread *t) {
  value *v = &m->values[t->which];
  switch (t->at) {
    case E_KILL:
      m->killed = !(m->variant & NO_KILL);
      t->at = E_CLEAR;
      break;
    case E_CLEAR:
      t->has_entry = v->entry_listed;
      t->at = m->variant & CLEAR_IN_TWO ? E_TAKE_OUT : E_STOP;
      if (t->at == E_STOP) v->entry_listed = 0;
      break;
    case E_TAKE_OUT:
      v->entry_listed = 0;
      t->at = E_STOP;
      break;
    case E_STOP:
      if (!t->has_entry) {
        next_entry(t);
      } else {
        stop_cleanup(v);
        t->at = E_PART;
      }
      break;
    case E_PART:
      part_cleared(m, t, v);
      break;
    case E_ENTRY:
      release_entry(m, v);
      t->has_entry = 0;
      next_entry(t);
      break;
    case E_RELEASE:
      release_cache(m, t, E_RETURN);
      if (t->is_last) end_cache(t, E_RETURN);
      break;
    default:
      m->returned = 1;
      t->at = OVER;
      break;
  }
}

/* ---- The protocol ---- */

static void let_go(machine *m, one_thread *t, size_t thread) {
  bool more = thread == 1 && t->which == 0;
  uint8_t which = t->which == 0 ? (uint8_t)(thread - 1) : LAST_VALUE;
  t->which = 1;
  release_value(m, t, which, more ? H_RELEASE : OVER);
}

static explorer_step step(void *state, size_t thread, unsigned choice) {
  machine *m = state;
  one_thread *t = &m->threads[thread];
  if (t->at == OVER) return EXPLORER_IDLE;
  if (choice != 0) return EXPLORER_BLOCKED;
  if (t->at == H_RELEASE) {
    let_go(m, t, thread);
  } else if (t->at >= X_TABLE) {
    step_end(m, t);
  } else if (t->at >= D_CLAIM) {
    step_death(m, t);
  } else {
    destroy(m, t);
  }
  return EXPLORER_STEPPED;
}

static void start(void *state, int variant) {
  machine *m = state;
  m->variant = (uint8_t)variant;
  m->references = 1;
  m->values[0] = (value){.references = 1, .entry_listed = 1};
  m->values[1] = (value){.references = 1, .entry_listed = 1};
  m->values[LAST_VALUE] = (value){.references = 2, .entry_listed = 1, .is_kept = 1};
  for (size_t i = 1; i < THREADS; i++) m->threads[i].at = H_RELEASE;
}

static const char *check(const void *state) {
  const machine *m = state;
  for (size_t i = 0; i < VALUES; i++) {
    if (m->values[i].ends > 1) return "a cleanup ends twice";
    if (m->values[i].entry_freed > 1) return "an entry is free twice";
  }
  return m->broken;
}

static const char *check_end(const void *state) {
  const machine *m = state;
  for (size_t i = 0; i < VALUES; i++) {
    if (m->values[i].references != 0) return "a value is never let go";
    if (m->values[i].ends != 1) return "a cleanup is lost";
    if (m->values[i].entry_freed != 1) return "an entry is lost";
  }
  return m->freed == 1 ? NULL : "a cache does not end once";
}

static const explorer_protocol end = {
    .name = "end of a cache, deaths of its values",
    .state_bytes = sizeof(machine),
    .threads = THREADS,
    .choices = 1,
    .start = start,
    .step = step,
    .check = check,
    .check_end = check_end,
};

TEST(cache_end, waits_for_deaths_that_have_begun) { CHECK_PROTOCOL_HOLDS(&end, 0); }

TEST(cache_end, control_a_cache_that_is_known_by_its_address) {
  CHECK_PROTOCOL_BREAKS(&end, KNOWN_BY_POINTER, "a table is used after its end");
}

TEST(cache_end, control_a_handle_that_is_not_ended) {
  CHECK_PROTOCOL_BREAKS(&end, NO_KILL, "a death finds a cache that was destroyed");
}

TEST(cache_end, control_a_cache_that_goes_before_the_entry) {
  CHECK_PROTOCOL_BREAKS(&end, RELEASE_FIRST, "an entry goes after its pool");
}

TEST(cache_end, control_an_end_that_waits_for_nobody) {
  CHECK_PROTOCOL_BREAKS(&end, END_UNCOUNTED, "a table is used after its end");
}

TEST(cache_end, control_a_clear_that_looks_first) {
  CHECK_PROTOCOL_BREAKS(&end, CLEAR_IN_TWO, "an entry is free twice");
}

TEST(cache_end, control_a_cleanup_that_runs_though_it_was_stopped) {
  CHECK_PROTOCOL_BREAKS(&end, RUN_UNCLAIMED, "a cleanup ends twice");
}
