/* heap_profile_rows.c: what the heap profile costs: the loops of the micro benchmarks with it off and on, slice by
 * slice in turns.
 *
 * Each slice with the profile on starts it, and nudges once, as a monitor's tick would.
 */
#include <lido/heap_profile.h>
#include <lido/pool.h>
#include <lido/version.h>

#include "micro.h"
#include "timed_row.h"

enum { LIVE = 10000 };

typedef struct micro_object {
  uint64_t words[MICRO_OBJECT / sizeof(uint64_t)];
} micro_object;

LIDO_POOL_DEFINE(plain, micro_object)

#define SUBJECT typed
#define SUBJECT_BEGIN
#define SUBJECT_ALLOC() plain_alloc()
#define SUBJECT_FREE(object) plain_free(object)
#include "micro_loops.h"

static lido_pool *dynamic_pool;

#define SUBJECT dynamic
#define SUBJECT_BEGIN lido_pool *pool = dynamic_pool;
#define SUBJECT_ALLOC() lido_pool_alloc(pool)
#define SUBJECT_FREE(object) lido_pool_free(pool, object)
#include "micro_loops.h"

static void *typed_live[LIVE];
static void *dynamic_live[LIVE];

static void off(void) { lido_heap_profile_stop(); }

static void on(void) {
  lido_heap_profile_stop();
  if (lido_heap_profile_start(NULL) != 0) bench_die("the profile does not start");
  lido_heap_profile_nudge();
}

/* A slice is never so short that the start of a run counts. */
enum { PARTS = 32 * MICRO_BATCH };

static const micro_subject typed = {SUBJECT_LOOPS(typed)};
static const micro_subject dynamic = {SUBJECT_LOOPS(dynamic)};

/* The loop as it is, with the profile off and with it on; `all` operations of it. */
#define BOTH(name, call)                 \
  static void name##_off(size_t count) { \
    size_t all = count * PARTS;          \
    off();                               \
    call;                                \
  }                                      \
  static void name##_on(size_t count) {  \
    size_t all = count * PARTS;          \
    on();                                \
    call;                                \
  }

BOTH(typed_pairs, typed.pair(all))
BOTH(typed_batches, typed.batch(all))
BOTH(typed_randoms, typed.random(typed_live, LIVE, all, 1))
BOTH(dynamic_pairs, dynamic.pair(all))
BOTH(dynamic_batches, dynamic.batch(all))
BOTH(dynamic_randoms, dynamic.random(dynamic_live, LIVE, all, 1))

static void row(const bench_options *options, const char *name, void (*without)(size_t count),
                void (*with)(size_t count)) {
  const timed_subject subjects[] = {{.name = "off", .run = without, .parts = PARTS},
                                    {.name = "on", .run = with, .parts = PARTS},
                                    {.name = "off_again", .run = without, .parts = PARTS}};
  if (bench_wants(options, name)) timed_row(options, name, subjects, 3);
}

int main(int argc, char **argv) {
  bench_options options = bench_begin(argc, argv);
  dynamic_pool = lido_pool_create(&(lido_pool_options){.name = "dynamic", .object_size = sizeof(micro_object)});
  if (dynamic_pool == NULL) bench_die("no pool");
  for (size_t i = 0; i < LIVE; i++) {
    typed_live[i] = plain_alloc();
    dynamic_live[i] = lido_pool_alloc(dynamic_pool);
    if (typed_live[i] == NULL || dynamic_live[i] == NULL) bench_die("no memory");
  }
  bench_fact("peer", "lido");
  bench_fact("version", lido_version());
  row(&options, "profile_typed_pair", typed_pairs_off, typed_pairs_on);
  row(&options, "profile_typed_batch", typed_batches_off, typed_batches_on);
  row(&options, "profile_typed_random", typed_randoms_off, typed_randoms_on);
  row(&options, "profile_dynamic_pair", dynamic_pairs_off, dynamic_pairs_on);
  row(&options, "profile_dynamic_batch", dynamic_batches_off, dynamic_batches_on);
  row(&options, "profile_dynamic_random", dynamic_randoms_off, dynamic_randoms_on);
  return 0;
}
