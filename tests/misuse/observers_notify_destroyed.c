/* A subject that was destroyed is notified. */
#include "misuse_program.h"

int main(void) {
  lido_subject *subject = lido_subject_create(&(lido_subject_options){.name = "prices"});
  NEED(subject != NULL);
  lido_subject_destroy(subject);
  expect("lido: use of a dead object in pool 'subject': address %p, object 0", (void *)subject);
  lido_subject_next(subject, NULL);
  return 0;
}
