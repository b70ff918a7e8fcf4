/* arena_loops.h: the loops of requests, written once and compiled for each subject.
 *
 * No include guard: a program includes it once per subject, after
 *     #define SUBJECT name               functions become name_requests and name_one
 *     #define SUBJECT_BEGIN              declarations at the start of each loop, or nothing
 *     #define SUBJECT_OPEN               what a request begins with, or nothing
 *     #define SUBJECT_ALLOC(bytes)       a piece
 *     #define SUBJECT_KEEP(index, piece) remember it, or nothing
 *     #define SUBJECT_CLOSE(count)       all pieces go
 *
 * Every piece is written once (8 bytes) and then shown to the compiler as escaped; that also makes every alloc find
 * its state in memory, as it does in a program whose allocs stand in many functions.
 */
#include "arena_rows.h"
#include "micro.h"

#define LOOP_NAME_2(subject, loop) subject##_##loop
#define LOOP_NAME_1(subject, loop) LOOP_NAME_2(subject, loop)
#define LOOP(loop) LOOP_NAME_1(SUBJECT, loop)

static __attribute__((noinline)) void LOOP(requests)(size_t count) {
  SUBJECT_BEGIN
  for (size_t request = 0; request < count; request++) {
    SUBJECT_OPEN
    for (size_t i = 0; i < ARENA_PIECES; i++) {
      void *piece = SUBJECT_ALLOC(arena_sizes[i]);
      micro_touch(piece, i);
      SUBJECT_KEEP(i, piece);
    }
    SUBJECT_CLOSE(ARENA_PIECES);
  }
}

static __attribute__((noinline)) void LOOP(one)(size_t pieces, size_t bytes) {
  SUBJECT_BEGIN
  SUBJECT_OPEN
  for (size_t i = 0; i < pieces; i++) {
    char *piece = SUBJECT_ALLOC(bytes);
    if (piece == NULL) bench_die("no memory for piece %zu of %zu bytes", i, bytes);
    for (size_t at = 0; at < bytes; at += 1024) micro_touch(piece + at, i);
    SUBJECT_KEEP(i, piece);
  }
  SUBJECT_CLOSE(pieces);
}

#undef LOOP
#undef LOOP_NAME_1
#undef LOOP_NAME_2
#undef SUBJECT
#undef SUBJECT_BEGIN
#undef SUBJECT_OPEN
#undef SUBJECT_ALLOC
#undef SUBJECT_KEEP
#undef SUBJECT_CLOSE
