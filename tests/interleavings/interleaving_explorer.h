/* interleaving_explorer.h: checks a protocol between threads by going through all its interleavings.
 *
 * A protocol is a state, which is copied by value, and a function that lets one thread take its next atomic
 * step. From the start, every thread that can step steps, and so on from each state that has not been met
 * before, until there is none. That is exhaustive: what holds in every state met holds in every run of the
 * modelled threads.
 *
 * The search is breadth first, so the run that is printed when something is broken is a shortest one. States
 * are compared whole, not by a hash. A protocol proves nothing by itself; each comes with negative controls,
 * variants with one line removed or moved, that must be found broken.
 */
#ifndef LIDO_TESTS_INTERLEAVINGS_INTERLEAVING_EXPLORER_H
#define LIDO_TESTS_INTERLEAVINGS_INTERLEAVING_EXPLORER_H

#include "tests/support/testing.h"

enum { EXPLORER_STATE_BYTES_MOST = 256, EXPLORER_STATES_MOST = 4000000, EXPLORER_TEXT_BYTES = 4096 };

typedef enum explorer_step {
  EXPLORER_STEPPED, /* the state is the next one */
  EXPLORER_BLOCKED, /* the thread wants to go on and can't; nothing was changed */
  EXPLORER_IDLE,    /* the thread wants nothing (any more); nothing was changed */
} explorer_step;

typedef struct explorer_protocol {
  const char *name;
  size_t state_bytes;
  size_t threads;
  unsigned choices;                        /* most ways in which one step can go on */
  void (*start)(void *state, int variant); /* of zeroes */
  /* One atomic step. A choice that there is not at this place is EXPLORER_BLOCKED, as long as choice 0 says
   * what is. */
  explorer_step (*step)(void *state, size_t thread, unsigned choice);
  const char *(*check)(const void *state);     /* in every state: NULL, or what is broken */
  const char *(*check_end)(const void *state); /* when all threads are idle */
} explorer_protocol;

typedef struct explorer_result {
  const char *broken; /* NULL: everything held */
  size_t states;
  size_t steps;
  size_t ends;                   /* states in which all threads are idle */
  size_t depth;                  /* steps of the longest of the shortest runs to a state */
  char run[EXPLORER_TEXT_BYTES]; /* the run that breaks it: thread (choice), one after the other */
} explorer_result;

/* Explores, and prints one line of what was explored. That some threads are blocked for ever while no other
 * can step is broken, too. */
void explorer_explore(const explorer_protocol *protocol, int variant, explorer_result *result);

/* All interleavings hold. */
#define CHECK_PROTOCOL_HOLDS(protocol, variant)                                                                \
  do {                                                                                                         \
    static explorer_result explorer_found;                                                                     \
    explorer_explore(protocol, variant, &explorer_found);                                                      \
    if (explorer_found.broken != NULL) TESTING_FAIL("%s, after%s", explorer_found.broken, explorer_found.run); \
    CHECK_GT(explorer_found.ends, 0);                                                                          \
  } while (0)

/* A negative control: some interleaving is broken, and in this way. */
#define CHECK_PROTOCOL_BREAKS(protocol, variant, expected)                                             \
  do {                                                                                                 \
    static explorer_result explorer_found;                                                             \
    explorer_explore(protocol, variant, &explorer_found);                                              \
    if (explorer_found.broken == NULL) TESTING_FAIL("nothing is broken, but should be: %s", expected); \
    CHECK_TEXT(explorer_found.broken, expected);                                                       \
  } while (0)

#endif
