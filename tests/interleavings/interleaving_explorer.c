/* interleaving_explorer.c: see interleaving_explorer.h. States are numbered in the order in which they are
 * met, so the list of all states is also the queue of those to go on from.
 */
#include "tests/interleavings/interleaving_explorer.h"

#include <stdlib.h>

typedef struct origin {
  uint32_t parent;
  uint32_t depth;
  uint8_t thread;
  uint8_t choice;
} origin;

typedef struct exploration {
  const explorer_protocol *protocol;
  explorer_result *result;
  unsigned char *states; /* [count][state_bytes] */
  origin *origins;       /* [count] */
  size_t count;
  size_t capacity;
  uint32_t *table; /* [table_size], numbers of states + 1 */
  size_t table_size;
} exploration;

static _Noreturn void give_up(const char *name, const char *why) {
  fprintf(stderr, "explorer: %s: %s\n", name, why);
  abort();
}

static void *resized(const exploration *e, void *block, size_t bytes) {
  void *larger = realloc(block, bytes);
  if (larger == NULL) give_up(e->protocol->name, "no memory");
  return larger;
}

static unsigned char *state_at(const exploration *e, size_t number) {
  return e->states + number * e->protocol->state_bytes;
}

/* ---- Which states were met ---- */

static size_t slot_of(const exploration *e, const void *state) {
  const unsigned char *bytes = state;
  uint64_t hash = UINT64_C(0xcbf29ce484222325);
  for (size_t i = 0; i < e->protocol->state_bytes; i++) hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
  size_t slot = (size_t)(hash ^ hash >> 29) & (e->table_size - 1);
  while (e->table[slot] != 0 && memcmp(state_at(e, e->table[slot] - 1), state, e->protocol->state_bytes) != 0) {
    slot = (slot + 1) & (e->table_size - 1);
  }
  return slot;
}

static void grow(exploration *e) {
  e->capacity = e->capacity == 0 ? 4096 : e->capacity * 2;
  if (e->capacity > EXPLORER_STATES_MOST * 2) give_up(e->protocol->name, "too many states");
  e->states = resized(e, e->states, e->capacity * e->protocol->state_bytes);
  e->origins = resized(e, e->origins, e->capacity * sizeof *e->origins);
  e->table_size = e->capacity * 4;
  e->table = resized(e, e->table, e->table_size * sizeof *e->table);
  memset(e->table, 0, e->table_size * sizeof *e->table);
  for (size_t number = 0; number < e->count; number++) e->table[slot_of(e, state_at(e, number))] = (uint32_t)number + 1;
}

/* Note a state. -> whether it is new. */
static bool meet(exploration *e, const void *state, origin from) {
  if (e->count == e->capacity) grow(e);
  size_t slot = slot_of(e, state);
  if (e->table[slot] != 0) return false;
  memcpy(state_at(e, e->count), state, e->protocol->state_bytes);
  e->origins[e->count] = from;
  e->table[slot] = (uint32_t)++e->count;
  if (from.depth > e->result->depth) e->result->depth = from.depth;
  return true;
}

/* ---- What is broken ---- */

/* "  0 0 1(2) 0": from the start to this state. */
static void tell_run(exploration *e, size_t number) {
  char steps[EXPLORER_TEXT_BYTES];
  char *text = e->result->run;
  text[0] = '\0';
  for (; number != 0; number = e->origins[number].parent) {
    const origin *from = &e->origins[number];
    char step[32];
    snprintf(step, sizeof step, from->choice != 0 ? " %u(%u)" : " %u", from->thread, from->choice);
    if (strlen(text) + strlen(step) + 1 > sizeof steps) break;
    snprintf(steps, sizeof steps, "%s%.4000s", step, text);
    strcpy(text, steps);
  }
}

static bool is_broken(exploration *e, size_t number, const char *broken) {
  if (broken == NULL) return false;
  e->result->broken = broken;
  tell_run(e, number);
  return true;
}

/* ---- The search ---- */

/* All steps from one state. -> false: something is broken. */
static bool go_on_from(exploration *e, size_t number) {
  const explorer_protocol *protocol = e->protocol;
  _Alignas(16) unsigned char next[EXPLORER_STATE_BYTES_MOST];
  bool stepped = false;
  bool blocked = false;
  for (size_t thread = 0; thread < protocol->threads; thread++) {
    for (unsigned choice = 0; choice < protocol->choices; choice++) {
      memcpy(next, state_at(e, number), protocol->state_bytes);
      explorer_step step = protocol->step(next, thread, choice);
      if (choice == 0) blocked |= step == EXPLORER_BLOCKED;
      if (step != EXPLORER_STEPPED) continue;
      stepped = true;
      e->result->steps++;
      origin from = {(uint32_t)number, e->origins[number].depth + 1, (uint8_t)thread, (uint8_t)choice};
      if (meet(e, next, from) && is_broken(e, e->count - 1, protocol->check(next))) return false;
    }
  }
  if (stepped) return true;
  if (blocked) return !is_broken(e, number, "threads wait for ever");
  e->result->ends++;
  memcpy(next, state_at(e, number), protocol->state_bytes);
  return !is_broken(e, number, protocol->check_end(next));
}

void explorer_explore(const explorer_protocol *protocol, int variant, explorer_result *result) {
  exploration e = {.protocol = protocol, .result = result};
  _Alignas(16) unsigned char first[EXPLORER_STATE_BYTES_MOST] = {0};
  *result = (explorer_result){0};
  if (protocol->state_bytes > sizeof first) give_up(protocol->name, "the state is too large");
  protocol->start(first, variant);
  meet(&e, first, (origin){0});
  for (size_t number = 0; number < e.count && go_on_from(&e, number); number++) {}
  result->states = e.count;
  printf("# %s, variant %d: %zu states, %zu steps, %zu ends, depth %zu: %s\n", protocol->name, variant, result->states,
         result->steps, result->ends, result->depth, result->broken == NULL ? "holds" : result->broken);
  fflush(stdout);
  free(e.states);
  free(e.origins);
  free(e.table);
}
