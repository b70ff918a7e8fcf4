/* A piece of the use after a reset lies where one lay before, whose contents are still there. */
#include "uninitialised_program.h"

int main(void) {
  lido_arena *arena = lido_arena_create(NULL);
  if (arena == NULL) return 1;
  int *before = lido_arena_alloc(arena, sizeof *before);
  use(before);
  lido_arena_reset(arena);
  int *after = lido_arena_alloc(arena, sizeof *after);
  if (after != before) return 1;
  return read_wrongly(after);
}
