/* observers_in_cxx.h: what observers_in_cxx.cpp does for its test: 0, or the line that was wrong. */
#ifndef LIDO_TESTS_UNIT_OBSERVERS_IN_CXX_H
#define LIDO_TESTS_UNIT_OBSERVERS_IN_CXX_H

#include "lido/observers.h"
#include "lido/pool.h"

LIDO_BEGIN

int cxx_observe(lido_pool *listeners);

LIDO_END

#endif
