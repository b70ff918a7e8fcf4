/* An arena is used after its release. */
#include "misuse_program.h"

int main(void) {
  lido_arena *arena = arena_released("request");
  expect("lido: use after release in arena 'request': address %p", (void *)arena);
  lido_arena_alloc(arena, 1);
  return 0;
}
