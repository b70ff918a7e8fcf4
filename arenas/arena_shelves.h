/* arena_shelves.h: idle arenas, by class, in each thread.
 *
 * Idea: a shelf is a stack of arenas that were released in a thread and wait for its next acquire, which then needs no
 * lock and no system call. A thread's shelves are a table by the class's number; the table lies in our memory, not in
 * the thread-local, so that a class can be emptied after its threads are gone.
 * Invariants
 *   H1  an arena on a shelf has LIDO_ARENA_IDLE and nothing else in `special`, an empty window, and the shelf's class.
 *   H2  bytes is the sum of what the shelf's arenas hold; put - taken is their number.
 *   H3  a thread's table has a shelf for each index below count.
 * Threads: a shelf's stack is its thread's; others touch it only when its class ends, which the caller orders after
 * every other use. Tables come, grow and go under the lock, rank CLASSES. Counts are read by others, relaxed.
 * Exit: the hook empties the shelves; what the thread's other destructors acquire later is made and ended without one.
 * Fork: shelves of threads that the child does not have stay until their class ends.
 * Failure: no memory for a table: the thread works without shelves.
 */
#ifndef LIDO_ARENAS_ARENA_SHELVES_H
#define LIDO_ARENAS_ARENA_SHELVES_H

#include "arenas/arena_core.h"

typedef struct lido_arena_thread_record {
  lido_arena_thread *thread; /* its thread-local; NULL: the thread is gone */
  lido_arena_shelf *shelves; /* [count] */
  uint32_t count;
  lido_arena *scratch; /* by next */
  struct lido_arena_thread_record *next;
  struct lido_arena_thread_record *previous;
} lido_arena_thread_record;

struct lido_arena_class_core {
  lido_arena_class face; /* must be first */
  /* fixed at birth */
  lido_arena_options options;
  char name[LIDO_ARENA_NAME_MAX];
  /* under the lock */
  lido_arena_class_core *next; /* all classes */
  lido_arena_class_core *previous;
  uint64_t retired_taken; /* of shelves that are gone */
  uint64_t retired_put;
  /* atomic statistics */
  uint64_t made;
  uint64_t ended;
  uint64_t dropped; /* taken off a shelf to be ended */
  uint64_t slow;
  uint64_t blocks_made;
  uint64_t resets;
  uint64_t failures;
  size_t wanted; /* the estimate */
  uint32_t row;
  size_t peak;
};

static inline lido_arena_class_core *lido_arena_class_core_of(const lido_arena_class *cls) {
  return (lido_arena_class_core *)(uintptr_t)cls; /* face is the first member, and cores are never const */
}

void lido_arena_shelves_lock(void);
void lido_arena_shelves_unlock(void);

/* From now on forks know these locks, and those of lib/mem. Before any of them is taken. 0, or ENOMEM. */
int lido_arena_fork_join(void);

/* The next class number, and its end. 0: none. */
uint32_t lido_arena_number_take_locked(void);
void lido_arena_number_give_locked(uint32_t number);

/* The calling thread's record. NULL: no memory, or past its exit. */
lido_arena_thread_record *lido_arena_record_get(void);

/* The calling thread's shelf, made if there was none. NULL: no memory, or past its exit. */
lido_arena_shelf *lido_arena_shelf_get(uint32_t number);

/* The newest arena of a shelf, or NULL. */
lido_arena_core *lido_arena_shelf_take(lido_arena_shelf *shelf);

/* All arenas of a shelf are ended. -> bytes. */
size_t lido_arena_shelf_empty(lido_arena_shelf *shelf);

/* Do what another thread has asked for, if it has. */
void lido_arena_shelf_honour(lido_arena_shelf *shelf);

/* Every thread's shelf of a class. */
void lido_arena_shelves_each_locked(uint32_t number, void (*act)(lido_arena_shelf *shelf, void *arg), void *arg);

/* The counts of a shelf that goes with its thread. (arena_class.c) */
void lido_arena_class_retire_locked(uint32_t number, const lido_arena_shelf *shelf);

/* Scratch arenas that nobody uses go. -> bytes. (arena_scratch.c) */
size_t lido_arena_scratch_trim(lido_arena_thread_record *record);

#endif
