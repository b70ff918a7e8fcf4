/* arena_rows.c: see arena_rows.h. */
#include "arena_rows.h"

#include "timed_row.h"

enum {
  RETENTION_REQUESTS = 1000000,
  RETENTION_AFTER = 1000,
  SMALL_PIECES = 8, /* of SMALL_BYTES: the requests of 8 KiB */
  SMALL_BYTES = 1 << 10,
  HUGE_BYTES = 100 << 20,
};

unsigned short arena_sizes[ARENA_PIECES];
void *arena_kept[ARENA_KEPT_MAX];

bench_options arena_begin(int argc, char **argv) {
  bench_options options = bench_begin(argc, argv);
  uint64_t seed = options.seed;
  for (size_t i = 0; i < ARENA_PIECES; i++) arena_sizes[i] = (unsigned short)(16 + bench_random(&seed) % 497);
  return options;
}

/* ---- Time ---- */

void arena_row(const bench_options *options, const char *row, const arena_subject *subjects, size_t count) {
  timed_subject timed[TIMED_SUBJECTS_MAX];
  if (count > TIMED_SUBJECTS_MAX) bench_die("more than %d subjects", TIMED_SUBJECTS_MAX);
  for (size_t i = 0; i < count; i++) {
    timed[i] = (timed_subject){.name = subjects[i].name, .run = subjects[i].requests, .parts = subjects[i].parts};
  }
  timed_row(options, row, timed, count);
}

/* ---- Memory ---- */

static double growth(size_t before) {
  size_t now = bench_resident();
  return now > before ? (double)(now - before) : 0;
}

static void small_requests(const arena_subject *subject, size_t count) {
  for (size_t i = 0; i < count; i++) subject->one(SMALL_PIECES, SMALL_BYTES);
}

/* Many requests, a huge one of so many pieces, some more; what is there that was not before the huge one. `reserved`
 * asks the subject what it holds; NULL: only the kernel is asked. */
static void retain(const bench_options *options, const arena_subject *subject, const char *row, size_t pieces,
                   double (*reserved)(void)) {
  small_requests(subject, options->scale != 0 ? options->scale : RETENTION_REQUESTS);
  size_t before = bench_resident();
  subject->one(pieces, HUGE_BYTES / pieces);
  bench_number(row, "resident_at_once", "bytes", growth(before));
  small_requests(subject, RETENTION_AFTER);
  bench_number(row, subject->name, "bytes", growth(before));
  if (reserved != NULL) bench_number(row, "reserved", "bytes", reserved());
}

void arena_run(const bench_options *options, const arena_subject *subjects, size_t count, double (*reserved)(void)) {
  static const char one[] = "arena_retention_one", many[] = "arena_retention_many";
  if (bench_wants(options, "arena_request")) arena_row(options, "arena_request", subjects, count);
  if (options->rows == NULL) return; /* memory: by its name only, and each in a fresh process */
  if (bench_wants(options, one)) retain(options, &subjects[1], one, 1, reserved);
  if (bench_wants(options, many)) retain(options, &subjects[1], many, HUGE_BYTES / SMALL_BYTES, reserved);
}
