/* An observer is taken for a subject. */
#include "misuse_program.h"

int main(void) {
  void *object = object_of(pool_with_handles("conn"));
  expect("lido: foreign pointer in pool 'subject': address %p, no object", object);
  lido_subject_next(object, NULL);
  return 0;
}
