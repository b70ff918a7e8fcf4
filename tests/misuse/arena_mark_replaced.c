/* A mark that was closed, when another one was opened in its place. */
#include "misuse_program.h"

int main(void) {
  lido_arena *arena = arena_named("request");
  arena_piece(arena);
  lido_arena_mark outer = lido_arena_mark_get(arena);
  lido_arena_mark closed = lido_arena_mark_get(arena);
  lido_arena_rewind(arena, outer);
  lido_arena_mark_get(arena);
  expect("lido: stale mark in arena 'request': address %p", (void *)closed.at);
  lido_arena_rewind(arena, closed);
  return 0;
}
