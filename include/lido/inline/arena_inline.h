/* lido/inline/arena_inline.h: the bodies of the inlined paths of lido/arena.h. Private: nothing here is part of the
 * contract but the speed.
 *
 * The window. `at` and `end` bound the free part of the current block, both at multiples of 16. So whatever fits
 * before rounding fits after it too, and one comparison decides; a size near SIZE_MAX fails it. An arena that wants to
 * see each alloc (passthrough, Valgrind, reuse of freed pieces, an arena that was released) keeps its window empty.
 *
 * `special` has a bit for everything that a reset must do beside moving `at` back, so that one test decides too.
 */
#ifndef LIDO_INLINE_ARENA_INLINE_H
#define LIDO_INLINE_ARENA_INLINE_H

#include <string.h>

#include "lido/arena.h"
#include "lido/inline/atomic_inline.h"

LIDO_BEGIN

/* The part of an arena that inlined code sees. */
struct lido_arena {
  char *at;             /* the next piece */
  char *end;            /* of the window */
  char *limit;          /* of the current block; the same as `end` unless the window is kept empty */
  char *base;           /* where `at` is after a reset */
  char *high;           /* most that `at` was at a reset since the last look at retention */
  uint32_t special;     /* why a reset takes the long way; 0: it does not */
  uint32_t resets_left; /* until the next look */
  uint32_t depth;       /* of marks */
  uint32_t number;      /* of the class */
  lido_arena *next;     /* on the shelf of idle arenas */
  size_t held;          /* bytes of its blocks */
};

struct lido_arena_class {
  uint32_t number; /* index into lido_arena_thread.shelves; never 0 */
};

/* Idle arenas of one class in one thread. */
typedef struct lido_arena_shelf {
  lido_arena *newest;
  size_t bytes;
  size_t bytes_most; /* 0: somebody asks for what is here */
  uint64_t taken;    /* statistic: arenas that went out from here */
  uint64_t put;      /* and came in */
} lido_arena_shelf;

typedef struct lido_arena_thread {
  lido_arena_shelf *shelves; /* [count] by class; NULL before the first slow path */
  uint32_t count;
  bool dead; /* past its exit */
  struct lido_arena_thread_record *record;
} lido_arena_thread;

extern LIDO_API __thread lido_arena_thread lido_this_arena_thread __attribute__((tls_model("initial-exec")));

enum { LIDO_ARENA_IDLE = 1 }; /* in `special`: released, on a shelf; the other bits are the library's */

LIDO_API LIDO_SLOW void *lido_arena_alloc_slow(lido_arena *arena, size_t bytes, size_t align);
LIDO_API LIDO_SLOW void lido_arena_reset_slow(lido_arena *arena);
LIDO_API LIDO_SLOW lido_arena *lido_arena_acquire_slow(const lido_arena_class *cls);
LIDO_API LIDO_SLOW void lido_arena_release_slow(lido_arena *arena);
LIDO_API LIDO_SLOW bool lido_bytes_grow(lido_bytes *bytes, size_t count);

LIDO_FAST size_t lido_arena_rounded(size_t bytes) {
  return (bytes + (LIDO_ARENA_ALIGN - 1)) & ~(size_t)(LIDO_ARENA_ALIGN - 1);
}

LIDO_END

#if defined(LIDO_ASAN) || defined(LIDO_MSAN) || LIDO_CHECKS == LIDO_CHECKS_FULL
#include "lido/inline/arena_watched_inline.h"
#else
#include "lido/inline/arena_plain_inline.h"
#endif

LIDO_BEGIN

LIDO_FAST bool lido_bytes_add(lido_bytes *bytes, const void *data, size_t count) {
  /* One more for the zero at the end. */
  if (LIDO_UNLIKELY(count >= bytes->room - bytes->count) && !lido_bytes_grow(bytes, count)) return false;
  char *end = bytes->data + bytes->count;
  bytes->count += count;
  memcpy(end, data, count);
  end[count] = 0;
  return true;
}

LIDO_FAST bool lido_bytes_add_byte(lido_bytes *bytes, char byte) {
  if (LIDO_UNLIKELY(1 >= bytes->room - bytes->count) && !lido_bytes_grow(bytes, 1)) return false;
  char *end = bytes->data + bytes->count++;
  end[0] = byte;
  end[1] = 0;
  return true;
}

LIDO_END

#endif
