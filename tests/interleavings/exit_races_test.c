/* exit_races_test.c: a thread exits while others ask its cache for a flush, trim, take statistics and end the
 * pool. Its cache is detached once, and nobody touches what is gone: the cache, the thread's table, the pool.
 *
 * Models pools/registry.c: on_thread_exit; pools/thread_cache.c: lido_thread_cache_detach_locked,
 * lido_thread_cache_ask_flush, lido_thread_cache_objects; pools/core_slabs.c: pin_hot_slabs; pools/pool.c: unregister.
 * All of them hold the registry's lock. A thread that asks, trims or looks may not do so once the pool's end has begun,
 * so the pool ends after they are done.
 *
 * The second protocol is the order of the exit itself: in four rounds the system calls the destructors of the
 * thread's keys, in the order of the keys, those that are set. Lido's hook is one of them, with a key above
 * the program's (lib/os/posix/threads_posix.c). A destructor of the program's uses Lido for the first time
 * in some round, or did so before, and in every round after that.
 */
#include "tests/interleavings/interleaving_explorer.h"

enum { EXITS, ASKS, LOOKS, ENDS, THREADS };

enum {
  EXIT_UNLOCKED = 1, /* each without the registry's lock */
  ASK_UNLOCKED = 2,
  END_UNLOCKED = 4,
  GONE_BEFORE_UNLISTED =
      8, /* the cache's memory goes back before it is out of the lists, and then the lock is given back */
};

enum { E_LOCK, E_GIVE_UP, E_UNLIST, E_TABLE, E_FREE, E_UNLOCK, E_VANISH, E_OVER };
enum { A_LOCK, A_FIND, A_TOUCH, A_UNLOCK, A_OVER };
enum { D_LOCK, D_GIVE_UP, D_UNLIST, D_TABLE, D_FREE, D_UNLOCK, D_POOL, D_OVER };

typedef struct machine {
  uint8_t variant;
  uint8_t lock;    /* thread + 1 */
  uint8_t listed;  /* in the pool's list and the thread's */
  uint8_t memory;  /* of the cache */
  uint8_t table;   /* the thread's, in its thread-local */
  uint8_t entered; /* the table names the cache */
  uint8_t pool;
  uint8_t objects; /* in the cache */
  uint8_t given;   /* how often they went back */
  uint8_t freed;   /* how often the cache's memory did */
  uint8_t gone;    /* something that is gone was touched */
  uint8_t found[THREADS];
  uint8_t at[THREADS];
} machine;

static bool takes_lock(const machine *m, size_t t) {
  static const uint8_t without[THREADS] = {EXIT_UNLOCKED, ASK_UNLOCKED, ASK_UNLOCKED, END_UNLOCKED};
  return (m->variant & without[t]) == 0;
}

static explorer_step lock(machine *m, size_t t) {
  if (takes_lock(m, t)) {
    if (m->lock != 0) return EXPLORER_BLOCKED;
    m->lock = (uint8_t)(t + 1);
  }
  m->at[t]++;
  return EXPLORER_STEPPED;
}

static void unlock(machine *m, size_t t) {
  if (takes_lock(m, t)) m->lock = 0;
}

/* ---- Detach, by the thread or by the pool's end ---- */

static void give_up(machine *m) {
  m->gone |= !m->memory || !m->pool;
  m->given += m->objects;
  m->objects = 0;
}

static void free_memory(machine *m) {
  m->freed++;
  m->memory = 0;
}

static void unlist(machine *m) {
  m->gone |= !m->pool || (!m->memory && (m->variant & GONE_BEFORE_UNLISTED) == 0);
  m->listed = 0;
}

static void leave_table(machine *m) {
  m->gone |= !m->table;
  m->entered = 0;
}

/* Steps 1 to 5 of both: give up, unlist, leave the table, free, unlock. Nothing if the other was first. */
static void detach_step(machine *m, size_t t) {
  if (m->at[t] == E_GIVE_UP) m->found[t] = m->listed;
  bool early = (m->variant & GONE_BEFORE_UNLISTED) != 0 && t == EXITS;
  if (m->found[t]) {
    switch (m->at[t]) {
      case E_GIVE_UP:
        give_up(m);
        break;
      case E_UNLIST:
        if (early) {
          free_memory(m);
          unlock(m, t);
        } else {
          unlist(m);
        }
        break;
      case E_TABLE:
        leave_table(m);
        break;
      case E_FREE:
        if (early) {
          unlist(m);
        } else {
          free_memory(m);
        }
        break;
      default:
        break;
    }
  }
  if (m->at[t] == E_UNLOCK && !(early && m->found[t])) unlock(m, t);
  m->at[t]++;
}

static explorer_step step_exit(machine *m) {
  switch (m->at[EXITS]) {
    case E_LOCK:
      return lock(m, EXITS);
    case E_VANISH:
      m->table = 0;
      m->at[EXITS]++;
      return EXPLORER_STEPPED;
    case E_OVER:
      return EXPLORER_IDLE;
    default:
      detach_step(m, EXITS);
      return EXPLORER_STEPPED;
  }
}

static explorer_step step_end(machine *m) {
  switch (m->at[ENDS]) {
    case D_LOCK:
      if (m->at[ASKS] != A_OVER || m->at[LOOKS] != A_OVER) return EXPLORER_BLOCKED;
      return lock(m, ENDS);
    case D_POOL:
      m->pool = 0;
      m->at[ENDS]++;
      return EXPLORER_STEPPED;
    case D_OVER:
      return EXPLORER_IDLE;
    default:
      detach_step(m, ENDS);
      return EXPLORER_STEPPED;
  }
}

/* ---- A request, a trim, statistics: they find the cache in the pool's list, and touch it ---- */

static explorer_step step_visitor(machine *m, size_t t) {
  switch (m->at[t]) {
    case A_LOCK:
      return lock(m, t);
    case A_FIND:
      m->found[t] = m->listed;
      break;
    case A_TOUCH:
      m->gone |= m->found[t] && !m->memory;
      break;
    case A_UNLOCK:
      unlock(m, t);
      break;
    default:
      return EXPLORER_IDLE;
  }
  m->at[t]++;
  return EXPLORER_STEPPED;
}

static explorer_step step(void *state, size_t thread, unsigned choice) {
  machine *m = state;
  (void)choice;
  if (thread == EXITS) return step_exit(m);
  return thread == ENDS ? step_end(m) : step_visitor(m, thread);
}

static void start(void *state, int variant) {
  machine *m = state;
  m->variant = (uint8_t)variant;
  m->listed = m->memory = m->table = m->entered = m->pool = m->objects = 1;
}

static const char *check(const void *state) {
  const machine *m = state;
  if (m->gone) return "something is touched that is gone";
  return m->given > 1 || m->freed > 1 ? "a cache is detached twice" : NULL;
}

static const char *check_end(const void *state) {
  const machine *m = state;
  return m->given != 1 || m->freed != 1 ? "a cache is not detached" : NULL;
}

static const explorer_protocol exit_races = {
    .name = "a thread's exit",
    .state_bytes = sizeof(machine),
    .threads = THREADS,
    .choices = 1,
    .start = start,
    .step = step,
    .check = check,
    .check_end = check_end,
};

TEST(exit_races, against_requests_statistics_and_the_pools_end) { CHECK_PROTOCOL_HOLDS(&exit_races, 0); }

TEST(exit_races, control_without_its_lock) {
  CHECK_PROTOCOL_BREAKS(&exit_races, EXIT_UNLOCKED, "something is touched that is gone");
}

TEST(exit_races, control_with_requests_that_take_no_lock) {
  CHECK_PROTOCOL_BREAKS(&exit_races, ASK_UNLOCKED, "something is touched that is gone");
}

TEST(exit_races, control_with_an_end_of_the_pool_that_takes_no_lock) {
  CHECK_PROTOCOL_BREAKS(&exit_races, END_UNLOCKED, "something is touched that is gone");
}

TEST(exit_races, control_with_memory_that_is_gone_while_listed) {
  CHECK_PROTOCOL_BREAKS(&exit_races, GONE_BEFORE_UNLISTED, "something is touched that is gone");
}

/* ---- The rounds of the exit ---- */

enum { ROUNDS = 4, LAST_ROUND_HOOK = 1, LOW_HOOK = 2 };
enum { BEFORE_THE_EXIT = 0 };

typedef struct exiting {
  uint8_t variant;
  uint8_t chosen;
  uint8_t first_use; /* round; 0 = before the exit */
  uint8_t round;     /* 1 to ROUNDS */
  uint8_t second;    /* the higher key's turn */
  uint8_t armed;
  uint8_t hook_calls;
  uint8_t record;
  uint8_t dead;
} exiting;

static void use_lido(exiting *e) {
  if (e->record || e->dead) return; /* dead: without a cache */
  e->record = 1;
  e->armed = 1;
}

static void hook(exiting *e) {
  if (!e->armed) return;
  e->armed = 0;
  e->hook_calls++;
  if (e->variant & LAST_ROUND_HOOK && e->hook_calls < ROUNDS) { /* to run after all others */
    e->armed = 1;
    return;
  }
  e->record = 0;
  e->dead = 1;
}

static void programs_destructor(exiting *e) {
  if (e->round >= e->first_use) use_lido(e);
}

static explorer_step exit_choose(exiting *e, unsigned choice) {
  if (choice >= ROUNDS + 1) return EXPLORER_BLOCKED;
  e->chosen = 1;
  e->first_use = (uint8_t)choice;
  e->round = 1;
  if (e->first_use == BEFORE_THE_EXIT) use_lido(e);
  return EXPLORER_STEPPED;
}

static explorer_step exit_step(void *state, size_t thread, unsigned choice) {
  exiting *e = state;
  (void)thread;
  if (!e->chosen) return exit_choose(e, choice);
  if (choice != 0) return EXPLORER_BLOCKED;
  if (e->round <= ROUNDS) {
    bool programs_turn = e->second == ((e->variant & LOW_HOOK) != 0);
    if (programs_turn) {
      programs_destructor(e);
    } else {
      hook(e);
    }
    e->round += e->second;
    e->second = !e->second;
  } else {
    return EXPLORER_IDLE;
  }
  return EXPLORER_STEPPED;
}

static void exit_start(void *state, int variant) { ((exiting *)state)->variant = (uint8_t)variant; }

static const char *exit_check(const void *state) {
  (void)state;
  return NULL;
}

static const char *exit_check_end(const void *state) {
  return ((const exiting *)state)->record ? "a thread's record is left" : NULL;
}

static const explorer_protocol exit_rounds = {
    .name = "rounds of an exit",
    .state_bytes = sizeof(exiting),
    .threads = 1,
    .choices = ROUNDS + 1,
    .start = exit_start,
    .step = exit_step,
    .check = exit_check,
    .check_end = exit_check_end,
};

TEST(exit_races, leaves_no_record_whenever_the_first_use_is) { CHECK_PROTOCOL_HOLDS(&exit_rounds, 0); }

TEST(exit_races, control_with_a_hook_that_waits_for_the_last_round) {
  CHECK_PROTOCOL_BREAKS(&exit_rounds, LAST_ROUND_HOOK | LOW_HOOK, "a thread's record is left");
}

TEST(exit_races, control_with_a_hook_below_the_programs_keys) {
  CHECK_PROTOCOL_BREAKS(&exit_rounds, LOW_HOOK, "a thread's record is left");
}
