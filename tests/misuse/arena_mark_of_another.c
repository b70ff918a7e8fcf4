/* A mark of another arena. */
#include "misuse_program.h"

int main(void) {
  lido_arena *arena = arena_named("request");
  lido_arena *other = arena_named("other");
  arena_piece(other);
  lido_arena_mark_get(arena);
  lido_arena_mark mark = lido_arena_mark_get(other);
  expect("lido: stale mark in arena 'request': address %p", (void *)mark.at);
  lido_arena_rewind(arena, mark);
  return 0;
}
