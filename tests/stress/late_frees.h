/* late_frees.h: what late_frees_test.c has done in C++. */
#ifndef LIDO_TESTS_STRESS_LATE_FREES_H
#define LIDO_TESTS_STRESS_LATE_FREES_H

#include "lido/lido.h"

LIDO_BEGIN

/* Give the calling thread thread_locals whose destructors alloc from `pool` and free to it. They add 1 to
 * *broken for each alloc that fails, and set *destroyed to how many of them there were. */
void late_frees_make_thread_locals(lido_pool *pool, int *destroyed, int *broken);

LIDO_END

#endif
