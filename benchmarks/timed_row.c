/* timed_row.c: see timed_row.h. */
#include "timed_row.h"

static double time_of(const timed_subject *subject, size_t count) {
  double start = bench_now();
  subject->run(count);
  return bench_now() - start;
}

/* -> how often a slice runs it. */
static size_t calibrate(const timed_subject *subject, double wanted_ns) {
  size_t count = 64;
  double elapsed = time_of(subject, count);
  while (elapsed < wanted_ns / 4) {
    count *= 2;
    elapsed = time_of(subject, count);
  }
  size_t wanted = (size_t)((double)count * wanted_ns / elapsed);
  return wanted > 0 ? wanted : 1;
}

static double per_part(const timed_subject *subject, double elapsed, size_t count) {
  size_t parts = subject->parts != 0 ? subject->parts : 1;
  return elapsed / (double)count / (double)parts;
}

void timed_row(const bench_options *options, const char *row, const timed_subject *subjects, size_t count) {
  static double samples[TIMED_SUBJECTS_MAX][BENCH_SAMPLES_MAX];
  size_t counts[TIMED_SUBJECTS_MAX];
  if (count > TIMED_SUBJECTS_MAX) bench_die("more than %d subjects", TIMED_SUBJECTS_MAX);
  for (size_t i = 0; i < count; i++) counts[i] = calibrate(&subjects[i], options->slice_ms * 1e6);
  for (unsigned s = 0; s < options->slices; s++)
    for (size_t i = 0; i < count; i++) {
      size_t at = (i + s) % count; /* the order turns, so that nobody always follows the same one */
      samples[at][s] = per_part(&subjects[at], time_of(&subjects[at], counts[at]), counts[at]);
    }
  for (size_t i = 0; i < count; i++) bench_figure(row, subjects[i].name, "ns", samples[i], options->slices);
}
