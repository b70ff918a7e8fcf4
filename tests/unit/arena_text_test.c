/* arena_text_test.c: copies and formatted text. */
#include <stdlib.h>
#include <wchar.h>

#include "tests/support/arenas.h"

TEST(arena_text, copies_have_a_zero_at_the_end) {
  lido_arena *arena = arena_with(NULL);
  char text[3000];
  for (size_t length = 0; length < sizeof text; length += length / 7 + 1) {
    memset(text, 'x', length);
    text[length] = 0;
    char *copy = lido_arena_strdup(arena, text);
    char *part = lido_arena_strndup(arena, text, length / 2);
    CHECK_TEXT(copy, text);
    CHECK_EQ(strlen(part), length / 2);
    CHECK_EQ(memcmp(part, text, length / 2), 0);
    CHECK_TEXT(lido_arena_strndup(arena, text, SIZE_MAX), text);
    CHECK_TEXT(copy, text);
    CHECK_ARENA(arena);
  }
  lido_arena_destroy(arena);
}

TEST(arena_text, strndup_does_not_read_past_the_most) {
  lido_arena *arena = arena_with(NULL);
  for (size_t most = 0; most < 100; most++) {
    char *text = malloc(most + 1); /* ends where tools see it, and without a zero */
    CHECK_NOT_NULL(text);
    memset(text, 'y', most);
    char *copy = lido_arena_strndup(arena, text + (most == 0), most);
    CHECK_EQ(strlen(copy), most);
    free(text);
  }
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

TEST(arena_text, a_copy_of_nothing_is_nothing_and_no_error) {
  lido_arena *arena = arena_with(NULL);
  errno = 4242;
  CHECK_NULL(lido_arena_strdup(arena, NULL));
  CHECK_NULL(lido_arena_strndup(arena, NULL, 10));
  CHECK_EQ(errno, 4242);
  CHECK(!lido_arena_failed(arena));
  CHECK_NOT_NULL(lido_arena_memdup(arena, NULL, 0));
  lido_arena_destroy(arena);
}

TEST(arena_text, memdup_copies_every_byte) {
  lido_arena *arena = arena_with(NULL);
  static unsigned char data[40000];
  objects_fill(data, sizeof data, 9);
  for (size_t bytes = 0; bytes <= sizeof data; bytes += bytes / 3 + 1) {
    CHECK(objects_hold(lido_arena_memdup(arena, data, bytes), bytes, 9));
    CHECK_ARENA(arena);
  }
  lido_arena_destroy(arena);
}

TEST(arena_text, copies_without_memory_fail_with_ENOMEM) {
  static _Alignas(16) char buffer[2048];
  static char text[4000];
  memset(text, 'z', sizeof text - 1);
  lido_arena *arena =
      arena_with(&(lido_arena_options){.buffer = buffer, .buffer_bytes = sizeof buffer, .flags = LIDO_ARENA_FIXED});
  CHECK_FAILS(lido_arena_strdup(arena, text), ENOMEM);
  CHECK_FAILS(lido_arena_strndup(arena, text, 3000), ENOMEM);
  CHECK_FAILS(lido_arena_memdup(arena, text, 3000), ENOMEM);
  CHECK_FAILS(lido_arena_printf(arena, "%s", text), ENOMEM);
  CHECK(lido_arena_failed(arena));
  CHECK_TEXT(lido_arena_strdup(arena, "short"), "short");
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

/* ---- printf ---- */

static void check_printf(const lido_arena_options *options) {
  lido_arena *arena = arena_with(options);
  static char expected[20000];
  for (int width = 0; width < 18000; width += width / 9 + 1) {
    char *before = lido_arena_strdup(arena, "before");
    char *text = lido_arena_printf(arena, "%*d and %s", width, 42, "more");
    char *behind = lido_arena_strdup(arena, "behind");
    snprintf(expected, sizeof expected, "%*d and %s", width, 42, "more");
    CHECK_TEXT(text, expected);
    CHECK_TEXT(before, "before");
    CHECK_TEXT(behind, "behind");
    CHECK_ARENA(arena);
  }
  CHECK_TEXT(lido_arena_printf(arena, "%s", ""), "");
  lido_arena_destroy(arena);
}

TEST(arena_text, printf_writes_text_of_any_length) {
  check_printf(NULL);
  check_printf(&(lido_arena_options){.chunk_bytes = 256, .chunk_bytes_max = 256});
  check_printf(&(lido_arena_options){.flags = LIDO_ARENA_PASSTHROUGH});
  check_printf(&(lido_arena_options){.flags = LIDO_ARENA_REUSE});
  check_printf(&(lido_arena_options){.reserve_bytes = 16 * MEBIBYTE});
}

/* Around the end of the block: one byte too little, exactly, one too much. */
TEST(arena_text, printf_fits_exactly_into_what_is_left) {
  for (size_t left = 0; left <= 64; left += 16) {
    for (int length = 0; length < 70; length++) {
      lido_arena *arena = arena_with(&(lido_arena_options){.chunk_bytes = 1024});
      char *piece = arena_piece(arena, 1, 1);
      size_t bytes = 1;
      while (lido_arena_try_extend(arena, piece, bytes, bytes + 16)) bytes += 16;
      CHECK_SAME(lido_arena_realloc(arena, piece, bytes, bytes - left), piece);
      objects_fill(piece, bytes - left, 1);
      char *text = lido_arena_printf(arena, "%.*s", length,
                                     "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz");
      CHECK_EQ(strlen(text), length);
      CHECK_EQ(
          strncmp(text, "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz", (size_t)length), 0);
      CHECK(objects_hold(piece, bytes - left, 1));
      CHECK_ARENA(arena);
      lido_arena_destroy(arena);
    }
  }
}

TEST(arena_text, printf_may_print_what_lies_in_the_arena) {
  lido_arena *arena = arena_with(NULL);
  char *text = lido_arena_strdup(arena, "a");
  for (int i = 0; i < 14; i++) text = lido_arena_printf(arena, "%s%s", text, text);
  CHECK_EQ(strlen(text), 1 << 14);
  CHECK(objects_are_all(text, 1 << 14, 'a'));
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
}

/* What vsnprintf refuses is no lack of memory, and takes none. */
static void check_errors(const lido_arena_options *options) {
  static const wchar_t impossible[] = {0x10FFFFF, 0};
  lido_arena *arena = arena_with(options);
  char *given = arena_piece(arena, 2000, 1);
  void *piece = arena_piece(arena, 10, 2);
  for (int freed = 0; freed < 2; freed++) {
    lido_arena_stats before = arena_stats(arena);
    CHECK_FAILS(lido_arena_printf(arena, "%ls", impossible), EILSEQ);
    CHECK_FAILS(lido_arena_printf(arena, "and %300d %ls", 1, impossible), EILSEQ);
    CHECK(!lido_arena_failed(arena));
    lido_arena_stats after = arena_stats(arena);
    CHECK_EQ(memcmp(&before, &after, sizeof before), 0);
    CHECK(objects_hold(piece, 10, 2));
    CHECK_ARENA(arena);
    CHECK_TEXT(lido_arena_printf(arena, "%d", 7), "7");
    if (freed == 0) lido_arena_free(arena, given, 2000); /* to be reused, where that is the mode */
  }
  lido_arena_destroy(arena);
}

TEST(arena_text, printf_gives_the_error_of_vsnprintf) {
  check_errors(NULL);
  check_errors(&(lido_arena_options){.flags = LIDO_ARENA_REUSE});
  check_errors(&(lido_arena_options){.flags = LIDO_ARENA_PASSTHROUGH});
  check_errors(&(lido_arena_options){.reserve_bytes = MEBIBYTE});
}

TEST(arena_text, an_error_of_printf_forgets_no_lack_of_memory) {
  static const wchar_t impossible[] = {0x10FFFFF, 0};
  lido_arena *arena = arena_with(&(lido_arena_options){.max_bytes = 8 * KIB});
  CHECK_FAILS(lido_arena_printf(arena, "%9000d", 1), ENOMEM);
  CHECK_FAILS(lido_arena_printf(arena, "%ls", impossible), EILSEQ);
  CHECK(lido_arena_failed(arena));
  CHECK_EQ(arena_stats(arena).failures, 1);
  lido_arena_reset(arena);
  CHECK(!lido_arena_failed(arena));
  lido_arena_destroy(arena);
}

/* The first pass makes impossible what the second is to print. */
TEST(arena_text, an_error_of_the_second_pass_takes_no_memory) {
  lido_arena *arena = arena_with(NULL);
  arena_piece(arena, 10, 1);
  for (int width = 1000; width < 40000; width *= 2) {
    size_t used = arena_stats(arena).used;
    wchar_t letters[2] = {0};
    errno = 0;
    char *text = lido_arena_printf(arena, "%*d%ls%n", width, 1, letters, (int *)letters);
    if (text == NULL) {
      CHECK_EQ(errno, EILSEQ);
      CHECK_EQ(arena_stats(arena).used, used);
    } else {
      CHECK_EQ(strlen(text), width); /* it fitted at once */
      CHECK_LT(width, 20000);
    }
    CHECK(!lido_arena_failed(arena));
    CHECK_ARENA(arena);
  }
  lido_arena_destroy(arena);
}

TEST(arena_text, printf_prints_the_errno_of_before) {
  lido_arena *arena = arena_with(NULL);
  char expected[200];
  const char *volatile with_errno = "%*d %m"; /* not ISO's, as the compiler would say */
  for (int width = 1; width < 40000; width = width * 3 + 1) {
    errno = EDOM;
    char *text = lido_arena_printf(arena, with_errno, width, 1);
    CHECK_EQ(errno, EDOM);
    snprintf(expected, sizeof expected, "1 %s", strerror(EDOM));
    CHECK_TEXT(text + width - 1, expected);
  }
  lido_arena_destroy(arena);
}

TEST(arena_text, printf_wastes_nothing_behind_the_text) {
  lido_arena *arena = arena_with(NULL);
  char *first = lido_arena_printf(arena, "%s", "0123456789"); /* 11 bytes */
  char *second = lido_arena_printf(arena, "%d", 1);
  if (arena_stats(arena).used == 32) CHECK_EQ(second - first, 16); /* without red zones */
  CHECK_TEXT(first, "0123456789");
  lido_arena_destroy(arena);
}
