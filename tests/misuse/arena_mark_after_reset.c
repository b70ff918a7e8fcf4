/* A mark from before a reset. */
#include "misuse_program.h"

int main(void) {
  lido_arena *arena = arena_named("request");
  arena_piece(arena);
  lido_arena_mark mark = lido_arena_mark_get(arena);
  lido_arena_reset(arena);
  expect("lido: stale mark in arena 'request': address %p", (void *)mark.at);
  lido_arena_rewind(arena, mark);
  return 0;
}
