/* References are taken that nobody ever releases. */
#include "misuse_program.h"

int main(void) {
  lido_pool *pool = pool_with_handles("conn");
  void *object = object_of(pool);
  expect("lido: too many references in pool 'conn': address %p, object 0", object);
  for (;;) lido_retain_n(object, 1 << 20);
}
