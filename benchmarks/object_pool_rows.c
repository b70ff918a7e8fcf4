/* object_pool_rows.c: object pools, with a typed lido pool beside them in one program.
 *
 *     object_pair     get, write 8 bytes, put, typed: without callbacks, with a reset at each put, with a reset and a
 *                     size, and with the bytes that are kept counted; the floor is alloc, write, free of a typed pool
 *     object_dynamic  the same by lido_object_pool_get and _put; beside the floor also one that calls the reset by a
 *                     pointer
 *     object_batch    128 gets, each written, then 128 puts in the same order, for each object
 *     object_two      throughput of two threads that get and put, in that of one
 *     object_trim     a get, a put and a trim, which takes the object as a victim and destroys none
 *     object_malloc   a buffer of 4 KiB, of which the first and the last byte are written: by malloc and free, by a
 *                     typed object pool
 */
#include <lido/lido.h>
#include <stdlib.h>

#include "micro.h"
#include "timed_row.h"

enum { BATCH = 128, BUFFER = 4096 };

typedef struct thing {
  uint64_t words[MICRO_OBJECT / sizeof(uint64_t)];
} thing;

static void *object_new(void *context) {
  (void)context;
  return calloc(1, sizeof(thing));
}

static void object_end(void *made, void *context) {
  (void)context;
  free(made);
}

static void object_reset(void *made, void *context) {
  (void)context;
  ((thing *)made)->words[1] = 0;
}

static size_t object_size(const void *made, void *context) {
  (void)context;
  return sizeof(thing) + ((const thing *)made)->words[1];
}

LIDO_POOL_DEFINE(floor, thing)
LIDO_OBJECT_POOL_DEFINE(bare, thing, .create = object_new, .destroy = object_end)
LIDO_OBJECT_POOL_DEFINE(clean, thing, .create = object_new, .reset = object_reset, .destroy = object_end)
LIDO_OBJECT_POOL_DEFINE(sized, thing, .create = object_new, .reset = object_reset, .destroy = object_end,
                        .size = object_size, .keep_bytes_each = 4096)
LIDO_OBJECT_POOL_DEFINE(counted, thing, .create = object_new, .reset = object_reset, .destroy = object_end,
                        .size = object_size, .keep_bytes_each = 4096, .keep_bytes = 1 << 20)

static lido_object_pool *dynamic_bare, *dynamic_clean, *dynamic_sized;

/* ---- Pairs ---- */

#define PAIR(name, get, put)              \
  static void name##_pair(size_t count) { \
    for (size_t i = 0; i < count; i++) {  \
      thing *made = get;                  \
      micro_touch(made, i);               \
      put;                                \
    }                                     \
  }

PAIR(pool, floor_alloc(), floor_free(made))
/* What a call of reset costs that nobody can inline. */
static void (*volatile called_reset)(void *made, void *context) = object_reset;
static inline void reset_and_free(thing *made) {
  called_reset(made, NULL);
  floor_free(made);
}

PAIR(pool_called, floor_alloc(), reset_and_free(made))
PAIR(typed, bare_get(), bare_put(made))
PAIR(typed_reset, clean_get(), clean_put(made))
PAIR(typed_sized, sized_get(), sized_put(made))
PAIR(typed_counted, counted_get(), counted_put(made))
PAIR(dynamic, lido_object_pool_get(dynamic_bare), lido_object_pool_put(dynamic_bare, made))
PAIR(dynamic_reset, lido_object_pool_get(dynamic_clean), lido_object_pool_put(dynamic_clean, made))
PAIR(dynamic_sized, lido_object_pool_get(dynamic_sized), lido_object_pool_put(dynamic_sized, made))

static void pair_row(const bench_options *options) {
  const timed_subject subjects[] = {{.name = "pool", .run = pool_pair},
                                    {.name = "typed", .run = typed_pair},
                                    {.name = "typed_reset", .run = typed_reset_pair},
                                    {.name = "typed_sized", .run = typed_sized_pair},
                                    {.name = "typed_counted", .run = typed_counted_pair}};
  timed_row(options, "object_pair", subjects, sizeof subjects / sizeof *subjects);
}

static void dynamic_row(const bench_options *options) {
  const timed_subject subjects[] = {{.name = "pool", .run = pool_pair},
                                    {.name = "pool_called", .run = pool_called_pair},
                                    {.name = "dynamic", .run = dynamic_pair},
                                    {.name = "dynamic_reset", .run = dynamic_reset_pair},
                                    {.name = "dynamic_sized", .run = dynamic_sized_pair}};
  timed_row(options, "object_dynamic", subjects, sizeof subjects / sizeof *subjects);
}

/* ---- Batches ---- */

#define BATCHES(name, get, put)                                          \
  static void name##_batch(size_t count) {                               \
    static thing *batch[BATCH];                                          \
    for (size_t done = 0; done < count; done++) {                        \
      for (size_t i = 0; i < BATCH; i++) micro_touch(batch[i] = get, i); \
      for (size_t i = 0; i < BATCH; i++) put;                            \
    }                                                                    \
  }

BATCHES(pool, floor_alloc(), floor_free(batch[i]))
BATCHES(typed, bare_get(), bare_put(batch[i]))
BATCHES(dynamic, lido_object_pool_get(dynamic_bare), lido_object_pool_put(dynamic_bare, batch[i]))

static void batch_row(const bench_options *options) {
  const timed_subject subjects[] = {{.name = "pool", .run = pool_batch, .parts = BATCH},
                                    {.name = "typed", .run = typed_batch, .parts = BATCH},
                                    {.name = "dynamic", .run = dynamic_batch, .parts = BATCH}};
  timed_row(options, "object_batch", subjects, sizeof subjects / sizeof *subjects);
}

/* ---- Two threads ---- */

static void run_pairs(void *argument) { typed_pair(*(size_t *)argument); }

static void two_row(const bench_options *options) {
  double ratios[BENCH_SAMPLES_MAX];
  if (!bench_two_cores()) {
    bench_skipped("object_two", "one processor only");
    return;
  }
  size_t count = (size_t)(options->slice_ms * 200000);
  for (unsigned s = 0; s < options->slices; s++) {
    bench_job here = {.run = run_pairs, .argument = &count}, there = here;
    bench_together(&here, NULL);
    double alone = here.elapsed;
    bench_together(&here, &there);
    ratios[s] = 2 * alone / (here.elapsed > there.elapsed ? here.elapsed : there.elapsed);
  }
  bench_figure("object_two", "typed", "x", ratios, options->slices);
}

/* ---- Trims ---- */

static void trims(size_t count) {
  for (size_t i = 0; i < count; i++) {
    bare_put(bare_get());
    lido_object_pool_trim(bare_objects());
  }
}

static void trim_row(const bench_options *options) {
  const timed_subject subjects[] = {{.name = "trim", .run = trims}};
  timed_row(options, "object_trim", subjects, 1);
}

/* ---- Buffers ---- */

static void *buffer_new(void *context) {
  (void)context;
  return malloc(BUFFER);
}

LIDO_OBJECT_POOL_DEFINE(buffer, char, .create = buffer_new, .destroy = object_end)

static inline void touch_both_ends(char *buffer) {
  __asm__ volatile("" : : "r"(buffer) : "memory");
  buffer[0] = buffer[BUFFER - 1] = 1;
  __asm__ volatile("" : : "r"(buffer) : "memory");
}

static void buffer_pair(size_t count) {
  for (size_t i = 0; i < count; i++) {
    char *made = buffer_get();
    touch_both_ends(made);
    buffer_put(made);
  }
}

static void malloc_pair(size_t count) {
  for (size_t i = 0; i < count; i++) {
    char *made = malloc(BUFFER);
    if (made == NULL) bench_die("no memory for a buffer");
    touch_both_ends(made);
    free(made);
  }
}

static void malloc_row(const bench_options *options) {
  const timed_subject subjects[] = {{.name = "malloc", .run = malloc_pair}, {.name = "typed", .run = buffer_pair}};
  timed_row(options, "object_malloc", subjects, sizeof subjects / sizeof *subjects);
}

/* ---- Rows ---- */

static void start_thread(void *unused) { (void)unused; }

static lido_object_pool *make(lido_object_pool_options options) {
  options.create = object_new;
  options.destroy = object_end;
  lido_object_pool *pool = lido_object_pool_create(&options);
  if (pool == NULL) bench_die("an object pool could not be created");
  return pool;
}

int main(int argc, char **argv) {
  bench_options options = bench_begin(argc, argv);
  bench_job nothing = {.run = start_thread};
  bench_together(NULL, &nothing);
  dynamic_bare = make((lido_object_pool_options){0});
  dynamic_clean = make((lido_object_pool_options){.reset = object_reset});
  dynamic_sized = make((lido_object_pool_options){.reset = object_reset, .size = object_size, .keep_bytes_each = 4096});
  bench_fact("peer", "lido");
  bench_fact("version", lido_version());
  if (bench_wants(&options, "object_pair")) pair_row(&options);
  if (bench_wants(&options, "object_dynamic")) dynamic_row(&options);
  if (bench_wants(&options, "object_batch")) batch_row(&options);
  if (bench_wants(&options, "object_two")) two_row(&options);
  if (bench_wants(&options, "object_trim")) trim_row(&options);
  if (bench_wants(&options, "object_malloc")) malloc_row(&options);
  return 0;
}
