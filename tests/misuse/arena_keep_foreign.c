/* A reset is to keep what is not the arena's. */
#include "misuse_program.h"

int main(void) {
  lido_arena *arena = arena_named("request");
  char text[] = "on the stack";
  arena_piece(arena);
  expect("lido: foreign pointer in arena 'request': address %p", (void *)text);
  lido_arena_reset_keep(arena, text, sizeof text);
  return 0;
}
