/* arenas.h: what many tests do with arenas: make them, fill pieces, look at them, give them a backing that is
 * watched. */
#ifndef LIDO_TESTS_SUPPORT_ARENAS_H
#define LIDO_TESTS_SUPPORT_ARENAS_H

#include "tests/support/objects.h"

enum { KIB = 1 << 10, MEBIBYTE = 1 << 20 };

/* The arena's own invariants hold. */
#define CHECK_ARENA(arena)                                                        \
  do {                                                                            \
    const char *testing_unsound = lido_arena_check(arena);                        \
    if (testing_unsound != NULL) TESTING_FAIL("%s: %s", #arena, testing_unsound); \
  } while (0)

/* An arena with these options, NULL = none, or the end of the test. */
lido_arena *arena_with(const lido_arena_options *options);

/* Statistics by value. */
static inline lido_arena_stats arena_stats(const lido_arena *arena) {
  lido_arena_stats stats;
  lido_arena_stats_get(arena, &stats);
  return stats;
}

static inline lido_arena_class_stats arena_class_stats(const lido_arena_class *cls) {
  lido_arena_class_stats stats;
  lido_arena_class_stats_get(cls, &stats);
  return stats;
}

/* A piece whose every byte follows from `stamp`, or the end of the test. */
void *arena_piece(lido_arena *arena, size_t bytes, uint64_t stamp);

/* Pieces of `step` bytes, written to, until they are `bytes` together. */
void arena_use(lido_arena *arena, size_t bytes, size_t step);

/* ---- Many pieces ---- */

enum { ARENA_PIECES_MOST = 4096 };

typedef struct arena_pieces {
  struct {
    unsigned char *data;
    size_t bytes;
  } items[ARENA_PIECES_MOST];
  size_t count;
} arena_pieces;

/* One more piece, stamped with its place in the list. */
void arena_pieces_add(arena_pieces *pieces, lido_arena *arena, size_t bytes);
/* -> whether all of them hold what was written, lie where they should, and none lies in another. */
bool arena_pieces_hold(const arena_pieces *pieces, const lido_arena *arena);

/* ---- A backing that is watched ---- */

typedef struct arena_source {
  size_t calls; /* that gave a block */
  size_t releases;
  size_t live;     /* blocks */
  size_t bytes;    /* of them */
  size_t wrong;    /* releases of what was never given, of other sizes; bad alignments */
  size_t overlaps; /* calls while another was under way */
  size_t inside;   /* calls under way */
  bool fails;      /* every request fails from now on */
  size_t most;     /* requests of more bytes fail; 0: none does */
} arena_source;

lido_backing *arena_source_backing(arena_source *source);

/* End the backing; everything must have come back. */
void arena_source_end(arena_source *source, lido_backing *backing);

/* ---- Clean-ups that leave a trace ---- */

/* Appends a letter for each call. */
typedef struct arena_trace {
  char text[64];
  size_t count;
} arena_trace;

typedef struct arena_mark_of_call {
  arena_trace *trace;
  char letter;
} arena_mark_of_call;

/* A clean-up that appends `letter` to `trace`. -> its handle. */
lido_arena_cleanup *arena_trace_add(lido_arena *arena, arena_trace *trace, char letter);

#endif
