/* arena_options_test.c: what lido_arena_create() takes and what it refuses. */
#include "tests/support/arenas.h"

static _Alignas(64) char buffer[64 * KIB];

#define CHECK_REFUSED(...) CHECK_FAILS(lido_arena_create(&(lido_arena_options){__VA_ARGS__}), EINVAL)

/* An arena with these options can be made, used, reset and ended. */
static void check_usable(const lido_arena_options *options) {
  lido_arena *arena = arena_with(options);
  for (int round = 0; round < 3; round++) {
    void *piece = arena_piece(arena, 100, 1);
    CHECK_ARENA(arena);
    CHECK(lido_arena_owns(arena, piece));
    CHECK(objects_hold(piece, 100, 1));
    CHECK(!lido_arena_failed(arena));
    lido_arena_reset(arena);
    CHECK_ARENA(arena);
    CHECK(!lido_arena_owns(arena, piece));
  }
  lido_arena_destroy(arena);
}

TEST(arena_options, none_at_all_are_complete) {
  check_usable(NULL);
  check_usable(&(lido_arena_options){0});
}

TEST(arena_options, a_first_block_has_256_bytes_to_one_gibibyte) {
  static const size_t bad[] = {1,       16, 255, ((size_t)1 << 30) + 1, (size_t)1 << 31, SIZE_MAX / 2, SIZE_MAX - 15,
                               SIZE_MAX};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    CHECK_REFUSED(.chunk_bytes = bad[i]);
    CHECK_REFUSED(.chunk_bytes_max = bad[i]);
    CHECK_REFUSED(.chunk_bytes = bad[i], .chunk_bytes_max = (size_t)1 << 30);
  }
  static const size_t good[] = {256, 257, 300, 1000, 4096, 1 << 20};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    check_usable(&(lido_arena_options){.chunk_bytes = good[i]});
    check_usable(&(lido_arena_options){.chunk_bytes_max = good[i]});
    check_usable(&(lido_arena_options){.chunk_bytes = good[i], .chunk_bytes_max = good[i]});
  }
}

TEST(arena_options, the_first_block_is_not_larger_than_the_largest) {
  CHECK_REFUSED(.chunk_bytes = 4097, .chunk_bytes_max = 4096);
  CHECK_REFUSED(.chunk_bytes = (size_t)1 << 30, .chunk_bytes_max = 256);
  check_usable(&(lido_arena_options){.chunk_bytes = 1 << 20}); /* more than the default of the largest */
  check_usable(&(lido_arena_options){.chunk_bytes_max = 256}); /* less than the default of the first */
}

TEST(arena_options, an_arena_that_is_never_used_takes_no_block) {
  lido_arena *arena = arena_with(&(lido_arena_options){.chunk_bytes = (size_t)1 << 30});
  CHECK_EQ(arena_stats(arena).reserved, 0);
  CHECK_EQ(arena_stats(arena).blocks, 0);
  lido_arena_reset(arena);
  CHECK_EQ(arena_stats(arena).blocks, 0);
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_options, a_buffer_has_a_least_size) {
  static const size_t bad[] = {0, 1, 16, LIDO_ARENA_BUFFER_MIN - 1, (size_t)PTRDIFF_MAX + 1, SIZE_MAX};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    CHECK_REFUSED(.buffer = buffer, .buffer_bytes = bad[i]);
    CHECK_REFUSED(.buffer = buffer, .buffer_bytes = bad[i], .flags = LIDO_ARENA_FIXED);
  }
  check_usable(&(lido_arena_options){.buffer = buffer, .buffer_bytes = LIDO_ARENA_BUFFER_MIN});
  check_usable(&(lido_arena_options){.buffer = buffer, .buffer_bytes = sizeof buffer});
  check_usable(
      &(lido_arena_options){.buffer = buffer, .buffer_bytes = LIDO_ARENA_BUFFER_MIN, .flags = LIDO_ARENA_FIXED});
}

TEST(arena_options, bytes_without_a_buffer_are_refused) {
  CHECK_REFUSED(.buffer_bytes = 4096);
  CHECK_REFUSED(.buffer_bytes = SIZE_MAX);
}

TEST(arena_options, a_fixed_arena_needs_a_buffer) {
  CHECK_REFUSED(.flags = LIDO_ARENA_FIXED);
  CHECK_REFUSED(.flags = LIDO_ARENA_FIXED, .reserve_bytes = MEBIBYTE);
}

TEST(arena_options, a_reservation_does_not_go_with_a_buffer) {
  CHECK_REFUSED(.buffer = buffer, .buffer_bytes = sizeof buffer, .reserve_bytes = MEBIBYTE);
  CHECK_REFUSED(.buffer = buffer, .buffer_bytes = sizeof buffer, .reserve_bytes = 1, .flags = LIDO_ARENA_FIXED);
}

TEST(arena_options, reservations_near_the_end_of_size_t_fail_cleanly) {
  static const size_t bad[] = {SIZE_MAX, SIZE_MAX - 4095, SIZE_MAX / 2, SIZE_MAX / 4 + 1};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) CHECK_REFUSED(.reserve_bytes = bad[i]);
  CHECK_FAILS(lido_arena_create(&(lido_arena_options){.reserve_bytes = SIZE_MAX / 4 - 4095}), ENOMEM);
  CHECK_FAILS(lido_arena_create(&(lido_arena_options){.reserve_bytes = SIZE_MAX / 8}), ENOMEM);
}

TEST(arena_options, a_small_reservation_is_a_page) {
  lido_arena *arena = arena_with(&(lido_arena_options){.reserve_bytes = 1});
  arena_piece(arena, 100, 1);
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_options, unknown_flags_are_refused) {
  for (unsigned bit = 3; bit < 32; bit++) CHECK_REFUSED(.flags = 1u << bit);
  CHECK_REFUSED(.flags = UINT32_MAX);
  check_usable(&(lido_arena_options){.flags = LIDO_ARENA_REUSE | LIDO_ARENA_PASSTHROUGH});
}

TEST(arena_options, every_retention_is_usable) {
  static const size_t retains[] = {LIDO_ARENA_RETAIN_AUTO, LIDO_ARENA_RETAIN_ALL, LIDO_ARENA_RETAIN_NONE, 1, 4096,
                                   SIZE_MAX - 2,           SIZE_MAX / 2};
  for (size_t i = 0; i < sizeof retains / sizeof retains[0]; i++) {
    check_usable(&(lido_arena_options){.retain = retains[i]});
    check_usable(&(lido_arena_options){.retain = retains[i], .buffer = buffer, .buffer_bytes = sizeof buffer});
    check_usable(&(lido_arena_options){.retain = retains[i], .reserve_bytes = MEBIBYTE});
    check_usable(&(lido_arena_options){.retain = retains[i], .flags = LIDO_ARENA_PASSTHROUGH});
  }
}

TEST(arena_options, a_limit_near_the_end_of_size_t_is_none) {
  check_usable(&(lido_arena_options){.max_bytes = SIZE_MAX});
  check_usable(&(lido_arena_options){.max_bytes = SIZE_MAX - 1, .reserve_bytes = MEBIBYTE});
}

TEST(arena_options, the_name_is_copied) {
  char name[] = "request";
  lido_arena *arena = arena_with(&(lido_arena_options){.name = name});
  memset(name, 'x', sizeof name - 1);
  CHECK_TEXT(lido_arena_name(arena), "request");
  lido_arena_destroy(arena);
}

TEST(arena_options, an_arena_without_a_name_is_called_arena) {
  lido_arena *arena = arena_with(NULL);
  CHECK_TEXT(lido_arena_name(arena), "arena");
  lido_arena_destroy(arena);
}

TEST(arena_options, a_name_may_be_empty_or_long) {
  char name[2000];
  memset(name, 'n', sizeof name);
  name[sizeof name - 1] = 0;
  lido_arena *arena = arena_with(&(lido_arena_options){.name = name});
  size_t kept = strlen(lido_arena_name(arena));
  CHECK_GE(kept, 40);
  CHECK_EQ(strncmp(lido_arena_name(arena), name, kept), 0);
  lido_arena_destroy(arena);
  arena = arena_with(&(lido_arena_options){.name = ""});
  CHECK_TEXT(lido_arena_name(arena), "");
  lido_arena_destroy(arena);
}

TEST(arena_options, the_options_may_change_after_create) {
  lido_arena_options options = {.name = "request", .max_bytes = 64 * KIB};
  lido_arena *arena = arena_with(&options);
  memset(&options, 0xff, sizeof options);
  CHECK_FAILS(lido_arena_alloc(arena, 65 * KIB), ENOMEM);
  arena_piece(arena, 1000, 1);
  CHECK_TEXT(lido_arena_name(arena), "request");
  lido_arena_destroy(arena);
}

TEST(arena_options, destroying_none_is_allowed) { lido_arena_destroy(NULL); }

TEST(arena_options, a_refused_arena_leaves_nothing_behind) {
  lido_arena_options bad = {.chunk_bytes = 3};
  lido_arena_options too_much = {.reserve_bytes = SIZE_MAX / 8};
  CHECK_FAILS(lido_arena_create(&bad), EINVAL);
  CHECK_FAILS(lido_arena_create(&too_much), ENOMEM);
  int64_t before = objects_bytes_held();
  for (int i = 0; i < 100; i++) {
    CHECK_FAILS(lido_arena_create(&bad), EINVAL);
    CHECK_FAILS(lido_arena_create(&too_much), ENOMEM);
  }
  CHECK_EQ(objects_bytes_held(), before);
}

TEST(arena_options, thousands_of_arenas_leave_nothing_behind) {
  int64_t before = 0;
  size_t rounds = testing_scaled(5000) + 20;
  for (size_t i = 0; i < rounds; i++) {
    lido_arena *arena = lido_arena_create(NULL);
    CHECK_NOT_NULL(arena);
    CHECK_NOT_NULL(lido_arena_alloc(arena, i * 37 % 100000));
    lido_arena_destroy(arena);
    if (i == 10) before = objects_bytes_held();
  }
  CHECK_EQ(objects_bytes_held(), before);
}
