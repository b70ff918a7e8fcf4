/* arena_lido.c: the arena rows on Lido, with the floor beside it in one program.
 *
 *     arena_request       as for the peers: one arena that is reset, and one acquired and released for each request
 *     arena_acquire       acquire and release of a warm arena that nobody used
 *     arena_reset_...     one piece of so many bytes in an arena of one block, one write, and the reset
 *     arena_grow          a piece that grows from 16 bytes to 1 MiB by doubling, and the reset; how often it moved
 *     arena_retention_one, _many: what stays after a huge request, asked for by name only
 *     arena_calls         calls of the backing that warm requests make; run.py counts those of the system
 */
#include <lido/arena.h>
#include <lido/version.h>
#include <stdlib.h>
#include <string.h>

#include "arena_floor.h"

static lido_arena *reset_arena;
static lido_arena_class *requests_class;

static lido_arena *create(lido_arena_options options) {
  lido_arena *arena = lido_arena_create(&options);
  if (arena == NULL) bench_die("the arena %s could not be created", options.name);
  return arena;
}

static double reserved_bytes(const lido_arena *arena) {
  lido_arena_stats stats;
  lido_arena_stats_get(arena, &stats);
  return (double)stats.reserved;
}

/* ---- Requests ---- */

#define SUBJECT lido_reset
#define SUBJECT_BEGIN lido_arena *arena = reset_arena;
#define SUBJECT_OPEN
#define SUBJECT_ALLOC(bytes) lido_arena_alloc(arena, bytes)
#define SUBJECT_KEEP(index, piece)
#define SUBJECT_CLOSE(count) lido_arena_reset(arena)
#include "arena_loops.h"

#define SUBJECT lido_acquire
#define SUBJECT_BEGIN
#define SUBJECT_OPEN lido_arena *arena = lido_arena_acquire(requests_class);
#define SUBJECT_ALLOC(bytes) lido_arena_alloc(arena, bytes)
#define SUBJECT_KEEP(index, piece)
#define SUBJECT_CLOSE(count) lido_arena_release(arena)
#include "arena_loops.h"

static double reset_reserved(void) { return reserved_bytes(reset_arena); }

static void acquire_release(size_t count) {
  const lido_arena_class *cls = requests_class;
  for (size_t i = 0; i < count; i++) {
    lido_arena *arena = lido_arena_acquire(cls);
    __asm__ volatile("" : : "r"(arena) : "memory");
    lido_arena_release(arena);
  }
}

/* ---- Resets ---- */

enum { ONE_BLOCK = 4 << 20 }; /* a quarter of it may be one piece */

static lido_arena *one_block_arena;

static inline void fill_and_reset(size_t bytes, size_t count) {
  lido_arena *arena = one_block_arena;
  for (size_t i = 0; i < count; i++) {
    micro_touch(lido_arena_alloc(arena, bytes), i);
    lido_arena_reset(arena);
  }
}

static void reset_4k(size_t count) { fill_and_reset(4 << 10, count); }
static void reset_64k(size_t count) { fill_and_reset(64 << 10, count); }
static void reset_1m(size_t count) { fill_and_reset(1 << 20, count); }

/* ---- A piece that grows ---- */

enum { GROW_FROM = 16, GROW_TO = 1 << 20 };

static lido_arena *contiguous_arena, *blocks_arena;
static size_t moves; /* of the last growth */

static inline void grow(lido_arena *arena) {
  char *piece = lido_arena_alloc(arena, GROW_FROM);
  moves = 0;
  for (size_t bytes = GROW_FROM; bytes < GROW_TO; bytes *= 2) {
    micro_touch(piece, bytes);
    char *grown = lido_arena_realloc(arena, piece, bytes, 2 * bytes);
    if (grown == NULL) bench_die("no memory for %zu bytes", 2 * bytes);
    moves += grown != piece;
    piece = grown;
  }
}

static void grow_contiguous(size_t count) {
  for (size_t i = 0; i < count; i++) {
    grow(contiguous_arena);
    lido_arena_reset(contiguous_arena);
  }
}

static void grow_blocks(size_t count) {
  for (size_t i = 0; i < count; i++) {
    grow(blocks_arena);
    lido_arena_reset(blocks_arena);
  }
}

static void grow_libc(size_t count) {
  for (size_t i = 0; i < count; i++) {
    char *piece = malloc(GROW_FROM);
    for (size_t bytes = GROW_FROM; bytes < GROW_TO; bytes *= 2) {
      micro_touch(piece, bytes);
      piece = realloc(piece, 2 * bytes);
      if (piece == NULL) bench_die("no memory for %zu bytes", 2 * bytes);
    }
    free(piece);
  }
}

static void grow_row(const bench_options *options) {
  static const arena_subject subjects[] = {
      {.name = "lido_contiguous", .requests = grow_contiguous},
      {.name = "lido_blocks", .requests = grow_blocks},
      {.name = "libc", .requests = grow_libc},
  };
  lido_arena *fresh = create((lido_arena_options){.name = "fresh"});
  lido_arena_stats stats;
  arena_row(options, "arena_grow", subjects, sizeof subjects / sizeof *subjects);
  grow_contiguous(1);
  bench_number("arena_grow_moves", "lido_contiguous", "moves", (double)moves);
  grow(fresh);
  lido_arena_stats_get(fresh, &stats);
  bench_number("arena_grow_moves", "lido_blocks", "moves", (double)moves);
  bench_number("arena_grow_moves", "blocks", "blocks", (double)stats.blocks_made);
  lido_arena_destroy(fresh);
}

/* ---- Calls ---- */

static size_t backing_calls;

static void *allocate_counted(size_t bytes, size_t align, void *context) {
  (void)context;
  backing_calls++;
  return aligned_alloc(align, bytes);
}

static void release_counted(void *block, size_t bytes, void *context) {
  (void)bytes, (void)context;
  backing_calls++;
  free(block);
}

static size_t misses(void) {
  lido_arena_class_stats stats;
  lido_arena_class_stats_get(requests_class, &stats);
  return (size_t)stats.misses;
}

/* Requests on a backing that counts, after as many as a class needs to have learnt its size. */
static void calls_row(const bench_options *options) {
  enum { WARM = 100000 };
  lido_backing *backing = lido_backing_create(
      &(lido_backing_functions){.allocate = allocate_counted, .release = release_counted, .region_bytes = 1 << 20});
  lido_arena_class *cls = requests_class;
  requests_class = lido_arena_class_create(&(lido_arena_options){.name = "counted", .backing = backing});
  if (requests_class == NULL) bench_die("the class counted could not be created");
  lido_acquire_requests(WARM);
  size_t calls_before = backing_calls, misses_before = misses();
  lido_acquire_requests(options->scale);
  bench_number("arena_calls", "backing", "calls", (double)(backing_calls - calls_before));
  bench_number("arena_calls", "misses", "calls", (double)(misses() - misses_before));
  lido_arena_trim();
  lido_arena_class_destroy(requests_class);
  lido_backing_destroy(backing);
  requests_class = cls;
}

/* ---- Rows ---- */

static void short_rows(const bench_options *options) {
  const arena_subject acquire[] = {arena_floor_subject(), {.name = "lido", .requests = acquire_release}};
  const arena_subject resets[] = {arena_floor_subject(),
                                  {.name = "lido_4k", .requests = reset_4k},
                                  {.name = "lido_64k", .requests = reset_64k},
                                  {.name = "lido_1m", .requests = reset_1m}};
  if (bench_wants(options, "arena_acquire")) arena_row(options, "arena_acquire", acquire, 2);
  if (bench_wants(options, "arena_reset")) arena_row(options, "arena_reset", resets, 4);
  if (bench_wants(options, "arena_grow")) grow_row(options);
}

static void begin(void) {
  reset_arena = create((lido_arena_options){.name = "reset"});
  requests_class = lido_arena_class_create(&(lido_arena_options){.name = "requests"});
  if (requests_class == NULL) bench_die("the class could not be created");
  one_block_arena = create((lido_arena_options){.name = "one block", .chunk_bytes = ONE_BLOCK});
  contiguous_arena = create((lido_arena_options){.name = "contiguous", .reserve_bytes = 4 * GROW_TO});
  blocks_arena = create((lido_arena_options){.name = "blocks"});
}

int main(int argc, char **argv) {
  bench_options options = arena_begin(argc, argv);
  const arena_subject subjects[] = {arena_floor_subject(), ARENA_SUBJECT(lido_reset), ARENA_SUBJECT(lido_acquire)};
  if (strstr(bench_malloc_file(), "libc.so") == NULL)
    bench_die("malloc is served by %s: Lido must leave it alone", bench_malloc_file());
  arena_floor_begin();
  begin();
  bench_fact("peer", "lido");
  bench_fact("version", lido_version());
  arena_run(&options, subjects, sizeof subjects / sizeof *subjects, reset_reserved);
  short_rows(&options);
  if (options.rows != NULL && bench_wants(&options, "arena_calls")) calls_row(&options);
  return 0;
}
