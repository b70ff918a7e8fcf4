/* arena_blocks_test.c: which blocks an arena takes, and which it takes again. */
#include "tests/support/arenas.h"

/* A full current block and one byte more: the arena has exactly one block more. */
static size_t next_block_bytes(lido_arena *arena) {
  lido_arena_stats before = arena_stats(arena);
  while (arena_stats(arena).blocks == before.blocks) memset(lido_arena_alloc(arena, 16), 1, 16);
  CHECK_EQ(arena_stats(arena).blocks, before.blocks + 1);
  return arena_stats(arena).reserved - before.reserved;
}

TEST(arena_blocks, double_up_to_64_KiB) {
  lido_arena *arena = arena_with(NULL);
  for (size_t due = 4 * KIB; due < 64 * KIB; due *= 2) CHECK_EQ(next_block_bytes(arena), due);
  for (int i = 0; i < 5; i++) CHECK_EQ(next_block_bytes(arena), 64 * KIB);
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_blocks, double_up_to_the_largest_asked_for) {
  lido_arena *arena = arena_with(&(lido_arena_options){.chunk_bytes = 1024, .chunk_bytes_max = 5000});
  static const size_t due[] = {1024, 2048, 4096, 5000, 5000, 5000};
  for (size_t i = 0; i < sizeof due / sizeof due[0]; i++) CHECK_EQ(next_block_bytes(arena), due[i]);
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_blocks, a_first_block_beyond_64_KiB_is_the_size_of_all) {
  lido_arena *arena = arena_with(&(lido_arena_options){.chunk_bytes = 100000});
  for (int i = 0; i < 4; i++) CHECK_EQ(next_block_bytes(arena), 100000);
  lido_arena_destroy(arena);
}

TEST(arena_blocks, a_piece_of_a_quarter_of_the_largest_lies_in_a_common_block) {
  lido_arena *arena = arena_with(NULL);
  size_t most = lido_arena_large_bytes(arena);
  CHECK_EQ(most, 16 * KIB);
  arena_piece(arena, most, 1);
  CHECK_EQ(arena_stats(arena).large, 0);
  arena_piece(arena, most + 1, 2);
  CHECK_GT(arena_stats(arena).large, most);
  CHECK_LE(arena_stats(arena).large, most + 256);
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_blocks, every_block_has_room_for_what_asked_for_it) {
  for (size_t bytes = 1; bytes <= 16 * KIB; bytes += bytes / 3 + 1) {
    for (size_t align = 16; align <= MEBIBYTE; align *= 16) {
      lido_arena *arena = arena_with(&(lido_arena_options){.chunk_bytes = 256});
      void *piece = lido_arena_alloc_aligned(arena, bytes, align);
      CHECK_NOT_NULL(piece);
      objects_fill(piece, bytes, 1);
      CHECK_ARENA(arena);
      lido_arena_destroy(arena);
    }
  }
}

/* A request of 1 MB must not make the next small one take 2 MB. */
TEST(arena_blocks, a_large_piece_does_not_change_how_blocks_grow) {
  lido_arena *arena = arena_with(NULL);
  char *small = arena_piece(arena, 100, 1);
  for (int i = 0; i < 10; i++) arena_piece(arena, MEBIBYTE, 2);
  CHECK_EQ(arena_stats(arena).blocks, 11);
  char *next = arena_piece(arena, 100, 3);
  CHECK_GT(next, small);
  CHECK_LT(next, small + 200); /* in the same block */
  CHECK_EQ(next_block_bytes(arena), 8 * KIB);
  CHECK(objects_hold(small, 100, 1));
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_blocks, a_large_piece_may_be_the_first_of_all) {
  lido_arena *arena = arena_with(NULL);
  char *large = arena_piece(arena, MEBIBYTE, 1);
  CHECK_ARENA(arena);
  CHECK_EQ(next_block_bytes(arena), 4 * KIB);
  CHECK(objects_hold(large, MEBIBYTE, 1));
  lido_arena_destroy(arena);
}

TEST(arena_blocks, a_rewind_keeps_blocks_and_they_are_used_again) {
  lido_arena *arena = arena_with(NULL);
  arena_piece(arena, 16, 1);
  lido_arena_mark mark = lido_arena_mark_get(arena);
  arena_use(arena, 200 * KIB, 100);
  lido_arena_stats full = arena_stats(arena);
  for (int i = 0; i < 100; i++) {
    lido_arena_rewind(arena, mark);
    CHECK_ARENA(arena);
    CHECK_EQ(arena_stats(arena).reserved, full.reserved);
    arena_use(arena, 200 * KIB, 100);
    CHECK_ARENA(arena);
  }
  CHECK_EQ(arena_stats(arena).blocks_made, full.blocks_made);
  lido_arena_destroy(arena);
}

/* A loop that goes back and forth over the end of a block must not take one each time. */
TEST(arena_blocks, a_loop_over_the_end_of_a_block_takes_no_more) {
  lido_arena *arena = arena_with(NULL);
  arena_use(arena, 3000, 1000);
  lido_arena_mark mark = lido_arena_mark_get(arena);
  arena_use(arena, 2000, 1000);
  uint64_t made = arena_stats(arena).blocks_made;
  for (int i = 0; i < 1000; i++) {
    lido_arena_rewind(arena, mark);
    arena_use(arena, 2000, 1000);
  }
  CHECK_EQ(arena_stats(arena).blocks_made, made);
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

/* In others this looped for ever. */
TEST(arena_blocks, kept_blocks_that_are_too_small_are_passed_over) {
  lido_arena *arena = arena_with(&(lido_arena_options){.chunk_bytes = 256, .chunk_bytes_max = 64 * KIB});
  lido_arena_mark mark = lido_arena_mark_get(arena);
  for (int i = 0; i < 20; i++) {
    arena_use(arena, 600, 100);
    lido_arena_rewind(arena, mark);
    void *piece = arena_piece(arena, 16 * KIB, 5);
    CHECK_ARENA(arena);
    CHECK(objects_hold(piece, 16 * KIB, 5));
    lido_arena_rewind(arena, mark);
    void *aligned = lido_arena_alloc_aligned(arena, 1000, 8 * KIB);
    CHECK_EQ((uintptr_t)aligned % (8 * KIB), 0);
    lido_arena_rewind(arena, mark);
    CHECK_ARENA(arena);
  }
  CHECK_LT(arena_stats(arena).blocks_made, 12);
  lido_arena_destroy(arena);
}

TEST(arena_blocks, are_charged_as_they_are_given) {
  arena_source source;
  lido_backing *backing = arena_source_backing(&source);
  lido_arena *arena = arena_with(&(lido_arena_options){.backing = backing});
  size_t own = source.bytes;
  arena_use(arena, 300 * KIB, 1000);
  arena_piece(arena, 100000, 1);
  CHECK_EQ(arena_stats(arena).reserved, source.bytes - own);
  lido_arena_destroy(arena);
  CHECK_EQ(source.bytes, own);
  arena_source_end(&source, backing);
}

/* When a block as large as is due can't be had, one as large as needed will do. */
TEST(arena_blocks, a_smaller_block_is_better_than_none) {
  arena_source source;
  lido_backing *backing = arena_source_backing(&source);
  lido_arena *arena = arena_with(&(lido_arena_options){.backing = backing});
  arena_use(arena, 60 * KIB, 1000);
  source.most = 2000;
  errno = 4242;
  for (int i = 0; i < 100; i++) CHECK_NOT_NULL(lido_arena_alloc(arena, 1000));
  CHECK_EQ(errno, 4242);
  CHECK(!lido_arena_failed(arena));
  CHECK_ARENA(arena);
  source.most = 0;
  arena_use(arena, 100 * KIB, 1000);
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
  arena_source_end(&source, backing);
}

TEST(arena_blocks, no_memory_changes_nothing) {
  static arena_pieces pieces;
  pieces.count = 0;
  arena_source source;
  lido_backing *backing = arena_source_backing(&source);
  lido_arena *arena = arena_with(&(lido_arena_options){.backing = backing});
  for (int round = 0; round < 5; round++) {
    for (int i = 0; i < 50; i++) arena_pieces_add(&pieces, arena, (size_t)i * 31 + 1);
    source.fails = true;
    while (lido_arena_alloc(arena, 64) != NULL) continue;
    lido_arena_stats before = arena_stats(arena);
    CHECK_FAILS(lido_arena_alloc(arena, 5000), ENOMEM);
    CHECK_FAILS(lido_arena_alloc(arena, 50000), ENOMEM);
    CHECK_FAILS(lido_arena_alloc_aligned(arena, 64, 65536), ENOMEM);
    CHECK_FAILS(
        lido_arena_strdup(arena, "a text that is longer than what is left of a block that can't even hold sixty-four"),
        ENOMEM);
    CHECK_EQ(arena_stats(arena).reserved, before.reserved);
    CHECK_EQ(arena_stats(arena).used, before.used);
    CHECK_EQ(arena_stats(arena).failures, before.failures + 4);
    CHECK(lido_arena_failed(arena));
    CHECK_ARENA(arena);
    CHECK(arena_pieces_hold(&pieces, arena));
    source.fails = false;
  }
  lido_arena_destroy(arena);
  arena_source_end(&source, backing);
}
