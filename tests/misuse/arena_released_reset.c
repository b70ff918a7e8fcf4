/* An arena is reset after its release. */
#include "misuse_program.h"

int main(void) {
  lido_arena *arena = arena_released("request");
  expect("lido: use after release in arena 'request': address %p", (void *)arena);
  lido_arena_reset(arena);
  return 0;
}
