/* fork_sweep_test.c: a thread is stopped at any step of what it does, as a fork in another thread stops it.
 * In the child no magazine is in two places, the sweep finds every object that nobody holds but at most one,
 * and takes none that is in use.
 *
 * Models what the thread does: lido/inline/pool_checked_inline.h (alloc, free, push, pop) and
 * pools/thread_cache.c: lido_thread_cache_refill, refill_from_slabs, grown_magazine, swap_magazines,
 * lido_cache_keep, make_room, lido_thread_cache_flush, emptied. And what the child does, pools/fork.c: in_child;
 * pools/thread_cache.c: forget_objects; pools/core_slabs.c: lido_core_sweep, sweep_slab_locked. Between its
 * mark and its way into the cache a freed object is wiped, as in free_special of pools/free_slow.c and
 * lido_tool_free of pools/tool_notes.c. The fork takes all locks, so what is done under one of them is a
 * step. The child is computed in each state that is met. Magazines hold one object each here, which makes
 * every path short.
 */
#include "tests/interleavings/interleaving_explorer.h"

enum { OBJECTS = 3, MAGAZINES = 5, NONE = 0xff, OPERATIONS = 12 };
enum { STATE_LIVE = 1, STATE_FREE = 2, STATE_CLAIM = 4 };

enum {
  STAYS_WHILE_GIVEN = 1, /* a magazine leaves the cache after it went to the depot or was destroyed */
  LIVE_LATE = 2,         /* an object is marked live after it was returned */
  SWEEP_FIRST = 4,       /* the child sweeps before it drains the depot */
  SWEEP_ALL = 8,         /* the child looks at bits only, not at states */
  SWEEP_DIRTY = 16,      /* the child does not wipe what it finds */
};

enum {
  AT_REST,
  AT_POP,
  AT_LIVE,
  AT_RETURN,
  AT_SWAP,
  AT_SWAP_REMOVE,
  AT_SWAP_LOAD,
  AT_SWAP_SET,
  AT_EXCHANGE,
  AT_LOAD,
  AT_GROW,
  AT_DESTROY,
  AT_LOAD_GROWN,
  AT_TAKE,
  AT_FILL,
  AT_CLAIM,
  AT_WIPE,
  AT_PUSH,
  AT_KEEP,
  AT_FIND_EMPTY,
  AT_GIVE_FULL,
  AT_SET_PREVIOUS,
  AT_REFUSED,
  AT_SPILL,
  AT_PUT_HOT,
  AT_UNLOAD,
  AT_EMPTY_LOADED,
  AT_RELOAD,
  AT_REMOVE,
  AT_EMPTY_PREVIOUS,
  AT_RESET
};

typedef struct machine {
  uint8_t variant;
  uint8_t operations;
  uint8_t at;
  uint8_t after_swap;
  uint8_t object; /* in the thread's hands */
  uint8_t hand;   /* a magazine in them */
  uint8_t other;  /* another */
  uint8_t grown;
  uint8_t hot;
  uint8_t loaded; /* rest->loaded, rest->previous: magazines, or NONE */
  uint8_t previous;
  uint8_t exists; /* bits: magazines that are not free metadata */
  uint8_t full;   /* bits: the depot's lists */
  uint8_t empty;
  uint8_t slab;  /* bits: free objects */
  uint8_t held;  /* bits: in the program's hands */
  uint8_t dirty; /* bits: not wiped since the program had them (ZERO, or full checks) */
  uint8_t states[OBJECTS];
  uint8_t items[MAGAZINES];
} machine;

/* ---- Pieces ---- */

static uint8_t lowest(uint8_t bits) {
  for (uint8_t bit = 0; bit < 8; bit++) {
    if (bits >> bit & 1) return bit;
  }
  return NONE;
}

static bool has(uint8_t bits, uint8_t bit) { return bit != NONE && (bits >> bit & 1) != 0; }
static void add(uint8_t *bits, uint8_t bit) { *bits |= (uint8_t)(1 << bit); }
static void drop(uint8_t *bits, uint8_t bit) { *bits &= (uint8_t) ~(1 << bit); }

static bool stays(const machine *m) { return (m->variant & STAYS_WHILE_GIVEN) != 0; }
static bool holds_object(const machine *m, uint8_t magazine) { return m->items[magazine] != NONE; }

/* NONE: no memory. */
static uint8_t create(machine *m) {
  for (uint8_t magazine = 0; magazine < MAGAZINES; magazine++) {
    if (has(m->exists, magazine)) continue;
    add(&m->exists, magazine);
    m->items[magazine] = NONE;
    return magazine;
  }
  return NONE;
}

static void spill(machine *m, uint8_t magazine) {
  add(&m->slab, m->items[magazine]);
  m->items[magazine] = NONE;
}

static void rest(machine *m) {
  m->at = AT_REST;
  m->object = m->hand = m->other = NONE;
  m->operations++;
}

/* ---- Alloc ---- */

static void begin_alloc(machine *m) {
  if (m->hot != NONE && m->states[m->hot] == STATE_CLAIM) { /* what is hot stays so: a memory */
    m->object = m->hot;
    m->at = m->variant & LIVE_LATE ? AT_RETURN : AT_LIVE;
  } else {
    m->at = AT_POP;
  }
}

static void pop(machine *m) {
  if (holds_object(m, m->loaded)) {
    m->object = m->items[m->loaded];
    m->items[m->loaded] = NONE;
    m->at = m->variant & LIVE_LATE ? AT_RETURN : AT_LIVE;
  } else if (holds_object(m, m->previous)) {
    m->after_swap = AT_POP;
    m->at = AT_SWAP;
  } else {
    m->hand = m->loaded;
    if (!stays(m)) m->loaded = NONE;
    m->at = AT_EXCHANGE;
  }
}

static void mark_live(machine *m) {
  m->states[m->object] = STATE_LIVE;
  if (m->variant & LIVE_LATE) {
    rest(m);
  } else {
    m->at = AT_RETURN;
  }
}

static void hand_out(machine *m) {
  add(&m->held, m->object);
  add(&m->dirty, m->object);
  if (m->variant & LIVE_LATE) {
    m->at = AT_LIVE;
  } else {
    rest(m);
  }
}

/* lido_depot_take_full. */
static void exchange(machine *m) {
  m->other = lowest(m->full);
  if (m->other != NONE) {
    drop(&m->full, m->other);
    add(&m->empty, m->hand);
  }
  m->at = AT_LOAD;
}

static void load_exchanged(machine *m) {
  m->loaded = m->other != NONE ? m->other : m->hand;
  m->at = m->other != NONE ? AT_POP : AT_GROW;
}

/* refill_from_slabs: another magazine, once. */
static void grow(machine *m) {
  m->hand = m->loaded;
  if (!stays(m)) m->loaded = NONE;
  m->other = m->grown ? NONE : create(m);
  m->at = m->other != NONE ? AT_DESTROY : AT_LOAD_GROWN;
  m->grown = 1;
}

static void destroy_old(machine *m) {
  drop(&m->exists, m->hand);
  m->hand = m->other;
  m->at = AT_LOAD_GROWN;
}

/* As it was, the new magazine was loaded only with its objects. */
static void load_grown(machine *m) {
  if (!stays(m)) m->loaded = m->hand;
  m->at = AT_TAKE;
}

static void take(machine *m) {
  m->object = lowest(m->slab);
  if (m->object != NONE) drop(&m->slab, m->object);
  m->at = AT_FILL;
}

static void fill(machine *m) {
  m->loaded = m->hand;
  if (m->object == NONE) { /* NULL */
    rest(m);
    return;
  }
  m->items[m->loaded] = m->object;
  m->at = AT_POP;
}

/* ---- swap_magazines ---- */

static void swap(machine *m) {
  m->hand = m->loaded;
  m->other = m->previous;
  if (stays(m)) {
    m->loaded = m->previous;
    m->at = AT_SWAP_SET;
  } else {
    m->loaded = NONE;
    m->at = AT_SWAP_REMOVE;
  }
}

static void swap_set(machine *m) {
  m->previous = m->hand;
  m->hand = m->other = NONE;
  m->at = m->after_swap;
}

/* ---- Free ---- */

static void push(machine *m) {
  uint8_t old = m->hot;
  bool demote = old != NONE && m->states[old] == STATE_CLAIM && old != m->object;
  m->hot = m->object;
  if (demote) {
    m->object = old;
    m->at = AT_KEEP;
  } else {
    rest(m);
  }
}

/* lido_cache_keep, and the beginning of make_room. */
static void keep(machine *m) {
  if (!holds_object(m, m->loaded)) {
    m->items[m->loaded] = m->object;
    rest(m);
    return;
  }
  m->after_swap = AT_KEEP;
  if (!holds_object(m, m->previous)) {
    m->at = AT_SWAP;
    return;
  }
  m->hand = m->previous;
  if (!stays(m)) m->previous = NONE;
  m->at = AT_FIND_EMPTY;
}

static void find_empty(machine *m) {
  m->other = lowest(m->empty);
  if (m->other != NONE) {
    drop(&m->empty, m->other);
  } else {
    m->other = create(m);
  }
  m->at = AT_GIVE_FULL;
}

/* `refused`: the depot has enough. */
static void give_full(machine *m, bool refused) {
  if (m->other == NONE) {
    m->at = AT_SPILL;
  } else if (refused) {
    m->at = AT_REFUSED;
  } else {
    add(&m->full, m->hand);
    m->at = AT_SET_PREVIOUS;
  }
}

static void give_empty_back(machine *m) {
  add(&m->empty, m->other);
  m->at = AT_SPILL;
}

static void spill_full(machine *m) {
  spill(m, m->hand);
  m->other = m->hand;
  m->at = AT_SET_PREVIOUS;
}

static void set_previous(machine *m) {
  m->previous = m->other;
  m->hand = m->other = NONE;
  m->at = AT_SWAP;
}

/* ---- Flush ---- */

static void begin_flush(machine *m) {
  m->object = m->hot != NONE && m->states[m->hot] == STATE_CLAIM ? m->hot : NONE;
  m->hot = NONE;
  m->at = AT_PUT_HOT;
}

static void unload(machine *m, bool loaded) {
  uint8_t *field = loaded ? &m->loaded : &m->previous;
  m->hand = *field;
  if (!stays(m)) *field = NONE;
  m->at = loaded ? AT_EMPTY_LOADED : AT_EMPTY_PREVIOUS;
}

/* emptied(): a new magazine is private until it is loaded, so making and destroying it are no steps. */
static void empty_it(machine *m, bool refused, uint8_t then) {
  uint8_t fresh = !refused && holds_object(m, m->hand) ? create(m) : NONE;
  if (fresh != NONE) {
    add(&m->full, m->hand);
    m->hand = fresh;
  } else if (holds_object(m, m->hand)) {
    spill(m, m->hand);
  }
  m->at = then;
}

/* ---- The thread ---- */

static explorer_step choose(machine *m, unsigned choice) {
  if (m->operations == OPERATIONS) return EXPLORER_IDLE;
  if (choice == 0) {
    begin_alloc(m);
    return EXPLORER_STEPPED;
  }
  if (choice == 1) {
    begin_flush(m);
    return EXPLORER_STEPPED;
  }
  if (choice - 2 >= OBJECTS || !has(m->held, (uint8_t)(choice - 2))) return EXPLORER_BLOCKED;
  m->object = (uint8_t)(choice - 2);
  drop(&m->held, m->object);
  m->at = AT_CLAIM;
  return EXPLORER_STEPPED;
}

static bool has_two_ways(const machine *m) {
  return m->at == AT_GIVE_FULL || m->at == AT_EMPTY_LOADED || m->at == AT_EMPTY_PREVIOUS;
}

static void step_of_swap(machine *m) {
  switch (m->at) {
    case AT_SWAP:
      swap(m);
      break;
    case AT_SWAP_REMOVE:
      m->previous = NONE;
      m->at = AT_SWAP_LOAD;
      break;
    case AT_SWAP_LOAD:
      m->loaded = m->other;
      m->at = AT_SWAP_SET;
      break;
    default:
      swap_set(m);
      break;
  }
}

static void step_of_flush(machine *m, bool refused) {
  switch (m->at) {
    case AT_PUT_HOT:
      if (m->object != NONE) add(&m->slab, m->object);
      m->object = NONE;
      m->at = AT_UNLOAD;
      break;
    case AT_UNLOAD:
      unload(m, true);
      break;
    case AT_EMPTY_LOADED:
      empty_it(m, refused, AT_RELOAD);
      break;
    case AT_RELOAD:
      m->loaded = m->hand;
      m->at = AT_REMOVE;
      break;
    case AT_REMOVE:
      unload(m, false);
      break;
    case AT_EMPTY_PREVIOUS:
      empty_it(m, refused, AT_RESET);
      break;
    default:
      m->previous = m->hand;
      rest(m);
      break;
  }
}

static explorer_step step(void *state, size_t thread, unsigned choice) {
  machine *m = state;
  (void)thread;
  if (m->at == AT_REST) return choose(m, choice);
  if (choice > 1 || (choice == 1 && !has_two_ways(m))) return EXPLORER_BLOCKED;
  switch (m->at) {
    case AT_POP:
      pop(m);
      break;
    case AT_LIVE:
      mark_live(m);
      break;
    case AT_RETURN:
      hand_out(m);
      break;
    case AT_EXCHANGE:
      exchange(m);
      break;
    case AT_LOAD:
      load_exchanged(m);
      break;
    case AT_GROW:
      grow(m);
      break;
    case AT_DESTROY:
      destroy_old(m);
      break;
    case AT_LOAD_GROWN:
      load_grown(m);
      break;
    case AT_TAKE:
      take(m);
      break;
    case AT_FILL:
      fill(m);
      break;
    case AT_CLAIM:
      m->states[m->object] = STATE_CLAIM;
      m->at = AT_WIPE;
      break;
    case AT_WIPE:
      drop(&m->dirty, m->object);
      m->at = AT_PUSH;
      break;
    case AT_PUSH:
      push(m);
      break;
    case AT_KEEP:
      keep(m);
      break;
    case AT_FIND_EMPTY:
      find_empty(m);
      break;
    case AT_GIVE_FULL:
      give_full(m, choice == 1);
      break;
    case AT_REFUSED:
      give_empty_back(m);
      break;
    case AT_SPILL:
      spill_full(m);
      break;
    case AT_SET_PREVIOUS:
      set_previous(m);
      break;
    default:
      if (m->at >= AT_PUT_HOT) {
        step_of_flush(m, choice == 1);
      } else {
        step_of_swap(m);
      }
      break;
  }
  return EXPLORER_STEPPED;
}

static void start(void *state, int variant) {
  machine *m = state;
  m->variant = (uint8_t)variant;
  m->object = m->hand = m->other = m->hot = NONE;
  memset(m->items, NONE, sizeof m->items);
  m->loaded = create(m);
  m->previous = create(m);
  m->slab = (1 << OBJECTS) - 1;
  for (size_t object = 0; object < OBJECTS; object++) m->states[object] = STATE_FREE;
}

/* ---- The child, of a copy ---- */

static const char *destroy_in_child(machine *child, uint8_t magazine) {
  if (magazine == NONE) return NULL;
  if (!has(child->exists, magazine)) return "a magazine is destroyed twice";
  if (has(child->full, magazine) || has(child->empty, magazine)) return "a magazine of the depot is destroyed";
  drop(&child->exists, magazine);
  return NULL;
}

static const char *drain_in_child(machine *child) {
  for (uint8_t magazine = 0; magazine < MAGAZINES; magazine++) {
    if (!has(child->full, magazine)) continue;
    if (has(child->empty, magazine)) return "a magazine is in two lists";
    if (has(child->slab, child->items[magazine])) return "an object is put twice";
    add(&child->slab, child->items[magazine]);
  }
  return NULL;
}

static void sweep_in_child(machine *child) {
  for (uint8_t object = 0; object < OBJECTS; object++) {
    bool is_free = child->states[object] != STATE_LIVE || (child->variant & SWEEP_ALL) != 0;
    if (!is_free || has(child->slab, object)) continue;
    add(&child->slab, object);
    if ((child->variant & SWEEP_DIRTY) == 0) drop(&child->dirty, object);
  }
}

static const char *count_in_child(const machine *child) {
  unsigned lost = 0;
  for (uint8_t object = 0; object < OBJECTS; object++) {
    if (has(child->slab, object) && has(child->held, object)) return "an object in use is taken away";
    if (has(child->slab, object) && has(child->dirty, object)) return "a free object is not wiped";
    lost += !has(child->slab, object) && !has(child->held, object);
  }
  return lost > 1 ? "more than one object is lost" : NULL;
}

static const char *check(const void *state) {
  machine child = *(const machine *)state;
  bool sweeps_first = (child.variant & SWEEP_FIRST) != 0;
  const char *broken = destroy_in_child(&child, child.loaded);
  if (broken == NULL) broken = destroy_in_child(&child, child.previous);
  if (broken == NULL && sweeps_first) sweep_in_child(&child);
  if (broken == NULL) broken = drain_in_child(&child);
  if (broken == NULL && !sweeps_first) sweep_in_child(&child);
  return broken != NULL ? broken : count_in_child(&child);
}

static const char *check_end(const void *state) {
  (void)state;
  return NULL;
}

static const explorer_protocol fork_sweep = {
    .name = "a fork at any step",
    .state_bytes = sizeof(machine),
    .threads = 1,
    .choices = OBJECTS + 2,
    .start = start,
    .step = step,
    .check = check,
    .check_end = check_end,
};

TEST(fork_sweep, finds_all_objects_but_the_one_in_flight) { CHECK_PROTOCOL_HOLDS(&fork_sweep, 0); }

TEST(fork_sweep, control_with_magazines_that_leave_the_cache_late) {
  CHECK_PROTOCOL_BREAKS(&fork_sweep, STAYS_WHILE_GIVEN, "a magazine is destroyed twice");
}

TEST(fork_sweep, control_with_objects_that_are_live_late) {
  CHECK_PROTOCOL_BREAKS(&fork_sweep, LIVE_LATE, "an object in use is taken away");
}

TEST(fork_sweep, control_with_a_sweep_before_the_depot_is_drained) {
  CHECK_PROTOCOL_BREAKS(&fork_sweep, SWEEP_FIRST, "an object is put twice");
}

TEST(fork_sweep, control_with_a_sweep_that_ignores_states) {
  CHECK_PROTOCOL_BREAKS(&fork_sweep, SWEEP_ALL, "an object in use is taken away");
}

TEST(fork_sweep, control_with_a_sweep_that_does_not_wipe) {
  CHECK_PROTOCOL_BREAKS(&fork_sweep, SWEEP_DIRTY, "a free object is not wiped");
}
