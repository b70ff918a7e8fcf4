/* lido/inline/arena_plain_inline.h: alloc, reset, acquire and release of arenas in ordinary builds. */
#ifndef LIDO_INLINE_ARENA_PLAIN_INLINE_H
#define LIDO_INLINE_ARENA_PLAIN_INLINE_H

#include "lido/inline/arena_inline.h"

LIDO_BEGIN

LIDO_FAST void *lido_arena_alloc(lido_arena *arena, size_t bytes) {
  char *piece = arena->at;
  if (LIDO_UNLIKELY(bytes > (size_t)(arena->end - piece))) return lido_arena_alloc_slow(arena, bytes, LIDO_ARENA_ALIGN);
  arena->at = piece + lido_arena_rounded(bytes);
  return piece;
}

LIDO_FAST void *lido_arena_alloc_aligned(lido_arena *arena, size_t bytes, size_t align) {
  if (align <= LIDO_ARENA_ALIGN && align != 0 && (align & (align - 1)) == 0) return lido_arena_alloc(arena, bytes);
  return lido_arena_alloc_slow(arena, bytes, align);
}

LIDO_FAST void lido_arena_reset(lido_arena *arena) {
  uint32_t left = arena->resets_left - 1;
  if (LIDO_UNLIKELY(arena->special != 0 || left == 0)) {
    lido_arena_reset_slow(arena);
    return;
  }
  arena->resets_left = left;
  if (arena->at > arena->high) arena->high = arena->at;
  arena->at = arena->base;
  arena->depth = 0;
}

LIDO_FAST lido_arena *lido_arena_acquire(const lido_arena_class *cls) {
  lido_arena_thread *thread = &lido_this_arena_thread;
  if (LIDO_UNLIKELY(cls->number >= thread->count)) return lido_arena_acquire_slow(cls);
  lido_arena_shelf *shelf = &thread->shelves[cls->number];
  lido_arena *arena = shelf->newest;
  if (LIDO_UNLIKELY(arena == NULL)) return lido_arena_acquire_slow(cls);
  shelf->newest = arena->next;
  lido_subtract_owned(&shelf->bytes, arena->held);
  lido_count_owned(&shelf->taken);
  arena->end = arena->limit;
  arena->special = 0;
  return arena;
}

LIDO_FAST void lido_arena_release(lido_arena *arena) {
  if (arena == NULL) return;
  lido_arena_thread *thread = &lido_this_arena_thread;
  uint32_t left = arena->resets_left - 1;
  if (LIDO_UNLIKELY(arena->special != 0 || left == 0 || arena->number >= thread->count)) {
    lido_arena_release_slow(arena);
    return;
  }
  lido_arena_shelf *shelf = &thread->shelves[arena->number];
  /* RELAXED: a request seen late is honoured later. */
  if (LIDO_UNLIKELY(arena->held + shelf->bytes > lido_load_relaxed(&shelf->bytes_most))) {
    lido_arena_release_slow(arena);
    return;
  }
  arena->resets_left = left;
  if (arena->at > arena->high) arena->high = arena->at;
  arena->at = arena->end = arena->base; /* an empty window: whoever allocs now is found */
  arena->depth = 0;
  arena->special = LIDO_ARENA_IDLE;
  arena->next = shelf->newest;
  shelf->newest = arena;
  lido_add_owned(&shelf->bytes, arena->held);
  lido_count_owned(&shelf->put);
}

LIDO_END

#endif
