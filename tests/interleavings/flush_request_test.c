/* flush_request_test.c: threads ask another to empty its cache, and that one works on. Every request is
 * followed by a flush, no valid free is reported as a misuse, and at the end the cache's owner is what it
 * was.
 *
 * Models pools/thread_cache.c: lido_thread_cache_ask_flush, lido_thread_cache_honour; pools/free_slow.c:
 * free_with_cache; the test of cache->owner in lido_thread_cache_free_cold. The two words of a request,
 * rest->flush_wanted and cache->owner, are written relaxed, so they drain from store buffers in any order.
 *
 * The owner frees some times, and after the last request goes through one more slow path. A request is served
 * by a flush that ends after it began: a flush takes locks, so it ends with the buffer drained.
 */
#include "tests/interleavings/interleaving_explorer.h"
#include "tests/interleavings/store_buffer.h"

enum { OWNER, ASKER, SECOND_ASKER, DRAIN_OWNER, DRAIN_ASKER, DRAIN_SECOND, THREADS, WORKERS = 3 };
enum { WANTED, OWNER_WORD, PLACES };
enum { NEVER, REAL }; /* of OWNER_WORD */
enum { FREES = 2 };

enum {
  ONE_WORD_IS_ENOUGH = 1, /* honour looks at flush_wanted only */
  FLUSH_FIRST = 2,        /* both words are written when the flush is over */
  OWNER_STAYS = 4,        /* honour does not restore the owner */
};

typedef struct machine {
  uint8_t variant;
  uint8_t memory[PLACES];
  store_buffer buffers[WORKERS];
  uint8_t at[WORKERS];
  uint8_t frees;
  uint8_t in_last; /* the owner is in its last slow path, which is an alloc's */
  uint8_t wanted;  /* what honour saw */
  uint8_t registry_lock;
  uint8_t pending[WORKERS]; /* requests that no flush has followed yet */
  uint8_t reported;
} machine;

/* ---- An asker ---- */

enum { A_LOCK, A_WANTED, A_OWNER, A_UNLOCK, A_OVER };

static explorer_step step_asker(machine *m, size_t thread) {
  store_buffer *buffer = &m->buffers[thread];
  switch (m->at[thread]) {
    case A_LOCK:
      if (m->registry_lock) return EXPLORER_BLOCKED;
      m->registry_lock = 1;
      m->pending[thread] = 1;
      break;
    case A_WANTED:
      if (!store_buffer_put(buffer, WANTED, 1, false)) return EXPLORER_BLOCKED;
      break;
    case A_OWNER:
      if (!store_buffer_put(buffer, OWNER_WORD, NEVER, false)) return EXPLORER_BLOCKED;
      break;
    case A_UNLOCK:
      if (buffer->count != 0) return EXPLORER_BLOCKED;
      m->registry_lock = 0;
      break;
    default:
      return EXPLORER_IDLE;
  }
  m->at[thread]++;
  return EXPLORER_STEPPED;
}

/* ---- The owner ---- */

enum { O_FREE, O_LOOK_WANTED, O_LOOK_OWNER, O_CLEAR, O_RESTORE, O_FLUSH, O_RETURN, O_OVER };

static uint8_t owner_loads(const machine *m, uint8_t place) {
  return store_buffer_load(&m->buffers[OWNER], m->memory, place);
}

static void go(machine *m, uint8_t at) { m->at[OWNER] = at; }

/* lido_thread_cache_free_cold: past the test, or into the slow path. The last slow path waits until nobody asks any
 * more. */
static explorer_step begin(machine *m) {
  if (m->frees == FREES) {
    if (m->at[ASKER] != A_OVER || m->at[SECOND_ASKER] != A_OVER) return EXPLORER_BLOCKED;
    m->in_last = 1;
    go(m, O_LOOK_WANTED);
  } else if (owner_loads(m, OWNER_WORD) == REAL) {
    m->frees++;
  } else {
    go(m, O_LOOK_WANTED);
  }
  return EXPLORER_STEPPED;
}

static void look_at_owner(machine *m) {
  bool late = owner_loads(m, OWNER_WORD) != REAL && (m->variant & ONE_WORD_IS_ENOUGH) == 0;
  if (m->wanted || late) {
    go(m, m->variant & FLUSH_FIRST ? O_FLUSH : O_CLEAR);
  } else {
    m->reported |= !m->in_last; /* free_with_cache: the test failed for no other reason, so the free is bad */
    go(m, m->in_last ? O_OVER : O_FREE);
  }
}

static explorer_step flush(machine *m) {
  if (m->buffers[OWNER].count != 0) return EXPLORER_BLOCKED; /* by the unlock at its end */
  memset(m->pending, 0, sizeof m->pending);
  go(m, m->variant & FLUSH_FIRST ? O_CLEAR : O_RETURN);
  return EXPLORER_STEPPED;
}

static explorer_step store(machine *m, uint8_t place, uint8_t value, uint8_t then) {
  if (!store_buffer_put(&m->buffers[OWNER], place, value, false)) return EXPLORER_BLOCKED;
  go(m, then);
  return EXPLORER_STEPPED;
}

static explorer_step step_owner(machine *m) {
  switch (m->at[OWNER]) {
    case O_FREE:
      return begin(m);
    case O_LOOK_WANTED:
      m->wanted = owner_loads(m, WANTED);
      go(m, O_LOOK_OWNER);
      return EXPLORER_STEPPED;
    case O_LOOK_OWNER:
      look_at_owner(m);
      return EXPLORER_STEPPED;
    case O_CLEAR:
      return store(m, WANTED, 0, m->variant & OWNER_STAYS ? O_FLUSH : O_RESTORE);
    case O_RESTORE:
      return store(m, OWNER_WORD, REAL, m->variant & FLUSH_FIRST ? O_RETURN : O_FLUSH);
    case O_FLUSH:
      return flush(m);
    case O_RETURN: /* the free is tried again; an alloc goes on to refill */
      go(m, m->in_last ? O_OVER : O_FREE);
      return EXPLORER_STEPPED;
    default:
      return EXPLORER_IDLE;
  }
}

/* ---- The protocol ---- */

static explorer_step step(void *state, size_t thread, unsigned choice) {
  machine *m = state;
  if (thread >= WORKERS) {
    bool drained = store_buffer_drain(&m->buffers[thread - WORKERS], m->memory, choice);
    return drained ? EXPLORER_STEPPED : EXPLORER_IDLE;
  }
  if (choice != 0) return EXPLORER_BLOCKED;
  return thread == OWNER ? step_owner(m) : step_asker(m, thread);
}

static void start(void *state, int variant) {
  machine *m = state;
  m->variant = (uint8_t)variant;
  m->memory[OWNER_WORD] = REAL;
}

static const char *check(const void *state) {
  return ((const machine *)state)->reported ? "a valid free is reported" : NULL;
}

static const char *check_end(const void *state) {
  const machine *m = state;
  for (size_t asker = ASKER; asker < WORKERS; asker++) {
    if (m->pending[asker]) return "a request is lost";
  }
  return m->memory[OWNER_WORD] != REAL ? "the owner is not restored" : NULL;
}

static const explorer_protocol flush_request = {
    .name = "requests for a flush",
    .state_bytes = sizeof(machine),
    .threads = THREADS,
    .choices = STORE_BUFFER_DEPTH,
    .start = start,
    .step = step,
    .check = check,
    .check_end = check_end,
};

TEST(flush_request, is_served_and_breaks_no_free) { CHECK_PROTOCOL_HOLDS(&flush_request, 0); }

TEST(flush_request, control_with_a_look_at_one_of_the_two_words) {
  CHECK_PROTOCOL_BREAKS(&flush_request, ONE_WORD_IS_ENOUGH, "a valid free is reported");
}

TEST(flush_request, control_with_a_request_that_is_cleared_after_the_flush) {
  CHECK_PROTOCOL_BREAKS(&flush_request, FLUSH_FIRST, "a request is lost");
}

TEST(flush_request, control_with_an_owner_that_is_not_restored) {
  CHECK_PROTOCOL_BREAKS(&flush_request, OWNER_STAYS, "the owner is not restored");
}
