/* micro_rows.c: the rows of the micro benchmarks: what is set up, what is timed.
 *
 * A row is a function that times one slice: slice(bed, count) -> value of one sample. `count` is found
 * by doubling until a slice is long enough to judge, then scaled to the wanted length.
 */
#include "micro.h"

#include <stdlib.h>
#include <string.h>

enum { SUBJECTS_MAX = 8, HELD_MAX = 256 };

/* One subject in one row. */
typedef struct micro_bed {
  const micro_subject *subject;
  uint64_t seed;
  void **objects; /* live objects of the row, or NULL */
  size_t live;
  micro_ring *ring;
  size_t count; /* operations a slice */
} micro_bed;

/* Times `count` operations. -> ns in all; `*value` is the sample of a row whose unit is not ns. */
typedef double slice_function(micro_bed *bed, size_t count, double *value);

typedef struct micro_row {
  const char *name;
  const char *unit;
  slice_function *slice;
  size_t granule;   /* operations come in multiples of it */
  double length;    /* of a slice, in units of the wanted length */
  bool warm;        /* run half a slice unmeasured before each: the caches belong to the last subject */
  const char *time; /* name of a second row for the ns of each operation; NULL = the sample is that */
} micro_row;

static size_t round_to(size_t count, size_t granule) {
  size_t rounds = count / granule;
  return (rounds == 0 ? 1 : rounds) * granule;
}

static void calibrate(const micro_row *row, micro_bed *bed, double wanted_ns) {
  double value;
  size_t count = round_to(4096, row->granule);
  double elapsed = row->slice(bed, count, &value);
  while (elapsed < wanted_ns / 4) {
    count *= 2;
    elapsed = row->slice(bed, count, &value);
  }
  bed->count = round_to((size_t)((double)count * wanted_ns / elapsed), row->granule);
}

typedef struct micro_samples {
  double value[BENCH_SAMPLES_MAX];
  double ns[BENCH_SAMPLES_MAX];
} micro_samples;

static void take_sample(const micro_row *row, micro_bed *bed, micro_samples *samples, unsigned at) {
  double value = 0, unused;
  if (row->warm) row->slice(bed, round_to(bed->count / 2, row->granule), &unused);
  samples->ns[at] = row->slice(bed, bed->count, &value) / (double)bed->count;
  samples->value[at] = row->time != NULL ? value : samples->ns[at];
}

static void measure(const bench_options *options, const micro_row *row, micro_bed *beds, size_t count) {
  static micro_samples taken[SUBJECTS_MAX];
  double wanted_ns = options->slice_ms * 1e6 * row->length;
  for (size_t i = 0; i < count; i++) calibrate(row, &beds[i], wanted_ns);
  for (unsigned s = 0; s < options->slices; s++)
    for (size_t i = 0; i < count; i++) {
      size_t at = (i + s) % count; /* the order turns, so that nobody always follows the same one */
      take_sample(row, &beds[at], &taken[at], s);
    }
  for (size_t i = 0; i < count; i++) {
    const char *subject = beds[i].subject->name;
    bench_figure(row->name, subject, row->unit, taken[i].value, options->slices);
    if (row->time != NULL) bench_figure(row->time, subject, "ns", taken[i].ns, options->slices);
  }
}

/* ---- Slices of one thread ---- */

/* One more object is held each time, so that each slice works on another one: an object whose address happens to
 * agree with that of some other hot word in its last twelve bits is slow on many processors. */
static double slice_pair(micro_bed *bed, size_t count, double *value) {
  (void)value;
  if (bed->live < HELD_MAX) bed->subject->fill(&bed->objects[bed->live++], 1);
  double start = bench_now();
  bed->subject->pair(count);
  return bench_now() - start;
}

static double slice_batch(micro_bed *bed, size_t count, double *value) {
  (void)value;
  double start = bench_now();
  bed->subject->batch(count);
  return bench_now() - start;
}

static double slice_random(micro_bed *bed, size_t count, double *value) {
  (void)value;
  uint64_t seed = bench_random(&bed->seed);
  double start = bench_now();
  bed->subject->random(bed->objects, bed->live, count, seed);
  return bench_now() - start;
}

/* ---- Slices of two threads ---- */

typedef struct micro_work {
  const micro_subject *subject;
  void **objects;
  size_t live;
  micro_ring *ring;
  size_t count;
} micro_work;

static void work_pair(void *argument) {
  micro_work *w = argument;
  w->subject->pair(w->count);
}

static void work_batch(void *argument) {
  micro_work *w = argument;
  w->subject->batch(w->count);
}

static void work_walk(void *argument) {
  micro_work *w = argument;
  w->subject->walk(w->objects, w->live, w->count);
}

static void work_produce(void *argument) {
  micro_work *w = argument;
  w->subject->produce(w->ring, w->count);
}

static void work_consume(void *argument) {
  micro_work *w = argument;
  w->subject->consume(w->ring, w->count);
}

static double longer(const bench_job *a, const bench_job *b) {
  return a->elapsed > b->elapsed ? a->elapsed : b->elapsed;
}

/* Throughput of two threads in units of that of one. The one thread is the first in one slice, the
 * second in the next, so that a slower core counts on both sides. */
static double slice_two(micro_bed *bed, size_t count, double *value, void (*run)(void *)) {
  micro_work w = {.subject = bed->subject, .count = count};
  bench_job here = {run, &w, 0}, there = {run, &w, 0};
  bench_together(&here, NULL);
  double alone = here.elapsed;
  bench_together(NULL, &there);
  alone = (alone + there.elapsed) / 2;
  bench_together(&here, &there);
  double both = longer(&here, &there);
  *value = 2 * alone / both;
  return both;
}

static double slice_two_pair(micro_bed *bed, size_t count, double *value) {
  return slice_two(bed, count, value, work_pair);
}

static double slice_two_batch(micro_bed *bed, size_t count, double *value) {
  return slice_two(bed, count, value, work_batch);
}

/* The two halves of bed->objects, one for each thread. */
static double slice_woven(micro_bed *bed, size_t count, double *value) {
  (void)value;
  size_t half = bed->live / 2;
  micro_work a = {.subject = bed->subject, .objects = bed->objects, .live = half, .count = count};
  micro_work b = {.subject = bed->subject, .objects = bed->objects + half, .live = half, .count = count};
  bench_job here = {work_walk, &a, 0}, there = {work_walk, &b, 0};
  bench_together(&here, &there);
  return (here.elapsed + there.elapsed) / 2;
}

static void settle(const micro_subject *subject) {
  if (subject->forget != NULL) {
    bench_job here = {subject->forget, NULL, 0}, there = {subject->forget, NULL, 0};
    bench_together(&here, &there);
  }
  if (subject->settle != NULL) subject->settle();
}

static double slice_exchange(micro_bed *bed, size_t count, double *value) {
  (void)value;
  micro_work w = {.subject = bed->subject, .ring = bed->ring, .count = count};
  bench_job here = {work_produce, &w, 0}, there = {work_consume, &w, 0};
  bench_together(&here, &there);
  settle(bed->subject);
  return longer(&here, &there);
}

/* ---- Rows ---- */

static size_t make_beds(const bench_options *options, const micro_subject *subjects, size_t count, unsigned rows,
                        micro_bed *beds) {
  size_t made = 0;
  for (size_t i = 0; i < count; i++) {
    if (subjects[i].rows != 0 && (subjects[i].rows & rows) == 0) continue;
    if (made == SUBJECTS_MAX) bench_die("more than %d subjects", SUBJECTS_MAX);
    beds[made++] = (micro_bed){.subject = &subjects[i], .seed = options->seed};
  }
  return made;
}

static void run_plain(const bench_options *options, const micro_row *row, const micro_subject *subjects, size_t count) {
  micro_bed beds[SUBJECTS_MAX];
  size_t made = make_beds(options, subjects, count, MICRO_IN_PLAIN, beds);
  measure(options, row, beds, made);
}

static void run_pair(const bench_options *options, const micro_row *row, const micro_subject *subjects, size_t count) {
  static void *held[SUBJECTS_MAX][HELD_MAX];
  micro_bed beds[SUBJECTS_MAX];
  size_t made = make_beds(options, subjects, count, MICRO_IN_PLAIN, beds);
  for (size_t i = 0; i < made; i++) beds[i].objects = held[i];
  measure(options, row, beds, made);
  for (size_t i = 0; i < made; i++) beds[i].subject->drain(beds[i].objects, beds[i].live);
}

static void run_random(const bench_options *options, const micro_row *row, const micro_subject *subjects, size_t count,
                       size_t live) {
  micro_bed beds[SUBJECTS_MAX];
  size_t made = make_beds(options, subjects, count, MICRO_IN_RANDOM, beds);
  for (size_t i = 0; i < made; i++) {
    beds[i].objects = bench_pages(live * sizeof(void *));
    beds[i].live = live;
    beds[i].subject->fill(beds[i].objects, live);
  }
  measure(options, row, beds, made);
  for (size_t i = 0; i < made; i++) {
    beds[i].subject->drain(beds[i].objects, live);
    bench_pages_free(beds[i].objects, live * sizeof(void *));
  }
}

static void run_exchange(const bench_options *options, const micro_row *row, const micro_subject *subjects,
                         size_t count) {
  static micro_ring rings[SUBJECTS_MAX];
  micro_bed beds[SUBJECTS_MAX];
  size_t made = make_beds(options, subjects, count, MICRO_IN_EXCHANGE, beds);
  for (size_t i = 0; i < made; i++) {
    memset(&rings[i], 0, sizeof rings[i]);
    beds[i].ring = &rings[i];
  }
  measure(options, row, beds, made);
}

static int compare_addresses(const void *a, const void *b) {
  uintptr_t x = (uintptr_t) * (void *const *)a, y = (uintptr_t) * (void *const *)b;
  return (x > y) - (x < y);
}

/* Deal objects in address order out to two threads: 0, 2, 4, … into the first half, 1, 3, 5, … into
 * the second. */
static void deal_out(void **objects, size_t count) {
  void **dealt = bench_pages(count * sizeof *dealt);
  qsort(objects, count, sizeof *objects, compare_addresses);
  for (size_t i = 0; i < count; i++) dealt[(i % 2) * (count / 2) + i / 2] = objects[i];
  memcpy(objects, dealt, count * sizeof *objects);
  bench_pages_free(dealt, count * sizeof *dealt);
}

static void weave(micro_bed *bed) {
  const micro_subject *subject = bed->subject;
  bed->objects = bench_pages(MICRO_WOVEN_MAX * sizeof(void *));
  bed->live = MICRO_WOVEN;
  if (subject->fill_slab != NULL) bed->live = subject->fill_slab(bed->objects, MICRO_WOVEN_MAX) / 2 * 2;
  else subject->fill(bed->objects, MICRO_WOVEN);
  deal_out(bed->objects, bed->live);
}

static void run_woven(const bench_options *options, const micro_subject *subjects, size_t count) {
  static const micro_row in_order = {"interleaved", "ns", slice_woven, 1, 1, false, NULL};
  static const micro_row shuffled = {"interleaved_shuffled", "ns", slice_woven, 1, 1, false, NULL};
  static const micro_row apart = {"interleaved_apart", "ns", slice_woven, 1, 1, false, NULL};
  micro_bed beds[SUBJECTS_MAX];
  size_t made = make_beds(options, subjects, count, MICRO_IN_WOVEN, beds);
  for (size_t i = 0; i < made; i++) weave(&beds[i]);
  measure(options, &in_order, beds, made);
  for (size_t i = 0; i < made; i++) {
    bench_shuffle(beds[i].objects, beds[i].live / 2, &beds[i].seed);
    bench_shuffle(beds[i].objects + beds[i].live / 2, beds[i].live / 2, &beds[i].seed);
  }
  measure(options, &shuffled, beds, made);
  for (size_t i = 0; i < made; i++) qsort(beds[i].objects, beds[i].live, sizeof(void *), compare_addresses);
  measure(options, &apart, beds, made);
  for (size_t i = 0; i < made; i++) {
    beds[i].subject->drain(beds[i].objects, beds[i].live);
    bench_pages_free(beds[i].objects, MICRO_WOVEN_MAX * sizeof(void *));
    settle(beds[i].subject);
  }
}

/* ---- Age ---- */

enum { AGE_OBJECTS = 200000 };

static void work_drain(void *argument) {
  micro_work *w = argument;
  w->subject->drain(w->objects, w->live);
}

/* What a long life does to an allocator: many objects, freed in no order, half by each thread. */
static void age(micro_bed *bed) {
  size_t half = AGE_OBJECTS / 2;
  void **objects = bench_pages(AGE_OBJECTS * sizeof *objects);
  bed->subject->fill(objects, AGE_OBJECTS);
  bench_shuffle(objects, AGE_OBJECTS, &bed->seed);
  micro_work a = {.subject = bed->subject, .objects = objects, .live = half};
  micro_work b = {.subject = bed->subject, .objects = objects + half, .live = half};
  bench_job here = {work_drain, &a, 0}, there = {work_drain, &b, 0};
  bench_together(&here, &there);
  bench_pages_free(objects, AGE_OBJECTS * sizeof *objects);
}

static void run_aged(const bench_options *options, const micro_subject *subjects, size_t count) {
  static const micro_row alone = {"aged_batch", "ns", slice_batch, MICRO_BATCH, 1, false, NULL};
  static const micro_row two = {"aged_two_threads_batch",     "x", slice_two_batch, MICRO_BATCH, 0.5, false,
                                "aged_two_threads_batch_time"};
  micro_bed beds[SUBJECTS_MAX];
  size_t made = make_beds(options, subjects, count, MICRO_IN_PLAIN, beds);
  for (size_t i = 0; i < made; i++) age(&beds[i]);
  measure(options, &alone, beds, made);
  measure(options, &two, beds, made);
}

/* Bytes resident for each of many live objects, and what stays when all are freed. One subject: the
 * last one (the peer itself). Meant to be asked for alone, in a process that did nothing before. */
static void run_resident(const bench_options *options, const micro_subject *subject) {
  size_t count = options->scale != 0 ? options->scale : 2000000;
  void **objects = bench_pages(count * sizeof *objects);
  size_t before = bench_resident();
  subject->fill(objects, count);
  size_t filled = bench_resident();
  subject->drain(objects, count);
  size_t emptied = bench_resident();
  bench_number("resident", subject->name, "bytes", (double)(filled - before) / (double)count);
  bench_number("resident_after_free", subject->name, "bytes", emptied > before ? (double)(emptied - before) : 0);
  bench_pages_free(objects, count * sizeof *objects);
}

static void run_two_threads(const bench_options *options, const micro_subject *subjects, size_t count) {
  static const micro_row exchange = {"producer_consumer", "ns", slice_exchange, MICRO_RING_STEP, 1, false, NULL};
  static const micro_row two_pair = {"two_threads_pair", "x", slice_two_pair, 1, 0.5, false, "two_threads_pair_time"};
  static const micro_row two_batch = {"two_threads_batch",     "x", slice_two_batch, MICRO_BATCH, 0.5, false,
                                      "two_threads_batch_time"};
  const micro_row *const rows[] = {&two_pair, &two_batch};
  if (bench_wants(options, exchange.name)) run_exchange(options, &exchange, subjects, count);
  if (bench_wants(options, "interleaved")) run_woven(options, subjects, count);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (bench_wants(options, rows[i]->name)) run_plain(options, rows[i], subjects, count);
  if (bench_wants(options, "aged_batch")) run_aged(options, subjects, count);
}

void micro_run(const bench_options *options, const micro_subject *subjects, size_t count) {
  static const micro_row pair = {"pair", "ns", slice_pair, 1, 1, false, NULL};
  static const micro_row batch = {"batch", "ns", slice_batch, MICRO_BATCH, 1, false, NULL};
  static const micro_row random_10k = {"random_10k", "ns", slice_random, 1, 1, false, NULL};
  static const micro_row random_1m = {"random_1m", "ns", slice_random, 1, 3, true, NULL};
  if (options->rows != NULL && bench_wants(options, "resident")) run_resident(options, &subjects[1]);
  if (bench_wants(options, pair.name)) run_pair(options, &pair, subjects, count);
  if (bench_wants(options, batch.name)) run_plain(options, &batch, subjects, count);
  if (bench_wants(options, random_10k.name)) run_random(options, &random_10k, subjects, count, 10000);
  if (bench_wants(options, random_1m.name)) run_random(options, &random_1m, subjects, count, 1000000);
  if (bench_two_cores()) run_two_threads(options, subjects, count);
  else bench_skipped("two threads", "one processor only");
}
