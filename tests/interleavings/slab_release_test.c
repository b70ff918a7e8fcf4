/* slab_release_test.c: a trim takes empty slabs away while a thread's hot slot still remembers an object in
 * one, and statistics and questions by address look on. Nobody reads a state byte of a slab that is gone (P3
 * of pools/pool_core.h), and no slab is kept for ever.
 *
 * Models pools/core_slabs.c: lido_core_release_slabs, pin_hot_slabs, collect_locked; against lido_cache_push,
 * lido_cache_alloc_hot and lido_cache_free_hot of lido/inline/pool_checked_inline.h, take_hot and
 * lido_thread_cache_objects of pools/thread_cache.c, and lido_pool_owns of pools/pool_walk.c. cache.hot is stored
 * through a store buffer; drains are threads of the model.
 *
 * At the start the owner's hot slot remembers X, which another thread has freed since, so that its slab is
 * empty. The owner holds Y, the only object of another slab.
 */
#include "tests/interleavings/interleaving_explorer.h"
#include "tests/interleavings/store_buffer.h"

enum { X, Y, SLABS, NOTHING = 0xff }; /* an object and its slab have one number */
enum { OWNER, TRIM, STATISTICS, QUESTION, DRAIN, THREADS };
enum { FREE_LOCK, BY_OWNER, BY_TRIM, BY_STATISTICS, BY_QUESTION };
enum { STATE_LIVE = 1, STATE_CLAIM = 4, STATE_OTHERS_CLAIM = 5 };
enum { HOT, PLACES }; /* in memory, behind store buffers; objects as X + 1, Y + 1, 0 = NULL */

enum {
  NO_PIN = 1,               /* empty slabs go, whoever remembers them */
  HOT_BEFORE_LOOK = 2,      /* push stores hot, and then looks at the old state byte */
  TAKE_HOT_BEFORE_LOOK = 4, /* take_hot stores NULL and then looks: what a relaxed store allows */
  UNPIN_BY_HOT = 8,         /* after collecting, what the hot slots name then is unpinned, and nothing else */
  STATISTICS_UNLOCKED = 16, /* they look at hot slots without the registry's lock */
  MAP_LATE = 32,            /* a slab leaves the address map only when it is destroyed, after the locks */
};

typedef struct machine {
  uint8_t variant;
  uint8_t registry_lock;
  uint8_t slabs_lock;
  uint8_t mapped[SLABS];
  uint8_t pinned[SLABS];
  uint8_t empty[SLABS]; /* and in the list of empty slabs */
  uint8_t map[SLABS];   /* the address map names the pool */
  uint8_t states[SLABS];
  uint8_t memory[PLACES];
  store_buffer buffer;
  uint8_t at[THREADS];
  uint8_t hot_state; /* the owner's: an object, or NOTHING */
  uint8_t trims;     /* that are over */
  uint8_t collected; /* bits */
  uint8_t seen;      /* hot, by statistics */
  uint8_t touched_gone;
} machine;

/* ---- Pieces ---- */

static bool lock(uint8_t *held, uint8_t by) {
  if (*held != FREE_LOCK) return false;
  *held = by;
  return true;
}

static uint8_t look_at_state(machine *m, uint8_t object) {
  if (object == NOTHING) return 0;
  if (!m->mapped[object]) m->touched_gone = 1;
  return m->states[object];
}

static void store_state(machine *m, uint8_t object, uint8_t state) {
  if (!m->mapped[object]) m->touched_gone = 1;
  m->states[object] = state;
}

/* ---- The owner: free(Y), alloc, free(Y), flush; then an alloc from the empty hot slot ---- */

enum {
  O_CLAIM_Y,
  O_PUSH_LOOK,
  O_PUSH_HOT,
  O_ALLOC_LOOK,
  O_ALLOC_STORE,
  O_FREE_HOT,
  O_TAKE_LOOK,
  O_TAKE_HOT,
  O_PUT_LOCK,
  O_PUT,
  O_LAST_LOOK,
  O_OVER
};

static void owner_goes_to(machine *m, uint8_t at) { m->at[OWNER] = at; }

static bool store_hot(machine *m, uint8_t value, bool release) {
  return store_buffer_put(&m->buffer, HOT, value, release);
}

static explorer_step owner_pushes(machine *m) {
  bool look_first = (m->variant & HOT_BEFORE_LOOK) == 0;
  if (m->at[OWNER] == O_PUSH_LOOK) { /* never ours, here: X is another's, so nothing is demoted */
    look_at_state(m, m->hot_state);
    m->hot_state = look_first ? m->hot_state : Y;
    owner_goes_to(m, look_first ? O_PUSH_HOT : O_ALLOC_LOOK);
    return EXPLORER_STEPPED;
  }
  if (!store_hot(m, Y + 1, look_first)) return EXPLORER_BLOCKED;
  m->hot_state = look_first ? Y : m->hot_state;
  owner_goes_to(m, look_first ? O_ALLOC_LOOK : O_PUSH_LOOK);
  return EXPLORER_STEPPED;
}

static explorer_step owner_takes_hot(machine *m) {
  bool look_first = (m->variant & TAKE_HOT_BEFORE_LOOK) == 0;
  if (m->at[OWNER] == O_TAKE_LOOK) {
    look_at_state(m, m->hot_state);
    m->hot_state = look_first ? m->hot_state : NOTHING;
    owner_goes_to(m, look_first ? O_TAKE_HOT : O_PUT_LOCK);
    return EXPLORER_STEPPED;
  }
  if (!store_hot(m, 0, look_first)) return EXPLORER_BLOCKED;
  m->hot_state = look_first ? NOTHING : m->hot_state;
  owner_goes_to(m, look_first ? O_PUT_LOCK : O_TAKE_LOOK);
  return EXPLORER_STEPPED;
}

/* In the variant with the early store Y's slab would not be empty before the look; so there Y's hot slot was
 * a memory. */
static explorer_step owner_puts(machine *m) {
  if (m->at[OWNER] == O_PUT_LOCK) {
    if (!lock(&m->slabs_lock, BY_OWNER)) return EXPLORER_BLOCKED;
    owner_goes_to(m, O_PUT);
    return EXPLORER_STEPPED;
  }
  if (m->buffer.count != 0) return EXPLORER_BLOCKED; /* giving a lock back is a release */
  if (m->mapped[Y]) m->empty[Y] = 1;
  m->slabs_lock = FREE_LOCK;
  owner_goes_to(m, O_LAST_LOOK);
  return EXPLORER_STEPPED;
}

static explorer_step step_owner(machine *m) {
  switch (m->at[OWNER]) {
    case O_CLAIM_Y:
      store_state(m, Y, STATE_CLAIM);
      owner_goes_to(m, m->variant & HOT_BEFORE_LOOK ? O_PUSH_HOT : O_PUSH_LOOK);
      return EXPLORER_STEPPED;
    case O_PUSH_LOOK:
    case O_PUSH_HOT:
      return owner_pushes(m);
    case O_ALLOC_LOOK:
      look_at_state(m, m->hot_state);
      owner_goes_to(m, O_ALLOC_STORE);
      return EXPLORER_STEPPED;
    case O_ALLOC_STORE:
      store_state(m, Y, STATE_LIVE);
      owner_goes_to(m, O_FREE_HOT);
      return EXPLORER_STEPPED;
    case O_FREE_HOT:
      store_state(m, Y, STATE_CLAIM);
      owner_goes_to(m, m->variant & TAKE_HOT_BEFORE_LOOK ? O_TAKE_HOT : O_TAKE_LOOK);
      return EXPLORER_STEPPED;
    case O_TAKE_LOOK:
    case O_TAKE_HOT:
      return owner_takes_hot(m);
    case O_PUT_LOCK:
    case O_PUT:
      return owner_puts(m);
    case O_LAST_LOOK:
      look_at_state(m, m->hot_state);
      owner_goes_to(m, O_OVER);
      return EXPLORER_STEPPED;
    default:
      return EXPLORER_IDLE;
  }
}

/* ---- The trim: three times, the last when the owner is idle ---- */

enum { T_REGISTRY, T_SLABS, T_PIN, T_COLLECT, T_UNPIN, T_UNLOCK, T_LEAVE_MAP, T_DESTROY };
enum { TRIMS = 3 };

static void pin_hot(machine *m, uint8_t pinned) {
  uint8_t hot = m->memory[HOT];
  if (hot != 0) m->pinned[hot - 1] = pinned;
}

static void pin(machine *m) {
  /* What was pinned before, by hot slots that have changed since, is not pinned any more. */
  if ((m->variant & UNPIN_BY_HOT) == 0) memset(m->pinned, 0, sizeof m->pinned);
  if ((m->variant & NO_PIN) == 0) pin_hot(m, 1);
}

static void collect(machine *m) {
  for (size_t slab = 0; slab < SLABS; slab++) {
    if (!m->empty[slab] || m->pinned[slab]) continue;
    m->empty[slab] = 0;
    m->map[slab] = (m->variant & MAP_LATE) != 0;
    m->collected |= (uint8_t)(1 << slab);
  }
}

static void leave_map(machine *m) {
  for (size_t slab = 0; slab < SLABS; slab++) {
    if (m->collected >> slab & 1) m->map[slab] = 0;
  }
}

static void destroy(machine *m) {
  for (size_t slab = 0; slab < SLABS; slab++) {
    if (m->collected >> slab & 1) m->mapped[slab] = 0;
  }
  m->collected = 0;
  m->trims++;
}

static explorer_step step_trim(machine *m) {
  uint8_t at = m->at[TRIM];
  if (at == T_REGISTRY && m->trims == TRIMS) return EXPLORER_IDLE;
  if (at == T_REGISTRY && m->trims == TRIMS - 1 && m->at[OWNER] != O_OVER) return EXPLORER_BLOCKED;
  switch (at) {
    case T_REGISTRY:
      if (!lock(&m->registry_lock, BY_TRIM)) return EXPLORER_BLOCKED;
      break;
    case T_SLABS:
      if (!lock(&m->slabs_lock, BY_TRIM)) return EXPLORER_BLOCKED;
      break;
    case T_PIN:
      pin(m);
      break;
    case T_COLLECT:
      collect(m);
      break;
    case T_UNPIN:
      if (m->variant & UNPIN_BY_HOT) pin_hot(m, 0);
      break;
    case T_UNLOCK:
      m->slabs_lock = FREE_LOCK;
      m->registry_lock = FREE_LOCK;
      break;
    case T_LEAVE_MAP:
      leave_map(m);
      break;
    default:
      destroy(m);
      break;
  }
  m->at[TRIM] = at == T_DESTROY ? T_REGISTRY : at + 1;
  return EXPLORER_STEPPED;
}

/* ---- Statistics ---- */

enum { S_LOCK, S_HOT, S_STATE, S_UNLOCK, S_OVER };

static explorer_step step_statistics(machine *m) {
  bool locks = (m->variant & STATISTICS_UNLOCKED) == 0;
  switch (m->at[STATISTICS]) {
    case S_LOCK:
      if (locks && !lock(&m->registry_lock, BY_STATISTICS)) return EXPLORER_BLOCKED;
      break;
    case S_HOT:
      m->seen = m->memory[HOT];
      break;
    case S_STATE:
      if (m->seen != 0) look_at_state(m, m->seen - 1);
      break;
    case S_UNLOCK:
      if (locks) m->registry_lock = FREE_LOCK;
      break;
    default:
      return EXPLORER_IDLE;
  }
  m->at[STATISTICS]++;
  return EXPLORER_STEPPED;
}

/* ---- A question about X, which may be anybody's by now ---- */

enum { Q_LOCK, Q_MAP, Q_STATE, Q_UNLOCK, Q_OVER };

static explorer_step step_question(machine *m) {
  uint8_t at = m->at[QUESTION];
  switch (at) {
    case Q_LOCK:
      if (!lock(&m->slabs_lock, BY_QUESTION)) return EXPLORER_BLOCKED;
      break;
    case Q_MAP:
      break;
    case Q_STATE:
      look_at_state(m, X);
      break;
    case Q_UNLOCK:
      m->slabs_lock = FREE_LOCK;
      break;
    default:
      return EXPLORER_IDLE;
  }
  m->at[QUESTION] = at == Q_MAP && !m->map[X] ? Q_UNLOCK : at + 1;
  return EXPLORER_STEPPED;
}

/* ---- The protocol ---- */

static explorer_step step(void *state, size_t thread, unsigned choice) {
  machine *m = state;
  if (thread == DRAIN) return store_buffer_drain(&m->buffer, m->memory, choice) ? EXPLORER_STEPPED : EXPLORER_IDLE;
  if (choice != 0) return EXPLORER_BLOCKED;
  if (thread == OWNER) return step_owner(m);
  if (thread == TRIM) return step_trim(m);
  return thread == STATISTICS ? step_statistics(m) : step_question(m);
}

static void start(void *state, int variant) {
  machine *m = state;
  m->variant = (uint8_t)variant;
  m->mapped[X] = m->mapped[Y] = 1;
  m->map[X] = m->map[Y] = 1;
  m->empty[X] = 1;
  m->states[X] = STATE_OTHERS_CLAIM;
  m->states[Y] = STATE_LIVE;
  m->memory[HOT] = X + 1;
  m->hot_state = X;
}

static const char *check(const void *state) {
  return ((const machine *)state)->touched_gone ? "a state byte of a slab that is gone" : NULL;
}

static const char *check_end(const void *state) {
  const machine *m = state;
  if (m->mapped[X] || m->mapped[Y]) return "an empty slab is kept that nobody remembers";
  return NULL;
}

static const explorer_protocol slab_release = {
    .name = "trim against hot slots",
    .state_bytes = sizeof(machine),
    .threads = THREADS,
    .choices = STORE_BUFFER_DEPTH,
    .start = start,
    .step = step,
    .check = check,
    .check_end = check_end,
};

TEST(slab_release, spares_what_hot_slots_remember) { CHECK_PROTOCOL_HOLDS(&slab_release, 0); }

TEST(slab_release, control_without_pins) {
  CHECK_PROTOCOL_BREAKS(&slab_release, NO_PIN, "a state byte of a slab that is gone");
}

TEST(slab_release, control_with_hot_stored_before_the_look) {
  CHECK_PROTOCOL_BREAKS(&slab_release, HOT_BEFORE_LOOK, "a state byte of a slab that is gone");
}

TEST(slab_release, control_with_pins_that_only_hot_slots_take_off) {
  CHECK_PROTOCOL_BREAKS(&slab_release, UNPIN_BY_HOT, "an empty slab is kept that nobody remembers");
}

TEST(slab_release, control_with_statistics_that_take_no_lock) {
  CHECK_PROTOCOL_BREAKS(&slab_release, STATISTICS_UNLOCKED, "a state byte of a slab that is gone");
}

TEST(slab_release, control_with_slabs_that_stay_in_the_map_until_they_are_gone) {
  CHECK_PROTOCOL_BREAKS(&slab_release, MAP_LATE, "a state byte of a slab that is gone");
}

/* ---- The same, when what is hot at a flush is another's by now ---- */

/* As above, but the owner only flushes: its hot slot still remembers X. */
static void start_with_flush(void *state, int variant) {
  machine *m = state;
  start(m, variant);
  m->at[OWNER] = m->variant & TAKE_HOT_BEFORE_LOOK ? O_TAKE_HOT : O_TAKE_LOOK;
}

static const explorer_protocol release_and_flush = {
    .name = "trim against a flush",
    .state_bytes = sizeof(machine),
    .threads = THREADS,
    .choices = STORE_BUFFER_DEPTH,
    .start = start_with_flush,
    .step = step,
    .check = check,
    .check_end = check_end,
};

TEST(slab_release, spares_what_a_flush_looks_at) { CHECK_PROTOCOL_HOLDS(&release_and_flush, 0); }

TEST(slab_release, control_with_a_flush_that_forgets_before_the_look) {
  CHECK_PROTOCOL_BREAKS(&release_and_flush, TAKE_HOT_BEFORE_LOOK, "a state byte of a slab that is gone");
}
