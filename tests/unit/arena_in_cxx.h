/* arena_in_cxx.h: what arena_in_cxx.cpp does for arena_in_cxx_test.c: 0, or the line that was wrong. */
#ifndef LIDO_TESTS_UNIT_ARENA_IN_CXX_H
#define LIDO_TESTS_UNIT_ARENA_IN_CXX_H

#include "lido/arena.h"

LIDO_BEGIN

int cxx_use_pieces(lido_arena *arena);
int cxx_use_text(lido_arena *arena);
int cxx_use_life(void);

LIDO_END

#endif
