/* A second thread uses an arena that was not handed over. */
#include "misuse_program.h"

static void *alloc_one(void *argument) { return lido_arena_alloc(argument, 1); }

int main(void) {
  lido_arena *arena = arena_named("request");
  arena_piece(arena);
  expect("lido: wrong thread in arena 'request': address %p", (void *)arena);
  in_thread(alloc_one, arena);
  return 0;
}
