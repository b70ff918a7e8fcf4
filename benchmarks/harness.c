/* harness.c: see harness.h. */
#define _GNU_SOURCE /* sched_setaffinity, dladdr */
#include "harness.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

void bench_die(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("benchmark: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(2);
}

/* ---- Processors ---- */

static int processors[2] = {-1, -1};

static void find_processors(void) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  int found = 0;
  for (unsigned cpu = 0; cpu < CPU_SETSIZE && found < 2; cpu++)
    if (CPU_ISSET(cpu, &allowed)) processors[found++] = (int)cpu;
}

static void pin(int which) {
  if (processors[which] < 0) return;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET((unsigned)processors[which], &one);
  (void)sched_setaffinity(0, sizeof one, &one);
}

bool bench_two_cores(void) { return processors[1] >= 0; }

/* ---- Command line ---- */

static const char *value_of(int argc, char **argv, int *at) {
  if (*at + 1 >= argc) bench_die("%s needs a value", argv[*at]);
  return argv[++*at];
}

bench_options bench_begin(int argc, char **argv) {
  bench_options options = {.rows = NULL, .slices = 5, .slice_ms = 20, .seed = 20240229, .scale = 0};
  for (int i = 1; i < argc; i++) {
    const char *name = argv[i];
    const char *value = value_of(argc, argv, &i);
    if (strcmp(name, "--rows") == 0) options.rows = value;
    else if (strcmp(name, "--slices") == 0) options.slices = (unsigned)strtoul(value, NULL, 10);
    else if (strcmp(name, "--slice-ms") == 0) options.slice_ms = strtod(value, NULL);
    else if (strcmp(name, "--seed") == 0) options.seed = strtoull(value, NULL, 10);
    else if (strcmp(name, "--scale") == 0) options.scale = strtoull(value, NULL, 10);
    else bench_die("unknown option %s", name);
  }
  if (options.slices < 1) options.slices = 1;
  if (options.slices > BENCH_SAMPLES_MAX) options.slices = BENCH_SAMPLES_MAX;
  if (options.slice_ms < 0.1) options.slice_ms = 0.1;
  if (options.seed == 0) options.seed = 1;
  find_processors();
  pin(0);
  return options;
}

bool bench_wants(const bench_options *options, const char *row) {
  if (options->rows == NULL) return true;
  size_t length = strlen(row);
  for (const char *at = options->rows; (at = strstr(at, row)) != NULL; at += length) {
    bool starts = at == options->rows || at[-1] == ',';
    bool ends = at[length] == '\0' || at[length] == ',';
    if (starts && ends) return true;
  }
  return false;
}

/* ---- Clock and memory ---- */

double bench_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* A line "name: N kB" of a file in /proc/self -> bytes; 0 if there is none. */
static size_t proc_bytes(const char *path, const char *name) {
  FILE *file = fopen(path, "r");
  if (file == NULL) return 0;
  char line[256];
  size_t length = strlen(name), kib = 0;
  while (kib == 0 && fgets(line, sizeof line, file) != NULL)
    if (strncmp(line, name, length) == 0 && line[length] == ':') kib = strtoul(line + length + 1, NULL, 10);
  fclose(file);
  return kib << 10;
}

/* smaps_rollup counts pages exactly; status lags behind by up to 64 pages a thread. */
size_t bench_resident(void) {
  size_t bytes = proc_bytes("/proc/self/smaps_rollup", "Rss");
  if (bytes == 0) bytes = proc_bytes("/proc/self/status", "VmRSS");
  if (bytes == 0) bench_die("/proc/self does not tell what is resident");
  return bytes;
}

/* Not from getrusage, whose peak includes that of the program that started this one. */
size_t bench_resident_peak(void) { return proc_bytes("/proc/self/status", "VmHWM"); }

void *bench_pages(size_t bytes) {
  void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (pages == MAP_FAILED) bench_die("no memory for %zu bytes of the benchmark's own", bytes);
  return pages;
}

void bench_pages_free(void *pages, size_t bytes) { munmap(pages, bytes); }

void bench_shuffle(void **items, size_t count, uint64_t *state) {
  for (size_t i = count; i > 1; i--) {
    size_t j = bench_random(state) % i;
    void *item = items[i - 1];
    items[i - 1] = items[j];
    items[j] = item;
  }
}

/* ---- Two threads ---- */

static struct {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  bool running;
  bool busy;
  bench_job *job;
  _Atomic unsigned ready; /* threads at the starting line */
} second = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

void bench_wait(unsigned turn) {
  if (turn % 1024 == 1023) sched_yield();
  else bench_relax();
}

static void start_line(unsigned runners) {
  atomic_fetch_add(&second.ready, 1);
  for (unsigned turn = 0; atomic_load(&second.ready) < runners; turn++) bench_wait(turn);
}

static void run_job(bench_job *job, unsigned runners) {
  start_line(runners);
  double start = bench_now();
  job->run(job->argument);
  job->elapsed = bench_now() - start;
}

static unsigned second_runners;

static void *second_main(void *unused) {
  (void)unused;
  pin(1);
  pthread_mutex_lock(&second.mutex);
  for (;;) {
    while (!second.busy) pthread_cond_wait(&second.changed, &second.mutex);
    pthread_mutex_unlock(&second.mutex);
    run_job(second.job, second_runners);
    pthread_mutex_lock(&second.mutex);
    second.busy = false;
    pthread_cond_broadcast(&second.changed);
  }
  return NULL;
}

static void second_start(void) {
  if (second.running) return;
  pthread_t thread;
  if (pthread_create(&thread, NULL, second_main, NULL) != 0) bench_die("cannot start a thread");
  pthread_detach(thread);
  second.running = true;
}

static void second_give(bench_job *job) {
  second_start();
  pthread_mutex_lock(&second.mutex);
  second.job = job;
  second.busy = true;
  pthread_cond_broadcast(&second.changed);
  pthread_mutex_unlock(&second.mutex);
}

static void second_finish(void) {
  pthread_mutex_lock(&second.mutex);
  while (second.busy) pthread_cond_wait(&second.changed, &second.mutex);
  pthread_mutex_unlock(&second.mutex);
}

void bench_together(bench_job *here, bench_job *there) {
  atomic_store(&second.ready, 0);
  second_runners = (here != NULL ? 1u : 0u) + (there != NULL ? 1u : 0u);
  if (there != NULL) second_give(there);
  if (here != NULL) run_job(here, second_runners);
  if (there != NULL) second_finish();
}

/* ---- Figures ---- */

static int compare_doubles(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

double bench_median(const double *samples, size_t count) {
  double sorted[BENCH_SAMPLES_MAX];
  memcpy(sorted, samples, count * sizeof *sorted);
  qsort(sorted, count, sizeof *sorted, compare_doubles);
  return count % 2 != 0 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

void bench_figure(const char *row, const char *subject, const char *unit, const double *samples, size_t count) {
  printf("{\"row\": \"%s\", \"subject\": \"%s\", \"unit\": \"%s\", \"value\": %.6g, \"samples\": [", row, subject, unit,
         bench_median(samples, count));
  for (size_t i = 0; i < count; i++) printf("%s%.6g", i == 0 ? "" : ", ", samples[i]);
  puts("]}");
  fflush(stdout);
}

void bench_number(const char *row, const char *subject, const char *unit, double value) {
  bench_figure(row, subject, unit, &value, 1);
}

/* Values are file names and versions of this machine: quotes and backslashes do not occur, but a
 * line must stay a line whatever they are. */
static void print_quoted(const char *text) {
  putchar('"');
  for (; *text != '\0'; text++) {
    if (*text == '"' || *text == '\\') putchar('\\');
    putchar((unsigned char)*text < ' ' ? ' ' : *text);
  }
  putchar('"');
}

void bench_fact(const char *name, const char *value) {
  printf("{\"fact\": \"%s\", \"value\": ", name);
  print_quoted(value);
  puts("}");
}

void bench_skipped(const char *row, const char *why) {
  printf("{\"row\": \"%s\", \"skipped\": ", row);
  print_quoted(why);
  puts("}");
}

const char *bench_malloc_file(void) {
  Dl_info info;
  void *address = dlsym(RTLD_DEFAULT, "malloc");
  if (address == NULL || dladdr(address, &info) == 0 || info.dli_fname == NULL) return "unknown";
  return info.dli_fname;
}
