/* arena_large_test.c: pieces that were asked for in blocks of their own. */
#include "tests/support/arenas.h"

enum { SMALL = 100, BYTES = 100000 };

TEST(arena_large, a_piece_of_any_size_has_a_block_of_its_own) {
  lido_arena *arena = arena_with(NULL);
  static const size_t sizes[] = {1, 16, SMALL, 4096, BYTES};
  for (size_t i = 0; i < 5; i++) {
    uint64_t large = arena_stats(arena).large;
    char *piece = lido_arena_alloc_large(arena, sizes[i]);
    CHECK_NOT_NULL(piece);
    CHECK_EQ((uintptr_t)piece % LIDO_ARENA_ALIGN, 0);
    objects_fill(piece, sizes[i], i);
    CHECK_GT(arena_stats(arena).large, large);
    CHECK_SAME(lido_arena_detach(arena, piece), piece);
    CHECK_EQ(arena_stats(arena).large, large);
    CHECK(objects_hold(piece, sizes[i], i));
    lido_arena_detached_free(piece);
    CHECK_ARENA(arena);
  }
  lido_arena_destroy(arena);
}

TEST(arena_large, it_keeps_its_own_block_when_it_grows_and_shrinks) {
  lido_arena *arena = arena_with(NULL);
  char *piece = lido_arena_alloc_large(arena, SMALL);
  objects_fill(piece, SMALL, 1);
  piece = lido_arena_realloc(arena, piece, SMALL, BYTES);
  CHECK(objects_hold(piece, SMALL, 1));
  char *same = lido_arena_realloc(arena, piece, BYTES, SMALL);
  CHECK_SAME(same, piece);
  CHECK_SAME(lido_arena_detach(arena, piece), piece);
  CHECK(objects_hold(piece, SMALL, 1));
  lido_arena_detached_free(piece);
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_large, it_goes_back_at_once_when_it_is_freed) {
  lido_arena *arena = arena_with(NULL);
  uint64_t reserved = arena_stats(arena).reserved;
  char *piece = lido_arena_alloc_large(arena, SMALL);
  lido_arena_free(arena, piece, SMALL);
  CHECK_EQ(arena_stats(arena).reserved, reserved);
  lido_arena_free(arena, lido_arena_alloc_large(arena, BYTES), BYTES);
  CHECK_EQ(arena_stats(arena).reserved, reserved);
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_large, a_rewind_ends_those_since_the_mark) {
  lido_arena *arena = arena_with(NULL);
  char *kept = lido_arena_alloc_large(arena, SMALL);
  objects_fill(kept, SMALL, 7);
  uint64_t large = arena_stats(arena).large;
  lido_arena_mark mark = lido_arena_mark_get(arena);
  CHECK_NOT_NULL(lido_arena_alloc_large(arena, SMALL));
  lido_arena_rewind(arena, mark);
  CHECK_EQ(arena_stats(arena).large, large);
  CHECK(objects_hold(kept, SMALL, 7));
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_large, it_can_be_detached_in_passthrough_too) {
  lido_arena *arena = arena_with(&(lido_arena_options){.flags = LIDO_ARENA_PASSTHROUGH});
  char *piece = lido_arena_alloc_large(arena, SMALL);
  char *other = lido_arena_alloc_large(arena, SMALL);
  objects_fill(piece, SMALL, 3);
  CHECK_SAME(lido_arena_detach(arena, piece), piece);
  lido_arena_free(arena, other, SMALL);
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
  CHECK(objects_hold(piece, SMALL, 3));
  lido_arena_detached_free(piece);
}

TEST(arena_large, arenas_of_one_block_have_none) {
  static _Alignas(16) char buffer[4096];
  lido_arena *fixed =
      arena_with(&(lido_arena_options){.buffer = buffer, .buffer_bytes = sizeof buffer, .flags = LIDO_ARENA_FIXED});
  CHECK_FAILS(lido_arena_alloc_large(fixed, SMALL), EINVAL);
  lido_arena_destroy(fixed);
  lido_arena *contiguous = arena_with(&(lido_arena_options){.reserve_bytes = 1 << 20});
  CHECK_FAILS(lido_arena_alloc_large(contiguous, SMALL), EINVAL);
  lido_arena_destroy(contiguous);
  lido_arena *plain = arena_with(NULL);
  CHECK_FAILS(lido_arena_alloc_large(plain, SIZE_MAX), ENOMEM);
  CHECK(lido_arena_failed(plain));
  lido_arena_destroy(plain);
}
