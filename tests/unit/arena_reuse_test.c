/* arena_reuse_test.c: LIDO_ARENA_REUSE: pieces that were given back are handed out again. */
#include "tests/support/arenas.h"
#include "tests/support/random.h"

static lido_arena *reusing(void) { return arena_with(&(lido_arena_options){.flags = LIDO_ARENA_REUSE}); }

TEST(arena_reuse, a_piece_of_the_same_size_comes_again) {
  lido_arena *arena = reusing();
  for (size_t bytes = 1; bytes <= 16 * KIB; bytes += bytes / 10 + 1) {
    void *piece = arena_piece(arena, bytes, 1);
    arena_piece(arena, 16, 2);
    lido_arena_free(arena, piece, bytes);
    CHECK_ARENA(arena);
    CHECK_SAME(lido_arena_alloc(arena, bytes), piece);
    objects_fill(piece, bytes, 3);
    CHECK_ARENA(arena);
  }
  lido_arena_destroy(arena);
}

/* A long connection: messages come and go, and the arena does not grow. */
static void check_connection(size_t smallest, size_t largest) {
  enum { HELD = 20 };
  lido_arena *arena = reusing();
  testing_random random = {smallest};
  struct {
    void *data;
    size_t bytes;
  } held[HELD] = {{0}};
  uint64_t settled = 0;
  uint64_t asked = 0;
  size_t messages = testing_scaled(17000) + 3000;
  for (size_t i = 0; i < messages; i++) {
    size_t slot = testing_below(&random, HELD);
    if (held[slot].data != NULL) {
      CHECK(objects_hold(held[slot].data, held[slot].bytes, slot));
      lido_arena_free(arena, held[slot].data, held[slot].bytes);
    }
    held[slot].bytes = smallest + testing_below(&random, largest - smallest + 1);
    asked += held[slot].bytes;
    held[slot].data = arena_piece(arena, held[slot].bytes, slot);
    if (i % 500 == 0) CHECK_ARENA(arena);
    if (i == 2000) settled = arena_stats(arena).used;
  }
  if (smallest == largest) CHECK_EQ(arena_stats(arena).used, settled);
  CHECK_LE(arena_stats(arena).used, asked / 3 + MEBIBYTE);
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_reuse, equal_messages_for_ever_need_no_more_memory) {
  for (size_t bytes = 1; bytes < 16000; bytes = bytes * 5 / 4 + 1) check_connection(bytes, bytes);
}

TEST(arena_reuse, most_messages_of_many_sizes_find_a_place) {
  check_connection(1, 512);
  check_connection(500, 3000);
  check_connection(1, 16000);
}

TEST(arena_reuse, a_request_is_never_served_by_a_smaller_piece) {
  static arena_pieces pieces;
  for (size_t given = 1; given < 5000; given = given * 4 / 3 + 1) {
    lido_arena *arena = reusing();
    for (size_t wanted = 1; wanted < 6000; wanted = wanted * 3 / 2 + 1) {
      pieces.count = 0;
      void *old = arena_piece(arena, given, 1);
      arena_pieces_add(&pieces, arena, 100);
      lido_arena_free(arena, old, given);
      for (int i = 0; i < 4; i++) arena_pieces_add(&pieces, arena, wanted);
      CHECK(arena_pieces_hold(&pieces, arena));
      CHECK_ARENA(arena);
    }
    lido_arena_destroy(arena);
  }
}

TEST(arena_reuse, a_larger_piece_serves_when_there_is_none_of_the_size) {
  lido_arena *arena = reusing();
  void *large = arena_piece(arena, 8192, 1);
  arena_piece(arena, 16, 2);
  lido_arena_free(arena, large, 8192);
  CHECK_SAME(arena_piece(arena, 3000, 3), large);
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_reuse, aligned_pieces_stay_aligned) {
  lido_arena *arena = reusing();
  for (int i = 0; i < 200; i++) {
    void *piece = lido_arena_alloc_aligned(arena, 128, 128);
    CHECK_EQ((uintptr_t)piece % 128, 0);
    void *other = arena_piece(arena, 128, 1);
    lido_arena_free(arena, piece, 128);
    lido_arena_free(arena, other, 128);
    CHECK_ARENA(arena);
  }
  lido_arena_destroy(arena);
}

TEST(arena_reuse, once_nothing_waits_new_pieces_come_from_the_block_again) {
  lido_arena *arena = reusing();
  void *first = arena_piece(arena, 64, 1);
  char *newest = arena_piece(arena, 64, 2);
  lido_arena_free(arena, first, 64);
  CHECK_SAME(arena_piece(arena, 64, 3), first);
  char *next = arena_piece(arena, 64, 4);
  CHECK(next > newest && next <= newest + 128);
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_reuse, a_reset_or_rewind_forgets_what_waited) {
  static arena_pieces pieces;
  for (int rewinds = 0; rewinds < 2; rewinds++) {
    lido_arena *arena = reusing();
    for (int round = 0; round < 20; round++) {
      lido_arena_mark mark = lido_arena_mark_get(arena);
      pieces.count = 0;
      for (size_t i = 0; i < 50; i++) arena_pieces_add(&pieces, arena, 64);
      for (size_t i = 0; i < 40; i++) lido_arena_free(arena, pieces.items[i].data, 64);
      CHECK_ARENA(arena);
      if (rewinds) {
        lido_arena_rewind(arena, mark);
      } else {
        lido_arena_reset(arena);
      }
      CHECK_ARENA(arena);
      pieces.count = 0;
      for (size_t i = 0; i < 100; i++) arena_pieces_add(&pieces, arena, 64);
      CHECK(arena_pieces_hold(&pieces, arena));
    }
    lido_arena_destroy(arena);
  }
}

TEST(arena_reuse, realloc_gives_the_old_piece_back) {
  lido_arena *arena = reusing();
  void *old = arena_piece(arena, 64, 1);
  arena_piece(arena, 16, 2);
  void *moved = lido_arena_realloc(arena, old, 64, 200);
  CHECK(moved != old);
  CHECK(objects_hold(moved, 64, 1));
  CHECK_SAME(arena_piece(arena, 64, 3), old);
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_reuse, pieces_without_bytes_may_be_given_back) {
  lido_arena *arena = reusing();
  for (int i = 0; i < 1000; i++) {
    void *held = arena_piece(arena, 16, 1);
    void *nothing = lido_arena_alloc(arena, 0);
    arena_piece(arena, 32, 2);
    lido_arena_free(arena, held, 16);
    lido_arena_free(arena, nothing, 0);
    CHECK_ARENA(arena);
    lido_arena_free(arena, arena_piece(arena, 5, 3), 5);
  }
  lido_arena_destroy(arena);
}

TEST(arena_reuse, works_in_a_buffer_and_in_a_reservation) {
  static _Alignas(16) char buffer[4096];
  const lido_arena_options all[] = {
      {.flags = LIDO_ARENA_REUSE | LIDO_ARENA_FIXED, .buffer = buffer, .buffer_bytes = sizeof buffer},
      {.flags = LIDO_ARENA_REUSE, .reserve_bytes = 4096},
  };
  for (size_t i = 0; i < 2; i++) {
    lido_arena *arena = arena_with(&all[i]);
    void *held[2] = {arena_piece(arena, 700, 0), arena_piece(arena, 700, 1)};
    for (size_t round = 0; round < 1000; round++) {
      CHECK(objects_hold(held[round % 2], 700, round % 2));
      lido_arena_free(arena, held[round % 2], 700);
      held[round % 2] = arena_piece(arena, 700, round % 2);
    }
    CHECK_ARENA(arena);
    lido_arena_destroy(arena);
  }
}
