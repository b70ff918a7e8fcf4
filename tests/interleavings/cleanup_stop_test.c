/* cleanup_stop_test.c: an object with two cleanups dies, while two threads stop them; its slot, or another, and the
 * freed nodes serve again at once, and that object dies, too. Each cleanup runs or is stopped, once, and no handle hits
 * another's cleanup.
 *
 * Models lib/refs/cleanups.c: lido_cleanups_close, lido_cleanups_run, lido_cleanups_open, add, lido_cleanup_stop; of
 * lib/refs/cleanup_nodes.c the words and generations. Each read or write of what is used without the lock is one step.
 * Slots have locks of their own here; that of the first is the death's, too.
 */
#include "tests/interleavings/interleaving_explorer.h"

enum { THREADS = 3, DYING = 0, NODES = 2, SLOTS = 2, CLEANUPS = 3, CLOSED = 255, NOBODY = 255 };
enum { FREE, LISTED, RUNNING, STOPPED };

enum {
  CLOSE_WITHOUT_LOCK = 1,
  UNLINK_UNMARKED = 2,    /* a stop marks its node when it frees it, and not under the lock */
  MARK_BEFORE_LOOK = 4,   /* a stop looks at the list after it has marked */
  TRUST_FIRST_LOOK = 8,   /* a stop believes under the lock what it saw before */
  SAME_GENERATION = 16,   /* a node that becomes free keeps its generation */
  RUN_WITHOUT_CLAIM = 32, /* a death stores `running`, whatever it finds */
  OPEN_BEFORE_RUN = 64,   /* the list is opened as soon as it was taken */
};

enum {
  D_LOOK,
  D_LOCK,
  D_TAKE,
  D_UNLOCK,
  D_NEXT,
  D_CLAIM,
  D_RUN,
  D_FREE,
  D_OPEN,
  A_TAKE,
  A_SLOT,
  A_LOCK,
  A_WORD,
  A_HEAD,
  A_UNLOCK,
  S_CHOOSE,
  S_LOOK,
  S_SLOT,
  S_LOCK,
  S_HEAD,
  S_MARK,
  S_HEAD_LATE,
  S_UNLINK,
  S_UNLOCK,
  S_FREE,
  OVER
};

typedef struct node {
  uint8_t generation;
  uint8_t state;
  uint8_t next; /* number + 1 */
  uint8_t previous;
  uint8_t slot;
  uint8_t cleanup; /* whose it is: of the check, not of the protocol */
} node;

typedef struct stopper {
  uint8_t target; /* cleanup */
  uint8_t slot;
  uint8_t open;
  uint8_t marked;
} stopper;

typedef struct machine {
  uint8_t variant;
  uint8_t at[THREADS];
  uint8_t head[SLOTS]; /* node number + 1, or CLOSED */
  uint8_t lock[SLOTS]; /* thread, or NOBODY */
  node nodes[NODES];
  uint8_t known; /* cleanups whose handles were given out */
  uint8_t handle_node[CLEANUPS];
  uint8_t handle_generation[CLEANUPS];
  uint8_t ran[CLEANUPS];
  uint8_t stopped[CLEANUPS];
  uint8_t twice; /* a node was freed that is free */
  uint8_t wrong; /* a stop hit another's */
  /* the dying thread's */
  uint8_t slot;
  uint8_t cursor;
  uint8_t next;
  uint8_t lives;
  stopper stoppers[THREADS];
} machine;

static bool take_lock(machine *m, size_t t, size_t slot) {
  if (m->lock[slot] != NOBODY) return false;
  m->lock[slot] = (uint8_t)t;
  return true;
}

static void free_node(machine *m, node *n) {
  m->twice |= n->state == FREE;
  n->state = FREE;
  if (!(m->variant & SAME_GENERATION)) n->generation++;
}

/* ---- The dying thread ---- */

static void claim(machine *m) {
  node *n = &m->nodes[m->cursor - 1];
  bool wins = n->state == LISTED || m->variant & RUN_WITHOUT_CLAIM;
  if (wins) n->state = RUNNING;
  m->at[DYING] = wins ? D_RUN : D_FREE;
}

static void walk(machine *m) {
  if (m->cursor != 0) {
    m->next = m->nodes[m->cursor - 1].next;
    m->at[DYING] = D_CLAIM;
  } else if (m->variant & OPEN_BEFORE_RUN) {
    m->at[DYING] = m->lives == 2 ? OVER : A_TAKE;
  } else {
    m->at[DYING] = D_OPEN;
  }
}

static explorer_step die(machine *m, unsigned choice) {
  if (choice != 0) return EXPLORER_BLOCKED;
  switch (m->at[DYING]) {
    case D_LOOK:
      m->cursor = 0;
      m->at[DYING] = m->head[m->slot] == 0 ? D_OPEN : m->variant & CLOSE_WITHOUT_LOCK ? D_TAKE : D_LOCK;
      break;
    case D_LOCK:
      if (!take_lock(m, DYING, m->slot)) return EXPLORER_BLOCKED;
      m->at[DYING] = D_TAKE;
      break;
    case D_TAKE:
      m->cursor = m->head[m->slot];
      m->head[m->slot] = m->variant & OPEN_BEFORE_RUN ? 0 : CLOSED;
      m->at[DYING] = m->variant & CLOSE_WITHOUT_LOCK ? D_NEXT : D_UNLOCK;
      break;
    case D_UNLOCK:
      m->lock[m->slot] = NOBODY;
      m->at[DYING] = D_NEXT;
      break;
    case D_NEXT:
      walk(m);
      break;
    case D_CLAIM:
      claim(m);
      break;
    case D_RUN:
      m->ran[m->nodes[m->cursor - 1].cleanup]++;
      m->at[DYING] = D_FREE;
      break;
    case D_FREE:
      free_node(m, &m->nodes[m->cursor - 1]);
      m->cursor = m->next;
      m->at[DYING] = D_NEXT;
      break;
    default:
      m->head[m->slot] = 0;
      m->at[DYING] = ++m->lives == 2 ? OVER : A_TAKE;
      break;
  }
  return EXPLORER_STEPPED;
}

/* ---- The next life: one cleanup is added, in the same slot or another ---- */

static void link_node(machine *m) {
  node *n = &m->nodes[m->cursor];
  n->next = m->head[m->slot];
  n->previous = 0;
  if (n->next != 0) m->nodes[n->next - 1].previous = (uint8_t)(m->cursor + 1);
  n->state = LISTED;
}

static void give_out(machine *m) {
  m->handle_node[CLEANUPS - 1] = m->cursor;
  m->handle_generation[CLEANUPS - 1] = m->nodes[m->cursor].generation;
  m->known = CLEANUPS;
  m->lock[m->slot] = NOBODY;
}

static explorer_step add(machine *m, unsigned choice) {
  node *n = &m->nodes[m->cursor];
  switch (m->at[DYING]) {
    case A_TAKE: /* any free node */
      if (choice >= NODES || m->nodes[choice].state != FREE) return EXPLORER_BLOCKED;
      m->cursor = (uint8_t)choice;
      m->nodes[choice].cleanup = CLEANUPS - 1;
      m->at[DYING] = A_SLOT;
      return EXPLORER_STEPPED;
    case A_SLOT: /* any slot */
      if (choice >= SLOTS) return EXPLORER_BLOCKED;
      n->slot = m->slot = (uint8_t)choice;
      m->at[DYING] = A_LOCK;
      return EXPLORER_STEPPED;
    default:
      break;
  }
  if (choice != 0) return EXPLORER_BLOCKED;
  switch (m->at[DYING]) {
    case A_LOCK:
      if (!take_lock(m, DYING, m->slot)) return EXPLORER_BLOCKED;
      m->at[DYING] = A_WORD;
      break;
    case A_WORD:
      link_node(m);
      m->at[DYING] = A_HEAD;
      break;
    case A_HEAD:
      m->head[m->slot] = (uint8_t)(m->cursor + 1);
      m->at[DYING] = A_UNLOCK;
      break;
    default:
      give_out(m);
      m->at[DYING] = D_LOOK;
      break;
  }
  return EXPLORER_STEPPED;
}

/* ---- A stop ---- */

static bool is_as_named(const machine *m, const stopper *s) {
  const node *n = &m->nodes[m->handle_node[s->target]];
  return n->generation == m->handle_generation[s->target] && n->state == LISTED;
}

static void stopped(machine *m, const stopper *s, const node *n) {
  m->stopped[s->target]++;
  m->wrong |= n->cleanup != s->target;
}

/* One compare-and-swap. */
static bool mark(machine *m, const stopper *s) {
  node *n = &m->nodes[m->handle_node[s->target]];
  if (!is_as_named(m, s) && !(m->variant & TRUST_FIRST_LOOK)) return false;
  if (!(m->variant & UNLINK_UNMARKED && s->open)) n->state = STOPPED;
  stopped(m, s, n);
  return true;
}

static void unlink_node(machine *m, const stopper *s) {
  const node *n = &m->nodes[m->handle_node[s->target]];
  if (n->next != 0) m->nodes[n->next - 1].previous = n->previous;
  if (n->previous != 0) {
    m->nodes[n->previous - 1].next = n->next;
  } else {
    m->head[s->slot] = n->next;
  }
}

static explorer_step stop(machine *m, size_t t, unsigned choice) {
  stopper *s = &m->stoppers[t];
  if (m->at[t] == S_CHOOSE) { /* any cleanup that is known */
    if (choice >= m->known) return EXPLORER_BLOCKED;
    s->target = (uint8_t)choice;
    m->at[t] = S_LOOK;
    return EXPLORER_STEPPED;
  }
  if (choice != 0) return EXPLORER_BLOCKED;
  switch (m->at[t]) {
    case S_LOOK:
      m->at[t] = is_as_named(m, s) ? S_SLOT : OVER;
      break;
    case S_SLOT:
      s->slot = m->nodes[m->handle_node[s->target]].slot;
      m->at[t] = S_LOCK;
      break;
    case S_LOCK:
      if (!take_lock(m, t, s->slot)) return EXPLORER_BLOCKED;
      m->at[t] = m->variant & MARK_BEFORE_LOOK ? S_MARK : S_HEAD;
      break;
    case S_HEAD:
      s->open = m->head[s->slot] != CLOSED;
      m->at[t] = S_MARK;
      break;
    case S_MARK:
      s->marked = mark(m, s);
      m->at[t] = m->variant & MARK_BEFORE_LOOK ? S_HEAD_LATE : s->marked && s->open ? S_UNLINK : S_UNLOCK;
      break;
    case S_HEAD_LATE:
      s->open = m->head[s->slot] != CLOSED;
      m->at[t] = s->marked && s->open ? S_UNLINK : S_UNLOCK;
      break;
    case S_UNLINK:
      unlink_node(m, s);
      m->at[t] = S_UNLOCK;
      break;
    case S_UNLOCK:
      m->lock[s->slot] = NOBODY;
      m->at[t] = !s->marked ? S_LOOK : s->open ? S_FREE : OVER;
      break;
    case S_FREE:
      free_node(m, &m->nodes[m->handle_node[s->target]]);
      m->at[t] = OVER;
      break;
    default:
      return EXPLORER_IDLE;
  }
  return EXPLORER_STEPPED;
}

/* ---- The protocol ---- */

static explorer_step step(void *state, size_t t, unsigned choice) {
  machine *m = state;
  if (m->at[t] == OVER) return EXPLORER_IDLE;
  if (t != DYING) return stop(m, t, choice);
  if (m->at[DYING] < A_TAKE) return die(m, choice);
  explorer_step result = add(m, choice);
  /* The nodes may still be in a stopper's hands: then there is one life only. */
  if (result == EXPLORER_BLOCKED && m->at[DYING] == A_TAKE && choice == NODES) {
    m->at[DYING] = OVER;
    return EXPLORER_STEPPED;
  }
  return result;
}

static void start(void *state, int variant) {
  machine *m = state;
  m->variant = (uint8_t)variant;
  m->lock[0] = m->lock[1] = NOBODY;
  m->known = 2;
  m->head[0] = 2;
  m->nodes[0] = (node){.generation = 1, .state = LISTED, .previous = 2, .cleanup = 0};
  m->nodes[1] = (node){.generation = 1, .state = LISTED, .next = 1, .cleanup = 1};
  for (uint8_t i = 0; i < 2; i++) m->handle_node[i] = i;
  for (uint8_t i = 0; i < 2; i++) m->handle_generation[i] = 1;
  for (size_t t = 1; t < THREADS; t++) m->at[t] = S_CHOOSE;
}

static const char *check(const void *state) {
  const machine *m = state;
  if (m->wrong) return "a stop hits another's cleanup";
  if (m->twice) return "a node is freed twice";
  for (size_t i = 0; i < CLEANUPS; i++) {
    if (m->ran[i] + m->stopped[i] > 1) return "a cleanup ends twice";
  }
  return NULL;
}

static const char *check_end(const void *state) {
  const machine *m = state;
  for (size_t i = 0; i < m->known; i++) {
    if (m->ran[i] + m->stopped[i] != 1) return "a cleanup is lost";
  }
  for (size_t i = 0; i < NODES; i++) {
    if (m->nodes[i].state != FREE) return "a node is lost";
  }
  for (size_t i = 0; i < SLOTS; i++) {
    if (m->head[i] != 0) return "a list is not empty";
  }
  return NULL;
}

static const explorer_protocol cleanup_stop = {
    .name = "stopping cleanups of a dying object",
    .state_bytes = sizeof(machine),
    .threads = THREADS,
    .choices = 3,
    .start = start,
    .step = step,
    .check = check,
    .check_end = check_end,
};

TEST(cleanup_stop, ends_each_cleanup_once) { CHECK_PROTOCOL_HOLDS(&cleanup_stop, 0); }

TEST(cleanup_stop, control_that_closes_without_the_lock) {
  CHECK_PROTOCOL_BREAKS(&cleanup_stop, CLOSE_WITHOUT_LOCK, "a node is freed twice");
}

TEST(cleanup_stop, control_that_unlinks_without_a_mark) {
  CHECK_PROTOCOL_BREAKS(&cleanup_stop, UNLINK_UNMARKED, "a cleanup ends twice");
}

TEST(cleanup_stop, control_that_looks_at_the_list_after_the_mark) {
  CHECK_PROTOCOL_BREAKS(&cleanup_stop, MARK_BEFORE_LOOK, "a node is freed twice");
}

TEST(cleanup_stop, control_that_trusts_its_first_look) {
  CHECK_PROTOCOL_BREAKS(&cleanup_stop, TRUST_FIRST_LOOK, "a cleanup ends twice");
}

TEST(cleanup_stop, control_that_keeps_generations) {
  CHECK_PROTOCOL_BREAKS(&cleanup_stop, SAME_GENERATION, "a stop hits another's cleanup");
}

TEST(cleanup_stop, control_that_runs_without_a_claim) {
  CHECK_PROTOCOL_BREAKS(&cleanup_stop, RUN_WITHOUT_CLAIM, "a cleanup ends twice");
}

TEST(cleanup_stop, control_that_opens_the_list_before_it_ran) {
  CHECK_PROTOCOL_BREAKS(&cleanup_stop, OPEN_BEFORE_RUN, "a node is freed twice");
}
