/* first_use_test.c: threads use a typed pool for the first time at once. One pool is made for all of them,
 * and nobody sees it before it is complete.
 *
 * Models pools/typed_pool.c: lido_typed_pool_get, lose; and of lido_pool_destroy that the end of a typed
 * pool's pool makes the pointer NULL. What creation writes is plain, so it drains from a store buffer when it
 * likes; the compare-and-swap is a release: it waits until the thread's earlier stores are in memory.
 */
#include "tests/interleavings/interleaving_explorer.h"
#include "tests/interleavings/store_buffer.h"

enum { USERS = 3, DRAINS = USERS, THREADS = USERS + DRAINS };
enum { POINTER = USERS, PLACES }; /* the places before are the contents of the pool that each user may make */
enum { UNMADE, COMPLETE, GONE };

enum {
  PUBLISH_FIRST = 1,   /* the pointer is there before the contents */
  PUBLISH_RELAXED = 2, /* the pointer may pass the contents */
  PUBLISH_BLINDLY = 4, /* a store in place of the compare-and-swap */
  LOSER_IS_TYPED = 8,  /* the loser's end counts as the end of the typed pool */
};

enum { AT_LOOK, AT_MAKE, AT_PUBLISH, AT_LOSE, AT_USE, AT_OVER };

typedef struct machine {
  uint8_t variant;
  uint8_t memory[PLACES];
  store_buffer buffers[USERS];
  uint8_t at[USERS];
  uint8_t uses[USERS]; /* number of the pool + 1 */
  uint8_t incomplete;
} machine;

static uint8_t load(const machine *m, size_t user, uint8_t place) {
  return store_buffer_load(&m->buffers[user], m->memory, place);
}

static explorer_step look(machine *m, size_t user) {
  m->uses[user] = load(m, user, POINTER);
  m->at[user] = m->uses[user] != 0 ? AT_USE : m->variant & PUBLISH_FIRST ? AT_PUBLISH : AT_MAKE;
  return EXPLORER_STEPPED;
}

static explorer_step make(machine *m, size_t user) {
  if (!store_buffer_put(&m->buffers[user], (uint8_t)user, COMPLETE, false)) return EXPLORER_BLOCKED;
  m->at[user] = m->variant & PUBLISH_FIRST ? AT_USE : AT_PUBLISH;
  return EXPLORER_STEPPED;
}

static explorer_step publish(machine *m, size_t user) {
  bool waits = (m->variant & PUBLISH_RELAXED) == 0;
  if (waits && m->buffers[user].count != 0) return EXPLORER_BLOCKED;
  bool won = m->memory[POINTER] == 0 || (m->variant & PUBLISH_BLINDLY) != 0;
  if (won) m->memory[POINTER] = m->uses[user] = (uint8_t)(user + 1);
  m->at[user] = !won ? AT_LOSE : m->variant & PUBLISH_FIRST ? AT_MAKE : AT_USE;
  return EXPLORER_STEPPED;
}

static explorer_step lose(machine *m, size_t user) {
  if (m->buffers[user].count != 0) return EXPLORER_BLOCKED; /* its end takes locks */
  m->memory[user] = GONE;
  if (m->variant & LOSER_IS_TYPED) m->memory[POINTER] = 0;
  m->at[user] = AT_LOOK;
  return EXPLORER_STEPPED;
}

static explorer_step step(void *state, size_t thread, unsigned choice) {
  machine *m = state;
  if (thread >= USERS) {
    bool drained = store_buffer_drain(&m->buffers[thread - USERS], m->memory, choice);
    return drained ? EXPLORER_STEPPED : EXPLORER_IDLE;
  }
  if (choice != 0) return EXPLORER_BLOCKED;
  switch (m->at[thread]) {
    case AT_LOOK:
      return look(m, thread);
    case AT_MAKE:
      return make(m, thread);
    case AT_PUBLISH:
      return publish(m, thread);
    case AT_LOSE:
      return lose(m, thread);
    case AT_USE:
      m->incomplete |= load(m, thread, (uint8_t)(m->uses[thread] - 1)) != COMPLETE;
      m->at[thread] = AT_OVER;
      return EXPLORER_STEPPED;
    default:
      return EXPLORER_IDLE;
  }
}

static void start(void *state, int variant) { ((machine *)state)->variant = (uint8_t)variant; }

static const char *check(const void *state) {
  return ((const machine *)state)->incomplete ? "a pool is used that is not complete" : NULL;
}

static const char *check_end(const void *state) {
  const machine *m = state;
  for (size_t user = 1; user < USERS; user++) {
    if (m->uses[user] != m->uses[0]) return "two pools are used";
  }
  return m->memory[POINTER] != m->uses[0] ? "the pointer is lost" : NULL;
}

static const explorer_protocol first_use = {
    .name = "first use of a typed pool",
    .state_bytes = sizeof(machine),
    .threads = THREADS,
    .choices = STORE_BUFFER_DEPTH,
    .start = start,
    .step = step,
    .check = check,
    .check_end = check_end,
};

TEST(first_use, makes_one_pool_for_all) { CHECK_PROTOCOL_HOLDS(&first_use, 0); }

TEST(first_use, control_that_publishes_before_it_makes) {
  CHECK_PROTOCOL_BREAKS(&first_use, PUBLISH_FIRST, "a pool is used that is not complete");
}

TEST(first_use, control_with_a_relaxed_pointer) {
  CHECK_PROTOCOL_BREAKS(&first_use, PUBLISH_RELAXED, "a pool is used that is not complete");
}

TEST(first_use, control_without_compare_and_swap) {
  CHECK_PROTOCOL_BREAKS(&first_use, PUBLISH_BLINDLY, "two pools are used");
}

TEST(first_use, control_with_a_loser_that_clears_the_pointer) {
  CHECK_PROTOCOL_BREAKS(&first_use, LOSER_IS_TYPED, "two pools are used");
}
