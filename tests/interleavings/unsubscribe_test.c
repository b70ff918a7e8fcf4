/* unsubscribe_test.c: two notifications walk over two subscriptions, while two threads end the first one and wait until
 * no call of it is running. Then none is, and none begins; and both waits end.
 *
 * Models lib/caches/notification.c: begin, turn_to, say_next, say_last, end; lib/caches/subscriptions.c:
 * lido_unsubscribe_sync with end_subscription; lib/caches/call_waits.c: wait_on, wait_until. Each notification's stores
 * to `current` wait in a store buffer; the barrier (membarrier) empties both; kill and the count of waiters are atomic
 * operations in memory. What is done in one go under the subject's lock is one step, but for the waiter's look at the
 * two records, which are steps of their own with the lock held. A sleeper wakes only when it is woken; and the second
 * subscription's calls last until both waits are over, so that who is woken only at the end of a notification waits for
 * ever.
 *
 * With LAST_WORD the second notification is a last word: it ends each token and calls then.
 */
#include "tests/interleavings/interleaving_explorer.h"
#include "tests/interleavings/store_buffer.h"

enum { FIRST_NOTIFIER, SECOND_NOTIFIER, FIRST_WAITER, SECOND_WAITER, DRAIN_FIRST, DRAIN_SECOND, THREADS };
enum { NOTIFIERS = 2, WAITERS = 2, SUBSCRIPTIONS = 2, X = 0, NOBODY = 0 };

enum {
  /* Ways of the protocol. */
  FENCES = 1, /* no membarrier: each notification fences after its store */
  LAST_WORD = 2,
  /* Lines left out or moved. */
  NO_BARRIER = 4,
  CHECK_FIRST = 8,        /* a notification looks at the token, then writes `current` */
  NO_WAKE = 16,           /* it does not look whether somebody waits */
  WAKE_UNLOCKED = 32,     /* it wakes without the lock */
  COUNT_LATE = 64,        /* a waiter counts itself after the barrier */
  BARRIER_FIRST = 128,    /* the barrier comes before the end of the token */
  TURN_EARLY = 256,       /* `current` goes on before the call is over */
  LINK_LATE = 512,        /* the record is linked when the first look was done */
  WAKE_BEFORE = 1024,     /* it looks whether somebody waits, then writes `current` */
  KILL_AFTER_CALL = 2048, /* the last word calls, then ends the token */
  NO_FENCE = 4096         /* FENCES without those of the notifications */
};

enum {
  W_EARLY_BARRIER,
  W_KILL,
  W_COUNT,
  W_BARRIER,
  W_LATE_COUNT,
  W_LOCK,
  W_LOOK_FIRST,
  W_LOOK_SECOND,
  W_DECIDE,
  W_ASLEEP,
  W_UNCOUNT,
  W_OVER
};

typedef struct notifier {
  uint8_t at;
  uint8_t entry;
  uint8_t linked;
  uint8_t calls; /* subscription + 1 that is being called */
  uint8_t found; /* the token was in force */
  store_buffer buffer;
} notifier;

typedef struct waiter {
  uint8_t at;
  uint8_t found; /* a record shows the subscription */
  uint8_t asleep;
} waiter;

typedef struct machine {
  uint16_t variant;
  uint8_t current[NOTIFIERS]; /* memory: subscription + 1 */
  uint8_t in_force[SUBSCRIPTIONS];
  uint8_t last_began[SUBSCRIPTIONS];
  uint8_t waiters;
  uint8_t lock;
  uint8_t over; /* some wait has ended */
  uint8_t late_call;
  uint8_t late_event;
  notifier notifiers[NOTIFIERS];
  waiter waiting[WAITERS];
} machine;

static bool has(const machine *m, unsigned bit) { return (m->variant & bit) != 0; }

/* ---- A notification ---- */

enum { N_LINK, N_TURN, N_FENCE, N_WAITERS, N_WAKE, N_CHECK, N_CALL, N_EARLY, N_RETURN, N_KILL, N_END, N_OVER };

static const uint8_t usual[] = {N_TURN, N_FENCE, N_WAITERS, N_CHECK, N_CALL, N_RETURN};
static const uint8_t checks_first[] = {N_CHECK, N_TURN, N_FENCE, N_WAITERS, N_CALL, N_RETURN};
static const uint8_t turns_early[] = {N_TURN, N_FENCE, N_WAITERS, N_CHECK, N_CALL, N_EARLY, N_RETURN};
static const uint8_t links_late[] = {N_TURN, N_FENCE, N_WAITERS, N_CHECK, N_LINK, N_CALL, N_RETURN};
static const uint8_t wakes_before[] = {N_WAITERS, N_TURN, N_FENCE, N_CHECK, N_CALL, N_RETURN};
static const uint8_t kills_late[] = {N_TURN, N_FENCE, N_WAITERS, N_CHECK, N_CALL, N_RETURN, N_KILL};

typedef struct script {
  const uint8_t *steps;
  size_t count;
} script;

#define SCRIPT(steps) ((script){steps, sizeof steps})

static script script_of(const machine *m, size_t thread) {
  if (has(m, CHECK_FIRST)) return SCRIPT(checks_first);
  if (has(m, TURN_EARLY)) return SCRIPT(turns_early);
  if (has(m, LINK_LATE)) return SCRIPT(links_late);
  if (has(m, WAKE_BEFORE)) return SCRIPT(wakes_before);
  if (has(m, KILL_AFTER_CALL) && thread == SECOND_NOTIFIER) return SCRIPT(kills_late);
  return SCRIPT(usual);
}

/* To the entry after this one. */
static void next_entry(machine *m, notifier *n, size_t thread) {
  n->found = 0;
  n->entry++;
  n->at = n->entry == SUBSCRIPTIONS ? N_END : script_of(m, thread).steps[0];
}

/* To the step after this one in the script. */
static void go_on(machine *m, notifier *n, size_t thread, uint8_t from) {
  script s = script_of(m, thread);
  size_t i = 0;
  while (s.steps[i] != from) i++;
  if (i + 1 < s.count) {
    n->at = s.steps[i + 1];
  } else {
    next_entry(m, n, thread);
  }
}

static void wake_all(machine *m) {
  for (size_t i = 0; i < WAITERS; i++) m->waiting[i].asleep = 0;
}

static bool is_last_word(const machine *m, size_t thread) { return has(m, LAST_WORD) && thread == SECOND_NOTIFIER; }

static explorer_step put_current(machine *m, notifier *n, size_t thread, uint8_t value, uint8_t from) {
  if (!store_buffer_put(&n->buffer, (uint8_t)thread, value, true)) return EXPLORER_BLOCKED;
  go_on(m, n, thread, from);
  return EXPLORER_STEPPED;
}

static explorer_step fence(machine *m, notifier *n, size_t thread) {
  if (has(m, FENCES) && !has(m, NO_FENCE) && n->buffer.count != 0) return EXPLORER_BLOCKED; /* until it has drained */
  go_on(m, n, thread, N_FENCE);
  return EXPLORER_STEPPED;
}

static explorer_step look_for_waiters(machine *m, notifier *n, size_t thread) {
  if (m->waiters != 0 && !has(m, NO_WAKE)) {
    n->at = N_WAKE;
  } else {
    go_on(m, n, thread, N_WAITERS);
  }
  return EXPLORER_STEPPED;
}

/* By the lock all stores before it are seen. */
static explorer_step wake(machine *m, notifier *n, size_t thread) {
  if (!has(m, WAKE_UNLOCKED) && (m->lock || n->buffer.count != 0)) return EXPLORER_BLOCKED;
  wake_all(m);
  go_on(m, n, thread, N_WAITERS);
  return EXPLORER_STEPPED;
}

/* A last word's look is the end of the token, an atomic operation that comes after the stores before it. */
static explorer_step check_token(machine *m, notifier *n, size_t thread) {
  bool ends = is_last_word(m, thread) && !has(m, KILL_AFTER_CALL);
  if (ends && n->buffer.count != 0) return EXPLORER_BLOCKED;
  n->found = m->in_force[n->entry];
  if (n->found && m->last_began[n->entry]) m->late_event = 1;
  if (ends) m->in_force[n->entry] = 0;
  if (n->found) {
    go_on(m, n, thread, N_CHECK);
  } else {
    next_entry(m, n, thread);
  }
  return EXPLORER_STEPPED;
}

static explorer_step begin_call(machine *m, notifier *n, size_t thread) {
  n->calls = (uint8_t)(n->entry + 1);
  if (is_last_word(m, thread)) m->last_began[n->entry] = 1;
  go_on(m, n, thread, N_CALL);
  return EXPLORER_STEPPED;
}

static bool waits_are_over(const machine *m) { return m->waiting[0].at == W_OVER && m->waiting[1].at == W_OVER; }

static explorer_step end_call(machine *m, notifier *n, size_t thread) {
  if (n->entry != X && !waits_are_over(m)) return EXPLORER_BLOCKED;
  n->calls = NOBODY;
  go_on(m, n, thread, N_RETURN);
  return EXPLORER_STEPPED;
}

static explorer_step kill_late(machine *m, notifier *n, size_t thread) {
  m->in_force[n->entry] = 0;
  go_on(m, n, thread, N_KILL);
  return EXPLORER_STEPPED;
}

/* As in wake. */
static explorer_step unlink_record(machine *m, notifier *n) {
  if (m->lock || n->buffer.count != 0) return EXPLORER_BLOCKED;
  n->linked = 0;
  if (m->waiters != 0 && !has(m, NO_WAKE)) wake_all(m);
  n->at = N_OVER;
  return EXPLORER_STEPPED;
}

static explorer_step link_record(machine *m, notifier *n, size_t thread) {
  if (m->lock) return EXPLORER_BLOCKED;
  n->linked = 1;
  if (has(m, LINK_LATE)) {
    go_on(m, n, thread, N_LINK);
  } else {
    n->at = script_of(m, thread).steps[0];
  }
  return EXPLORER_STEPPED;
}

static explorer_step step_notifier(machine *m, size_t thread) {
  notifier *n = &m->notifiers[thread];
  switch (n->at) {
    case N_LINK:
      return link_record(m, n, thread);
    case N_TURN:
      return put_current(m, n, thread, (uint8_t)(n->entry + 1), N_TURN);
    case N_EARLY:
      return put_current(m, n, thread, NOBODY, N_EARLY);
    case N_FENCE:
      return fence(m, n, thread);
    case N_WAITERS:
      return look_for_waiters(m, n, thread);
    case N_WAKE:
      return wake(m, n, thread);
    case N_CHECK:
      return check_token(m, n, thread);
    case N_CALL:
      return begin_call(m, n, thread);
    case N_RETURN:
      return end_call(m, n, thread);
    case N_KILL:
      return kill_late(m, n, thread);
    case N_END:
      return unlink_record(m, n);
    default:
      return EXPLORER_IDLE;
  }
}

/* ---- A thread that unsubscribes X and waits ---- */

static void barrier(machine *m) {
  for (size_t i = 0; i < NOTIFIERS && !has(m, FENCES); i++) {
    while (m->notifiers[i].buffer.count != 0) store_buffer_drain(&m->notifiers[i].buffer, m->current, 0);
  }
}

static bool skips(const machine *m, uint8_t at) {
  if (at == W_EARLY_BARRIER) return !has(m, BARRIER_FIRST);
  if (at == W_BARRIER) return has(m, NO_BARRIER) || has(m, BARRIER_FIRST);
  if (at == W_COUNT) return has(m, COUNT_LATE);
  return at == W_LATE_COUNT && !has(m, COUNT_LATE);
}

/* Without a notification under way there is nothing to wait for, if this thread ended the token. */
static explorer_step end_token(machine *m, waiter *w) {
  if (m->lock) return EXPLORER_BLOCKED;
  bool mine = m->in_force[X] != 0;
  m->in_force[X] = 0;
  bool quiet = mine && !m->notifiers[0].linked && !m->notifiers[1].linked;
  if (quiet) m->over = 1;
  w->at = quiet ? W_OVER : W_COUNT;
  return EXPLORER_STEPPED;
}

static void look(machine *m, waiter *w, size_t record) {
  if (m->notifiers[record].linked && m->current[record] == X + 1) w->found = 1;
  w->at++;
}

/* To sleep is to give the lock back. */
static void decide(machine *m, waiter *w) {
  m->lock = 0;
  w->asleep = w->found;
  w->at = w->found ? W_ASLEEP : W_UNCOUNT;
  w->found = 0;
}

static explorer_step take_lock(machine *m, waiter *w) {
  if (m->lock) return EXPLORER_BLOCKED;
  m->lock = 1;
  w->at = W_LOOK_FIRST;
  return EXPLORER_STEPPED;
}

static explorer_step sleep_on(waiter *w) {
  if (w->asleep) return EXPLORER_BLOCKED;
  w->at = W_LOCK;
  return EXPLORER_STEPPED;
}

static void simple_step(machine *m, waiter *w) {
  switch (w->at) {
    case W_LOOK_FIRST:
    case W_LOOK_SECOND:
      look(m, w, w->at - W_LOOK_FIRST);
      return;
    case W_DECIDE:
      decide(m, w);
      return;
    case W_COUNT:
    case W_LATE_COUNT:
      m->waiters++;
      break;
    case W_UNCOUNT:
      m->waiters--;
      m->over = 1;
      break;
    default:
      barrier(m);
  }
  w->at++;
}

static explorer_step step_waiter(machine *m, waiter *w) {
  while (skips(m, w->at)) w->at++;
  switch (w->at) {
    case W_KILL:
      return end_token(m, w);
    case W_LOCK:
      return take_lock(m, w);
    case W_ASLEEP:
      return sleep_on(w);
    case W_OVER:
      return EXPLORER_IDLE;
    default:
      simple_step(m, w);
      return EXPLORER_STEPPED;
  }
}

/* ---- The protocol ---- */

static void note_late_calls(machine *m) {
  for (size_t i = 0; i < NOTIFIERS; i++) {
    if (m->over && m->notifiers[i].calls == X + 1) m->late_call = 1;
  }
}

static explorer_step step(void *state, size_t thread, unsigned choice) {
  machine *m = state;
  explorer_step done;
  if (choice != 0) return EXPLORER_BLOCKED;
  if (thread < NOTIFIERS) {
    done = step_notifier(m, thread);
  } else if (thread <= SECOND_WAITER) {
    done = step_waiter(m, &m->waiting[thread - FIRST_WAITER]);
  } else {
    bool drained = store_buffer_drain(&m->notifiers[thread - DRAIN_FIRST].buffer, m->current, 0);
    done = drained ? EXPLORER_STEPPED : EXPLORER_IDLE;
  }
  note_late_calls(m);
  return done;
}

static void start(void *state, int variant) {
  machine *m = state;
  m->variant = (uint16_t)variant;
  for (size_t i = 0; i < SUBSCRIPTIONS; i++) m->in_force[i] = 1;
  for (size_t i = 0; i < NOTIFIERS; i++) m->notifiers[i].at = has(m, LINK_LATE) ? script_of(m, i).steps[0] : N_LINK;
}

static const char *check(const void *state) {
  const machine *m = state;
  if (m->late_call) return "a call runs when its end was awaited";
  return m->late_event ? "an event is told after the last word" : NULL;
}

static const char *check_end(const void *state) {
  const machine *m = state;
  return m->waiters == 0 ? NULL : "somebody still counts as waiting";
}

static const explorer_protocol unsubscribe = {
    .name = "unsubscribe and wait",
    .state_bytes = sizeof(machine),
    .threads = THREADS,
    .choices = 1,
    .start = start,
    .step = step,
    .check = check,
    .check_end = check_end,
};

TEST(unsubscribe, no_call_runs_when_the_wait_is_over) { CHECK_PROTOCOL_HOLDS(&unsubscribe, 0); }

TEST(unsubscribe, nor_with_fences_in_place_of_membarrier) { CHECK_PROTOCOL_HOLDS(&unsubscribe, FENCES); }

TEST(unsubscribe, nor_is_a_last_word_under_way) { CHECK_PROTOCOL_HOLDS(&unsubscribe, LAST_WORD); }

TEST(unsubscribe, control_without_a_barrier) {
  CHECK_PROTOCOL_BREAKS(&unsubscribe, NO_BARRIER, "a call runs when its end was awaited");
}

TEST(unsubscribe, control_with_a_barrier_before_the_end_of_the_token) {
  CHECK_PROTOCOL_BREAKS(&unsubscribe, BARRIER_FIRST, "a call runs when its end was awaited");
}

TEST(unsubscribe, control_with_a_look_at_the_token_before_the_store) {
  CHECK_PROTOCOL_BREAKS(&unsubscribe, CHECK_FIRST, "a call runs when its end was awaited");
}

TEST(unsubscribe, control_with_a_record_that_goes_on_before_the_call_is_over) {
  CHECK_PROTOCOL_BREAKS(&unsubscribe, TURN_EARLY, "a call runs when its end was awaited");
}

TEST(unsubscribe, control_with_a_record_that_is_linked_late) {
  CHECK_PROTOCOL_BREAKS(&unsubscribe, LINK_LATE, "a call runs when its end was awaited");
}

TEST(unsubscribe, control_with_nobody_who_wakes) {
  CHECK_PROTOCOL_BREAKS(&unsubscribe, NO_WAKE, "threads wait for ever");
}

TEST(unsubscribe, control_with_a_wake_up_without_the_lock) {
  CHECK_PROTOCOL_BREAKS(&unsubscribe, WAKE_UNLOCKED, "threads wait for ever");
}

TEST(unsubscribe, control_with_a_waiter_that_counts_itself_after_the_barrier) {
  CHECK_PROTOCOL_BREAKS(&unsubscribe, COUNT_LATE, "threads wait for ever");
}

TEST(unsubscribe, control_with_a_look_for_waiters_before_the_store) {
  CHECK_PROTOCOL_BREAKS(&unsubscribe, WAKE_BEFORE, "threads wait for ever");
}

TEST(unsubscribe, control_with_a_fence_that_is_missing) {
  CHECK_PROTOCOL_BREAKS(&unsubscribe, FENCES | NO_FENCE, "a call runs when its end was awaited");
}

TEST(unsubscribe, control_with_a_last_word_that_ends_the_token_after_its_call) {
  CHECK_PROTOCOL_BREAKS(&unsubscribe, LAST_WORD | KILL_AFTER_CALL, "an event is told after the last word");
}
