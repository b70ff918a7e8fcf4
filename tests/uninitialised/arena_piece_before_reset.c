/* A pointer from before a reset, which nobody has handed out again. */
#include "uninitialised_program.h"

int main(void) {
  lido_arena *arena = lido_arena_create(NULL);
  if (arena == NULL) return 1;
  int *before = lido_arena_alloc(arena, sizeof *before);
  use(before);
  lido_arena_reset(arena);
  return read_wrongly(before);
}
