/* A second thread resets an arena that was not handed over. */
#include "misuse_program.h"

static void *reset_it(void *argument) {
  lido_arena_reset(argument);
  return NULL;
}

int main(void) {
  lido_arena *arena = arena_named("request");
  arena_piece(arena);
  expect("lido: wrong thread in arena 'request': address %p", (void *)arena);
  in_thread(reset_it, arena);
  return 0;
}
