/* Something that is no object at all is taken for a subject. */
#include "misuse_program.h"

int main(void) {
  int value = 0;
  expect("lido: foreign pointer in pool 'no pool with handles': address %p, no object", (void *)&value);
  lido_subject_complete((lido_subject *)(void *)&value);
  return 0;
}
