/* arena_bytes_test.c: rows of bytes that grow. */
#include <wchar.h>

#include "tests/support/arenas.h"

/* A row of `count` bytes, added in pieces, with something taken from the arena between every `every` of them. */
static void check_row(lido_arena *arena, size_t count, size_t every) {
  lido_bytes row = lido_bytes_begin(arena, 0);
  CHECK_NULL(row.data);
  static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
  size_t piece = 0;
  while (row.count < count) {
    size_t before = row.count;
    size_t length = 1 + piece % 26;
    CHECK(lido_bytes_add(&row, letters, length));
    CHECK_EQ(row.count, before + length);
    CHECK_EQ(row.data[row.count], 0);
    CHECK_LT(row.count, row.room);
    if (every != 0 && piece % every == 0) memset(lido_arena_alloc(arena, 40), '!', 40);
    piece++;
  }
  size_t length = row.count;
  char *text = lido_bytes_end(&row);
  CHECK_EQ(strlen(text), length);
  for (size_t at = 0, i = 0; at < length; at += 1 + i % 26, i++) CHECK_EQ(memcmp(text + at, letters, 1 + i % 26), 0);
  CHECK_ARENA(arena);
}

static void check_rows(const lido_arena_options *options) {
  lido_arena *arena = arena_with(options);
  for (size_t count = 1; count < 200000; count = count * 3 + 1) {
    check_row(arena, count, 0);
    check_row(arena, count, 1);
    check_row(arena, count, 10);
    lido_arena_reset(arena);
  }
  lido_arena_destroy(arena);
}

TEST(arena_bytes, grow_in_place_or_move) {
  check_rows(NULL);
  check_rows(&(lido_arena_options){.chunk_bytes = 256, .chunk_bytes_max = 256});
  check_rows(&(lido_arena_options){.reserve_bytes = (size_t)64 * MEBIBYTE});
  check_rows(&(lido_arena_options){.flags = LIDO_ARENA_REUSE});
  check_rows(&(lido_arena_options){.flags = LIDO_ARENA_PASSTHROUGH});
}

TEST(arena_bytes, stay_in_place_while_nothing_else_is_taken) {
  lido_arena *arena = arena_with(&(lido_arena_options){.chunk_bytes = 64 * KIB});
  lido_bytes row = lido_bytes_begin(arena, 0);
  CHECK(lido_bytes_add_byte(&row, 'a'));
  char *first = row.data;
  for (int i = 1; i < 8000; i++) CHECK(lido_bytes_add_byte(&row, 'a'));
  CHECK_SAME(row.data, first);
  CHECK_SAME(lido_bytes_end(&row), first);
  CHECK_EQ(strlen(first), 8000);
  CHECK_LE(arena_stats(arena).used, 8000 + 64); /* the rest went back */
  lido_arena_destroy(arena);
}

TEST(arena_bytes, what_is_expected_has_room_at_once) {
  lido_arena *arena = arena_with(NULL);
  for (size_t expected = 1; expected < 30000; expected *= 3) {
    lido_bytes row = lido_bytes_begin(arena, expected);
    CHECK_NOT_NULL(row.data);
    char *data = row.data;
    CHECK_GT(row.room, expected);
    CHECK_EQ(row.data[0], 0);
    lido_arena_alloc(arena, 100);
    for (size_t i = 0; i < expected; i++) CHECK(lido_bytes_add_byte(&row, 'b'));
    CHECK_SAME(row.data, data);
    CHECK_EQ(strlen(lido_bytes_end(&row)), expected);
  }
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_bytes, nothing_added_is_an_empty_text) {
  lido_arena *arena = arena_with(NULL);
  lido_bytes row = lido_bytes_begin(arena, 0);
  CHECK_TEXT(lido_bytes_end(&row), "");
  row = lido_bytes_begin(arena, 0);
  CHECK(lido_bytes_add(&row, "", 0));
  CHECK(lido_bytes_add(&row, "", 0));
  CHECK_EQ(row.count, 0);
  CHECK_TEXT(lido_bytes_end(&row), "");
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_bytes, may_go_on_after_the_end) {
  lido_arena *arena = arena_with(NULL);
  lido_bytes row = lido_bytes_begin(arena, 0);
  CHECK(lido_bytes_add(&row, "one", 3));
  CHECK_TEXT(lido_bytes_end(&row), "one");
  CHECK(lido_bytes_add(&row, " two", 4));
  CHECK_TEXT(lido_bytes_end(&row), "one two");
  for (int i = 0; i < 50000; i++) CHECK(lido_bytes_add_byte(&row, 'x'));
  CHECK_EQ(strlen(lido_bytes_end(&row)), 50007);
  CHECK(lido_bytes_add(&row, "y", 1));
  CHECK_EQ(strlen(lido_bytes_end(&row)), 50008);
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_bytes, two_rows_grow_side_by_side) {
  lido_arena *arena = arena_with(NULL);
  lido_bytes even = lido_bytes_begin(arena, 0);
  lido_bytes odd = lido_bytes_begin(arena, 0);
  for (int i = 0; i < 40000; i++) CHECK(lido_bytes_add_byte(i % 2 == 0 ? &even : &odd, (char)('a' + i % 26)));
  char *first = lido_bytes_end(&even);
  char *second = lido_bytes_end(&odd);
  CHECK_EQ(strlen(first), 20000);
  CHECK_EQ(strlen(second), 20000);
  for (int i = 0; i < 20000; i++) {
    CHECK_EQ(first[i], 'a' + 2 * i % 26);
    CHECK_EQ(second[i], 'a' + (2 * i + 1) % 26);
  }
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

/* ---- printf and room ---- */

TEST(arena_bytes, printf_adds_text_of_any_length) {
  lido_arena *arena = arena_with(NULL);
  lido_bytes row = lido_bytes_begin(arena, 0);
  size_t length = 0;
  for (int width = 1; width < 20000; width += width / 5 + 1) {
    CHECK(lido_bytes_printf(&row, "%*d", width, 7));
    length += (size_t)width;
    CHECK_EQ(row.count, length);
    CHECK_EQ(row.data[length], 0);
    CHECK_EQ(row.data[length - 1], '7');
    if (width % 3 == 0) lido_arena_alloc(arena, 1);
    CHECK_ARENA(arena);
  }
  CHECK_EQ(strlen(lido_bytes_end(&row)), length);
  lido_arena_destroy(arena);
}

TEST(arena_bytes, printf_fits_exactly_into_the_room) {
  lido_arena *arena = arena_with(NULL);
  for (size_t left = 0; left < 70; left++) {
    lido_bytes row = lido_bytes_begin(arena, 63);
    while (row.count + 1 + left % 64 < row.room) CHECK(lido_bytes_add_byte(&row, 'x'));
    size_t count = row.count;
    CHECK(lido_bytes_printf(&row, "%0*d", (int)left, 0));
    CHECK_EQ(row.count, count + (left == 0 ? 1 : left));
    CHECK_EQ(strlen(lido_bytes_end(&row)), count + (left == 0 ? 1 : left));
  }
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

__attribute__((format(printf, 2, 3))) static bool print_by_list(lido_bytes *row, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  bool added = lido_bytes_vprintf(row, format, arguments);
  va_end(arguments);
  return added;
}

/* More arguments than registers, read in one pass or in two. */
TEST(arena_bytes, vprintf_reads_its_arguments_from_the_start_in_each_pass) {
  static const char format[] = "%*s|%d|%s|%.3f|%lld|%c|%g|%s|%zu|%x|%.2f|%s";
#define SOME_ARGUMENTS(width) \
  format, width, "wide", -1, "two", 3.25, 1LL << 40, '5', 6.5, "seven", (size_t)8, 0x9u, 10.125, "end"
  lido_arena *arena = arena_with(NULL);
  static char expected[30000];
  for (int width = 1; width < 25000; width = width * 5 / 4 + 1) {
    lido_bytes row = lido_bytes_begin(arena, width % 2 == 0 ? 100 : 0);
    size_t length = (size_t)snprintf(expected, sizeof expected, SOME_ARGUMENTS(width));
    CHECK(lido_bytes_add(&row, "<", 1));
    for (size_t i = 0; i < 3; i++) {
      errno = 4242;
      CHECK(print_by_list(&row, SOME_ARGUMENTS(width)));
      CHECK_EQ(errno, 4242);
      CHECK_EQ(row.count, 1 + length * (i + 1));
      CHECK_TEXT(row.data + 1 + length * i, expected);
    }
    CHECK_EQ(lido_bytes_end(&row)[0], '<');
    CHECK_ARENA(arena);
  }
#undef SOME_ARGUMENTS
  lido_arena_destroy(arena);
}

TEST(arena_bytes, vprintf_may_add_nothing_and_begin_a_row) {
  lido_arena *arena = arena_with(NULL);
  lido_bytes row = lido_bytes_begin(arena, 0);
  CHECK(print_by_list(&row, "%s", ""));
  CHECK_EQ(row.count, 0);
  CHECK_TEXT(row.data, "");
  CHECK(print_by_list(&row, "%s", "x"));
  CHECK(print_by_list(&row, "%s", ""));
  CHECK_TEXT(lido_bytes_end(&row), "x");
  lido_arena_destroy(arena);
}

TEST(arena_bytes, vprintf_without_memory_adds_nothing) {
  lido_arena *arena = arena_with(&(lido_arena_options){.max_bytes = 16 * KIB});
  lido_bytes row = lido_bytes_begin(arena, 0);
  CHECK(print_by_list(&row, "%s", "kept"));
  errno = 0;
  CHECK(!print_by_list(&row, "%50000d", 1));
  CHECK_EQ(errno, ENOMEM);
  CHECK(lido_arena_failed(arena));
  CHECK_EQ(row.count, 4);
  CHECK_TEXT(row.data, "kept");
  errno = 0;
  CHECK(!print_by_list(&row, "%d", 1)); /* it would fit */
  CHECK_EQ(errno, ENOMEM);
  CHECK_FAILS(lido_bytes_end(&row), ENOMEM);
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

/* A row that lacks a part is no row, but the arena has not failed. */
static void check_error_in(lido_arena *arena, size_t expected, int width) {
  static const wchar_t impossible[] = {0x10FFFFF, 0};
  lido_bytes row = lido_bytes_begin(arena, expected);
  CHECK(lido_bytes_add(&row, "kept", 4));
  errno = 0;
  CHECK(!lido_bytes_printf(&row, "and %*d %ls", width, 1, impossible));
  CHECK_EQ(errno, EILSEQ);
  CHECK_EQ(row.count, 4);
  CHECK_TEXT(row.data, "kept");
  CHECK(row.failed);
  CHECK_EQ(row.error, EILSEQ);
  errno = 0;
  CHECK(!lido_bytes_add(&row, "more", 4));
  CHECK_EQ(errno, EILSEQ);
  CHECK(!print_by_list(&row, "%d", 1));
  CHECK_FAILS(lido_bytes_room(&row, 1), EILSEQ);
  CHECK_FAILS(lido_bytes_end(&row), EILSEQ);
  CHECK_EQ(row.count, 4);
  CHECK_TEXT(row.data, "kept");
  CHECK(!lido_arena_failed(arena));
  CHECK_EQ(arena_stats(arena).failures, 0);
  CHECK_ARENA(arena);
}

static void check_errors(const lido_arena_options *options) {
  lido_arena *arena = arena_with(options);
  char *given = arena_piece(arena, 500, 1);
  arena_piece(arena, 10, 1);
  for (int width = 1; width < 1000; width *= 7) {
    check_error_in(arena, 0, width);
    check_error_in(arena, 400, width);
  }
  lido_arena_free(arena, given, 500); /* to be reused, where that is the mode */
  check_error_in(arena, 0, 600);
  check_error_in(arena, 400, 600);
  lido_arena_destroy(arena);
}

TEST(arena_bytes, an_error_of_printf_keeps_what_was_there) {
  check_errors(NULL);
  check_errors(&(lido_arena_options){.flags = LIDO_ARENA_REUSE});
  check_errors(&(lido_arena_options){.flags = LIDO_ARENA_PASSTHROUGH});
}

/* The first pass makes impossible what the second is to print. */
TEST(arena_bytes, an_error_of_the_second_pass_keeps_what_was_there) {
  lido_arena *arena = arena_with(NULL);
  lido_bytes row = lido_bytes_begin(arena, 0);
  CHECK(lido_bytes_add(&row, "kept", 4));
  wchar_t letters[2] = {0};
  errno = 0;
  CHECK(!lido_bytes_printf(&row, "%300d%ls%n", 1, letters, (int *)letters));
  CHECK_EQ(errno, EILSEQ);
  CHECK_EQ(row.count, 4);
  CHECK_TEXT(row.data, "kept");
  CHECK_FAILS(lido_bytes_end(&row), EILSEQ);
  CHECK(!lido_arena_failed(arena));
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_bytes, room_can_be_written_to_by_hand) {
  lido_arena *arena = arena_with(NULL);
  lido_bytes row = lido_bytes_begin(arena, 0);
  for (size_t count = 1; count < 10000; count *= 2) {
    char *room = lido_bytes_room(&row, count);
    CHECK_NOT_NULL(room);
    CHECK_SAME(room, row.data + row.count);
    memset(room, 'r', count);
    row.count += count;
    CHECK_LT(row.count, row.room);
  }
  CHECK(lido_bytes_add_byte(&row, 'e'));
  size_t length = row.count;
  char *text = lido_bytes_end(&row);
  CHECK_EQ(strlen(text), length);
  CHECK_EQ(text[length - 1], 'e');
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

/* ---- Failure ---- */

TEST(arena_bytes, without_memory_contents_stay_and_nothing_is_added_any_more) {
  lido_arena *arena = arena_with(&(lido_arena_options){.max_bytes = 16 * KIB});
  lido_bytes row = lido_bytes_begin(arena, 0);
  CHECK(lido_bytes_add(&row, "kept", 4));
  static char much[100000];
  memset(much, 'm', sizeof much);
  errno = 0;
  CHECK(!lido_bytes_add(&row, much, sizeof much));
  CHECK_EQ(errno, ENOMEM);
  CHECK(row.failed);
  CHECK_EQ(row.count, 4);
  CHECK_TEXT(row.data, "kept");
  CHECK(!lido_bytes_add(&row, "more", 4)); /* it would fit */
  CHECK(!lido_bytes_add_byte(&row, 'x'));
  CHECK(!lido_bytes_add(&row, "", 0));
  CHECK(!lido_bytes_printf(&row, "%d", 1));
  CHECK_FAILS(lido_bytes_room(&row, 1), ENOMEM);
  CHECK_EQ(row.count, 4);
  CHECK_TEXT(row.data, "kept");
  CHECK_NULL(lido_bytes_end(&row));
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_bytes, sizes_near_the_end_of_size_t_fail_cleanly) {
  static const size_t bad[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 16, SIZE_MAX / 2, SIZE_MAX / 2 + 1, SIZE_MAX / 4};
  lido_arena *arena = arena_with(NULL);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    lido_bytes row = lido_bytes_begin(arena, 0);
    CHECK(lido_bytes_add(&row, "kept", 4));
    CHECK_FAILS(lido_bytes_room(&row, bad[i]), ENOMEM);
    CHECK_TEXT(row.data, "kept");
    lido_bytes expecting = lido_bytes_begin(arena, bad[i]);
    CHECK(expecting.failed);
    CHECK(!lido_bytes_add(&expecting, "x", 1));
    CHECK_NULL(lido_bytes_end(&expecting));
    CHECK_ARENA(arena);
  }
  lido_arena_destroy(arena);
}

/* Where there is no room for twice as much, there may be for what is asked for; then nothing failed. */
TEST(arena_bytes, fill_a_fixed_arena_to_its_end) {
  static _Alignas(16) char buffer[8192];
  lido_arena *arena =
      arena_with(&(lido_arena_options){.buffer = buffer, .buffer_bytes = sizeof buffer, .flags = LIDO_ARENA_FIXED});
  lido_bytes row = lido_bytes_begin(arena, 0);
  for (int i = 0; i < 7000; i++) {
    errno = 4242;
    CHECK(lido_bytes_add_byte(&row, 'f'));
    CHECK_EQ(errno, 4242);
  }
  CHECK_EQ(strlen(lido_bytes_end(&row)), 7000);
  CHECK(!lido_arena_failed(arena));
  CHECK_EQ(arena_stats(arena).failures, 0);
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}
