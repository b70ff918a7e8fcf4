/* An arena is released twice. */
#include "misuse_program.h"

int main(void) {
  lido_arena *arena = arena_released("request");
  expect("lido: use after release in arena 'request': address %p", (void *)arena);
  lido_arena_release(arena);
  return 0;
}
