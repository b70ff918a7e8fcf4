/* hot_slot_test.c: two threads, each with a hot slot and a magazine, pass objects to each other. An object is
 * never handed out to two of them, no valid call is reported, and none is lost. In some of the models a third thread
 * nudges: it marks what a cache remembers as hot (pools/pool_samples.h), whosever object that is by now.
 *
 * Models lido/inline/pool_checked_inline.h: lido_cache_alloc_hot, lido_thread_cache_pop, lido_cache_free_hot,
 * lido_thread_cache_free_cold, lido_cache_push, lido_state_claim; and the hot slot's part of pools/thread_cache.c:
 * take_hot. Each look at a state byte, and each store to one, is a step of its own; a cache's fields belong
 * to its thread, so they change in the same step. The depot and the slabs are one store under a lock: a visit
 * is one step. Of pools/pool_samples.c mark_hot, and of pools/free_slow.c what a marked object's free does:
 * free_with_cache, lido_core_unsample, and, where each call is wanted at the slow path, lido_core_accept.
 */
#include "tests/interleavings/interleaving_explorer.h"

enum { OBJECTS = 3, THREADS = 2, NUDGER = 2, MAGAZINE = 2, NONE = 0xff, SCRIPT = 8 };
enum { X, Y, Z };

/* The values of lido/inline/pool_inline.h. */
enum { STATE_NONE, STATE_LIVE, STATE_SAMPLED, STATE_FREE, STATE_CLAIMS = 4 };

/* Lines left out or changed. */
enum {
  ONE_CLAIM_FOR_ALL = 1, /* both threads write FREE where they should write their claims */
  HOT_WITHOUT_LOOK = 2,  /* alloc takes whatever `hot` is */
  DEMOTE_ALWAYS = 4,     /* push moves the old hot object whatever its state */
  POP_WITHOUT_LOOK = 8,  /* alloc from the magazine trusts it */
  COMPARE_AND_SWAP = 16, /* LIDO_CHECKS=full: the look and the store of lido_state_claim are one step */
  FREE_IN_MAGAZINE = 32, /* what would be stricter: push writes FREE, and pop takes nothing else */
  ALL_SLOW = 64,         /* each free comes to lido_core_accept, for each call is wanted at the slow path */
  ACCEPT_ONCE = 128,     /* which takes the mark away, and then trusts that there is none */
};

/* What a thread does next: from a script, or anything that a good program may do. */
enum { ANYTHING, ALLOC, FREE_X, FREE_Y, FREE_Z, MEET, OTHER_FIRST, STOP };

enum {
  AT_CHOICE,
  AT_HOT_STORE,
  AT_POP,
  AT_POP_STORE,
  AT_REFILL,
  AT_HOT_CLAIM,
  AT_HOT_CLAIM_STORE,
  AT_COLD,
  AT_COLD_CLAIM,
  AT_PUSH,
  AT_KEEP,
  AT_UNSAMPLE,
  AT_ACCEPT_UNSAMPLE,
  AT_ACCEPT,
  AT_ACCEPT_STORE
};

typedef struct one_thread {
  uint8_t at;
  uint8_t done; /* operations */
  uint8_t object;
  uint8_t demoted;
  uint8_t holds; /* bits */
  uint8_t hot;   /* or NONE */
  uint8_t hot_state;
  uint8_t count;
  uint8_t items[MAGAZINE];
} one_thread;

typedef struct machine {
  uint8_t variant;
  uint8_t operations; /* of each thread, without a script */
  uint8_t script[THREADS][SCRIPT];
  uint8_t states[OBJECTS];
  uint8_t store; /* bits: in the depot and the slabs */
  uint8_t slot;  /* on its way from one thread to the other, or NONE */
  uint8_t misused;
  uint8_t reported;
  bool twice;
  uint8_t nudges; /* that are still to come */
  uint8_t marks;  /* the object that the nudger is about to mark, or NONE */
  one_thread threads[THREADS];
} machine;

/* ---- Pieces ---- */

static uint8_t claim_of(const machine *m, size_t thread) {
  return m->variant & ONE_CLAIM_FOR_ALL ? STATE_FREE : (uint8_t)(STATE_CLAIMS + thread);
}

static uint8_t state_behind(const machine *m, uint8_t object) {
  return object == NONE ? STATE_NONE : m->states[object];
}

static void hand_out(machine *m, one_thread *t, uint8_t object) {
  for (size_t i = 0; i < THREADS; i++) m->twice |= (m->threads[i].holds >> object & 1) != 0;
  m->twice |= m->slot == object;
  t->holds |= (uint8_t)(1 << object);
  t->at = AT_CHOICE;
  t->done++;
}

static void end_free(one_thread *t) {
  t->at = AT_CHOICE;
  t->done++;
}

static void keep(machine *m, one_thread *t, uint8_t object) {
  if (t->count == MAGAZINE) { /* the full magazine leaves for the depot */
    for (size_t i = 0; i < MAGAZINE; i++) m->store |= (uint8_t)(1 << t->items[i]);
    memset(t->items, 0, sizeof t->items);
    t->count = 0;
  }
  t->items[t->count++] = object;
}

static void begin_free(one_thread *t, uint8_t object) {
  t->holds &= (uint8_t) ~(1 << object);
  t->object = object;
  t->at = object == t->hot ? AT_HOT_CLAIM : AT_COLD;
}

static void begin_slow_free(one_thread *t, uint8_t object) {
  t->holds &= (uint8_t) ~(1 << object);
  t->object = object;
  t->at = AT_ACCEPT_UNSAMPLE;
}

/* ---- The steps of alloc ---- */

/* lido_cache_alloc_hot, the look. */
static void begin_alloc(machine *m, size_t thread) {
  one_thread *t = &m->threads[thread];
  bool mine = state_behind(m, t->hot_state) == claim_of(m, thread);
  if (m->variant & HOT_WITHOUT_LOOK) mine = t->hot != NONE;
  t->at = mine ? AT_HOT_STORE : t->count != 0 ? AT_POP : AT_REFILL;
}

static void store_live_to_hot(machine *m, one_thread *t) {
  uint8_t object = t->hot;
  m->states[t->hot_state] = STATE_LIVE;
  hand_out(m, t, object);
}

static void look_at_popped(machine *m, one_thread *t) {
  t->object = t->items[--t->count];
  t->items[t->count] = 0;
  uint8_t state = m->states[t->object];
  bool good = m->variant & FREE_IN_MAGAZINE ? state == STATE_FREE : state > STATE_SAMPLED;
  if (m->variant & POP_WITHOUT_LOOK) good = true;
  m->reported |= !good;
  t->at = good ? AT_POP_STORE : t->count != 0 ? AT_POP : AT_REFILL; /* lido_alloc_corrupt takes the next */
}

static void refill(machine *m, one_thread *t) {
  for (uint8_t object = 0; object < OBJECTS && t->count < MAGAZINE; object++) {
    if ((m->store >> object & 1) == 0) continue;
    m->store &= (uint8_t) ~(1 << object);
    t->items[t->count++] = object;
  }
  t->at = t->count != 0 ? AT_POP : AT_CHOICE;
  if (t->count == 0) t->done++; /* NULL */
}

/* ---- The steps of free ---- */

/* lido_state_claim, the look; with COMPARE_AND_SWAP all of it. -> whether it goes on to the store. */
static bool look_before_claim(machine *m, size_t thread, uint8_t then, uint8_t else_then, uint8_t after) {
  one_thread *t = &m->threads[thread];
  if (m->states[t->object] != STATE_LIVE) {
    t->at = else_then;
    return false;
  }
  if (m->variant & COMPARE_AND_SWAP) {
    m->states[t->object] = claim_of(m, thread);
    t->at = after;
    return true;
  }
  t->at = then;
  return true;
}

static void free_hot(machine *m, size_t thread) {
  one_thread *t = &m->threads[thread];
  look_before_claim(m, thread, AT_HOT_CLAIM_STORE, AT_COLD, AT_CHOICE);
  if (t->at == AT_CHOICE) end_free(t);
}

static void free_cold(machine *m, size_t thread) { look_before_claim(m, thread, AT_COLD_CLAIM, AT_UNSAMPLE, AT_PUSH); }

/* free_with_cache: a mark goes, and the fast path begins again; without one, the free is none. */
static void unsample(machine *m, one_thread *t) {
  if (m->states[t->object] == STATE_SAMPLED) {
    m->states[t->object] = STATE_LIVE;
    t->at = t->object == t->hot ? AT_HOT_CLAIM : AT_COLD;
    return;
  }
  m->reported = 1;
  end_free(t);
}

/* lido_core_accept, step by step. */
static void accept_unsample(machine *m, one_thread *t) {
  if (m->states[t->object] == STATE_SAMPLED) m->states[t->object] = STATE_LIVE;
  t->at = AT_ACCEPT;
}

static void accept(machine *m, one_thread *t) {
  uint8_t state = m->states[t->object];
  if (state == STATE_LIVE) {
    if (m->variant & COMPARE_AND_SWAP) m->states[t->object] = STATE_FREE;
    t->at = m->variant & COMPARE_AND_SWAP ? AT_KEEP : AT_ACCEPT_STORE;
    t->demoted = 1; /* it goes to the magazine, as what was demoted does */
  } else if (state == STATE_SAMPLED && (m->variant & ACCEPT_ONCE) == 0) {
    t->at = AT_ACCEPT_UNSAMPLE; /* the same again */
  } else {
    m->reported = 1;
    end_free(t);
  }
}

static void push(machine *m, size_t thread) {
  one_thread *t = &m->threads[thread];
  uint8_t old = t->hot;
  bool demote = state_behind(m, t->hot_state) == claim_of(m, thread);
  if (m->variant & DEMOTE_ALWAYS) demote = old != NONE;
  t->hot = t->hot_state = t->object;
  t->object = old;
  t->at = AT_KEEP;
  t->demoted = demote;
}

static void keep_demoted(machine *m, one_thread *t) {
  if (t->demoted && m->variant & FREE_IN_MAGAZINE) m->states[t->object] = STATE_FREE;
  if (t->demoted) keep(m, t, t->object);
  t->demoted = 0;
  end_free(t);
}

/* ---- What comes next ---- */

static bool has_met(const machine *m, size_t thread) {
  uint8_t done = m->threads[thread].done;
  return m->threads[1 - thread].done >= done;
}

static explorer_step follow_script(machine *m, size_t thread) {
  one_thread *t = &m->threads[thread];
  uint8_t operation = m->script[thread][t->done];
  const one_thread *other = &m->threads[1 - thread];
  switch (operation) {
    case ALLOC:
      begin_alloc(m, thread);
      return EXPLORER_STEPPED;
    case FREE_X:
    case FREE_Y:
    case FREE_Z:
      begin_free(t, operation - FREE_X);
      return EXPLORER_STEPPED;
    case MEET:
      if (!has_met(m, thread)) return EXPLORER_BLOCKED;
      t->done++;
      return EXPLORER_STEPPED;
    case OTHER_FIRST:
      if (m->script[1 - thread][other->done] != STOP) return EXPLORER_BLOCKED;
      t->done++;
      return EXPLORER_STEPPED;
    default:
      return EXPLORER_IDLE;
  }
}

/* A good program: it frees and passes on what it holds, and nothing else. */
static explorer_step choose(machine *m, size_t thread, unsigned choice) {
  one_thread *t = &m->threads[thread];
  if (t->done == m->operations) return EXPLORER_IDLE;
  if (choice == 0) {
    begin_alloc(m, thread);
    return EXPLORER_STEPPED;
  }
  uint8_t object = (uint8_t)((choice - 1) % OBJECTS);
  bool holds = (t->holds >> object & 1) != 0;
  bool slow = thread == 1 && m->variant & ALL_SLOW; /* that thread never has a hot object; the other's may be stale */
  if (choice <= OBJECTS && holds) {
    if (slow) {
      begin_slow_free(t, object);
    } else {
      begin_free(t, object);
    }
    return EXPLORER_STEPPED;
  }
  if (choice > OBJECTS && choice <= 2 * OBJECTS && holds && m->slot == NONE) {
    t->holds &= (uint8_t) ~(1 << object);
    m->slot = object;
    t->done++;
    return EXPLORER_STEPPED;
  }
  if (choice == 2 * OBJECTS + 1 && m->slot != NONE) {
    t->holds |= (uint8_t)(1 << m->slot);
    m->slot = NONE;
    t->done++;
    return EXPLORER_STEPPED;
  }
  return EXPLORER_BLOCKED;
}

/* mark_hot: the load of `hot`, and the compare-and-swap. */
static explorer_step nudge(machine *m, unsigned choice) {
  if (m->marks != NONE) {
    if (choice != 0) return EXPLORER_BLOCKED;
    if (m->states[m->marks] == STATE_LIVE) m->states[m->marks] = STATE_SAMPLED;
    m->marks = NONE;
    return EXPLORER_STEPPED;
  }
  if (m->nudges == 0) return EXPLORER_IDLE;
  if (choice == THREADS) { /* enough */
    m->nudges = 0;
    return EXPLORER_STEPPED;
  }
  if (choice >= THREADS || m->threads[choice].hot == NONE) return EXPLORER_BLOCKED;
  m->marks = m->threads[choice].hot;
  m->nudges--;
  return EXPLORER_STEPPED;
}

static explorer_step step(void *state, size_t thread, unsigned choice) {
  machine *m = state;
  if (thread == NUDGER) return nudge(m, choice);
  one_thread *t = &m->threads[thread];
  if (t->at == AT_CHOICE && m->script[thread][0] == ANYTHING) return choose(m, thread, choice);
  if (choice != 0) return EXPLORER_BLOCKED;
  switch (t->at) {
    case AT_CHOICE:
      return follow_script(m, thread);
    case AT_HOT_STORE:
      store_live_to_hot(m, t);
      break;
    case AT_POP:
      look_at_popped(m, t);
      break;
    case AT_POP_STORE:
      m->states[t->object] = STATE_LIVE;
      hand_out(m, t, t->object);
      break;
    case AT_REFILL:
      refill(m, t);
      break;
    case AT_HOT_CLAIM:
      free_hot(m, thread);
      break;
    case AT_HOT_CLAIM_STORE:
      m->states[t->object] = claim_of(m, thread);
      end_free(t);
      break;
    case AT_COLD:
      free_cold(m, thread);
      break;
    case AT_COLD_CLAIM:
      m->states[t->object] = claim_of(m, thread);
      t->at = AT_PUSH;
      break;
    case AT_PUSH:
      push(m, thread);
      break;
    case AT_KEEP:
      keep_demoted(m, t);
      break;
    case AT_UNSAMPLE:
      unsample(m, t);
      break;
    case AT_ACCEPT_UNSAMPLE:
      accept_unsample(m, t);
      break;
    case AT_ACCEPT:
      accept(m, t);
      break;
    case AT_ACCEPT_STORE:
      m->states[t->object] = STATE_FREE;
      t->at = AT_KEEP;
      break;
    default:
      break;
  }
  return EXPLORER_STEPPED;
}

/* ---- What must hold ---- */

static const char *check(const void *state) {
  const machine *m = state;
  if (m->twice) return "an object is handed out twice";
  if (m->reported && !m->misused) return "a valid call is reported";
  return NULL;
}

static unsigned places_of(const machine *m, uint8_t object) {
  unsigned places = (m->store >> object & 1) != 0;
  places += m->slot == object;
  for (size_t i = 0; i < THREADS; i++) {
    const one_thread *t = &m->threads[i];
    places += (t->holds >> object & 1) != 0;
    places += t->hot == object && m->states[object] == claim_of(m, i);
    for (size_t k = 0; k < t->count; k++) places += t->items[k] == object;
  }
  return places;
}

static const char *check_end(const void *state) {
  const machine *m = state;
  for (uint8_t object = 0; object < OBJECTS && !m->misused; object++) {
    if (places_of(m, object) == 0) return "an object is lost";
    if (places_of(m, object) > 1) return "an object is in two places";
  }
  return NULL;
}

/* ---- Good programs ---- */

static void start(void *state, int variant) {
  machine *m = state;
  m->variant = (uint8_t)variant;
  m->operations = 7;
  m->slot = NONE;
  m->marks = NONE;
  for (size_t i = 0; i < THREADS; i++) m->threads[i].hot = m->threads[i].hot_state = NONE;
  for (uint8_t object = 0; object < OBJECTS; object++) m->states[object] = STATE_FREE;
  m->store = (1 << OBJECTS) - 1;
}

static const explorer_protocol good_programs = {
    .name = "hot slots of two threads",
    .state_bytes = sizeof(machine),
    .threads = THREADS,
    .choices = 2 * OBJECTS + 2,
    .start = start,
    .step = step,
    .check = check,
    .check_end = check_end,
};

TEST(hot_slot, no_object_is_handed_out_twice) { CHECK_PROTOCOL_HOLDS(&good_programs, 0); }
TEST(hot_slot, nor_with_full_checks) { CHECK_PROTOCOL_HOLDS(&good_programs, COMPARE_AND_SWAP); }
TEST(hot_slot, nor_with_stricter_magazines) { CHECK_PROTOCOL_HOLDS(&good_programs, FREE_IN_MAGAZINE); }

TEST(hot_slot, control_without_claims_it_is) {
  CHECK_PROTOCOL_BREAKS(&good_programs, ONE_CLAIM_FOR_ALL, "an object is handed out twice");
}

TEST(hot_slot, control_without_a_look_at_the_hot_state_it_is) {
  CHECK_PROTOCOL_BREAKS(&good_programs, HOT_WITHOUT_LOOK, "an object is handed out twice");
}

TEST(hot_slot, control_with_demotion_whatever_the_state_valid_calls_are_reported) {
  CHECK_PROTOCOL_BREAKS(&good_programs, DEMOTE_ALWAYS, "a valid call is reported");
}

/* ---- Nudges ---- */

static void start_nudged(void *state, int variant) {
  machine *m = state;
  start(m, variant);
  m->operations = 5;
  m->nudges = 2;
}

static const explorer_protocol nudged = {
    .name = "hot slots that are nudged",
    .state_bytes = sizeof(machine),
    .threads = THREADS + 1,
    .choices = 2 * OBJECTS + 2,
    .start = start_nudged,
    .step = step,
    .check = check,
    .check_end = check_end,
};

TEST(hot_slot, a_mark_is_harmless_whosever_object_it_hits) { CHECK_PROTOCOL_HOLDS(&nudged, 0); }
TEST(hot_slot, nor_does_it_harm_with_full_checks) { CHECK_PROTOCOL_HOLDS(&nudged, COMPARE_AND_SWAP); }
TEST(hot_slot, nor_where_each_call_is_wanted_at_the_slow_path) { CHECK_PROTOCOL_HOLDS(&nudged, ALL_SLOW); }
TEST(hot_slot, nor_there_with_full_checks) { CHECK_PROTOCOL_HOLDS(&nudged, ALL_SLOW | COMPARE_AND_SWAP); }

TEST(hot_slot, control_a_mark_between_two_looks_makes_a_valid_free_none) {
  CHECK_PROTOCOL_BREAKS(&nudged, ALL_SLOW | ACCEPT_ONCE, "a valid call is reported");
}

/* ---- A double free by two threads at once ---- */

/* X, Y and Z are live; both threads believe that X is theirs. */
static void start_misuse(machine *m, int variant) {
  start(m, variant);
  m->misused = 1;
  m->store = 0;
  for (uint8_t object = 0; object < OBJECTS; object++) m->states[object] = STATE_LIVE;
}

static void script(machine *m, size_t thread, const uint8_t *operations, size_t count) {
  memset(m->script[thread], STOP, SCRIPT);
  memcpy(m->script[thread], operations, count);
}

#define SCRIPT_OF(m, thread, ...) \
  script(m, thread, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void start_double_free(void *state, int variant) {
  machine *m = state;
  start_misuse(m, variant);
  SCRIPT_OF(m, 0, FREE_X, MEET, ALLOC, ALLOC);
  SCRIPT_OF(m, 1, FREE_X, MEET, ALLOC, ALLOC);
}

static const explorer_protocol double_free = {
    .name = "a double free at once",
    .state_bytes = sizeof(machine),
    .threads = THREADS,
    .choices = 1,
    .start = start_double_free,
    .step = step,
    .check = check,
    .check_end = check_end,
};

TEST(hot_slot, what_two_threads_free_at_once_is_handed_out_once) { CHECK_PROTOCOL_HOLDS(&double_free, 0); }

TEST(hot_slot, control_without_claims_it_is_handed_out_twice) {
  CHECK_PROTOCOL_BREAKS(&double_free, ONE_CLAIM_FOR_ALL, "an object is handed out twice");
}

/* One of the two goes on and moves X to its magazine, while the other is still in its free. */
static void start_with_demotion(void *state, int variant) {
  machine *m = state;
  start_misuse(m, variant);
  SCRIPT_OF(m, 0, FREE_X, FREE_Y, MEET, ALLOC, ALLOC);
  SCRIPT_OF(m, 1, FREE_X, MEET, MEET, ALLOC, ALLOC);
}

static const explorer_protocol with_demotion = {
    .name = "a double free at once, and demotion",
    .state_bytes = sizeof(machine),
    .threads = THREADS,
    .choices = 1,
    .start = start_with_demotion,
    .step = step,
    .check = check,
    .check_end = check_end,
};

TEST(hot_slot, with_full_checks_a_double_free_at_once_is_harmless) {
  CHECK_PROTOCOL_HOLDS(&with_demotion, COMPARE_AND_SWAP);
}

TEST(hot_slot, or_with_stricter_magazines) { CHECK_PROTOCOL_HOLDS(&with_demotion, FREE_IN_MAGAZINE); }

/* What the default checks do not promise: two allocs at once find X, one in a hot slot, one in a magazine. */
TEST(hot_slot, limit_with_default_checks_demotion_defeats_the_claims) {
  CHECK_PROTOCOL_BREAKS(&with_demotion, 0, "an object is handed out twice");
}

/* The same, but the allocs come one after the other. */
static void start_in_turn(void *state, int variant) {
  machine *m = state;
  start_misuse(m, variant);
  SCRIPT_OF(m, 0, FREE_X, FREE_Y, MEET, OTHER_FIRST, ALLOC, ALLOC);
  SCRIPT_OF(m, 1, FREE_X, MEET, MEET, ALLOC);
}

static const explorer_protocol allocs_in_turn = {
    .name = "a double free at once, then allocs in turn",
    .state_bytes = sizeof(machine),
    .threads = THREADS,
    .choices = 1,
    .start = start_in_turn,
    .step = step,
    .check = check,
    .check_end = check_end,
};

TEST(hot_slot, allocs_in_turn_find_it_once) { CHECK_PROTOCOL_HOLDS(&allocs_in_turn, 0); }

TEST(hot_slot, control_without_a_look_at_what_is_popped_they_find_it_twice) {
  CHECK_PROTOCOL_BREAKS(&allocs_in_turn, POP_WITHOUT_LOOK, "an object is handed out twice");
}
