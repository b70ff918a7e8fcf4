/* A pointer from after a mark, after a rewind to it. */
#include "uninitialised_program.h"

int main(void) {
  lido_arena *arena = lido_arena_create(NULL);
  if (arena == NULL) return 1;
  lido_arena_alloc(arena, 100);
  lido_arena_mark mark = lido_arena_mark_get(arena);
  int *number = lido_arena_alloc(arena, sizeof *number);
  use(number);
  lido_arena_rewind(arena, mark);
  return read_wrongly(number);
}
