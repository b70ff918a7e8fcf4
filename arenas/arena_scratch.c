/* arena_scratch.c: memory for the length of a function.
 *
 * A thread has as many scratch arenas as it ever needed at once: one, or with conflicts two. Between begin and end one
 * of them is used by everybody who does not name it as a conflict, each above the marks of those below.
 */
#include <errno.h>

#include "arenas/arena_shelves.h"

static bool conflicts_with(const lido_arena *arena, lido_arena *const *conflicts, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (conflicts[i] == arena) return true;
  }
  return false;
}

static lido_arena *find(lido_arena_thread_record *record, lido_arena *const *conflicts, size_t count) {
  lido_arena *arena = record->scratch;
  while (arena != NULL && conflicts_with(arena, conflicts, count)) arena = arena->next;
  return arena;
}

static lido_arena *add(lido_arena_thread_record *record) {
  lido_arena_core *core = lido_arena_core_create(&(lido_arena_options){.name = "scratch"}, NULL);
  if (core == NULL) return NULL;
  if (record != NULL) {
    core->face.next = record->scratch;
    record->scratch = &core->face;
  }
  return &core->face;
}

lido_scratch lido_scratch_begin(lido_arena *const *conflicts, size_t count) {
  int saved_errno = errno;
  lido_arena_thread_record *record = lido_arena_record_get();
  lido_arena *arena = record == NULL ? NULL : find(record, conflicts, count);
  if (arena == NULL) arena = add(record);
  if (arena == NULL) return (lido_scratch){0};
  errno = saved_errno;
  return (lido_scratch){.arena = arena, .mark = lido_arena_mark_get(arena)};
}

/* Past the thread's exit there is no list; such an arena lives for one scratch. */
static bool is_listed(const lido_arena *wanted) {
  const lido_arena_thread_record *record = lido_this_arena_thread.record;
  const lido_arena *arena = record == NULL ? NULL : record->scratch;
  while (arena != NULL && arena != wanted) arena = arena->next;
  return arena != NULL;
}

/* The outermost end resets, so that retention may learn. */
void lido_scratch_end(lido_scratch scratch) {
  lido_arena *arena = scratch.arena;
  if (arena == NULL) return;
  if (!lido_arena_rewind_to(lido_arena_core_of(arena), scratch.mark)) return;
  arena->depth = scratch.mark.depth;
  if (arena->depth != 0) return;
  if (is_listed(arena)) {
    lido_arena_reset(arena);
  } else {
    lido_arena_destroy(arena);
  }
}

size_t lido_arena_scratch_trim(lido_arena_thread_record *record) {
  size_t bytes = 0;
  lido_arena **link = &record->scratch;
  while (*link != NULL) {
    lido_arena *arena = *link;
    if (arena->depth != 0) {
      link = &arena->next;
      continue;
    }
    *link = arena->next;
    bytes += arena->held;
    lido_arena_core_destroy(lido_arena_core_of(arena));
  }
  return bytes;
}
