/* table_walk_test.c: a reader walks a table without a lock, while one thread moves all nodes to a larger array and
 * inserts one, and another removes one and then all. The reader touches nothing that is free or was never written, its
 * walk ends, and what it finds was there meanwhile.
 *
 * Models lib/caches/hash_table.h and .c:
 *   S_WORD, S_PLACE     the two loads of lido_table_chain
 *   S_NODE              the caller's compare of what a node has
 *   S_NEXT              the load of lido_table_next
 *   S_LOCKED            the caller's second look, with the lock
 *   G_FIRST, G_SECOND   make_array: its memory is zeroed
 *   G_MOVE              move_all: the next node of the old chain
 *   M_NEXT, M_PLACE     the two stores of link_first, of a node that moves
 *   G_WORD              replace_array
 *   G_FILL              whoever made the node has written it (cache_entries.c: lido_cache_entry_make; intern.c:
 *                       make_value)
 *   I_NEXT, I_PLACE     the two stores of link_first, of the new node
 *   G_GIVE, R_GIVE, C_GIVE   lido_lock_give in lido_table_give
 *   G_RELEASE, C_RELEASE     lido_release of the old array there
 *   G_OTHERS            what that may bring about: deaths of others, which take the same lock
 *   R_UNLINK            lido_table_remove_locked
 *   R_RELEASE, C_NODES  the caller's release of nodes
 *   C_JOIN, C_WORD      lido_table_remove_all_locked
 * A writer's stores wait in a store buffer; it gives the lock when that is empty, for that is a release. What is
 * released is free as soon as the reader is not inside a guard that it entered before (grace_period_test.c).
 * The old array has one chain with three nodes; the new one has two chains. Not modelled: loads that are done early,
 * and that a reader which follows a link from one processor to the next might see that of a third one later.
 */
#include "tests/interleavings/interleaving_explorer.h"
#include "tests/interleavings/store_buffer.h"

enum { READER, GROWER, REMOVER, DRAIN, THREADS };
enum { A = 1, B, C, NEW, NODES = 4 };
enum { NO_ARRAY, OLD_ARRAY, NEW_ARRAY, ARRAYS };
enum { WORD, OLD_CHAIN, NEW_CHAINS, NEXT_OF = 4, CONTENT_OF_NEW = 9, PLACES }; /* NEXT_OF + node */
enum { GARBAGE = 0xee, NOBODY = 0xff };

/* Lines left out or changed. */
enum {
  NODE_AT_ONCE = 1,         /* a node's memory does not wait for readers */
  ARRAY_UNDER_LOCK = 2,     /* an array is free at once, under the lock */
  PLACE_FIRST = 4,          /* a new node is linked before its own link is written */
  RELAXED_MOVE = 8,         /* links of nodes that move are written without release */
  RELAXED_INSERT = 16,      /* those of the new one are */
  RELAXED_WORD = 32,        /* the present array is told without release */
  KEEP_LINK = 64,           /* a node that is moved to an empty chain keeps its link */
  NO_SECOND_LOOK = 128,     /* who finds nothing believes so */
  RELEASE_UNDER_LOCK = 256, /* an old array is released, and others die, before the lock is given */
  GUARD_TOO_LATE = 512      /* the reader enters its guard when it has found a chain */
};

enum { S_ENTER, S_WORD, S_PLACE, S_LATE_GUARD, S_NODE, S_NEXT, S_LEAVE, S_LOCKED };
enum { G_LOCK = 8, G_FIRST, G_SECOND, G_MOVE, M_NEXT, M_PLACE, G_WORD, G_FILL, I_NEXT, I_PLACE };
enum { G_GIVE = 18, G_RELEASE, G_OTHERS };
enum { R_CHOOSE = 21, R_LOCK, R_UNLINK, R_GIVE, R_RELEASE };
enum { C_LOCK = 26, C_JOIN, C_WORD, C_GIVE, C_RELEASE, C_NODES, OVER };

typedef struct machine {
  const char *broken;
  uint16_t variant;
  uint8_t at[THREADS];
  uint8_t lock; /* thread */
  uint8_t memory[PLACES];
  store_buffer buffer; /* of who has the lock */
  uint8_t in_table;    /* bits: nodes */
  uint8_t leaving;     /* bits: when all stores have drained */
  uint8_t nodes_free;  /* bits */
  uint8_t nodes_wait;  /* bits: for the reader */
  uint8_t arrays_free;
  uint8_t arrays_wait;
  /* the reader's */
  uint8_t inside;
  uint8_t wanted;
  uint8_t array;
  uint8_t cursor;
  uint8_t visits;
  uint8_t moves;     /* since it entered */
  uint8_t meanwhile; /* bits: nodes that were in the table at some moment since it entered */
  uint8_t always;    /* bits: at every one */
  /* the grower's */
  uint8_t moving;
  uint8_t next;
  uint8_t old_array;
  /* the remover's */
  uint8_t removed; /* node */
  uint8_t all;     /* bits: nodes that are to be released */
  uint8_t cleared_array;
} machine;

static uint8_t bit(uint8_t which) { return (uint8_t)(1 << which); }

static void broke(machine *m, const char *problem) {
  if (m->broken == NULL) m->broken = problem;
}

/* A, B and the new one belong to the first of two chains. */
static uint8_t chain_in(uint8_t array, uint8_t node) {
  return array == OLD_ARRAY ? OLD_CHAIN : (uint8_t)(NEW_CHAINS + (node == C));
}

/* ---- Memory ---- */

static uint8_t load(const machine *m, uint8_t place) { return store_buffer_load(&m->buffer, m->memory, place); }

static bool store(machine *m, uint8_t place, uint8_t value, bool release) {
  return store_buffer_put(&m->buffer, place, value, release);
}

/* A link to or from `node`. */
static bool store_link(machine *m, uint8_t node, uint8_t place, uint8_t value) {
  return store(m, place, value, !(m->variant & (node == NEW ? RELAXED_INSERT : RELAXED_MOVE)));
}

static explorer_step drain(machine *m, unsigned choice) {
  if (!store_buffer_drain(&m->buffer, m->memory, choice)) return choice == 0 ? EXPLORER_IDLE : EXPLORER_BLOCKED;
  if (m->buffer.count == 0) {
    m->in_table &= (uint8_t)~m->leaving;
    m->leaving = 0;
  }
  return EXPLORER_STEPPED;
}

static void release_node(machine *m, uint8_t node) {
  if (m->inside && !(m->variant & NODE_AT_ONCE)) {
    m->nodes_wait |= bit(node);
  } else {
    m->nodes_free |= bit(node);
  }
}

static void release_array(machine *m, uint8_t array) {
  if (array == NO_ARRAY) return;
  if (m->inside && !(m->variant & ARRAY_UNDER_LOCK)) {
    m->arrays_wait |= bit(array);
  } else {
    m->arrays_free |= bit(array);
  }
}

/* ---- The lock ---- */

static bool take(machine *m, uint8_t thread) {
  if (m->lock != NOBODY) return false;
  m->lock = thread;
  return true;
}

static bool give(machine *m) {
  if (m->buffer.count != 0) return false;
  m->lock = NOBODY;
  return true;
}

/* ---- The reader ---- */

static uint8_t follow(machine *m, uint8_t place) {
  uint8_t found = m->memory[place];
  if (found != GARBAGE) return found;
  broke(m, "a reader follows what was never written");
  return 0;
}

static void look_at_node(machine *m) {
  if (m->nodes_free & bit(m->cursor)) broke(m, "a reader touches a node that is free");
  if (m->cursor == NEW && m->memory[CONTENT_OF_NEW] == GARBAGE) broke(m, "a reader sees a node before it was written");
  if (++m->visits > NODES + m->moves) broke(m, "a walk goes on for ever");
  m->at[READER] = m->cursor == m->wanted ? S_LEAVE : S_NEXT;
}

static void leave(machine *m) {
  m->nodes_free |= m->nodes_wait;
  m->arrays_free |= m->arrays_wait;
  m->inside = m->nodes_wait = m->arrays_wait = 0;
  m->at[READER] = OVER;
  if (m->cursor != 0) {
    if (!(m->meanwhile & bit(m->cursor))) broke(m, "a reader finds what was not there");
  } else if (m->variant & NO_SECOND_LOOK) {
    if (m->always & bit(m->wanted)) broke(m, "what was there all the time is not found");
  } else {
    m->at[READER] = S_LOCKED;
  }
  m->cursor = m->array = m->visits = m->moves = m->meanwhile = m->always = 0;
}

/* Nobody has the lock, so there is no store in the buffer. */
static bool look_locked(machine *m) {
  if (m->lock != NOBODY) return false;
  uint8_t array = m->memory[WORD];
  uint8_t found = array != NO_ARRAY ? m->memory[chain_in(array, m->wanted)] : 0;
  for (size_t visits = 0; found != 0 && found != m->wanted && visits <= NODES; visits++)
    found = m->memory[NEXT_OF + found];
  if ((found == m->wanted) != ((m->in_table & bit(m->wanted)) != 0)) broke(m, "a look with the lock is wrong");
  m->at[READER] = OVER;
  return true;
}

static void enter(machine *m) {
  m->inside = 1;
  m->always = m->in_table;
}

static void begin_to_walk(machine *m, unsigned choice) {
  m->wanted = (uint8_t)(A + choice);
  if (!(m->variant & GUARD_TOO_LATE)) enter(m);
  m->at[READER] = S_WORD;
}

static void look_at_place(machine *m) {
  if (m->arrays_free & bit(m->array)) broke(m, "a reader touches an array that is free");
  m->cursor = follow(m, chain_in(m->array, m->wanted));
  m->at[READER] = m->variant & GUARD_TOO_LATE ? S_LATE_GUARD : m->cursor != 0 ? S_NODE : S_LEAVE;
}

static bool step_reader(machine *m, unsigned choice) {
  switch (m->at[READER]) {
    case S_ENTER:
      begin_to_walk(m, choice);
      return true;
    case S_WORD:
      m->array = m->memory[WORD];
      m->at[READER] = m->array != NO_ARRAY ? S_PLACE : S_LEAVE;
      return true;
    case S_PLACE:
      look_at_place(m);
      return true;
    case S_LATE_GUARD:
      enter(m);
      m->at[READER] = m->cursor != 0 ? S_NODE : S_LEAVE;
      return true;
    case S_NODE:
      look_at_node(m);
      return true;
    case S_NEXT:
      if (m->nodes_free & bit(m->cursor)) broke(m, "a reader touches a node that is free");
      m->cursor = follow(m, NEXT_OF + m->cursor);
      m->at[READER] = m->cursor != 0 ? S_NODE : S_LEAVE;
      return true;
    case S_LEAVE:
      leave(m);
      return true;
    default:
      return look_locked(m);
  }
}

/* ---- Who makes room for one more, and inserts it ---- */

static bool write_next(machine *m, uint8_t node) {
  uint8_t first = load(m, chain_in(NEW_ARRAY, node));
  if (node != NEW && first == 0 && m->variant & KEEP_LINK) return true;
  return store_link(m, node, NEXT_OF + node, first);
}

static bool write_place(machine *m, uint8_t node) { return store_link(m, node, chain_in(NEW_ARRAY, node), node); }

static void begin_to_grow(machine *m) {
  m->old_array = load(m, WORD);
  m->moving = m->old_array != NO_ARRAY ? load(m, OLD_CHAIN) : 0;
  m->at[GROWER] = G_FIRST;
}

static void next_to_move(machine *m) {
  m->at[GROWER] = m->moving != 0 ? M_NEXT : G_WORD;
  m->next = m->moving != 0 ? load(m, NEXT_OF + m->moving) : 0;
}

static void moved(machine *m) {
  if (m->inside) m->moves++;
  m->moving = m->next;
  m->at[GROWER] = G_MOVE;
}

/* The order of the two stores of the new node. */
static bool insert(machine *m) {
  bool place_now = (m->at[GROWER] == I_PLACE) != ((m->variant & PLACE_FIRST) != 0);
  if (place_now ? !write_place(m, NEW) : !write_next(m, NEW)) return false;
  if (place_now) m->in_table |= bit(NEW);
  m->at[GROWER]++;
  return true;
}

static bool step_grower_last(machine *m) {
  bool early = (m->variant & (RELEASE_UNDER_LOCK | ARRAY_UNDER_LOCK)) != 0;
  switch (m->at[GROWER]) {
    case G_GIVE:
      if (early && m->old_array != NO_ARRAY) {
        if (m->buffer.count != 0) return false;
        m->at[GROWER] = G_RELEASE;
        return true;
      }
      if (!give(m)) return false;
      m->at[GROWER] = G_RELEASE;
      return true;
    case G_RELEASE:
      release_array(m, m->old_array);
      m->old_array = NO_ARRAY;
      if (m->lock == GROWER && m->variant & ARRAY_UNDER_LOCK) give(m);
      m->at[GROWER] = G_OTHERS;
      return true;
    default:
      if (m->lock != NOBODY) return false; /* it may be its own */
      m->at[GROWER] = OVER;
      return true;
  }
}

static bool step_grower(machine *m) {
  uint8_t *at = &m->at[GROWER];
  switch (*at) {
    case G_LOCK:
      if (!take(m, GROWER)) return false;
      begin_to_grow(m);
      return true;
    case G_FIRST:
    case G_SECOND:
      if (!store(m, (uint8_t)(NEW_CHAINS + *at - G_FIRST), 0, false)) return false;
      ++*at;
      return true;
    case G_MOVE:
      next_to_move(m);
      return true;
    case M_NEXT:
      if (!write_next(m, m->moving)) return false;
      *at = M_PLACE;
      return true;
    case M_PLACE:
      if (!write_place(m, m->moving)) return false;
      moved(m);
      return true;
    case G_WORD:
      if (!store(m, WORD, NEW_ARRAY, !(m->variant & RELAXED_WORD))) return false;
      *at = G_FILL;
      return true;
    case G_FILL:
      if (!store(m, CONTENT_OF_NEW, 1, false)) return false;
      *at = I_NEXT;
      return true;
    case I_NEXT:
    case I_PLACE:
      return insert(m);
    default:
      return step_grower_last(m);
  }
}

/* ---- Who removes one, and then all ---- */

static bool unlink_node(machine *m) {
  uint8_t place = chain_in(load(m, WORD), m->removed);
  while (load(m, place) != m->removed) place = (uint8_t)(NEXT_OF + load(m, place));
  if (!store(m, place, load(m, NEXT_OF + m->removed), true)) return false;
  m->leaving = bit(m->removed);
  return true;
}

/* The first chain goes on to the second, if there are two. */
static bool join_chains(machine *m) {
  if (load(m, WORD) != NEW_ARRAY || load(m, NEW_CHAINS) == 0) return true;
  uint8_t place = NEW_CHAINS;
  while (load(m, place) != 0) place = (uint8_t)(NEXT_OF + load(m, place));
  return store(m, place, load(m, NEW_CHAINS + 1), true);
}

static bool clear(machine *m) {
  uint8_t array = load(m, WORD);
  if (!store(m, WORD, NO_ARRAY, true)) return false;
  m->cleared_array = array;
  m->all = m->leaving = m->in_table;
  return true;
}

/* C, B or A first makes no difference. */
static void release_next(machine *m) {
  uint8_t node = A;
  while (node <= NEW && !(m->all & bit(node))) node++;
  if (node <= NEW) release_node(m, node);
  m->all &= (uint8_t)~bit(node);
  if (m->all == 0) m->at[REMOVER] = OVER;
}

static bool step_clear(machine *m) {
  switch (m->at[REMOVER]) {
    case C_LOCK:
      return take(m, REMOVER);
    case C_JOIN:
      return join_chains(m);
    case C_WORD:
      return clear(m);
    case C_GIVE:
      return give(m);
    default:
      release_array(m, m->cleared_array);
      m->cleared_array = NO_ARRAY;
      return true;
  }
}

static bool step_remove(machine *m, unsigned choice) {
  switch (m->at[REMOVER]) {
    case R_CHOOSE:
      m->removed = (uint8_t)(A + choice);
      return true;
    case R_LOCK:
      return take(m, REMOVER);
    case R_UNLINK:
      return unlink_node(m);
    case R_GIVE:
      return give(m);
    default:
      release_node(m, m->removed);
      m->removed = 0;
      return true;
  }
}

static bool step_remover(machine *m, unsigned choice) {
  if (m->at[REMOVER] == C_NODES) {
    release_next(m);
    return true;
  }
  if (m->at[REMOVER] < C_LOCK ? !step_remove(m, choice) : !step_clear(m)) return false;
  m->at[REMOVER]++;
  return true;
}

/* ---- The protocol ---- */

static explorer_step step(void *state, size_t thread, unsigned choice) {
  machine *m = state;
  if (thread != DRAIN && m->at[thread] == OVER) return EXPLORER_IDLE;
  bool chooses = thread == DRAIN || m->at[thread] == S_ENTER || (m->at[thread] == R_CHOOSE && choice < C);
  if (choice != 0 && !chooses) return EXPLORER_BLOCKED;
  explorer_step result = EXPLORER_STEPPED;
  if (thread == DRAIN) {
    result = drain(m, choice);
  } else {
    bool stepped = thread == READER   ? step_reader(m, choice)
                   : thread == GROWER ? step_grower(m)
                                      : step_remover(m, choice);
    if (!stepped) result = EXPLORER_BLOCKED;
  }
  if (m->inside) m->meanwhile |= m->in_table;
  if (m->inside) m->always &= m->in_table;
  return result;
}

static void start(void *state, int variant) {
  machine *m = state;
  m->variant = (uint16_t)variant;
  m->lock = NOBODY;
  m->at[READER] = S_ENTER;
  m->at[GROWER] = G_LOCK;
  m->at[REMOVER] = R_CHOOSE;
  memset(m->memory, GARBAGE, sizeof m->memory);
  m->memory[WORD] = OLD_ARRAY;
  m->memory[OLD_CHAIN] = A;
  m->memory[NEXT_OF + A] = B;
  m->memory[NEXT_OF + B] = C;
  m->memory[NEXT_OF + C] = 0;
  m->in_table = bit(A) | bit(B) | bit(C);
}

static const char *check(const void *state) { return ((const machine *)state)->broken; }

static const char *check_end(const void *state) {
  const machine *m = state;
  uint8_t all = bit(A) | bit(B) | bit(C) | bit(NEW);
  if ((m->nodes_free | m->in_table) != all || (m->nodes_free & m->in_table) != 0) return "a node is lost";
  bool empty = m->memory[WORD] == NO_ARRAY;
  if (!(m->arrays_free & bit(OLD_ARRAY))) return "the old array is never free";
  return empty == ((m->arrays_free & bit(NEW_ARRAY)) != 0) ? NULL : "the present array is free";
}

static const explorer_protocol table_walk = {
    .name = "a walk, a move, removals",
    .state_bytes = sizeof(machine),
    .threads = THREADS,
    .choices = NODES,
    .start = start,
    .step = step,
    .check = check,
    .check_end = check_end,
};

TEST(table_walk, finds_what_is_there_and_ends) { CHECK_PROTOCOL_HOLDS(&table_walk, 0); }

TEST(table_walk, control_a_node_that_is_free_at_once) {
  CHECK_PROTOCOL_BREAKS(&table_walk, NODE_AT_ONCE, "a reader touches a node that is free");
}

TEST(table_walk, control_an_array_that_is_free_under_the_lock) {
  CHECK_PROTOCOL_BREAKS(&table_walk, ARRAY_UNDER_LOCK, "a reader touches an array that is free");
}

TEST(table_walk, control_a_node_that_is_linked_before_it_leads_on) {
  CHECK_PROTOCOL_BREAKS(&table_walk, PLACE_FIRST, "a reader follows what was never written");
}

TEST(table_walk, control_a_move_without_release) {
  CHECK_PROTOCOL_BREAKS(&table_walk, RELAXED_MOVE, "a walk goes on for ever");
}

TEST(table_walk, control_an_insertion_without_release) {
  CHECK_PROTOCOL_BREAKS(&table_walk, RELAXED_INSERT, "a reader sees a node before it was written");
}

TEST(table_walk, control_an_array_without_release) {
  CHECK_PROTOCOL_BREAKS(&table_walk, RELAXED_WORD, "a reader follows what was never written");
}

TEST(table_walk, control_a_moved_node_that_keeps_its_link) {
  CHECK_PROTOCOL_BREAKS(&table_walk, KEEP_LINK, "a walk goes on for ever");
}

TEST(table_walk, control_no_second_look) {
  CHECK_PROTOCOL_BREAKS(&table_walk, NO_SECOND_LOOK, "what was there all the time is not found");
}

TEST(table_walk, control_a_release_under_the_lock) {
  CHECK_PROTOCOL_BREAKS(&table_walk, RELEASE_UNDER_LOCK, "threads wait for ever");
}

TEST(table_walk, control_a_guard_that_is_entered_too_late) {
  CHECK_PROTOCOL_BREAKS(&table_walk, GUARD_TOO_LATE, "a reader finds what was not there");
}
