/* alert_calls_test.c: two threads tick, one removes a rule, and one forks and ticks in the child. Edges are told once
 * and in turns, one call at a time; nobody is called whose rule was removed, and a removed rule is freed once.
 *
 * Models lib/control/alert_calls.c: begin_calling, turn_to_next, end_locked, lido_alerts_in_child; of
 * lib/control/alert.c make_edge_locked, lido_alerts_look_locked, take_out_locked. What is done under the monitor's lock
 * is one step, but the wait of a removal. At each look the values of the two rules are any. A call may remove the first
 * rule, be it its own or not. A call that the forking thread does not make counts as told in the child, even if it had
 * not yet begun.
 */
#include "tests/interleavings/interleaving_explorer.h"

enum { FIRST_TICKER, SECOND_TICKER, FORKER, REMOVER, THREADS, TICKERS = 3, RULES = 2, TICKS = 2, NOBODY = 0xff };

/* Lines left out or changed. */
enum {
  FREE_AT_ONCE = 1, /* a removal frees the rule before it waits */
  EDGE_WHILE_ONE_WAITS = 2,
  TWO_CALLERS = 4,  /* who finds calls makes them, whoever else does */
  CLEAR_LATER = 8,  /* who finds no more calls lets the lock go, and then says that it is over */
  WAIT_INSIDE = 16, /* a call that removes its own rule waits for its own end */
  FREE_INSIDE = 32, /* ... or frees it */
  CHILD_KEEPS_CALLER = 64,
  NO_WAIT = 128 /* a removal leaves the rule to its call, and returns */
};

enum { T_FORK, T_LOOK, T_BEGIN, T_TURN, T_CLEAR, T_CALL, T_INSIDE, T_WAIT, T_RETURN, T_OVER };
enum { R_TAKE_OUT, R_WAIT, R_OVER };

typedef struct rule {
  uint8_t listed;
  uint8_t fires;
  uint8_t edge_waits;
  uint8_t edge; /* that waits: what `fires` was then */
  uint8_t told; /* the last one */
  uint8_t is_removed;
  uint8_t freed;
} rule;

typedef struct machine {
  uint8_t variant;
  rule rules[RULES];
  uint8_t calls[RULES];
  uint8_t call_count;
  uint8_t called; /* rule, or NOBODY */
  uint8_t is_calling;
  uint8_t in_child;
  uint8_t at[TICKERS];
  uint8_t ticks[TICKERS];
  uint8_t mine[TICKERS]; /* the rule that this thread calls */
  uint8_t remover_at;
  uint8_t found; /* the remover has taken the rule out */
  uint8_t not_alternating;
  uint8_t used_freed;
  uint8_t freed_twice;
} machine;

static void free_rule(machine *m, uint8_t r) {
  m->freed_twice |= m->rules[r].freed;
  m->rules[r].freed = 1;
}

/* ---- A tick's look ---- */

static void push_call(machine *m, uint8_t r) {
  for (uint8_t i = 0; i < m->call_count; i++) {
    if (m->calls[i] == r) return;
  }
  m->calls[m->call_count++] = r;
}

static void look(machine *m, unsigned values) {
  for (uint8_t r = 0; r < RULES; r++) {
    rule *one = &m->rules[r];
    uint8_t value = values >> r & 1;
    bool may = !one->edge_waits || (m->variant & EDGE_WHILE_ONE_WAITS) != 0;
    if (!one->listed || !may || one->fires == value) continue;
    one->fires = one->edge = value;
    one->edge_waits = 1;
    push_call(m, r);
  }
}

/* ---- Calls ---- */

static void remove_call(machine *m, uint8_t r) {
  uint8_t kept = 0;
  for (uint8_t i = 0; i < m->call_count; i++) {
    if (m->calls[i] != r) m->calls[kept++] = m->calls[i];
  }
  m->call_count = kept;
  for (uint8_t i = kept; i < RULES; i++) m->calls[i] = 0; /* one state for all that lies behind */
}

static void end_call(machine *m, uint8_t r) {
  m->used_freed |= m->rules[r].freed;
  m->rules[r].edge_waits = 0;
  m->called = NOBODY;
  if (m->rules[r].is_removed) free_rule(m, r);
}

static void end_tick(machine *m, size_t t) { m->at[t] = --m->ticks[t] == 0 ? T_OVER : T_LOOK; }

static void turn(machine *m, size_t t) {
  if (m->mine[t] != NOBODY) end_call(m, m->mine[t]);
  m->mine[t] = NOBODY;
  if (m->call_count == 0) {
    if (m->variant & CLEAR_LATER) {
      m->at[t] = T_CLEAR;
    } else {
      m->is_calling = 0;
      end_tick(m, t);
    }
    return;
  }
  uint8_t r = m->calls[0];
  remove_call(m, r);
  m->called = m->mine[t] = r;
  m->at[t] = T_CALL;
}

static void begin(machine *m, size_t t) {
  bool begins = m->call_count != 0 && (!m->is_calling || (m->variant & TWO_CALLERS) != 0);
  if (begins) {
    m->is_calling = 1;
    m->at[t] = T_TURN;
  } else {
    end_tick(m, t);
  }
}

static void call(machine *m, size_t t) {
  rule *r = &m->rules[m->mine[t]];
  m->used_freed |= r->freed;
  m->not_alternating |= r->told == r->edge;
  r->told = r->edge;
  m->at[t] = T_INSIDE;
}

/* take_out_locked, from inside. */
static void remove_inside(machine *m, size_t t) {
  bool is_called = m->called == 0;
  m->rules[0].listed = 0;
  remove_call(m, 0);
  m->at[t] = T_RETURN;
  if (is_called && (m->variant & WAIT_INSIDE) != 0) {
    m->at[t] = T_WAIT;
  } else if (is_called && (m->variant & FREE_INSIDE) == 0) {
    m->rules[0].is_removed = 1;
  } else {
    free_rule(m, 0);
  }
}

/* ---- Fork ---- */

static void fork_here(machine *m) {
  m->in_child = 1;
  for (size_t t = 0; t < TICKERS; t++) m->mine[t] = NOBODY;
  if (m->variant & CHILD_KEEPS_CALLER) return;
  if (m->called != NOBODY) m->rules[m->called].told = m->rules[m->called].edge; /* by the parent */
  if (m->called != NOBODY) end_call(m, m->called);
  m->is_calling = 0;
}

/* ---- The threads ---- */

static bool choice_is_there(const machine *m, size_t t, unsigned choice) {
  if (m->at[t] == T_LOOK) return choice < 1 << RULES;
  if (m->at[t] == T_FORK) return choice < 2;
  if (m->at[t] == T_INSIDE) return choice == 0 || (choice == 1 && m->rules[0].listed);
  return choice == 0;
}

static explorer_step step_ticker(machine *m, size_t t, unsigned choice) {
  if (m->in_child && t != FORKER) return EXPLORER_IDLE;
  if (!choice_is_there(m, t, choice)) return EXPLORER_BLOCKED;
  switch (m->at[t]) {
    case T_FORK:
      if (choice == 0) fork_here(m);
      m->at[t] = choice == 0 ? T_LOOK : T_OVER;
      break;
    case T_LOOK:
      look(m, choice);
      m->at[t] = T_BEGIN;
      break;
    case T_BEGIN:
      begin(m, t);
      break;
    case T_TURN:
      turn(m, t);
      break;
    case T_CLEAR:
      m->is_calling = 0;
      end_tick(m, t);
      break;
    case T_CALL:
      call(m, t);
      break;
    case T_INSIDE:
      m->at[t] = T_RETURN;
      if (choice == 1) remove_inside(m, t);
      break;
    case T_WAIT:
      return EXPLORER_BLOCKED;
    case T_RETURN:
      m->at[t] = T_TURN;
      break;
    default:
      return EXPLORER_IDLE;
  }
  return EXPLORER_STEPPED;
}

/* take_out_locked, from outside. */
static void take_out(machine *m) {
  m->remover_at = R_OVER;
  if (!m->rules[0].listed) return;
  m->found = 1;
  m->rules[0].listed = 0;
  remove_call(m, 0);
  bool is_called = m->called == 0;
  if (!is_called || (m->variant & FREE_AT_ONCE) != 0) free_rule(m, 0);
  if (is_called) m->rules[0].is_removed = 1;
  if (is_called && !(m->variant & NO_WAIT)) m->remover_at = R_WAIT;
}

/* The first rule is in no list any more, so its next call is over for good. */
static explorer_step step_remover(machine *m) {
  if (m->in_child || m->remover_at == R_OVER) return EXPLORER_IDLE;
  if (m->remover_at == R_WAIT && m->called == 0) return EXPLORER_BLOCKED;
  if (m->remover_at == R_WAIT) {
    m->remover_at = R_OVER;
  } else {
    take_out(m);
  }
  return EXPLORER_STEPPED;
}

static explorer_step step(void *state, size_t thread, unsigned choice) {
  machine *m = state;
  if (thread != REMOVER) return step_ticker(m, thread, choice);
  return choice == 0 ? step_remover(m) : EXPLORER_BLOCKED;
}

/* ---- The protocol ---- */

static void start(void *state, int variant) {
  machine *m = state;
  m->variant = (uint8_t)variant;
  m->called = NOBODY;
  for (size_t r = 0; r < RULES; r++) m->rules[r].listed = 1;
  for (size_t t = 0; t < TICKERS; t++) m->mine[t] = NOBODY;
  m->at[FIRST_TICKER] = m->at[SECOND_TICKER] = T_LOOK;
  m->ticks[FIRST_TICKER] = TICKS;
  m->ticks[SECOND_TICKER] = m->ticks[FORKER] = 1;
  m->at[FORKER] = T_FORK;
}

static unsigned calls_under_way(const machine *m) {
  unsigned count = 0;
  for (size_t t = 0; t < TICKERS; t++) count += !(m->in_child && t != FORKER) && m->mine[t] != NOBODY;
  return count;
}

static bool is_called_after_removal(const machine *m) {
  bool called = false;
  for (size_t t = 0; t < TICKERS; t++) called |= m->mine[t] == 0 && m->at[t] >= T_CALL && m->at[t] <= T_RETURN;
  return called && m->found && m->remover_at == R_OVER && !m->in_child;
}

static const char *check(const void *state) {
  const machine *m = state;
  if (m->used_freed) return "a freed rule is used";
  if (m->freed_twice) return "a rule is freed twice";
  if (m->not_alternating) return "edges do not alternate";
  if (is_called_after_removal(m)) return "a rule is called after its removal";
  return calls_under_way(m) > 1 ? "two calls at once" : NULL;
}

static const char *check_end(const void *state) {
  const machine *m = state;
  if (m->call_count != 0) return "an edge is left untold";
  for (size_t r = 0; r < RULES; r++) {
    if (m->rules[r].listed == m->rules[r].freed) return "a removed rule is not freed";
    if (m->rules[r].listed && m->rules[r].edge_waits) return "a rule waits for a call that nobody makes";
  }
  return NULL;
}

static const explorer_protocol alert_calls = {
    .name = "calls of alerts",
    .state_bytes = sizeof(machine),
    .threads = THREADS,
    .choices = 1 << RULES,
    .start = start,
    .step = step,
    .check = check,
    .check_end = check_end,
};

TEST(alert_calls, are_made_once_in_turns_and_never_after_a_removal) { CHECK_PROTOCOL_HOLDS(&alert_calls, 0); }

TEST(alert_calls, control_with_a_removal_that_frees_what_is_called) {
  CHECK_PROTOCOL_BREAKS(&alert_calls, FREE_AT_ONCE, "a freed rule is used");
}

TEST(alert_calls, control_with_an_edge_while_one_waits) {
  CHECK_PROTOCOL_BREAKS(&alert_calls, EDGE_WHILE_ONE_WAITS, "edges do not alternate");
}

TEST(alert_calls, control_with_two_callers) { CHECK_PROTOCOL_BREAKS(&alert_calls, TWO_CALLERS, "two calls at once"); }

TEST(alert_calls, control_that_ends_calling_in_a_step_of_its_own) {
  CHECK_PROTOCOL_BREAKS(&alert_calls, CLEAR_LATER, "an edge is left untold");
}

TEST(alert_calls, control_that_waits_for_itself) {
  CHECK_PROTOCOL_BREAKS(&alert_calls, WAIT_INSIDE, "threads wait for ever");
}

TEST(alert_calls, control_that_frees_what_it_is_in) {
  CHECK_PROTOCOL_BREAKS(&alert_calls, FREE_INSIDE, "a freed rule is used");
}

TEST(alert_calls, control_with_a_child_that_keeps_the_caller) {
  CHECK_PROTOCOL_BREAKS(&alert_calls, CHILD_KEEPS_CALLER, "an edge is left untold");
}

TEST(alert_calls, control_with_a_removal_that_does_not_wait) {
  CHECK_PROTOCOL_BREAKS(&alert_calls, NO_WAIT, "a rule is called after its removal");
}
