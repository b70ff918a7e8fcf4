/* arena_cleanups.c: functions to call when memory goes.
 *
 * A node lies in the arena and is never taken out of the list but by running it; stopping it clears its function, which
 * needs neither a search nor the arena.
 */
#include <errno.h>

#include "arenas/arena_core.h"

lido_arena_cleanup *lido_arena_cleanup_add(lido_arena *arena, lido_cleanup_function fn, void *arg) {
  lido_arena_core *core = lido_arena_core_of(arena);
  lido_arena_cleanup *cleanup = lido_arena_alloc(arena, sizeof *cleanup);
  if (cleanup == NULL) return NULL;
  *cleanup = (lido_arena_cleanup){.older = core->cleanups, .fn = fn, .arg = arg, .serial = ++core->serial};
  core->cleanups = cleanup;
  core->cleanup_count++;
  core->face.special |= LIDO_ARENA_CLEANUPS;
  return cleanup;
}

int lido_arena_on_reset(lido_arena *arena, lido_cleanup_function fn, void *arg) {
  int saved_errno = errno;
  if (lido_arena_cleanup_add(arena, fn, arg) != NULL) return 0;
  int error = errno;
  errno = saved_errno;
  return error;
}

lido_cleanup_outcome lido_arena_cleanup_stop(lido_arena_cleanup *cleanup) {
  if (cleanup == NULL || cleanup->fn == NULL) return LIDO_CLEANUP_NOT_FOUND;
  if (cleanup->serial == 0) return LIDO_CLEANUP_RUNNING;
  cleanup->fn = NULL;
  return LIDO_CLEANUP_STOPPED;
}

void lido_arena_cleanup_run(lido_arena_cleanup *cleanup) {
  cleanup->serial = 0;
  if (cleanup->fn != NULL) cleanup->fn(cleanup->arg);
}

/* The node is off the list before its function runs, which may add others. */
static void run_newest(lido_arena_core *core) {
  lido_arena_cleanup *cleanup = core->cleanups;
  core->cleanups = cleanup->older;
  core->cleanup_count--;
  lido_arena_cleanup_run(cleanup);
}

void lido_arena_cleanups_run(lido_arena_core *core, uint64_t serial) {
  if (core->cleanups == NULL) return;
  int saved_errno = errno;
  uint32_t resetting_before = core->face.special & LIDO_ARENA_RESETTING; /* a clean-up may rewind */
  core->face.special |= LIDO_ARENA_RESETTING;
  while (core->cleanups != NULL && core->cleanups->serial > serial) run_newest(core);
  core->face.special = (core->face.special & ~(uint32_t)LIDO_ARENA_RESETTING) | resetting_before;
  if (core->cleanups == NULL) core->face.special &= ~(uint32_t)LIDO_ARENA_CLEANUPS;
  errno = saved_errno;
}
