/* object_pool_in_cxx.h: what object_pool_in_cxx.cpp tests. */
#ifndef LIDO_TESTS_UNIT_OBJECT_POOL_IN_CXX_H
#define LIDO_TESTS_UNIT_OBJECT_POOL_IN_CXX_H

#include "lido/lido.h"

LIDO_BEGIN

/* 0, or the line that was wrong. */
int cxx_use_object_pool(void);

LIDO_END

#endif
