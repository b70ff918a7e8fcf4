/* parser_job.c: a parser on one allocator, with its memory hooks as a program would write them.
 *
 *     expat_job_lido FILE [--slices 5] [--slice-ms 20]     how long a document takes
 *     expat_job_lido FILE --scale 100                      how much memory so many documents need
 *
 * Compiled once for each parser, JOB_FILE naming it, and each allocator (parser_memory.h). A document is
 * everything from no parser to no parser; its result has a checksum that must be the same for every allocator. JOB_FILE
 * defines
 *
 *     JOB_ROW                                               the parser, as the figures name it
 *     uint64_t job_document(data, length, bool checked)     one document; -> its checksum if that is wanted
 */
#include <stdio.h>

#include "harness.h"

#include JOB_FILE

typedef struct job_input {
  char *data;
  size_t length;
} job_input;

static job_input read_file(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) bench_die("cannot read %s", path);
  job_input input = {.length = (size_t)ftell(file)};
  if (input.length == 0) bench_die("%s is empty", path);
  input.data = bench_pages(input.length); /* not from the allocator under test */
  rewind(file);
  if (fread(input.data, 1, input.length, file) != input.length) bench_die("cannot read all of %s", path);
  fclose(file);
  return input;
}

static void check_serving(void) {
#if defined(JOB_MIMALLOC)
  void *block = mi_malloc(64);
  if (!mi_is_in_heap_region(block)) bench_die("mi_malloc does not come from a mimalloc heap");
  mi_free(block);
#else
  if (strstr(bench_malloc_file(), "libc.so") == NULL) bench_die("malloc is served by %s", bench_malloc_file());
#endif
}

static uint64_t run(job_input input, bool checked) {
  uint64_t sum = job_document(input.data, input.length, checked);
  memory_reset();
  return sum;
}

/* The first documents, unmeasured: what they come to, and how often they call the allocator. */
static void first(job_input input) {
  enum { FIRST = 4 };
  char text[32];
  uint64_t sum = 0;
  for (int i = 0; i < FIRST; i++) sum = sum * 31 + run(input, true);
  snprintf(text, sizeof text, "%016llx", (unsigned long long)sum);
  bench_fact("checksum", text);
  bench_number("parser_calls", JOB_NAME, "calls", (double)memory_calls / FIRST);
}

static double slice(job_input input, double wanted_ns) {
  double start = bench_now(), elapsed = 0;
  size_t documents = 0;
  while (elapsed < wanted_ns) {
    (void)run(input, false);
    documents++;
    elapsed = bench_now() - start;
  }
  return elapsed / (double)documents;
}

/* How much so many documents, one after the other, have resident at most, beside their own text. */
static void measure_peak(job_input input, size_t documents) {
  size_t before = bench_resident();
  memory_begin();
  for (size_t i = 0; i < documents; i++) (void)run(input, false);
  size_t peak = bench_resident_peak();
  bench_number("parser_peak", JOB_NAME, "bytes", peak > before ? (double)(peak - before) : 0);
}

static void measure_time(job_input input, const bench_options *options) {
  double samples[BENCH_SAMPLES_MAX];
  memory_begin();
  first(input);
  for (unsigned s = 0; s < options->slices; s++) samples[s] = slice(input, options->slice_ms * 1e6);
  bench_figure("parser_time", JOB_NAME, "ns", samples, options->slices);
}

int main(int argc, char **argv) {
  if (argc < 2) bench_die("usage: %s FILE [options]", argv[0]);
  bench_options options = bench_begin(argc - 1, argv + 1);
  check_serving();
  job_input input = read_file(argv[1]);
  bench_fact("parser", JOB_ROW);
  if (options.scale != 0) measure_peak(input, options.scale);
  else measure_time(input, &options);
  return 0;
}
