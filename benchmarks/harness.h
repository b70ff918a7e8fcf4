/* harness.h: what every benchmark program shares: clock, two pinned threads, figures as lines of JSON.
 *
 * A program prints one line of JSON per figure and nothing else on stdout; benchmarks/run.py runs the
 * programs, repeats them and makes the table. Each program can also be run by hand:
 *
 *     micro_lido --rows pair,batch --slices 5 --slice-ms 20
 *
 * Threads: the first is pinned to the first allowed processor when the program starts. The second is
 * started, and pinned to the second processor, by the first row that needs it, so that rows for one
 * thread run in a process that has one (glibc's malloc is faster there).
 * Failure: a benchmark that cannot go on says why on stderr and exits with 2.
 */
#ifndef LIDO_BENCHMARKS_HARNESS_H
#define LIDO_BENCHMARKS_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BENCH_SAMPLES_MAX = 64 };

typedef struct bench_options {
  const char *rows; /* comma separated; NULL = all */
  unsigned slices;  /* samples of each figure, 1 to BENCH_SAMPLES_MAX */
  double slice_ms;  /* how long one sample takes, about */
  uint64_t seed;    /* of every random choice */
  size_t scale;     /* what a program makes of it: a size to override its own, 0 = its own */
} bench_options;

/* Read the command line, pin this thread. `program` names the figures' origin. */
bench_options bench_begin(int argc, char **argv);

bool bench_wants(const bench_options *options, const char *row);

/* ---- Clock and memory ---- */

double bench_now(void);           /* nanoseconds */
size_t bench_resident(void);      /* bytes resident now */
size_t bench_resident_peak(void); /* most bytes ever resident */

/* ---- Random numbers ---- */

/* One step of xorshift64; the state is never 0. */
static inline uint64_t bench_random(uint64_t *state) {
  uint64_t x = *state;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  return *state = x;
}

void bench_shuffle(void **items, size_t count, uint64_t *state);

/* ---- Two threads ---- */

bool bench_two_cores(void); /* are there two processors to pin to? */

typedef struct bench_job {
  void (*run)(void *argument);
  void *argument;
  double elapsed; /* ns, set by bench_together */
} bench_job;

/* Run both jobs, from the same moment on, each on a processor of its own: `here` on this thread,
 * `there` on the second one. Either may be NULL. Returns when both have ended. */
void bench_together(bench_job *here, bench_job *there);

static inline void bench_relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* Wait a little longer at each `turn` of a waiting loop. */
void bench_wait(unsigned turn);

/* ---- Figures ---- */

double bench_median(const double *samples, size_t count);
void bench_figure(const char *row, const char *subject, const char *unit, const double *samples, size_t count);
void bench_number(const char *row, const char *subject, const char *unit, double value);
void bench_fact(const char *name, const char *value);
void bench_skipped(const char *row, const char *why);

/* Memory for the benchmark's own arrays, written once so that it is resident; from the operating
 * system, whoever serves malloc. */
void *bench_pages(size_t bytes);
void bench_pages_free(void *pages, size_t bytes);

_Noreturn void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Who serves malloc in this process: the file that holds the function. */
const char *bench_malloc_file(void);

#endif
