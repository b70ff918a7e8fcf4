/* typed_pool_elsewhere.c: a second file that uses a typed pool, by LIDO_POOL_DECLARE. */
#include "tests/unit/typed_pools.h"

struct shared_part *elsewhere_alloc(int number) {
  struct shared_part *part = shared_part_alloc();
  if (part != NULL) part->number = number;
  return part;
}

void elsewhere_free(struct shared_part *part) { shared_part_free(part); }

lido_pool *elsewhere_pool(void) { return shared_part_pool(); }
