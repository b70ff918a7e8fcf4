/* A clean-up destroys its own arena. */
#include "misuse_program.h"

static void destroy_it(void *arg) { lido_arena_destroy(arg); }

int main(void) {
  lido_arena *arena = arena_named("request");
  lido_arena_mark mark = lido_arena_mark_get(arena);
  NEED(lido_arena_on_reset(arena, destroy_it, arena) == 0);
  expect("lido: reset or end inside a clean-up in arena 'request': address %p", (void *)arena);
  lido_arena_rewind(arena, mark);
  return 0;
}
