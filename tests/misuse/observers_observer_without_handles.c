/* An object of a pool without handles is subscribed. */
#include "misuse_program.h"

static void on_next(void *observer, const void *event, void *context) {
  (void)observer;
  (void)event;
  (void)context;
}

int main(void) {
  lido_subject *subject = lido_subject_create(NULL);
  NEED(subject != NULL);
  void *object = object_of(pool_named("conn", 64));
  expect("lido: foreign pointer in pool 'no pool with handles': address %p, no object", object);
  lido_subscribe(subject, object, &(lido_observer_calls){.next = on_next}, NULL);
  return 0;
}
