/* plain_runner.c: runs the tests one after the other in this process.
 *
 *     tests_plain                    all
 *     tests_plain 'zero/' 'batch/a*'  those whose suite/name begins with one of these patterns
 *     tests_plain --list             their names
 *
 * Output is TAP. The exit status is 0 only if there were tests and all of them held. A check that does not hold
 * prints its place and leaves the test by longjmp; in another thread, where that is impossible, it ends the process.
 */
#include <fnmatch.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/testing.h"

static testing_test *registered;
static jmp_buf end_of_test;
static pthread_t runner;
static pid_t runner_process;

void testing_register(testing_test *test) {
  test->next = registered;
  registered = test;
}

_Noreturn void testing_fail(const char *file, int line, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  printf("# %s:%d: ", file, line);
  vprintf(format, arguments);
  printf("\n");
  fflush(stdout);
  va_end(arguments);
  if (!pthread_equal(pthread_self(), runner) || getpid() != runner_process) {
    printf("# the check is not in the thread of the test: the process ends\n");
    fflush(stdout);
    _exit(2);
  }
  longjmp(end_of_test, 1);
}

static bool is_wanted(const testing_test *test, char **patterns) {
  if (*patterns == NULL) return true;
  char name[256];
  char pattern[256];
  snprintf(name, sizeof name, "%s/%s", test->suite, test->name);
  for (; *patterns != NULL; patterns++) {
    snprintf(pattern, sizeof pattern, "%s*", *patterns);
    if (fnmatch(pattern, name, 0) == 0) return true;
  }
  return false;
}

static int by_place(const void *left, const void *right) {
  const testing_test *a = *(testing_test *const *)left;
  const testing_test *b = *(testing_test *const *)right;
  int order = strcmp(a->file, b->file);
  return order != 0 ? order : (a->line > b->line) - (a->line < b->line);
}

/* The wanted tests in the order of the sources. -> how many. */
static size_t collect(testing_test ***tests, char **patterns) {
  size_t count = 0;
  for (testing_test *test = registered; test != NULL; test = test->next) count += is_wanted(test, patterns);
  *tests = calloc(count + 1, sizeof **tests);
  if (*tests == NULL) abort();
  size_t filled = 0;
  for (testing_test *test = registered; test != NULL; test = test->next) {
    if (is_wanted(test, patterns)) (*tests)[filled++] = test;
  }
  qsort(*tests, count, sizeof **tests, by_place);
  return count;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static bool run(const testing_test *test) {
  if (setjmp(end_of_test) != 0) return false;
  test->run();
  return true;
}

static size_t run_all(testing_test **tests, size_t count) {
  size_t failed = 0;
  printf("1..%zu\n", count);
  for (size_t i = 0; i < count; i++) {
    double start = now();
    bool held = run(tests[i]);
    failed += !held;
    printf("%sok %zu - %s/%s # %.3f s\n", held ? "" : "not ", i + 1, tests[i]->suite, tests[i]->name, now() - start);
    fflush(stdout);
  }
  printf("# %zu tests, %zu failed\n", count, failed);
  return failed;
}

int main(int argc, char **argv) {
  (void)argc;
  setvbuf(stdout, NULL, _IOLBF, 0); /* a forked child must find nothing to print again */
  runner = pthread_self();
  runner_process = getpid();
  bool list = argv[1] != NULL && strcmp(argv[1], "--list") == 0;
  testing_test **tests;
  size_t count = collect(&tests, argv + 1 + list);
  size_t failed = 0;
  if (list) {
    for (size_t i = 0; i < count; i++) printf("%s/%s\n", tests[i]->suite, tests[i]->name);
  } else {
    failed = run_all(tests, count);
  }
  free(tests);
  return count == 0 || failed != 0;
}
