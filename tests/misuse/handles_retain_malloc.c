/* A reference to a block of malloc's. */
#include "misuse_program.h"

int main(void) {
  pool_with_handles("conn");
  void *block = malloc(64);
  NEED(block != NULL);
  expect("lido: foreign pointer in pool 'no pool with handles': address %p, no object", block);
  lido_retain(block);
  free(block);
  return 0;
}
