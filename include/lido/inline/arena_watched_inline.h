/* lido/inline/arena_watched_inline.h: the same under a sanitizer and with the full checks: everything is a call. */
#ifndef LIDO_INLINE_ARENA_WATCHED_INLINE_H
#define LIDO_INLINE_ARENA_WATCHED_INLINE_H

#include "lido/inline/arena_inline.h"

LIDO_BEGIN

LIDO_FAST void *lido_arena_alloc(lido_arena *arena, size_t bytes) {
  return lido_arena_alloc_slow(arena, bytes, LIDO_ARENA_ALIGN);
}

LIDO_FAST void *lido_arena_alloc_aligned(lido_arena *arena, size_t bytes, size_t align) {
  return lido_arena_alloc_slow(arena, bytes, align);
}

LIDO_FAST void lido_arena_reset(lido_arena *arena) { lido_arena_reset_slow(arena); }

LIDO_FAST lido_arena *lido_arena_acquire(const lido_arena_class *cls) { return lido_arena_acquire_slow(cls); }

LIDO_FAST void lido_arena_release(lido_arena *arena) { lido_arena_release_slow(arena); }

LIDO_END

#endif
