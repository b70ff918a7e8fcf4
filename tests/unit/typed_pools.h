/* typed_pools.h: typed pools that several files of the tests share: implemented in typed_test.c. */
#ifndef LIDO_TESTS_UNIT_TYPED_POOLS_H
#define LIDO_TESTS_UNIT_TYPED_POOLS_H

#include "lido/lido.h"

struct shared_part {
  int number;
  char text[60];
};

LIDO_BEGIN

LIDO_POOL_DECLARE(shared_part, struct shared_part)

/* In typed_pool_elsewhere.c. */
struct shared_part *elsewhere_alloc(int number);
void elsewhere_free(struct shared_part *part);
lido_pool *elsewhere_pool(void);

/* In typed_pool_in_cxx.cpp: uses the shared pool and one of its own; 0, or the line that was wrong. */
int cxx_use_shared_pool(void);
int cxx_use_own_pool(void);

LIDO_END

#endif
