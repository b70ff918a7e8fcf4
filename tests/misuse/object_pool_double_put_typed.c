/* An object of a typed object pool with a reset is put twice, one put after the other. */
#include "misuse_program.h"

static int the_number;

static void *new_object(void *context) { return context; }

static void reset_object(void *made, void *context) {
  (void)context;
  *(int *)made = 0;
}

LIDO_OBJECT_POOL_DEFINE(number, int, .create = new_object, .reset = reset_object, .context = &the_number)

int main(void) {
  NEED(number_get() == &the_number);
  number_put(&the_number);
  expect("lido: double free in object pool 'number': address %p", (void *)&the_number);
  number_put(&the_number);
  return 0;
}
