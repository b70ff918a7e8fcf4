/* A clean-up resets its own arena. */
#include "misuse_program.h"

static void reset_it(void *arg) { lido_arena_reset(arg); }

int main(void) {
  lido_arena *arena = arena_named("request");
  NEED(lido_arena_on_reset(arena, reset_it, arena) == 0);
  expect("lido: reset or end inside a clean-up in arena 'request': address %p", (void *)arena);
  lido_arena_reset(arena);
  return 0;
}
