/* arena_resize_test.c: pieces that grow, shrink or go before their time. */
#include "tests/support/arenas.h"

/* How far the window has moved. */
static size_t used(const lido_arena *arena) { return arena_stats(arena).used; }

TEST(arena_resize, the_newest_grows_where_it_is) {
  lido_arena *arena = arena_with(&(lido_arena_options){.chunk_bytes = 64 * KIB});
  char *text = arena_piece(arena, 10, 1);
  for (size_t bytes = 10; bytes < 16000; bytes += 7) {
    CHECK_SAME(lido_arena_realloc(arena, text, bytes, bytes + 7), text);
    CHECK(objects_hold(text, bytes, 1));
    objects_fill(text, bytes + 7, 1);
    CHECK_ARENA(arena);
  }
  lido_arena_destroy(arena);
}

TEST(arena_resize, another_is_copied) {
  lido_arena *arena = arena_with(NULL);
  char *old = arena_piece(arena, 100, 1);
  char *behind = arena_piece(arena, 100, 2);
  char *moved = lido_arena_realloc(arena, old, 100, 1000);
  CHECK_NOT_NULL(moved);
  CHECK(moved != old);
  CHECK(objects_hold(moved, 100, 1));
  objects_fill(moved, 1000, 3);
  CHECK(objects_hold(behind, 100, 2));
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_resize, shrinking_stays_where_it_is) {
  lido_arena *arena = arena_with(NULL);
  char *piece = arena_piece(arena, 1000, 1);
  arena_piece(arena, 10, 2);
  for (size_t bytes = 1000; bytes > 100; bytes -= 100) {
    CHECK_SAME(lido_arena_realloc(arena, piece, bytes, bytes - 100), piece);
    CHECK(objects_hold(piece, bytes - 100, 1));
    CHECK_ARENA(arena);
  }
  lido_arena_destroy(arena);
}

TEST(arena_resize, realloc_of_nothing_is_an_alloc) {
  lido_arena *arena = arena_with(NULL);
  char *piece = lido_arena_realloc(arena, NULL, 0, 100);
  CHECK_NOT_NULL(piece);
  objects_fill(piece, 100, 1);
  CHECK_NOT_NULL(lido_arena_realloc(arena, NULL, 0, 0));
  char *empty = lido_arena_alloc(arena, 0);
  char *grown = lido_arena_realloc(arena, empty, 0, 100);
  CHECK_NOT_NULL(grown);
  objects_fill(grown, 100, 2);
  CHECK(objects_hold(piece, 100, 1));
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_resize, realloc_to_nothing_is_a_pointer) {
  lido_arena *arena = arena_with(NULL);
  char *piece = arena_piece(arena, 100, 1);
  CHECK_NOT_NULL(lido_arena_realloc(arena, piece, 100, 0));
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_resize, a_realloc_that_finds_no_memory_keeps_the_piece) {
  lido_arena *arena = arena_with(&(lido_arena_options){.max_bytes = 8 * KIB});
  char *piece = arena_piece(arena, 1000, 1);
  arena_piece(arena, 16, 2);
  static const size_t bad[] = {9 * KIB, 100000, SIZE_MAX / 2, SIZE_MAX - 15, SIZE_MAX};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    CHECK_FAILS(lido_arena_realloc(arena, piece, 1000, bad[i]), ENOMEM);
    CHECK(!lido_arena_try_extend(arena, piece, 1000, bad[i]));
    CHECK(objects_hold(piece, 1000, 1));
    CHECK_ARENA(arena);
  }
  lido_arena_destroy(arena);
}

TEST(arena_resize, the_newest_can_not_grow_beyond_any_size) {
  lido_arena *arena = arena_with(&(lido_arena_options){.max_bytes = 8 * KIB});
  char *piece = arena_piece(arena, 100, 1);
  static const size_t bad[] = {SIZE_MAX / 2, SIZE_MAX - 100, SIZE_MAX - 15, SIZE_MAX - 14, SIZE_MAX};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    CHECK_FAILS(lido_arena_realloc(arena, piece, 100, bad[i]), ENOMEM);
    CHECK(!lido_arena_try_extend(arena, piece, 100, bad[i]));
    CHECK_ARENA(arena);
  }
  CHECK(objects_hold(piece, 100, 1));
  lido_arena_destroy(arena);
}

/* ---- Across the size from which pieces have blocks of their own ---- */

TEST(arena_resize, growing_to_a_block_of_its_own_keeps_the_contents) {
  lido_arena *arena = arena_with(NULL);
  size_t most = lido_arena_large_bytes(arena);
  char *piece = arena_piece(arena, 1000, 1);
  for (size_t bytes = 1000; bytes < 20 * most; bytes = bytes * 3 / 2) {
    piece = lido_arena_realloc(arena, piece, bytes, bytes * 3 / 2);
    CHECK_NOT_NULL(piece);
    CHECK(objects_hold(piece, bytes, 1));
    objects_fill(piece, bytes * 3 / 2, 1);
    CHECK_ARENA(arena);
  }
  CHECK_LE(arena_stats(arena).large, 40 * most); /* the earlier ones went back */
  lido_arena_destroy(arena);
}

TEST(arena_resize, shrinking_from_a_block_of_its_own_keeps_the_contents) {
  lido_arena *arena = arena_with(NULL);
  size_t most = lido_arena_large_bytes(arena);
  for (size_t bytes = 8 * most; bytes > 100; bytes /= 2) {
    char *piece = arena_piece(arena, 8 * most, 1);
    piece = lido_arena_realloc(arena, piece, 8 * most, bytes);
    CHECK_NOT_NULL(piece);
    CHECK(objects_hold(piece, bytes, 1));
    CHECK_ARENA(arena);
    piece = lido_arena_realloc(arena, piece, bytes, 4 * most);
    CHECK_NOT_NULL(piece);
    CHECK(objects_hold(piece, bytes < 4 * most ? bytes : 4 * most, 1));
    lido_arena_free(arena, piece, 4 * most);
    CHECK_ARENA(arena);
  }
  lido_arena_destroy(arena);
}

/* Some callers, Lua for one, take for granted that it does. */
TEST(arena_resize, shrinking_never_fails) {
  arena_source source;
  lido_backing *backing = arena_source_backing(&source);
  lido_arena *arena = arena_with(&(lido_arena_options){.backing = backing});
  char *large = arena_piece(arena, 100000, 1);
  source.fails = true;
  static const size_t sizes[] = {100000, 90000, 20000, 16000, 100, 16, 1};
  for (size_t i = 1; i < sizeof sizes / sizeof sizes[0]; i++) {
    errno = 4242;
    large = lido_arena_realloc(arena, large, sizes[i - 1], sizes[i]);
    CHECK_NOT_NULL(large);
    CHECK_EQ(errno, 4242);
    CHECK(objects_hold(large, sizes[i], 1));
    CHECK_ARENA(arena);
  }
  CHECK(!lido_arena_failed(arena));
  lido_arena_destroy(arena);
  arena_source_end(&source, backing);
}

TEST(arena_resize, a_block_of_its_own_grows_to_its_end) {
  lido_arena *arena = arena_with(NULL);
  char *large = arena_piece(arena, 100001, 1);
  CHECK(lido_arena_try_extend(arena, large, 100001, 100016));
  objects_fill(large, 100016, 2);
  CHECK(!lido_arena_try_extend(arena, large, 100016, 200000));
  CHECK(objects_hold(large, 100016, 2));
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

/* ---- Extend and shrink ---- */

TEST(arena_resize, extend_works_in_place_or_not_at_all) {
  lido_arena *arena = arena_with(NULL);
  char *first = arena_piece(arena, 100, 1);
  CHECK(lido_arena_try_extend(arena, first, 100, 200));
  CHECK(objects_hold(first, 100, 1));
  objects_fill(first, 200, 1);
  char *second = arena_piece(arena, 100, 2);
  CHECK(second >= first + 200);
  CHECK(!lido_arena_try_extend(arena, first, 200, 300));
  CHECK(!lido_arena_try_extend(arena, second, 100, 100000));
  CHECK(!lido_arena_try_extend(arena, second, 100, 4000)); /* more than the block has */
  CHECK(!lido_arena_try_extend(arena, NULL, 0, 10));
  CHECK(!lido_arena_failed(arena)); /* that was only a question */
  CHECK(objects_hold(first, 200, 1));
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_resize, what_a_shrink_leaves_is_free_again) {
  lido_arena *arena = arena_with(NULL);
  size_t before = used(arena);
  char *piece = arena_piece(arena, 1000, 1);
  lido_arena_shrink(arena, piece, 1000, 100);
  CHECK_LE(used(arena), before + 128);
  CHECK(objects_hold(piece, 100, 1));
  char *next = arena_piece(arena, 500, 2);
  CHECK_LT(next, piece + 1000);
  CHECK(objects_hold(piece, 100, 1));
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_resize, shrinking_another_piece_or_to_more_does_nothing) {
  lido_arena *arena = arena_with(NULL);
  char *piece = arena_piece(arena, 1000, 1);
  lido_arena_shrink(arena, piece, 1000, 1000);
  lido_arena_shrink(arena, piece, 1000, 5000);
  lido_arena_shrink(arena, NULL, 100, 10);
  char *behind = arena_piece(arena, 100, 2);
  size_t before = used(arena);
  lido_arena_shrink(arena, piece, 1000, 10);
  CHECK_EQ(used(arena), before);
  CHECK(objects_hold(piece, 10, 1));
  CHECK(objects_hold(behind, 100, 2));
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

/* ---- Free ---- */

TEST(arena_resize, the_newest_is_free_again_when_given_back) {
  lido_arena *arena = arena_with(NULL);
  arena_piece(arena, 16, 1);
  size_t before = used(arena);
  for (size_t bytes = 0; bytes < 3000; bytes += 13) {
    void *piece = arena_piece(arena, bytes, 2);
    lido_arena_free(arena, piece, bytes);
    CHECK_EQ(used(arena), before);
    CHECK_ARENA(arena);
  }
  lido_arena_destroy(arena);
}

TEST(arena_resize, a_stack_of_pieces_can_be_given_back_from_the_top) {
  lido_arena *arena = arena_with(&(lido_arena_options){.chunk_bytes = 64 * KIB});
  void *pieces[100];
  size_t before = used(arena);
  for (size_t i = 0; i < 100; i++) pieces[i] = arena_piece(arena, i * 3, i);
  for (size_t i = 100; i-- > 0;) {
    CHECK(objects_hold(pieces[i], i * 3, i));
    lido_arena_free(arena, pieces[i], i * 3);
    CHECK_ARENA(arena);
  }
  CHECK_LE(used(arena), before + 16);
  lido_arena_destroy(arena);
}

TEST(arena_resize, giving_another_piece_back_does_nothing) {
  lido_arena *arena = arena_with(NULL);
  char *first = arena_piece(arena, 100, 1);
  char *second = arena_piece(arena, 100, 2);
  size_t before = used(arena);
  lido_arena_free(arena, first, 100);
  lido_arena_free(arena, NULL, 100);
  CHECK_EQ(used(arena), before);
  CHECK(objects_hold(second, 100, 2));
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_resize, a_large_piece_goes_back_at_once) {
  arena_source source;
  lido_backing *backing = arena_source_backing(&source);
  lido_arena *arena = arena_with(&(lido_arena_options){.backing = backing});
  arena_piece(arena, 100, 1);
  size_t before = source.bytes;
  void *pieces[20];
  for (size_t i = 0; i < 20; i++) pieces[i] = arena_piece(arena, 20000 + i * 1000, i);
  for (size_t i = 0; i < 20; i++) {
    size_t next = i * 7 % 20; /* in any order */
    CHECK(objects_hold(pieces[next], 20000 + next * 1000, next));
    size_t bytes = source.bytes;
    lido_arena_free(arena, pieces[next], 20000 + next * 1000);
    CHECK_GE(bytes - source.bytes, 20000 + next * 1000);
    CHECK_ARENA(arena);
  }
  CHECK_EQ(source.bytes, before);
  CHECK_EQ(arena_stats(arena).large, 0);
  lido_arena_destroy(arena);
  arena_source_end(&source, backing);
}

/* Where the piece before ends, another block may begin; a piece of one is never the newest of the other. */
TEST(arena_resize, pieces_at_the_ends_of_blocks_stay_apart) {
  static arena_pieces pieces;
  pieces.count = 0;
  lido_arena *arena = arena_with(&(lido_arena_options){.chunk_bytes = 256, .chunk_bytes_max = 256});
  for (size_t i = 0; i < 2000; i++) {
    arena_pieces_add(&pieces, arena, 1 + i % 64);
    if (i % 3 == 0) continue;
    size_t last = pieces.count - 1 - i % 3;
    size_t bytes = pieces.items[last].bytes;
    if (lido_arena_try_extend(arena, pieces.items[last].data, bytes, bytes + 16)) {
      pieces.items[last].bytes = bytes + 16;
      objects_fill(pieces.items[last].data, bytes + 16, last);
    }
    CHECK_ARENA(arena);
  }
  CHECK(arena_pieces_hold(&pieces, arena));
  lido_arena_destroy(arena);
}
