/* cleanup_queue_test.c: two threads push three cleanups onto a queue with an event and a notification, a worker or a
 * drain takes them, one of them is stopped meanwhile, and the queue may be ended. Each runs or is stopped, once; no
 * worker sleeps while something waits; the event says whether something waits; and after the end nobody is inside any
 * more.
 *
 * Models lib/refs/cleanup_queue.c: lido_cleanup_queue_push, announce, lido_cleanup_queue_take_locked, lido_cleanup_run,
 * end_queue, and lib/refs/cleanup_worker.c: wait_for_node. What is done under the lock to what only lock holders touch
 * is one step with what is read or written atomically there; else each such access is a step of its own.
 */
#include "tests/interleavings/interleaving_explorer.h"

enum { PUSHERS = 2, TAKER = 2, STOPPER = 3, ENDER = 4, THREADS = 5, NODES = 3, ENDED = 255, NOBODY = 255 };
enum { LIVE, QUEUED, RUNNING, STOPPED, FREE };

enum {
  WITH_END = 1,           /* the fifth thread ends the queue; the others may still push then */
  WITH_DRAIN = 2,         /* the taker does not sleep: it drains all, again whenever it was notified */
  PENDING_DECIDES = 4,    /* who makes `pending` 1 announces, rather than who finds the stack empty */
  ANNOUNCE_FIRST = 8,     /* announced before the push */
  RAISE_UNSEEN = 16,      /* the event is raised without a look whether something is still there */
  LOWER_UNSEEN = 32,      /* the event is lowered when the list is empty, whatever is on the stack */
  LEAVE_OPEN = 64,        /* the end leaves the stack open */
  END_WITHOUT_WAIT = 128, /* the end does not wait for visitors */
  RUN_WITHOUT_CLAIM = 256,
  AS_MANY_AS_PENDING = 512, /* a drain of all takes as many as were pending when it began */
};

enum {
  P_READY,
  P_COUNT,
  P_LOOK,
  P_PUSH,
  P_ANNOUNCE,
  P_CALL,
  P_LEAVE,
  P_NEXT,
  P_CLAIM,
  P_CALL_FN,
  P_FREE,
  T_TAKE,
  T_ASLEEP,
  T_CLAIM,
  T_RUN,
  T_FREE,
  T_CHECK,
  S_MARK,
  E_END,
  E_WAIT,
  E_CLAIM,
  E_RUN,
  E_FREE,
  OVER
};

typedef struct machine {
  uint16_t variant;
  uint8_t at[THREADS];
  uint8_t node_at[THREADS]; /* in the thread's hands: number + 1 */
  uint8_t head[PUSHERS];    /* what a pusher saw */
  uint8_t first[PUSHERS];   /* it is to announce */
  uint8_t state[NODES];
  uint8_t next[NODES];
  uint8_t ran[NODES];
  uint8_t stopped[NODES];
  uint8_t newest;
  uint8_t oldest;
  uint8_t pending;
  uint8_t raised;
  uint8_t ended;
  uint8_t over; /* the end has returned */
  uint8_t visits;
  uint8_t awake;    /* the taker was woken */
  uint8_t notified; /* and it was called */
  uint8_t looks;    /* how often the drain still may look at the stack */
  uint8_t left;     /* how many nodes it still may take */
  uint8_t late;     /* something was called when all was over */
  uint8_t chain;    /* what the end has taken */
} machine;

static bool has_some(const machine *m) { return m->oldest != 0 || (m->newest != 0 && m->newest != ENDED); }

static uint8_t turned_round(machine *m, uint8_t newest) {
  uint8_t oldest = 0;
  for (uint8_t number = newest, next = 0; number != 0; number = next) {
    next = m->next[number - 1];
    m->next[number - 1] = oldest;
    oldest = number;
  }
  return oldest;
}

/* Of a node in a thread's hands, from `from`. */
static bool claim(machine *m, size_t t, uint8_t from) {
  uint8_t *state = &m->state[m->node_at[t] - 1];
  bool wins = *state == from || m->variant & RUN_WITHOUT_CLAIM;
  if (wins) *state = RUNNING;
  return wins;
}

static void run(machine *m, size_t t) {
  m->ran[m->node_at[t] - 1]++;
  if (t >= TAKER && t != ENDER) m->late |= m->over;
}

static void free_node(machine *m, size_t t) { m->state[m->node_at[t] - 1] = FREE; }

/* ---- Pushers: the first has nodes 1 and 2, the second node 3 ---- */

static void push(machine *m, size_t t) {
  uint8_t number = m->node_at[t];
  if (m->newest == ENDED) {
    m->pending--;
    m->at[t] = P_CLAIM;
  } else if (m->newest != m->head[t]) {
    m->head[t] = m->newest; /* once more */
  } else {
    m->next[number - 1] = m->newest;
    m->newest = number;
    bool first = m->variant & PENDING_DECIDES ? m->first[t] : m->head[t] == 0;
    m->at[t] = first && !(m->variant & ANNOUNCE_FIRST) ? P_ANNOUNCE : P_NEXT;
  }
}

static void announce(machine *m, size_t t) {
  if (has_some(m) || (m->variant & RAISE_UNSEEN && !m->ended)) {
    m->raised = 1;
    m->awake = 1;
  }
  if (!m->ended) m->visits++;
  m->at[t] = m->ended ? P_NEXT : P_CALL;
  if (m->variant & ANNOUNCE_FIRST && m->ended) m->at[t] = P_PUSH;
}

static explorer_step push_all(machine *m, size_t t) {
  switch (m->at[t]) {
    case P_READY: /* the object is dead */
      m->node_at[t] = (uint8_t)(t == 0 ? m->node_at[t] + 1 : NODES);
      m->at[t] = P_COUNT;
      if (m->state[m->node_at[t] - 1] == LIVE) m->state[m->node_at[t] - 1] = QUEUED;
      else m->at[t] = P_FREE;
      break;
    case P_COUNT:
      m->first[t] = m->pending++ == 0;
      m->at[t] = P_LOOK;
      break;
    case P_LOOK:
      m->head[t] = m->newest;
      m->at[t] = m->variant & ANNOUNCE_FIRST && m->newest == 0 ? P_ANNOUNCE : P_PUSH;
      break;
    case P_PUSH:
      push(m, t);
      break;
    case P_ANNOUNCE: /* under the lock */
      announce(m, t);
      break;
    case P_CALL:
      m->late |= m->over;
      m->notified = 1;
      m->at[t] = P_LEAVE;
      break;
    case P_LEAVE:
      m->visits--;
      m->at[t] = m->variant & ANNOUNCE_FIRST ? P_PUSH : P_NEXT;
      break;
    case P_CLAIM:
      m->at[t] = claim(m, t, QUEUED) ? P_CALL_FN : P_FREE;
      break;
    case P_CALL_FN:
      m->ran[m->node_at[t] - 1]++;
      m->at[t] = P_FREE;
      break;
    case P_FREE:
      free_node(m, t);
      m->at[t] = P_NEXT;
      break;
    case P_NEXT:
      m->at[t] = t == 0 && m->node_at[0] < 2 ? P_READY : OVER;
      break;
    default:
      return EXPLORER_IDLE;
  }
  return EXPLORER_STEPPED;
}

/* ---- The taker: a worker that sleeps, or drains that come when they are notified ---- */

/* Under the lock. */
static void take(machine *m) {
  bool worker = !(m->variant & WITH_DRAIN);
  if (worker && m->ended) {
    m->visits--;
    m->at[TAKER] = OVER;
    return;
  }
  if (m->oldest == 0 && has_some(m) && (worker || m->looks > 0)) {
    m->oldest = turned_round(m, m->newest);
    m->newest = 0;
    if (!worker) m->looks--;
  }
  m->node_at[TAKER] = m->oldest;
  if (m->oldest != 0) {
    m->oldest = m->next[m->oldest - 1];
    m->pending--;
    bool empty = m->variant & LOWER_UNSEEN ? m->oldest == 0 : !has_some(m);
    if (empty) m->raised = 0;
    m->at[TAKER] = T_CLAIM;
  } else {
    m->awake = 0;
    m->at[TAKER] = worker ? T_ASLEEP : T_CHECK;
    if (!worker) m->visits--;
  }
}

/* A drain of all that there is now. */
static explorer_step begin_drain(machine *m) {
  if (!m->notified || m->over) return EXPLORER_IDLE;
  m->notified = 0;
  bool as_pending = m->variant & AS_MANY_AS_PENDING;
  m->left = as_pending ? m->pending : NODES + 1;
  m->looks = as_pending ? NODES + 1 : 1;
  if (m->pending == 0 || m->ended) return EXPLORER_STEPPED;
  m->visits++;
  m->at[TAKER] = T_TAKE;
  return EXPLORER_STEPPED;
}

static void go_on(machine *m) {
  free_node(m, TAKER);
  m->at[TAKER] = T_TAKE;
  if (!(m->variant & WITH_DRAIN) || --m->left != 0) return;
  m->visits--;
  m->at[TAKER] = T_CHECK;
}

static explorer_step take_all(machine *m) {
  switch (m->at[TAKER]) {
    case T_CHECK:
      return begin_drain(m);
    case T_TAKE:
      take(m);
      break;
    case T_ASLEEP:
      if (!m->awake) return EXPLORER_IDLE;
      m->at[TAKER] = T_TAKE;
      break;
    case T_CLAIM:
      m->at[TAKER] = claim(m, TAKER, QUEUED) ? T_RUN : T_FREE;
      break;
    case T_RUN:
      run(m, TAKER);
      m->at[TAKER] = T_FREE;
      break;
    case T_FREE:
      go_on(m);
      break;
    default:
      return EXPLORER_IDLE;
  }
  return EXPLORER_STEPPED;
}

/* ---- The stop of node 1, and the end ---- */

static explorer_step stop(machine *m) {
  if (m->at[STOPPER] == OVER) return EXPLORER_IDLE;
  if (m->state[0] == LIVE || m->state[0] == QUEUED) { /* on a closed list, or on the queue */
    m->state[0] = STOPPED;
    m->stopped[0]++;
  }
  m->at[STOPPER] = OVER;
  return EXPLORER_STEPPED;
}

/* Under the lock. */
static void end_queue(machine *m) {
  uint8_t younger = turned_round(m, m->newest);
  uint8_t *end = &m->oldest;
  while (*end != 0) end = &m->next[*end - 1];
  *end = younger;
  m->chain = m->oldest;
  for (uint8_t number = m->chain; number != 0; number = m->next[number - 1]) m->pending--;
  m->oldest = 0;
  m->newest = m->variant & LEAVE_OPEN ? 0 : ENDED;
  m->ended = 1;
  m->raised = 0;
  m->awake = 1; /* the worker is to end */
}

static void next_of_chain(machine *m) {
  m->node_at[ENDER] = m->chain;
  m->at[ENDER] = m->chain != 0 ? E_CLAIM : OVER;
  if (m->chain == 0) m->over = 1;
  if (m->chain != 0) m->chain = m->next[m->chain - 1];
}

static explorer_step end(machine *m) {
  switch (m->at[ENDER]) {
    case E_END:
      end_queue(m);
      m->at[ENDER] = E_WAIT;
      break;
    case E_WAIT:
      if (m->visits != 0 && !(m->variant & END_WITHOUT_WAIT)) return EXPLORER_BLOCKED;
      next_of_chain(m);
      break;
    case E_CLAIM:
      m->at[ENDER] = claim(m, ENDER, QUEUED) ? E_RUN : E_FREE;
      break;
    case E_RUN:
      run(m, ENDER);
      m->at[ENDER] = E_FREE;
      break;
    case E_FREE:
      free_node(m, ENDER);
      next_of_chain(m);
      break;
    default:
      return EXPLORER_IDLE;
  }
  return EXPLORER_STEPPED;
}

/* ---- The protocol ---- */

static explorer_step step(void *state, size_t t, unsigned choice) {
  machine *m = state;
  if (choice != 0) return EXPLORER_BLOCKED;
  if (t < PUSHERS) return push_all(m, t);
  if (t == TAKER) return take_all(m);
  return t == STOPPER ? stop(m) : end(m);
}

static void start(void *state, int variant) {
  machine *m = state;
  m->variant = (uint16_t)variant;
  bool worker = !(variant & WITH_DRAIN);
  m->at[TAKER] = worker ? T_TAKE : T_CHECK;
  m->visits = worker;
  m->at[STOPPER] = S_MARK;
  m->at[ENDER] = variant & WITH_END ? E_END : OVER;
}

static const char *check(const void *state) {
  const machine *m = state;
  if (m->late) return "something of the queue is called after its end";
  if (m->raised && !has_some(m)) return "the event is raised for nothing";
  bool announcing = m->at[0] == P_ANNOUNCE || m->at[1] == P_ANNOUNCE;
  if (!m->raised && !announcing && has_some(m)) return "something waits, and the event does not say so";
  for (size_t i = 0; i < NODES; i++) {
    if (m->ran[i] + m->stopped[i] > 1) return "a cleanup ends twice";
  }
  return NULL;
}

static const char *check_end(const void *state) {
  const machine *m = state;
  if (has_some(m)) return m->raised ? "something waits, and nobody comes" : "something waits, and nobody knows";
  for (size_t i = 0; i < NODES; i++) {
    if (m->ran[i] + m->stopped[i] != 1 || m->state[i] != FREE) return "a cleanup is lost";
  }
  return m->pending != 0 || m->visits != (m->variant & (WITH_DRAIN | WITH_END) ? 0 : 1) ? "miscounted" : NULL;
}

static const explorer_protocol cleanup_queue = {
    .name = "a queue of cleanups",
    .state_bytes = sizeof(machine),
    .threads = THREADS,
    .choices = 1,
    .start = start,
    .step = step,
    .check = check,
    .check_end = check_end,
};

TEST(cleanup_queue, reaches_a_worker_that_sleeps) { CHECK_PROTOCOL_HOLDS(&cleanup_queue, 0); }

TEST(cleanup_queue, reaches_drains_that_come_when_notified) { CHECK_PROTOCOL_HOLDS(&cleanup_queue, WITH_DRAIN); }

TEST(cleanup_queue, ends_under_a_worker) { CHECK_PROTOCOL_HOLDS(&cleanup_queue, WITH_END); }

TEST(cleanup_queue, ends_under_drains) { CHECK_PROTOCOL_HOLDS(&cleanup_queue, WITH_END | WITH_DRAIN); }

TEST(cleanup_queue, control_that_drains_as_many_as_were_pending) {
  CHECK_PROTOCOL_BREAKS(&cleanup_queue, WITH_DRAIN | AS_MANY_AS_PENDING, "something waits, and nobody comes");
}

TEST(cleanup_queue, control_that_announces_what_makes_pending_one) {
  CHECK_PROTOCOL_BREAKS(&cleanup_queue, PENDING_DECIDES, "something waits, and the event does not say so");
}

TEST(cleanup_queue, control_that_announces_before_the_push) {
  CHECK_PROTOCOL_BREAKS(&cleanup_queue, ANNOUNCE_FIRST, "something waits, and the event does not say so");
}

TEST(cleanup_queue, control_that_raises_without_a_look) {
  CHECK_PROTOCOL_BREAKS(&cleanup_queue, RAISE_UNSEEN, "the event is raised for nothing");
}

TEST(cleanup_queue, control_that_lowers_without_a_look) {
  CHECK_PROTOCOL_BREAKS(&cleanup_queue, WITH_DRAIN | LOWER_UNSEEN, "something waits, and the event does not say so");
}

TEST(cleanup_queue, control_that_ends_and_leaves_the_stack_open) {
  CHECK_PROTOCOL_BREAKS(&cleanup_queue, WITH_END | LEAVE_OPEN, "something waits, and nobody comes");
}

TEST(cleanup_queue, control_that_ends_without_waiting) {
  CHECK_PROTOCOL_BREAKS(&cleanup_queue, WITH_END | END_WITHOUT_WAIT, "something of the queue is called after its end");
}

TEST(cleanup_queue, control_that_runs_without_a_claim) {
  CHECK_PROTOCOL_BREAKS(&cleanup_queue, RUN_WITHOUT_CLAIM, "a cleanup ends twice");
}
