/* slot_word_test.c: the word of one slot, while threads acquire, retain, release, kill and ask, by handles of any life,
 * and the object dies, is allocated again, counted again and published again.
 *
 * Models lido/inline/weak_inline.h, lib/refs/counts.c, handles.c and death.c, with the real word and the arithmetic of
 * weak_inline.h. Each atomic access is a step. The pool is one state byte: who allocs finds it free or not, as with
 * the hot slot or a magazine, whose own protocol is in hot_slot_test.c. What the program knows, the model knows
 * besides: which life goes on, who holds how many references in it, who was told what.
 *
 * A thread follows a script. Its operations on the object are those of a good program, which does what it may do; the
 * rogue's are misuse: a release by a handle of another life or of one that never was, or of an object that is dead.
 */
#include "lido/weak.h"
#include "tests/interleavings/interleaving_explorer.h"
#include "tests/interleavings/store_buffer.h"

const char LIDO_GUARD_SYMBOL = 0; /* what every user of the header refers to */

enum { THREADS = 3, SCRIPT = 6, OPERATIONS = 3, LIVES = 5, GENERATION = 32 };

/* Lines left out or changed. */
enum {
  ANY_GENERATION = 1,    /* acquire looks at state and count only */
  COUNT_OF_ZERO = 2,     /* acquire takes 0 for a count */
  SAME_GENERATION = 4,   /* a death leaves the generation as it was */
  REST_AFTERWARDS = 8,   /* the memory goes back before the slot is at rest */
  KILL_BY_STORE = 16,    /* kill stores what it saw, with the state added */
  RELEASE_BY_STORE = 32, /* release stores what it saw, less one */
  BY_SUBTRACTION = 64,   /* release by handle subtracts, looks, and undoes what was wrong */
  LAST_BY_LOOK = 128,    /* who saw a count of 1 ends the object, without taking the reference */
};

enum { STATE_FREE, STATE_LIVE, STATE_HELD };

/* What a thread does next. */
enum {
  STOP,
  ALLOC,        /* from the pool, if it has the object; else nothing, and FIRST nothing */
  FIRST,        /* make, of an object alone in the thread's hands: hold, then publish */
  RESERVE,      /* the same, but only counted */
  PUBLISH,      /* make, of one that is counted */
  RETAIN,       /* if the thread holds it */
  ACQUIRE,      /* by the handle that was published last */
  ACQUIRE_OLD,  /* by the first life's */
  ACQUIRE_NEXT, /* by one of a life to come */
  RELEASE,      /* by pointer, if the thread holds it */
  WEAK_RELEASE, /* by its handle */
  KILL,         /* the first life's */
  KILL_LAST,    /* the one that was published last */
  ASK,          /* the state, of the first life's handle */
  FREE,         /* an object alone in the thread's hands goes back */
  ROGUE_OLD,    /* release by a handle of the first life, too often */
  ROGUE_NEXT,   /* by one that never was */
};

enum {
  AT_CHOICE,
  AT_ALLOC_STORE,
  AT_HOLD,
  AT_BEGIN,
  AT_PUBLISH,
  AT_RETAIN,
  AT_EXCHANGE_ACQUIRE,
  AT_FOLLOW,
  AT_RELEASE,
  AT_STORE_RELEASED,
  AT_EXCHANGE_RELEASE,
  AT_UNDO,
  AT_DYING_LOOK,
  AT_DYING,
  AT_DESTROY,
  AT_REST_LOOK,
  AT_REST,
  AT_DISPOSE_LIVE,
  AT_DISPOSE_FREE,
  AT_EXCHANGE_KILL,
};

typedef struct one_thread {
  uint8_t at;
  uint8_t done;  /* operations */
  uint8_t holds; /* references, in the life that goes on */
  uint8_t life;  /* of the handle that it uses */
  uint8_t alone; /* it holds the object, and nobody counts */
  uint8_t rogue; /* it is in a misuse */
  uint8_t asked; /* the state that it was told last */
  uint64_t word; /* what it saw */
  uint64_t handle;
} one_thread;

typedef struct machine {
  uint64_t word;
  uint64_t published; /* the handle that was published last, */
  uint8_t published_life;
  uint8_t variant;
  uint8_t state;      /* the pool's byte */
  uint8_t life;       /* how often the object was allocated */
  uint8_t operations; /* of each thread, that does anything; 0: it follows its script */
  uint8_t dead;       /* since its last reference went, until the next alloc */
  uint8_t destroyed[LIVES];
  uint8_t killed[LIVES]; /* kills that were told true */
  uint8_t broken;
  uint8_t script[THREADS][SCRIPT];
  one_thread threads[THREADS];
} machine;

enum {
  FINE,
  DEAD_ACQUIRED,
  OTHER_LIFE,
  FREED_WHILE_HELD,
  DIED_TWICE,
  KILLED_TWICE,
  VALID_REPORTED,
  LIVE_REFUSED,
  ASKED_WRONG,
  NO_REST,
};

static const char *const problems[] = {
    [FINE] = NULL,
    [DEAD_ACQUIRED] = "a dead object is acquired",
    [OTHER_LIFE] = "an object of another life is acquired",
    [FREED_WHILE_HELD] = "an object dies while somebody holds it",
    [DIED_TWICE] = "an object dies twice",
    [KILLED_TWICE] = "an object is killed twice",
    [VALID_REPORTED] = "a valid call is reported",
    [LIVE_REFUSED] = "a live object is not acquired",
    [ASKED_WRONG] = "a state goes back",
    [NO_REST] = "the slot is not at rest in the pool",
};

static void broke(machine *m, uint8_t what) {
  if (m->broken == FINE) m->broken = what;
}

static lido_weak weak_of(uint64_t handle) { return lido_weak_from_u64(handle); }
static uint64_t handle_in(uint64_t word) { return word & LIDO_WORD_GENERATION; }
static bool is_at_rest(uint64_t word) { return (uint32_t)word == LIDO_WORD_GUARD; }

static unsigned references(const machine *m) {
  unsigned sum = 0;
  for (size_t i = 0; i < THREADS; i++) sum += m->threads[i].holds;
  return sum;
}

static void finish(machine *m, one_thread *t) {
  if (m->operations != 0) m->script[t - m->threads][t->done] = 0; /* equal states are equal bytes */
  t->at = AT_CHOICE;
  t->done++;
  t->word = 0;
  t->handle = 0;
  t->life = 0;
  t->rogue = 0;
}

static void report(machine *m, const one_thread *t) {
  if (!t->rogue) broke(m, VALID_REPORTED);
}

/* ---- Alloc, and the first question ---- */

static void look_for_free(machine *m, one_thread *t) {
  if (m->state == STATE_FREE) {
    t->at = AT_ALLOC_STORE; /* taken out of the pool: nobody else finds it */
    m->state = STATE_LIVE;
  } else {
    finish(m, t);
  }
}

static void hand_out(machine *m, one_thread *t) {
  if (m->life + 1 < LIVES) m->life++;
  m->dead = 0;
  t->alone = 1;
  finish(m, t);
}

static void note_published(machine *m, uint64_t word) {
  m->published = handle_in(word);
  m->published_life = m->life;
}

static void begin_count(machine *m, one_thread *t) {
  bool publishes = m->script[t - m->threads][t->done] == FIRST;
  uint64_t state = publishes ? LIDO_WORD_PUBLISHED : LIDO_WORD_COUNTED;
  m->word = handle_in(t->word) | state | LIDO_WORD_GUARD | 1;
  if (publishes) note_published(m, t->word);
  t->alone = 0;
  t->holds = 1;
  finish(m, t);
}

static void publish(machine *m, one_thread *t) {
  m->word |= LIDO_WORD_PUBLISHED;
  note_published(m, m->word);
  finish(m, t);
}

/* ---- Acquire, retain ---- */

static bool may_acquire(const machine *m, uint64_t word, uint64_t handle) {
  if (m->variant & ANY_GENERATION) handle = handle_in(word);
  uint64_t count = lido_word_count_for(word, weak_of(handle));
  return m->variant & COUNT_OF_ZERO ? count < LIDO_WORD_PINNED : count - 1 < LIDO_WORD_PINNED - 1;
}

/* Does the handle that the thread uses lead to an object now? */
static bool leads_somewhere(const machine *m, const one_thread *t) {
  bool published = m->published_life == m->life && t->life == m->life;
  return published && references(m) != 0 && !m->dead && m->killed[m->life] == 0;
}

static void acquire_or_not(machine *m, one_thread *t) {
  if (may_acquire(m, t->word, t->handle)) {
    t->at = AT_EXCHANGE_ACQUIRE;
    return;
  }
  if (leads_somewhere(m, t)) broke(m, LIVE_REFUSED);
  finish(m, t);
}

static void acquired(machine *m, one_thread *t) {
  if (m->dead || m->state != STATE_HELD) broke(m, DEAD_ACQUIRED);
  if (t->life != m->life) broke(m, OTHER_LIFE);
  t->holds++;
  t->at = AT_FOLLOW;
}

static void exchange_acquire(machine *m, one_thread *t) {
  if (m->word == t->word) {
    m->word++;
    acquired(m, t);
  } else {
    t->word = m->word;
    acquire_or_not(m, t);
  }
}

/* ---- Release ---- */

/* A reference less, as the program sees it: from the moment at which nobody else may count on it. */
static void let_go(machine *m, one_thread *t) {
  if (!t->rogue) t->holds--;
  if (!t->rogue && references(m) == 0) m->dead = 1;
}

static void end(machine *m, one_thread *t) {
  if (references(m) != 0) broke(m, FREED_WHILE_HELD);
  t->at = AT_DYING_LOOK;
}

static void after_release(machine *m, one_thread *t, uint64_t old) {
  bool other_life = t->handle != 0 && handle_in(old) != handle_in(t->handle);
  if (!other_life && lido_word_outlasts(old, 1)) {
    finish(m, t);
  } else if (!other_life && lido_word_count(old) == 1) {
    end(m, t);
  } else {
    t->at = AT_UNDO;
  }
}

static void release(machine *m, one_thread *t) {
  uint64_t old = m->word;
  let_go(m, t);
  if (m->variant & RELEASE_BY_STORE) {
    t->word = old;
    t->at = AT_STORE_RELEASED;
    return;
  }
  m->word = old - 1;
  after_release(m, t, old);
}

/* A release by handle: nothing is changed before it is known to be right. */
static void look_before_release(machine *m, one_thread *t) {
  bool other_life = handle_in(t->word) != handle_in(t->handle);
  if (!other_life && lido_word_count(t->word) - 1 < LIDO_WORD_COUNT) {
    t->at = AT_EXCHANGE_RELEASE;
  } else {
    report(m, t);
    finish(m, t);
  }
}

static void exchange_release(machine *m, one_thread *t) {
  if (m->word != t->word) {
    t->word = m->word;
    look_before_release(m, t);
    return;
  }
  let_go(m, t);
  m->word--;
  if (lido_word_count(t->word) == 1) {
    end(m, t);
  } else {
    finish(m, t);
  }
}

static void begin_release(machine *m, one_thread *t, uint64_t handle) {
  t->handle = handle;
  if (handle != 0 && (m->variant & BY_SUBTRACTION) == 0) {
    t->word = m->word;
    look_before_release(m, t);
  } else if (m->variant & LAST_BY_LOOK && lido_word_count(m->word) == 1) {
    let_go(m, t);
    end(m, t);
  } else {
    release(m, t);
  }
}

/* ---- Death ---- */

static void mark_dying(machine *m, one_thread *t) {
  m->word = handle_in(t->word) | LIDO_WORD_DYING | LIDO_WORD_GUARD;
  t->at = AT_DESTROY;
}

static void destroy(machine *m, one_thread *t) {
  if (m->destroyed[m->life]++ != 0) broke(m, DIED_TWICE);
  if (references(m) != 0) broke(m, FREED_WHILE_HELD);
  t->at = m->variant & REST_AFTERWARDS ? AT_DISPOSE_LIVE : AT_REST_LOOK;
}

static void rest(machine *m, one_thread *t) {
  uint64_t generation = t->word >> GENERATION;
  m->word = (generation + (m->variant & SAME_GENERATION ? 0 : 1)) << GENERATION | LIDO_WORD_GUARD;
  t->at = AT_DISPOSE_LIVE;
  if (m->variant & REST_AFTERWARDS) finish(m, t);
}

static void give_back(machine *m, one_thread *t) {
  m->state = STATE_FREE;
  if (m->variant & REST_AFTERWARDS) {
    t->at = AT_REST_LOOK;
  } else {
    finish(m, t);
  }
}

/* ---- Kill and questions ---- */

static void kill_or_not(machine *m, one_thread *t) {
  if (lido_word_count_for(t->word, weak_of(t->handle)) - 1 < LIDO_WORD_COUNT) {
    t->at = AT_EXCHANGE_KILL;
  } else {
    finish(m, t);
  }
}

static void exchange_kill(machine *m, one_thread *t) {
  bool stores = (m->variant & KILL_BY_STORE) != 0;
  if (!stores && m->word != t->word) {
    t->word = m->word;
    kill_or_not(m, t);
    return;
  }
  m->word = t->word | LIDO_WORD_KILLED;
  if (m->killed[m->life]++ != 0) broke(m, KILLED_TWICE);
  finish(m, t);
}

/* As lido_weak_state_get: 0 not yet, 1 live, 2 killed, 3 over. Never goes back. */
static void ask(machine *m, one_thread *t, uint64_t handle) {
  uint64_t word = m->word;
  uint8_t told = 0;
  if (handle_in(word) > handle_in(handle)) told = 3;
  if (handle_in(word) == handle_in(handle)) {
    uint64_t state = word & LIDO_WORD_STATE;
    bool has_count = lido_word_count(word) - 1 < LIDO_WORD_COUNT;
    if (state == LIDO_WORD_PUBLISHED) told = has_count ? 1 : 3;
    if (state == LIDO_WORD_KILLED) told = 2;
    if (state == LIDO_WORD_DYING) told = 3;
  }
  if (told < t->asked) broke(m, ASKED_WRONG);
  if (told == 1 && m->dead) broke(m, ASKED_WRONG);
  t->asked = told;
  finish(m, t);
}

/* ---- What comes next ---- */

static uint64_t first_handle(void) { return UINT64_C(1) << GENERATION; }
static uint64_t next_handle(void) { return UINT64_C(9) << GENERATION; }

static void begin_acquire(machine *m, one_thread *t, uint64_t handle, uint8_t life) {
  t->handle = handle;
  t->life = life;
  t->word = m->word;
  acquire_or_not(m, t);
}

static void begin_kill(machine *m, one_thread *t, uint64_t handle) {
  t->handle = handle;
  t->word = m->word;
  kill_or_not(m, t);
}

static void begin_rogue(machine *m, one_thread *t, uint64_t handle) {
  t->rogue = 1;
  begin_release(m, t, handle);
}

/* -> false: this is not the thread's to do now. */
static bool begin_with_object(machine *m, one_thread *t, uint8_t what) {
  switch (what) {
    case FIRST:
    case RESERVE:
      if (!t->alone) return false;
      t->at = AT_HOLD;
      return true;
    case FREE:
      if (!t->alone) return false;
      t->alone = 0;
      m->dead = 1;
      m->state = STATE_FREE;
      finish(m, t);
      return true;
    case PUBLISH:
      if (t->holds == 0) return false;
      publish(m, t);
      return true;
    case RETAIN:
      if (t->holds == 0) return false;
      m->word++;
      t->holds++;
      finish(m, t);
      return true;
    case RELEASE:
      if (t->holds == 0) return false;
      begin_release(m, t, 0);
      return true;
    default: /* WEAK_RELEASE */
      if (t->holds == 0) return false;
      begin_release(m, t, handle_in(m->word));
      return true;
  }
}

/* -> false: it is not the thread's to do that now. */
static bool begin(machine *m, one_thread *t, uint8_t what) {
  switch (what) {
    case ALLOC:
      look_for_free(m, t);
      break;
    case ACQUIRE:
      begin_acquire(m, t, m->published, m->published_life);
      break;
    case ACQUIRE_OLD:
      begin_acquire(m, t, first_handle(), 0);
      break;
    case ACQUIRE_NEXT:
      begin_acquire(m, t, next_handle(), LIVES);
      break;
    case KILL:
      begin_kill(m, t, first_handle());
      break;
    case KILL_LAST:
      begin_kill(m, t, m->published);
      break;
    case ASK:
      ask(m, t, first_handle());
      break;
    case ROGUE_OLD:
      begin_rogue(m, t, first_handle());
      break;
    case ROGUE_NEXT:
      begin_rogue(m, t, next_handle());
      break;
    default:
      return begin_with_object(m, t, what);
  }
  return true;
}

static explorer_step follow_script(machine *m, one_thread *t) {
  uint8_t what = t->done < SCRIPT ? m->script[t - m->threads][t->done] : STOP;
  if (what == STOP) return EXPLORER_IDLE;
  if (!begin(m, t, what)) finish(m, t);
  return EXPLORER_STEPPED;
}

/* A good program: anything that the thread may do. */
static const uint8_t anything[] = {ALLOC,       FIRST,   RESERVE,      PUBLISH,   RETAIN, ACQUIRE,
                                   ACQUIRE_OLD, RELEASE, WEAK_RELEASE, KILL_LAST, FREE};

static explorer_step choose(machine *m, one_thread *t, unsigned choice) {
  if (t->done == m->operations) return EXPLORER_IDLE;
  m->script[t - m->threads][t->done] = anything[choice];
  return begin(m, t, anything[choice]) ? EXPLORER_STEPPED : EXPLORER_BLOCKED;
}

static explorer_step step(void *state, size_t thread, unsigned choice) {
  machine *m = state;
  one_thread *t = &m->threads[thread];
  if (t->at == AT_CHOICE && m->operations != 0) return choose(m, t, choice);
  if (choice != 0) return EXPLORER_BLOCKED;
  switch (t->at) {
    case AT_CHOICE:
      return follow_script(m, t);
    case AT_ALLOC_STORE:
      hand_out(m, t);
      break;
    case AT_HOLD: /* hold, and the look at the generation */
      m->state = STATE_HELD;
      t->word = m->word;
      t->at = AT_BEGIN;
      break;
    case AT_BEGIN:
      begin_count(m, t);
      break;
    case AT_EXCHANGE_ACQUIRE:
      exchange_acquire(m, t);
      break;
    case AT_FOLLOW: /* the object is used while it is held */
      if (m->dead || m->state != STATE_HELD) broke(m, DEAD_ACQUIRED);
      finish(m, t);
      break;
    case AT_STORE_RELEASED:
      m->word = t->word - 1;
      after_release(m, t, t->word);
      break;
    case AT_EXCHANGE_RELEASE:
      exchange_release(m, t);
      break;
    case AT_UNDO:
      m->word++;
      report(m, t);
      finish(m, t);
      break;
    case AT_DYING_LOOK:
      t->word = m->word;
      t->at = AT_DYING;
      break;
    case AT_DYING:
      mark_dying(m, t);
      break;
    case AT_DESTROY:
      destroy(m, t);
      break;
    case AT_REST_LOOK:
      t->word = m->word;
      t->at = AT_REST;
      break;
    case AT_REST:
      rest(m, t);
      break;
    case AT_DISPOSE_LIVE:
      m->state = STATE_LIVE;
      t->at = AT_DISPOSE_FREE;
      break;
    case AT_DISPOSE_FREE:
      give_back(m, t);
      break;
    default:
      exchange_kill(m, t);
  }
  return EXPLORER_STEPPED;
}

/* ---- What must hold ---- */

static bool rogue_is_about(const machine *m) {
  for (size_t i = 0; i < THREADS; i++) {
    if (m->threads[i].rogue) return true;
  }
  return false;
}

static const char *check(const void *state) {
  const machine *m = state;
  if (m->broken != FINE) return problems[m->broken];
  if (m->state == STATE_FREE && !rogue_is_about(m) && !is_at_rest(m->word) && !(m->variant & REST_AFTERWARDS)) {
    return problems[NO_REST];
  }
  return NULL;
}

static const char *check_end(const void *state) {
  const machine *m = state;
  unsigned held = references(m);
  bool alone = false;
  for (size_t i = 0; i < THREADS; i++) alone |= m->threads[i].alone != 0;
  if (held == 0 && !alone && m->state != STATE_FREE) return "an object is never freed";
  if ((held != 0 || alone) && m->state == STATE_FREE) return "an object is free that somebody holds";
  if (held != 0 && lido_word_count(m->word) != held) return "references are miscounted";
  if (held == 0 && !is_at_rest(m->word)) return problems[NO_REST];
  return NULL;
}

/* ---- The cases ---- */

static void script(machine *m, size_t thread, const uint8_t *operations, size_t count) {
  memcpy(m->script[thread], operations, count);
}

#define SCRIPT_OF(m, thread, ...) \
  script(m, thread, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* In its first life; thread 0 holds it. */
static machine *start_published(void *state, int variant) {
  machine *m = state;
  m->variant = (uint8_t)variant;
  m->state = STATE_HELD;
  m->published = first_handle();
  m->word = first_handle() | LIDO_WORD_PUBLISHED | LIDO_WORD_GUARD | 1;
  m->threads[0].holds = 1;
  return m;
}

#define PROTOCOL(variable, text) PROTOCOL_OF(variable, text, 1)

#define PROTOCOL_OF(variable, text, ways)     \
  static const explorer_protocol variable = { \
      .name = text,                           \
      .state_bytes = sizeof(machine),         \
      .threads = THREADS,                     \
      .choices = ways,                        \
      .start = start_##variable,              \
      .step = step,                           \
      .check = check,                         \
      .check_end = check_end,                 \
  };

/* Acquires while the last reference goes, and the memory is an object again. */
static void start_rebirth(void *state, int variant) {
  machine *m = start_published(state, variant);
  SCRIPT_OF(m, 0, RELEASE, ALLOC, FIRST, RELEASE);
  SCRIPT_OF(m, 1, ACQUIRE, RELEASE, ACQUIRE, WEAK_RELEASE, ACQUIRE_OLD, RELEASE);
  SCRIPT_OF(m, 2, ALLOC, RESERVE, PUBLISH, ACQUIRE_OLD, RELEASE, RELEASE);
}
PROTOCOL(rebirth, "acquire, last release, the next life")

TEST(slot_word, acquire_gives_the_living_only) { CHECK_PROTOCOL_HOLDS(&rebirth, 0); }
TEST(slot_word, nor_with_release_by_subtraction) { CHECK_PROTOCOL_HOLDS(&rebirth, BY_SUBTRACTION); }

TEST(slot_word, control_any_generation) {
  CHECK_PROTOCOL_BREAKS(&rebirth, ANY_GENERATION, "an object of another life is acquired");
}
TEST(slot_word, control_a_count_of_zero) {
  CHECK_PROTOCOL_BREAKS(&rebirth, COUNT_OF_ZERO, "a dead object is acquired");
}
TEST(slot_word, control_deaths_without_a_new_generation) {
  CHECK_PROTOCOL_BREAKS(&rebirth, SAME_GENERATION, "an object of another life is acquired");
}
TEST(slot_word, control_rest_after_the_memory_went_back) {
  CHECK_PROTOCOL_BREAKS(&rebirth, REST_AFTERWARDS, "an object of another life is acquired");
}
TEST(slot_word, control_release_by_a_plain_store) {
  CHECK_PROTOCOL_BREAKS(&rebirth, RELEASE_BY_STORE, "a dead object is acquired");
}
TEST(slot_word, control_the_last_by_a_look) {
  CHECK_PROTOCOL_BREAKS(&rebirth, LAST_BY_LOOK, "a dead object is acquired");
}

/* Several hold it, retain and release at once; it dies once, and not before. */
static void start_sharing(void *state, int variant) {
  machine *m = start_published(state, variant);
  m->word += 2;
  for (size_t i = 0; i < THREADS; i++) m->threads[i].holds = 1;
  SCRIPT_OF(m, 0, RETAIN, RELEASE, RELEASE, ALLOC, FIRST, WEAK_RELEASE);
  SCRIPT_OF(m, 1, RELEASE, ACQUIRE, RETAIN, RELEASE, WEAK_RELEASE);
  SCRIPT_OF(m, 2, WEAK_RELEASE, ACQUIRE, RELEASE, ALLOC, FREE);
}
PROTOCOL(sharing, "retain, release, the last of three")

TEST(slot_word, an_object_dies_once) { CHECK_PROTOCOL_HOLDS(&sharing, 0); }
TEST(slot_word, also_with_release_by_subtraction) { CHECK_PROTOCOL_HOLDS(&sharing, BY_SUBTRACTION); }

TEST(slot_word, control_three_releases_by_plain_stores) {
  CHECK_PROTOCOL_BREAKS(&sharing, RELEASE_BY_STORE, "an object dies while somebody holds it");
}
TEST(slot_word, control_the_last_of_three_by_a_look) {
  CHECK_PROTOCOL_BREAKS(&sharing, LAST_BY_LOOK, "a dead object is acquired");
}

/* Two kill it, while it is acquired, dies and lives again. */
static void start_killing(void *state, int variant) {
  machine *m = start_published(state, variant);
  SCRIPT_OF(m, 0, ACQUIRE, KILL, RELEASE, RELEASE, ALLOC, FIRST);
  SCRIPT_OF(m, 1, KILL, ACQUIRE, RELEASE, KILL_LAST, ASK);
  SCRIPT_OF(m, 2, ASK, ACQUIRE, ACQUIRE_NEXT, RELEASE, ASK, ASK);
}
PROTOCOL(killing, "two kills, acquire, questions")

TEST(slot_word, one_kill_is_told_so) { CHECK_PROTOCOL_HOLDS(&killing, 0); }
TEST(slot_word, control_kill_by_a_plain_store) {
  CHECK_PROTOCOL_BREAKS(&killing, KILL_BY_STORE, "an object is killed twice");
}

/* ---- Any good program ---- */

static void start_good_programs(void *state, int variant) { start_published(state, variant)->operations = OPERATIONS; }
PROTOCOL_OF(good_programs, "anything", sizeof anything)

TEST(slot_word, whatever_good_programs_do) { CHECK_PROTOCOL_HOLDS(&good_programs, 0); }
TEST(slot_word, control_any_generation_in_good_programs) {
  CHECK_PROTOCOL_BREAKS(&good_programs, ANY_GENERATION, "an object of another life is acquired");
}
TEST(slot_word, control_deaths_without_a_new_generation_in_good_programs) {
  CHECK_PROTOCOL_BREAKS(&good_programs, SAME_GENERATION, "an object of another life is acquired");
}

/* ---- Misuse: releases by handles of other lives ---- */

/* The second life, published, held by two; a rogue has a handle of the first. */
static machine *start_second(void *state, int variant) {
  machine *m = start_published(state, variant);
  m->life = 1;
  m->published_life = 1;
  m->published = 2 * first_handle();
  m->word += first_handle() + 1;
  m->threads[1].holds = 1;
  return m;
}

static void start_rogue(void *state, int variant) {
  machine *m = start_second(state, variant);
  SCRIPT_OF(m, 0, RELEASE, ALLOC, FIRST, RELEASE);
  SCRIPT_OF(m, 1, ACQUIRE, RELEASE, WEAK_RELEASE, ALLOC, RESERVE, RELEASE);
  SCRIPT_OF(m, 2, ROGUE_OLD, ACQUIRE, RELEASE, ROGUE_NEXT);
}
PROTOCOL(rogue, "releases by handles of other lives")

TEST(slot_word, a_release_of_another_life_changes_nothing) { CHECK_PROTOCOL_HOLDS(&rogue, 0); }

/* Subtract, look, undo: meanwhile the others see a reference less. */
TEST(slot_word, control_of_another_life_by_subtraction) {
  CHECK_PROTOCOL_BREAKS(&rogue, BY_SUBTRACTION, "an object dies while somebody holds it");
}

/* Alone, one after the other, it is found and undone. */
static void start_rogue_alone(void *state, int variant) {
  machine *m = start_second(state, variant);
  SCRIPT_OF(m, 2, ROGUE_OLD, ROGUE_NEXT, ROGUE_OLD, ROGUE_NEXT);
}
PROTOCOL(rogue_alone, "releases by handles of other lives, alone")

TEST(slot_word, what_is_subtracted_by_mistake_is_undone) { CHECK_PROTOCOL_HOLDS(&rogue_alone, BY_SUBTRACTION); }

/* ---- What is seen of the object ---- */

/* The maker writes the object, publishes, writes again and releases; the guest acquires, writes and releases. Who comes
 * last destroys, and must see what both wrote. Stores wait in buffers until they drain. A read-modify-write works
 * on memory; as a release it comes after all earlier stores, else only after those to the word, of which there are
 * none. */
enum { MADE, BY_MAKER, BY_GUEST, PLACES };
enum { MAKER, GUEST, PEOPLE };
enum { RELAXED_PUBLISH = 1, RELAXED_RELEASE = 2 };

typedef struct sight {
  uint8_t variant;
  uint8_t published;
  uint8_t references;
  uint8_t guest_came;
  uint8_t memory[PLACES];
  uint8_t at[PEOPLE];
  const char *broken;
  store_buffer buffers[PEOPLE];
} sight;

static bool may_change_word(const sight *s, size_t who, unsigned relaxed) {
  return (s->variant & relaxed) != 0 || s->buffers[who].count == 0;
}

static bool sees(const sight *s, size_t who, uint8_t place) {
  return store_buffer_load(&s->buffers[who], s->memory, place) == 1;
}

static void release_seen(sight *s, size_t who) {
  if (--s->references != 0) return;
  if (!sees(s, who, BY_MAKER) || (s->guest_came && !sees(s, who, BY_GUEST))) {
    s->broken = "the destructor does not see what was written";
  }
}

static void acquire_seen(sight *s) {
  if (!s->published || s->references == 0) {
    s->at[GUEST] = 3; /* and that is all */
    return;
  }
  s->references++;
  s->guest_came = 1;
  if (!sees(s, GUEST, MADE)) s->broken = "an object is seen before it was made";
}

/* -> false: it must wait. */
static bool next_of_maker(sight *s) {
  switch (s->at[MAKER]) {
    case 0:
      return store_buffer_put(&s->buffers[MAKER], MADE, 1, false);
    case 1:
      if (!may_change_word(s, MAKER, RELAXED_PUBLISH)) return false;
      s->published = 1;
      return true;
    case 2:
      return store_buffer_put(&s->buffers[MAKER], BY_MAKER, 1, false);
    default:
      if (!may_change_word(s, MAKER, RELAXED_RELEASE)) return false;
      release_seen(s, MAKER);
      return true;
  }
}

static bool next_of_guest(sight *s) {
  switch (s->at[GUEST]) {
    case 0:
      acquire_seen(s);
      return true;
    case 1:
      return store_buffer_put(&s->buffers[GUEST], BY_GUEST, 1, false);
    default:
      if (!may_change_word(s, GUEST, RELAXED_RELEASE)) return false;
      release_seen(s, GUEST);
      return true;
  }
}

/* Choice 0 is the thread's next step; the others drain its buffer. */
static explorer_step step_of_sight(void *state, size_t who, unsigned choice) {
  sight *s = state;
  if (choice != 0) {
    bool drains = store_buffer_drain(&s->buffers[who], s->memory, choice - 1);
    return drains ? EXPLORER_STEPPED : EXPLORER_BLOCKED;
  }
  uint8_t last = who == MAKER ? 4 : 3;
  if (s->at[who] >= last) return EXPLORER_IDLE;
  if (!(who == MAKER ? next_of_maker(s) : next_of_guest(s))) return EXPLORER_BLOCKED;
  if (s->at[who] < last) s->at[who]++;
  return EXPLORER_STEPPED;
}

static void start_sight(void *state, int variant) {
  sight *s = state;
  s->variant = (uint8_t)variant;
  s->references = 1;
}

static const char *check_sight(const void *state) { return ((const sight *)state)->broken; }
static const char *check_end_of_sight(const void *state) {
  return ((const sight *)state)->references == 0 ? NULL : "an object is never freed";
}

static const explorer_protocol seeing = {
    .name = "what is seen of an object",
    .state_bytes = sizeof(sight),
    .threads = PEOPLE,
    .choices = 1 + STORE_BUFFER_DEPTH,
    .start = start_sight,
    .step = step_of_sight,
    .check = check_sight,
    .check_end = check_end_of_sight,
};

TEST(slot_word, an_object_is_seen_as_it_was_published_and_released) { CHECK_PROTOCOL_HOLDS(&seeing, 0); }
TEST(slot_word, control_publish_without_release) {
  CHECK_PROTOCOL_BREAKS(&seeing, RELAXED_PUBLISH, "an object is seen before it was made");
}
TEST(slot_word, control_release_without_release) {
  CHECK_PROTOCOL_BREAKS(&seeing, RELAXED_RELEASE, "the destructor does not see what was written");
}
