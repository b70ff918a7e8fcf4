/* An observer is subscribed that has died. */
#include "misuse_program.h"

static void on_next(void *observer, const void *event, void *context) {
  (void)observer;
  (void)event;
  (void)context;
}

int main(void) {
  lido_subject *subject = lido_subject_create(NULL);
  NEED(subject != NULL);
  void *object = object_of(pool_with_handles("conn"));
  lido_release(object);
  expect("lido: use of a dead object in pool 'conn': address %p, object 0", object);
  lido_subscribe(subject, object, &(lido_observer_calls){.next = on_next}, NULL);
  return 0;
}
