/* arena_alloc_test.c: pieces of every size and alignment. */
#include "tests/support/arenas.h"

enum { MANY = 5001 };

static unsigned char *pieces[MANY];

static void check_every_size(const lido_arena_options *options) {
  lido_arena *arena = arena_with(options);
  for (int round = 0; round < 2; round++) {
    for (size_t bytes = 0; bytes < MANY; bytes++) pieces[bytes] = arena_piece(arena, bytes, bytes);
    CHECK_ARENA(arena);
    for (size_t bytes = 0; bytes < MANY; bytes++) CHECK(objects_hold(pieces[bytes], bytes, bytes));
    CHECK_GE(arena_stats(arena).used, MANY / 2 * (MANY - 1));
    CHECK(!lido_arena_failed(arena));
    lido_arena_reset(arena);
    CHECK_ARENA(arena);
  }
  lido_arena_destroy(arena);
}

TEST(arena_alloc, pieces_of_every_size_are_aligned_and_apart) {
  check_every_size(NULL);
  check_every_size(&(lido_arena_options){.chunk_bytes = 256, .chunk_bytes_max = 256});
  check_every_size(&(lido_arena_options){.chunk_bytes = MEBIBYTE, .retain = LIDO_ARENA_RETAIN_ALL});
  check_every_size(&(lido_arena_options){.reserve_bytes = 64 * MEBIBYTE});
  check_every_size(&(lido_arena_options){.flags = LIDO_ARENA_PASSTHROUGH});
  check_every_size(&(lido_arena_options){.flags = LIDO_ARENA_REUSE});
}

TEST(arena_alloc, no_bytes_are_a_pointer_too) {
  lido_arena *arena = arena_with(NULL);
  for (int i = 0; i < 10000; i++) CHECK_NOT_NULL(lido_arena_alloc(arena, 0));
  char *piece = arena_piece(arena, 16, 1);
  CHECK_NOT_NULL(lido_arena_alloc(arena, 0));
  CHECK(objects_hold(piece, 16, 1));
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

static void check_alignments(const lido_arena_options *options, size_t largest) {
  lido_arena *arena = arena_with(options);
  for (size_t align = 1; align <= largest; align *= 2) {
    for (size_t bytes = 0; bytes <= 3 * align && bytes < 100000; bytes += align / 3 + 1) {
      void *piece = lido_arena_alloc_aligned(arena, bytes, align);
      CHECK_NOT_NULL(piece);
      CHECK_EQ((uintptr_t)piece % align, 0);
      CHECK_EQ((uintptr_t)piece % LIDO_ARENA_ALIGN, 0);
      objects_fill(piece, bytes, align);
      lido_arena_alloc(arena, 24);
      CHECK(objects_hold(piece, bytes, align));
    }
    CHECK_ARENA(arena);
  }
  lido_arena_reset(arena);
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_alloc, any_power_of_two_up_to_a_mebibyte_is_an_alignment) {
  check_alignments(NULL, MEBIBYTE);
  check_alignments(&(lido_arena_options){.chunk_bytes = 256, .chunk_bytes_max = 256}, MEBIBYTE);
  check_alignments(&(lido_arena_options){.reserve_bytes = (size_t)256 * MEBIBYTE}, MEBIBYTE);
  check_alignments(&(lido_arena_options){.flags = LIDO_ARENA_PASSTHROUGH}, MEBIBYTE);
  check_alignments(&(lido_arena_options){.flags = LIDO_ARENA_REUSE}, MEBIBYTE);
}

TEST(arena_alloc, a_large_piece_may_be_aligned) {
  lido_arena *arena = arena_with(NULL);
  for (size_t align = 1; align <= MEBIBYTE; align *= 2) {
    void *piece = lido_arena_alloc_aligned(arena, 100000, align);
    CHECK_NOT_NULL(piece);
    CHECK_EQ((uintptr_t)piece % align, 0);
    objects_fill(piece, 100000, align);
    CHECK(objects_hold(piece, 100000, align));
    CHECK_ARENA(arena);
    if (align % 3 == 1) lido_arena_free(arena, piece, 100000);
  }
  lido_arena_destroy(arena);
}

TEST(arena_alloc, other_alignments_are_refused) {
  static const size_t bad[] = {0,       3, 5, 6, 12, 15, 17, 24, 48, 1000, MEBIBYTE + 1, 2 * MEBIBYTE, SIZE_MAX / 2 + 1,
                               SIZE_MAX};
  lido_arena *arena = arena_with(NULL);
  for (int used = 0; used < 2; used++) {
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
      CHECK_FAILS(lido_arena_alloc_aligned(arena, 16, bad[i]), EINVAL);
      CHECK_FAILS(lido_arena_alloc_aligned(arena, SIZE_MAX, bad[i]), EINVAL);
      CHECK_FAILS(lido_arena_zeroed(arena, 1, 16, bad[i]), EINVAL);
    }
    CHECK_ARENA(arena);
    CHECK_NOT_NULL(lido_arena_alloc(arena, 100));
  }
  lido_arena_destroy(arena);
}

/* ---- Too much ---- */

static void check_too_much(const lido_arena_options *options) {
  static const size_t bad[] = {SIZE_MAX,      SIZE_MAX - 1,        SIZE_MAX - 14,    SIZE_MAX - 15,
                               SIZE_MAX - 16, SIZE_MAX - 63,       SIZE_MAX - 4096,  SIZE_MAX / 2 + 1,
                               SIZE_MAX / 2,  SIZE_MAX / 2 - 4096, SIZE_MAX / 4 + 1, SIZE_MAX / 4 - 99};
  lido_arena *arena = arena_with(options);
  arena_piece(arena, 50, 7);
  lido_arena_stats before = arena_stats(arena);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    CHECK_FAILS(lido_arena_alloc(arena, bad[i]), ENOMEM);
    CHECK_FAILS(lido_arena_alloc_call(arena, bad[i]), ENOMEM);
    CHECK_FAILS(lido_arena_alloc_aligned(arena, bad[i], 4096), ENOMEM);
    CHECK_FAILS(lido_arena_alloc_aligned(arena, bad[i], MEBIBYTE), ENOMEM);
    CHECK_FAILS(lido_arena_calloc(arena, 1, bad[i]), ENOMEM);
    CHECK_FAILS(lido_arena_calloc(arena, bad[i], 1), ENOMEM);
    CHECK_FAILS(lido_arena_alloc_array(arena, 2, bad[i]), ENOMEM);
    CHECK_ARENA(arena);
  }
  CHECK(lido_arena_failed(arena));
  CHECK_EQ(arena_stats(arena).used, before.used);
  CHECK_EQ(arena_stats(arena).reserved, before.reserved);
  CHECK_GE(arena_stats(arena).failures, sizeof bad / sizeof bad[0]);
  arena_piece(arena, 50, 8);
  lido_arena_destroy(arena);
}

TEST(arena_alloc, sizes_near_the_end_of_size_t_fail_cleanly) {
  static _Alignas(16) char buffer[4096];
  check_too_much(NULL);
  check_too_much(&(lido_arena_options){.reserve_bytes = MEBIBYTE});
  check_too_much(&(lido_arena_options){.flags = LIDO_ARENA_REUSE});
#if !defined(LIDO_ASAN) && !defined(LIDO_MSAN) && !defined(LIDO_TSAN) && !defined(__SANITIZE_THREAD__)
  check_too_much(
      &(lido_arena_options){.flags = LIDO_ARENA_PASSTHROUGH}); /* a sanitizer's malloc would end the process */
#endif
  check_too_much(&(lido_arena_options){.buffer = buffer, .buffer_bytes = sizeof buffer});
  check_too_much(&(lido_arena_options){.buffer = buffer, .buffer_bytes = sizeof buffer, .flags = LIDO_ARENA_FIXED});
}

TEST(arena_alloc, a_product_that_wraps_fails) {
  static const size_t bad[][2] = {{SIZE_MAX, 2},
                                  {2, SIZE_MAX},
                                  {SIZE_MAX / 2 + 1, 2},
                                  {SIZE_MAX, SIZE_MAX},
                                  {3, SIZE_MAX / 2},
                                  {SIZE_MAX / 16 + 1, 16},
                                  {(size_t)1 << 32, (size_t)1 << 32},
                                  {(size_t)1 << 33, ((size_t)1 << 31) + 1}};
  lido_arena *arena = arena_with(NULL);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    CHECK_FAILS(lido_arena_calloc(arena, bad[i][0], bad[i][1]), ENOMEM);
    CHECK_FAILS(lido_arena_alloc_array(arena, bad[i][0], bad[i][1]), ENOMEM);
    CHECK_FAILS(lido_arena_zeroed(arena, bad[i][0], bad[i][1], 64), ENOMEM);
    CHECK(lido_arena_failed(arena));
    lido_arena_reset(arena);
    CHECK(!lido_arena_failed(arena));
  }
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_alloc, a_product_with_a_zero_is_no_bytes) {
  lido_arena *arena = arena_with(NULL);
  CHECK_NOT_NULL(lido_arena_calloc(arena, 0, SIZE_MAX));
  CHECK_NOT_NULL(lido_arena_calloc(arena, SIZE_MAX, 0));
  CHECK_NOT_NULL(lido_arena_alloc_array(arena, 0, SIZE_MAX));
  CHECK_NOT_NULL(lido_arena_alloc_array(arena, 0, 0));
  CHECK(!lido_arena_failed(arena));
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

/* ---- Zeroed ---- */

static void dirty(lido_arena *arena) {
  for (int i = 0; i < 100; i++) {
    size_t bytes = (size_t)i * 41 + 1;
    memset(lido_arena_alloc(arena, bytes), 0xee, bytes);
  }
  memset(lido_arena_alloc(arena, 100000), 0xee, 100000);
}

static void check_zeroed(const lido_arena_options *options) {
  lido_arena *arena = arena_with(options);
  for (int round = 0; round < 5; round++) {
    dirty(arena);
    lido_arena_reset(arena);
    for (size_t bytes = 0; bytes < 1000; bytes += 7) {
      CHECK(objects_are_all(lido_arena_calloc(arena, 3, bytes), 3 * bytes, 0));
      CHECK(objects_are_all(lido_arena_zeroed(arena, 2, bytes, 256), 2 * bytes, 0));
    }
    CHECK(objects_are_all(lido_arena_calloc(arena, 1, 100000), 100000, 0));
    CHECK_ARENA(arena);
    lido_arena_reset(arena);
  }
  lido_arena_destroy(arena);
}

TEST(arena_alloc, calloc_zeroes_memory_that_was_used) {
  arena_source source;
  lido_backing *backing = arena_source_backing(&source);
  check_zeroed(NULL);
  check_zeroed(&(lido_arena_options){.retain = LIDO_ARENA_RETAIN_ALL});
  check_zeroed(&(lido_arena_options){.reserve_bytes = 16 * MEBIBYTE});
  check_zeroed(&(lido_arena_options){.flags = LIDO_ARENA_PASSTHROUGH});
  check_zeroed(&(lido_arena_options){.backing = backing});
  arena_source_end(&source, backing);
}

struct query {
  _Alignas(64) int number;
  char text[100];
};

TEST(arena_alloc, typed_objects_are_zeroed_and_aligned) {
  lido_arena *arena = arena_with(NULL);
  dirty(arena);
  lido_arena_reset(arena);
  for (int i = 0; i < 100; i++) {
    struct query *query = LIDO_ARENA_NEW(arena, struct query);
    CHECK_NOT_NULL(query);
    CHECK_EQ((uintptr_t)query % 64, 0);
    CHECK(objects_are_all(query, sizeof *query, 0));
    struct query *row = LIDO_ARENA_ARRAY(arena, struct query, 5);
    CHECK_EQ((uintptr_t)row % 64, 0);
    CHECK(objects_are_all(row, 5 * sizeof *row, 0));
    memset(row, 0xcc, 5 * sizeof *row);
    lido_arena_alloc(arena, 1);
  }
  CHECK_FAILS(LIDO_ARENA_ARRAY(arena, struct query, SIZE_MAX / 64), ENOMEM);
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_alloc, an_array_has_room_for_all_its_elements) {
  lido_arena *arena = arena_with(NULL);
  for (size_t count = 0; count < 300; count++) {
    uint64_t *numbers = lido_arena_alloc_array(arena, count, sizeof *numbers);
    CHECK_NOT_NULL(numbers);
    objects_fill(numbers, count * sizeof *numbers, count);
    void *next = lido_arena_alloc(arena, 8);
    memset(next, 0, 8);
    CHECK(objects_hold(numbers, count * sizeof *numbers, count));
  }
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_alloc, the_plain_function_does_what_the_inline_one_does) {
  lido_arena *arena = arena_with(NULL);
  void *(*alloc)(lido_arena *, size_t) = lido_arena_alloc_call;
  for (size_t bytes = 0; bytes < 3000; bytes += 11) {
    void *piece = alloc(arena, bytes);
    CHECK_NOT_NULL(piece);
    CHECK_EQ((uintptr_t)piece % LIDO_ARENA_ALIGN, 0);
    objects_fill(piece, bytes, bytes);
    CHECK_ARENA(arena);
  }
  lido_arena_destroy(arena);
}
