/* Two scratches end in the wrong order. */
#include "misuse_program.h"

int main(void) {
  lido_scratch outer = lido_scratch_begin(NULL, 0);
  NEED(outer.arena != NULL);
  arena_piece(outer.arena);
  lido_scratch inner = lido_scratch_begin(NULL, 0);
  NEED(inner.arena == outer.arena);
  lido_scratch_end(outer);
  expect("lido: stale mark in arena 'scratch': address %p", (void *)inner.mark.at);
  lido_scratch_end(inner);
  return 0;
}
