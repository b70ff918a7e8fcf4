/* A handle for a variable on the stack. */
#include "misuse_program.h"

int main(void) {
  pool_with_handles("conn");
  long local;
  expect("lido: foreign pointer in pool 'no pool with handles': address %p, no object", (void *)&local);
  lido_weak_make(&local);
  return 0;
}
