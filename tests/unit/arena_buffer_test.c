/* arena_buffer_test.c: arenas that begin in a buffer of the caller's, or never leave it. */
#include "tests/support/arenas.h"

enum { GUARD = 64, SIZE = 8 * KIB };

static _Alignas(64) unsigned char memory[GUARD + 64 + SIZE + GUARD];

/* A buffer at this offset, all around it guard bytes. */
static void *guarded(size_t offset) {
  memset(memory, 0xa5, sizeof memory);
  return memory + GUARD + offset;
}

static void check_guards(size_t offset, size_t bytes) {
  CHECK(objects_are_all(memory, GUARD + offset, 0xa5));
  size_t end = GUARD + offset + bytes;
  CHECK(objects_are_all(memory + end, sizeof memory - end, 0xa5));
}

/* Fill it to the last byte, whatever that takes. */
static size_t fill(lido_arena *arena) {
  size_t filled = 0;
  for (size_t step = 1000; step > 0; step /= 2) {
    void *piece = NULL;
    while ((piece = lido_arena_alloc(arena, step)) != NULL) {
      memset(piece, 0x5c, step);
      filled += step;
    }
    CHECK_EQ(errno, ENOMEM);
  }
  CHECK_ARENA(arena);
  return filled;
}

static void check_fixed(size_t offset, size_t bytes) {
  lido_arena *arena =
      arena_with(&(lido_arena_options){.buffer = guarded(offset), .buffer_bytes = bytes, .flags = LIDO_ARENA_FIXED});
  for (int round = 0; round < 3; round++) {
    CHECK_GT(fill(arena), 0);
    CHECK(lido_arena_failed(arena));
    CHECK_FAILS(lido_arena_alloc(arena, 100000), ENOMEM);
    CHECK_FAILS(lido_arena_printf(arena, "%5000d", 1), ENOMEM);
    check_guards(offset, bytes);
    lido_arena_reset(arena);
    CHECK(!lido_arena_failed(arena));
  }
  arena_trace trace = {.count = 0};
  arena_trace_add(arena, &trace, 'a');
  lido_arena_destroy(arena);
  CHECK_TEXT(trace.text, "a");
  check_guards(offset, bytes);
}

TEST(arena_buffer, a_fixed_arena_never_leaves_a_buffer_of_any_place_and_size) {
  for (size_t offset = 0; offset < 64; offset++) {
    check_fixed(offset, LIDO_ARENA_BUFFER_MIN);
    check_fixed(offset, LIDO_ARENA_BUFFER_MIN + offset * 3);
    check_fixed(offset, SIZE);
  }
  for (size_t bytes = LIDO_ARENA_BUFFER_MIN; bytes < LIDO_ARENA_BUFFER_MIN + 40; bytes++) check_fixed(7, bytes);
}

TEST(arena_buffer, a_fixed_arena_takes_no_memory_at_all) {
  static _Alignas(16) char buffer[SIZE];
  lido_arena_destroy(arena_with(NULL)); /* what stays for ever */
  int64_t before = objects_bytes_held();
  lido_arena *arena =
      arena_with(&(lido_arena_options){.buffer = buffer, .buffer_bytes = sizeof buffer, .flags = LIDO_ARENA_FIXED});
  fill(arena);
  CHECK_EQ(objects_bytes_held(), before);
  CHECK_EQ(arena_stats(arena).reserved, 0);
  CHECK_EQ(arena_stats(arena).blocks, 1);
  CHECK((char *)arena >= buffer && (char *)arena < buffer + sizeof buffer);
  lido_arena_destroy(arena);
}

TEST(arena_buffer, most_of_a_buffer_is_for_pieces) {
  lido_arena *arena =
      arena_with(&(lido_arena_options){.buffer = guarded(0), .buffer_bytes = SIZE, .flags = LIDO_ARENA_FIXED});
  char *piece = arena_piece(arena, SIZE - LIDO_ARENA_BUFFER_MIN, 1);
  CHECK(objects_hold(piece, SIZE - LIDO_ARENA_BUFFER_MIN, 1));
  lido_arena_destroy(arena);
}

TEST(arena_buffer, a_fixed_arena_gives_back_and_resizes) {
  lido_arena *arena =
      arena_with(&(lido_arena_options){.buffer = guarded(3), .buffer_bytes = SIZE, .flags = LIDO_ARENA_FIXED});
  char *piece = arena_piece(arena, 100, 1);
  CHECK_SAME(lido_arena_realloc(arena, piece, 100, 6000), piece);
  CHECK(objects_hold(piece, 100, 1));
  CHECK_FAILS(lido_arena_realloc(arena, piece, 6000, SIZE), ENOMEM);
  CHECK(objects_hold(piece, 100, 1));
  lido_arena_free(arena, piece, 6000);
  CHECK_SAME(arena_piece(arena, 6000, 2), piece);
  CHECK_ARENA(arena);
  lido_arena_destroy(arena);
  check_guards(3, SIZE);
}

/* ---- Arenas that begin in a buffer ---- */

static void check_growing(size_t offset, size_t retain) {
  arena_source source;
  lido_backing *backing = arena_source_backing(&source);
  unsigned char *buffer = guarded(offset);
  lido_arena *arena =
      arena_with(&(lido_arena_options){.buffer = buffer, .buffer_bytes = SIZE, .backing = backing, .retain = retain});
  for (int round = 0; round < 5; round++) {
    static arena_pieces pieces;
    pieces.count = 0;
    for (size_t i = 0; i < 200; i++) arena_pieces_add(&pieces, arena, i * 3);
    arena_pieces_add(&pieces, arena, 50000);
    CHECK_GT(source.bytes, 50000);
    CHECK(arena_pieces_hold(&pieces, arena));
    CHECK_ARENA(arena);
    lido_arena_reset(arena);
    CHECK_ARENA(arena);
    check_guards(offset, SIZE);
  }
  lido_arena_destroy(arena);
  arena_source_end(&source, backing);
  check_guards(offset, SIZE);
}

TEST(arena_buffer, others_grow_beyond_it) {
  for (size_t offset = 0; offset < 16; offset++) {
    check_growing(offset, LIDO_ARENA_RETAIN_AUTO);
    check_growing(offset, LIDO_ARENA_RETAIN_ALL);
    check_growing(offset, LIDO_ARENA_RETAIN_NONE);
    check_growing(offset, 5000);
  }
}

TEST(arena_buffer, a_small_use_needs_nothing_but_the_buffer) {
  arena_source source;
  lido_backing *backing = arena_source_backing(&source);
  lido_arena *arena = arena_with(&(lido_arena_options){.buffer = guarded(5), .buffer_bytes = SIZE, .backing = backing});
  for (int i = 0; i < 200; i++) {
    unsigned char *piece = arena_piece(arena, 1000, 1);
    CHECK(piece >= memory && piece < memory + sizeof memory);
    lido_arena_reset(arena);
    CHECK_ARENA(arena);
  }
  CHECK_EQ(source.calls, 0);
  lido_arena_destroy(arena);
  arena_source_end(&source, backing);
}

TEST(arena_buffer, after_a_large_use_the_arena_returns_to_it) {
  lido_arena *arena =
      arena_with(&(lido_arena_options){.buffer = guarded(5), .buffer_bytes = SIZE, .retain = LIDO_ARENA_RETAIN_NONE});
  for (int i = 0; i < 20; i++) {
    unsigned char *piece = arena_piece(arena, 100, 1);
    CHECK(piece >= memory && piece < memory + sizeof memory);
    arena_use(arena, 100000, 100);
    lido_arena_reset(arena);
    CHECK_EQ(arena_stats(arena).reserved, 0);
    CHECK_ARENA(arena);
  }
  lido_arena_destroy(arena);
}

TEST(arena_buffer, by_the_rule_of_retention_it_returns_too) {
  lido_arena *arena = arena_with(&(lido_arena_options){.buffer = guarded(5), .buffer_bytes = SIZE});
  arena_use(arena, 200000, 100);
  lido_arena_reset(arena);
  for (int i = 0; i < 3000; i++) {
    arena_use(arena, 1000, 100);
    lido_arena_reset(arena);
    CHECK_ARENA(arena);
  }
  CHECK_LE(arena_stats(arena).reserved, 32 * KIB);
  lido_arena_destroy(arena);
}

TEST(arena_buffer, a_rewind_goes_back_into_it) {
  lido_arena *arena = arena_with(&(lido_arena_options){.buffer = guarded(9), .buffer_bytes = SIZE});
  lido_arena_mark mark = lido_arena_mark_get(arena);
  for (int i = 0; i < 20; i++) {
    unsigned char *piece = arena_piece(arena, 100, 1);
    CHECK(piece >= memory && piece < memory + sizeof memory);
    arena_use(arena, 50000, 100);
    lido_arena_rewind(arena, mark);
    CHECK_ARENA(arena);
  }
  lido_arena_destroy(arena);
  check_guards(9, SIZE);
}
