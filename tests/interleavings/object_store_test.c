/* object_store_test.c: the owner of a store of an object pool gets and puts while another thread trims. Nobody gets an
 * object twice, none is lost, and no trim takes what is not there.
 *
 * Models lido/inline/object_pool_inline.h: lido_object_take_hot, lido_object_get_item, lido_object_keep,
 * lido_object_demote, and of pools/object_store.c: close_locked, take_closed_locked, open_locked and the slow paths
 * that settle what was under way. The owner's stores wait in a store buffer and drain in any order that keeps those to
 * one place, but for releases; the trim's barrier (membarrier) and a lock that is taken empty it. Each load is a step.
 * Under the lock the owner settles in one step, for the trim holds it from its set of CLOSED to its last look.
 *
 * A third thread hands objects that were taken to the owner again, past the store: that stands for an address that was
 * destroyed, allocated anew and passed on by the program.
 */
#include "tests/interleavings/interleaving_explorer.h"
#include "tests/interleavings/store_buffer.h"

enum { OWNER, TRIMMER, GIVER, DRAIN, THREADS };
enum { HOT, COUNT, ITEMS, PLACES = ITEMS + 2, CAPACITY = 2 };
enum { A = 1, B, C, OBJECTS = 3 };
enum { OPERATIONS = 6, TRIMS = 3, GIFTS = 2 };

/* Lines left out or changed. */
enum {
  NO_BARRIER = 1,         /* the trim looks at once */
  BARRIER_FIRST = 2,      /* the barrier comes before CLOSED is set */
  LOOK_FIRST = 4,         /* the owner looks at `stop`, and then stores */
  TRIM_OPENS = 8,         /* the trim empties and opens the store itself */
  NO_COMING_BACK = 16,    /* a put does not know its own object by its address */
  TAKES_AGAIN = 32,       /* a trim takes from a closed store, too, and notes that instead */
  COUNT_BEFORE_ITEM = 64, /* the item is stored after the count */
  NO_NOTES = 128,         /* an owner that finds its store closed believes that nothing of its was taken */
  NO_LAST_LOOK = 256      /* a put does not look again after it has stored an item */
};

typedef struct machine {
  uint16_t variant;
  uint8_t memory[PLACES];
  uint8_t closed;
  uint8_t taken_hot;
  uint8_t taken_count;
  uint8_t lock;  /* by the trim */
  uint8_t hands; /* bits: objects that the program has */
  uint8_t shelf; /* bits */
  uint8_t twice;
  uint8_t nothing_taken;
  uint8_t at;
  uint8_t operations;
  uint8_t object; /* that is put, or under way to the program */
  uint8_t old;
  uint8_t count; /* as it was loaded */
  uint8_t trim_at;
  uint8_t trims;
  uint8_t looked_hot;
  uint8_t looked_count;
  uint8_t gifts;
  store_buffer buffer;
} machine;

static void add(machine *m, uint8_t *set, uint8_t object) {
  if (object == 0) m->nothing_taken = 1;
  uint8_t bit = (uint8_t)(1 << object);
  if (((m->hands | m->shelf) & bit) != 0) m->twice = 1;
  *set |= bit;
}

static uint8_t lowest(uint8_t set) {
  uint8_t object = A;
  while ((set >> object & 1) == 0) object++;
  return object;
}

/* ---- The owner ---- */

enum {
  CHOOSE,
  GET_HOT,
  GET_STORE,
  GET_LOOK,
  GET_SETTLE,
  ITEM_COUNT,
  ITEM_STORE,
  ITEM_LOOK,
  ITEM_LOAD,
  ITEM_SETTLE,
  GET_SLOW,
  PUT_HOT,
  PUT_STORE,
  PUT_LOOK,
  PUT_SETTLE,
  KEEP_COUNT,
  KEEP_FIRST,
  KEEP_SECOND,
  KEEP_LOOK,
  KEEP_SETTLE,
  KEEP_SLOW,
  OVER
};

static uint8_t load(const machine *m, uint8_t place) { return store_buffer_load(&m->buffer, m->memory, place); }

static bool store(machine *m, uint8_t place, uint8_t value, bool release) {
  return store_buffer_put(&m->buffer, place, value, release);
}

static explorer_step go(machine *m, uint8_t at) {
  m->at = at;
  return EXPLORER_STEPPED;
}

static explorer_step end_operation(machine *m) {
  m->object = m->old = m->count = 0;
  m->operations++;
  return go(m, m->operations == OPERATIONS ? OVER : CHOOSE);
}

static explorer_step receive(machine *m, uint8_t object) {
  add(m, &m->hands, object);
  return end_operation(m);
}

/* Under the lock, which means that the buffer is empty. */
static bool may_lock(const machine *m) { return !m->lock && m->buffer.count == 0; }

static void keep_settled(machine *m, uint8_t object) {
  if (m->memory[HOT] == 0) {
    m->memory[HOT] = object;
  } else if (m->memory[COUNT] < CAPACITY) {
    m->memory[ITEMS + m->memory[COUNT]++] = object;
  } else {
    add(m, &m->shelf, object);
  }
}

/* The store opens with what was not taken, and `in_hand`. */
static void open(machine *m, uint8_t in_hand) {
  uint8_t left[CAPACITY + 2];
  size_t count = 0;
  for (uint8_t i = m->taken_count; i < m->memory[COUNT]; i++) left[count++] = m->memory[ITEMS + i];
  if (m->memory[HOT] != 0 && m->memory[HOT] != m->taken_hot) left[count++] = m->memory[HOT];
  if (in_hand != 0) left[count++] = in_hand;
  m->memory[HOT] = m->memory[COUNT] = 0;
  m->taken_hot = m->taken_count = m->closed = 0;
  for (size_t i = 0; i < count; i++) keep_settled(m, left[i]);
}

static explorer_step get_slow(machine *m) {
  if (m->closed) open(m, 0);
  if (m->shelf == 0) return end_operation(m);
  uint8_t object = lowest(m->shelf);
  m->shelf &= (uint8_t) ~(1 << object);
  return receive(m, object);
}

static explorer_step settle_get(machine *m) {
  bool is_mine = m->taken_hot != m->object || (m->variant & NO_NOTES) != 0;
  open(m, 0);
  return is_mine ? receive(m, m->object) : get_slow(m);
}

static explorer_step settle_item(machine *m) {
  bool is_mine = m->taken_count <= m->memory[COUNT] || (m->variant & NO_NOTES) != 0;
  uint8_t item = m->memory[ITEMS + m->memory[COUNT]];
  open(m, 0);
  return is_mine ? receive(m, item) : get_slow(m);
}

static explorer_step settle_put(machine *m) {
  uint8_t in_hand = 0;
  if (m->old == m->object && (m->variant & NO_COMING_BACK) == 0) {
    m->taken_hot = 0;
  } else if (m->old != m->taken_hot || (m->variant & NO_NOTES) != 0) {
    in_hand = m->old;
  }
  open(m, in_hand);
  return end_operation(m);
}

static explorer_step settle(machine *m) {
  if (!may_lock(m)) return EXPLORER_BLOCKED;
  if (m->at == GET_SETTLE) return settle_get(m);
  if (m->at == ITEM_SETTLE) return settle_item(m);
  if (m->at == GET_SLOW) return get_slow(m);
  if (m->at == PUT_SETTLE) return settle_put(m);
  if (m->at == KEEP_SETTLE) {
    open(m, 0);
    return end_operation(m);
  }
  if (m->closed) open(m, 0); /* KEEP_SLOW */
  keep_settled(m, m->old);
  return end_operation(m);
}

static bool looks_first(const machine *m) { return (m->variant & LOOK_FIRST) != 0; }

/* From a look, or from a store that comes after it. */
static explorer_step look(machine *m, uint8_t if_closed, uint8_t if_open) {
  return go(m, m->closed ? if_closed : if_open);
}

static explorer_step step_get(machine *m) {
  switch (m->at) {
    case GET_HOT:
      m->object = load(m, HOT);
      if (m->object == 0) return go(m, ITEM_COUNT);
      return go(m, looks_first(m) ? GET_LOOK : GET_STORE);
    case GET_STORE:
      if (!store(m, HOT, 0, false)) return EXPLORER_BLOCKED;
      return looks_first(m) ? receive(m, m->object) : go(m, GET_LOOK);
    case GET_LOOK:
      if (m->closed) return go(m, GET_SETTLE);
      return looks_first(m) ? go(m, GET_STORE) : receive(m, m->object);
    case ITEM_COUNT:
      m->count = load(m, COUNT);
      return go(m, m->count == 0 ? GET_SLOW : ITEM_STORE);
    case ITEM_STORE:
      if (!store(m, COUNT, m->count - 1, false)) return EXPLORER_BLOCKED;
      return go(m, ITEM_LOOK);
    case ITEM_LOOK:
      return look(m, ITEM_SETTLE, ITEM_LOAD);
    default: /* ITEM_LOAD */
      return receive(m, load(m, (uint8_t)(ITEMS + m->count - 1)));
  }
}

static bool store_item(machine *m) { return store(m, (uint8_t)(ITEMS + m->count), m->old, false); }

static explorer_step step_keep(machine *m) {
  bool swapped = (m->variant & COUNT_BEFORE_ITEM) != 0;
  if (m->at == KEEP_COUNT) {
    m->count = load(m, COUNT);
    return go(m, m->count == CAPACITY ? KEEP_SLOW : KEEP_FIRST);
  }
  if (m->at == KEEP_LOOK) {
    if ((m->variant & NO_LAST_LOOK) != 0) return end_operation(m);
    if (m->closed) return go(m, KEEP_SETTLE);
    return end_operation(m);
  }
  bool is_item = (m->at == KEEP_FIRST) != swapped;
  bool stored = is_item ? store_item(m) : store(m, COUNT, m->count + 1, !swapped);
  return stored ? go(m, m->at + 1) : EXPLORER_BLOCKED;
}

static explorer_step step_put(machine *m) {
  if (m->at == PUT_HOT) {
    m->old = load(m, HOT);
    return go(m, PUT_STORE);
  }
  if (m->at == PUT_STORE) {
    if (!store(m, HOT, m->object, true)) return EXPLORER_BLOCKED;
    m->hands &= (uint8_t) ~(1 << m->object);
    return go(m, PUT_LOOK);
  }
  if (m->closed) return go(m, PUT_SETTLE);
  return m->old != 0 ? go(m, KEEP_COUNT) : end_operation(m);
}

static explorer_step choose(machine *m, unsigned choice) {
  if (choice == 0) return go(m, GET_HOT);
  if ((m->hands >> choice & 1) == 0) return EXPLORER_BLOCKED;
  m->object = (uint8_t)choice;
  return go(m, PUT_HOT);
}

static explorer_step step_owner(machine *m, unsigned choice) {
  if (m->at == OVER) return EXPLORER_IDLE;
  if (m->at == CHOOSE) return choose(m, choice);
  if (choice != 0) return EXPLORER_BLOCKED;
  switch (m->at) {
    case GET_SETTLE:
    case ITEM_SETTLE:
    case GET_SLOW:
    case PUT_SETTLE:
    case KEEP_SETTLE:
    case KEEP_SLOW:
      return settle(m);
    case PUT_HOT:
    case PUT_STORE:
    case PUT_LOOK:
      return step_put(m);
    case KEEP_COUNT:
    case KEEP_FIRST:
    case KEEP_SECOND:
    case KEEP_LOOK:
      return step_keep(m);
    default:
      return step_get(m);
  }
}

/* ---- The trim ---- */

enum { T_LOCK, T_EARLY_BARRIER, T_CLOSE, T_BARRIER, T_HOT, T_COUNT, T_TAKE, T_OVER };

static explorer_step end_trim(machine *m) {
  m->lock = m->looked_hot = m->looked_count = 0;
  m->trims++;
  m->trim_at = m->trims == TRIMS ? T_OVER : T_LOCK;
  return EXPLORER_STEPPED;
}

static explorer_step barrier(machine *m) {
  while (m->buffer.count != 0) store_buffer_drain(&m->buffer, m->memory, 0);
  m->trim_at++;
  return EXPLORER_STEPPED;
}

static explorer_step take(machine *m) {
  for (uint8_t i = 0; i < m->looked_count; i++) add(m, &m->shelf, m->memory[ITEMS + i]);
  if (m->looked_hot != 0) add(m, &m->shelf, m->looked_hot);
  m->taken_hot = m->looked_hot;
  m->taken_count = m->looked_count;
  if ((m->variant & TRIM_OPENS) != 0) {
    m->memory[HOT] = m->memory[COUNT] = 0;
    m->taken_hot = m->taken_count = m->closed = 0;
  }
  return end_trim(m);
}

static bool skips(const machine *m) {
  if (m->trim_at == T_EARLY_BARRIER) return (m->variant & BARRIER_FIRST) == 0;
  return m->trim_at == T_BARRIER && (m->variant & (NO_BARRIER | BARRIER_FIRST)) != 0;
}

static explorer_step step_trimmer(machine *m) {
  if (m->trim_at == T_LOCK) {
    m->lock = 1;
    m->trim_at++;
    if (m->closed && (m->variant & TAKES_AGAIN) == 0) return end_trim(m);
    return EXPLORER_STEPPED;
  }
  if (skips(m)) m->trim_at++;
  switch (m->trim_at) {
    case T_EARLY_BARRIER:
    case T_BARRIER:
      return barrier(m);
    case T_CLOSE:
      m->closed = 1;
      break;
    case T_HOT:
      m->looked_hot = m->memory[HOT] != m->taken_hot ? m->memory[HOT] : 0;
      break;
    case T_COUNT:
      m->looked_count = m->memory[COUNT] > m->taken_count ? m->memory[COUNT] : 0;
      break;
    case T_TAKE:
      return take(m);
    default:
      return EXPLORER_IDLE;
  }
  m->trim_at++;
  return EXPLORER_STEPPED;
}

static explorer_step step_giver(machine *m) {
  if (m->gifts == GIFTS || m->shelf == 0) return EXPLORER_IDLE;
  uint8_t object = lowest(m->shelf);
  m->shelf &= (uint8_t) ~(1 << object);
  m->hands |= (uint8_t)(1 << object);
  m->gifts++;
  return EXPLORER_STEPPED;
}

/* ---- The protocol ---- */

static explorer_step step(void *state, size_t thread, unsigned choice) {
  machine *m = state;
  if (thread == OWNER) return step_owner(m, choice);
  if (thread == DRAIN) {
    if (choice >= STORE_BUFFER_DEPTH) return EXPLORER_BLOCKED;
    if (store_buffer_drain(&m->buffer, m->memory, choice)) return EXPLORER_STEPPED;
    return m->buffer.count == 0 ? EXPLORER_IDLE : EXPLORER_BLOCKED;
  }
  if (choice != 0) return EXPLORER_BLOCKED;
  return thread == TRIMMER ? step_trimmer(m) : step_giver(m);
}

/* A is hot, B is an item, and the program has C. */
static void start(void *state, int variant) {
  machine *m = state;
  m->variant = (uint16_t)variant;
  m->memory[HOT] = A;
  m->memory[COUNT] = 1;
  m->memory[ITEMS] = B;
  m->hands = 1 << C;
}

static const char *check(const void *state) {
  const machine *m = state;
  if (m->twice) return "an object is handed out twice";
  return m->nothing_taken ? "something is taken that is not there" : NULL;
}

static void count_kept(const machine *m, uint8_t *places) {
  uint8_t hot = m->memory[HOT];
  if (hot != m->taken_hot) places[hot]++;
  for (uint8_t i = m->taken_count; i < m->memory[COUNT]; i++) places[m->memory[ITEMS + i]]++;
}

/* What is left in a closed store no trim would find, while the owner is idle. */
static bool is_out_of_reach(const machine *m) {
  if (!m->closed) return false;
  return m->memory[COUNT] > m->taken_count || (m->memory[HOT] != 0 && m->memory[HOT] != m->taken_hot);
}

static const char *check_end(const void *state) {
  const machine *m = state;
  if (is_out_of_reach(m)) return "an object is out of the reach of trims";
  uint8_t places[OBJECTS + 1] = {0};
  count_kept(m, places);
  for (uint8_t object = A; object <= OBJECTS; object++) {
    if ((m->hands >> object & 1) != 0) places[object]++;
    if ((m->shelf >> object & 1) != 0) places[object]++;
    if (places[object] == 0) return "an object is lost";
    if (places[object] > 1) return "an object is handed out twice";
  }
  return NULL;
}

static const explorer_protocol object_store = {
    .name = "a store and trims",
    .state_bytes = sizeof(machine),
    .threads = THREADS,
    .choices = OBJECTS + 1,
    .start = start,
    .step = step,
    .check = check,
    .check_end = check_end,
};

TEST(object_store, every_object_is_in_one_place) { CHECK_PROTOCOL_HOLDS(&object_store, 0); }

TEST(object_store, control_without_a_barrier) {
  CHECK_PROTOCOL_BREAKS(&object_store, NO_BARRIER, "an object is handed out twice");
}

TEST(object_store, control_with_a_barrier_before_the_store_is_closed) {
  CHECK_PROTOCOL_BREAKS(&object_store, BARRIER_FIRST, "an object is handed out twice");
}

TEST(object_store, control_with_an_owner_that_looks_first) {
  CHECK_PROTOCOL_BREAKS(&object_store, LOOK_FIRST, "an object is handed out twice");
}

TEST(object_store, control_with_a_trim_that_opens_the_store) {
  CHECK_PROTOCOL_BREAKS(&object_store, TRIM_OPENS, "an object is handed out twice");
}

TEST(object_store, control_with_addresses_that_must_not_come_back) {
  CHECK_PROTOCOL_BREAKS(&object_store, NO_COMING_BACK, "an object is lost");
}

TEST(object_store, control_with_a_trim_that_takes_from_a_closed_store) {
  CHECK_PROTOCOL_BREAKS(&object_store, TAKES_AGAIN, "an object is handed out twice");
}

TEST(object_store, control_with_a_count_before_its_item) {
  CHECK_PROTOCOL_BREAKS(&object_store, COUNT_BEFORE_ITEM, "something is taken that is not there");
}

TEST(object_store, control_without_the_notes_of_the_trim) {
  CHECK_PROTOCOL_BREAKS(&object_store, NO_NOTES, "an object is handed out twice");
}

TEST(object_store, control_with_a_put_that_does_not_look_again) {
  CHECK_PROTOCOL_BREAKS(&object_store, NO_LAST_LOOK, "an object is out of the reach of trims");
}
