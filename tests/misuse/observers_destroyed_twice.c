/* A subject is destroyed twice. */
#include "misuse_program.h"

int main(void) {
  lido_subject *other = lido_subject_create(NULL);
  lido_subject *subject = lido_subject_create(NULL);
  NEED(other != NULL && subject != NULL);
  lido_subject_destroy(subject);
  expect("lido: use of a dead object in pool 'subject': address %p, object 1", (void *)subject);
  lido_subject_destroy(subject);
  return 0;
}
