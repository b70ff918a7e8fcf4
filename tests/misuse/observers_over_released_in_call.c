/* An observer releases in its call, beside the last reference of its owner, the one that the call has. */
#include "misuse_program.h"

static void on_next(void *observer, const void *event, void *context) {
  (void)event;
  (void)context;
  lido_release(observer);
  lido_release(observer);
}

int main(void) {
  lido_subject *subject = lido_subject_create(NULL);
  NEED(subject != NULL);
  void *object = object_of(pool_with_handles("conn"));
  NEED(lido_subscribe(subject, object, &(lido_observer_calls){.next = on_next}, NULL).bits != 0);
  expect("lido: release too many in pool 'conn': address %p, object 0", object);
  lido_subject_next(subject, NULL);
  return 0;
}
