/* A mark that an earlier one closed. */
#include "misuse_program.h"

int main(void) {
  lido_arena *arena = arena_named("request");
  arena_piece(arena);
  lido_arena_mark outer = lido_arena_mark_get(arena);
  arena_piece(arena);
  lido_arena_mark inner = lido_arena_mark_get(arena);
  lido_arena_rewind(arena, outer);
  expect("lido: stale mark in arena 'request': address %p", (void *)inner.at);
  lido_arena_rewind(arena, inner);
  return 0;
}
