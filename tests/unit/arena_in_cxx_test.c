/* arena_in_cxx_test.c: what C++ code does with arenas. */
#include "tests/unit/arena_in_cxx.h"
#include "tests/support/arenas.h"

#ifdef LIDO_TEST_CXX

TEST(arena_in_cxx, pieces_and_clean_ups) {
  lido_arena *arena = arena_with(NULL);
  for (int i = 0; i < 3; i++) CHECK_EQ(cxx_use_pieces(arena), 0);
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_in_cxx, text) {
  lido_arena *arena = arena_with(NULL);
  CHECK_EQ(cxx_use_text(arena), 0);
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_in_cxx, life) { CHECK_EQ(cxx_use_life(), 0); }

#else

TEST(arena_in_cxx, there_is_no_compiler_for_it) { CHECK_EQ(sizeof(lido_bytes), sizeof(lido_bytes)); }

#endif
