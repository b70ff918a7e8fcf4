/* environment.c: what tests ask of the world around them; the same for both runners. */
#include <stdlib.h>
#include <time.h>

#include "tests/support/testing.h"

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#ifndef LIDO_TEST_SCALE_DEFAULT
#define LIDO_TEST_SCALE_DEFAULT 1.0
#endif

size_t testing_scaled(size_t count) {
  const char *text = getenv("LIDO_TEST_SCALE");
  double scale = text != NULL ? strtod(text, NULL) : LIDO_TEST_SCALE_DEFAULT;
  double scaled = (double)count * scale;
  return scaled < 1 ? 1 : (size_t)scaled;
}

static uint64_t seed_of_the_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (uint64_t)now.tv_sec * 1000003u + (uint64_t)now.tv_nsec;
}

uint64_t testing_seed(void) {
  const char *text = getenv("LIDO_SEED");
  uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : seed_of_the_clock();
  printf("# LIDO_SEED=%llu\n", (unsigned long long)seed);
  fflush(stdout);
  return seed;
}

bool testing_on_valgrind(void) { return RUNNING_ON_VALGRIND != 0; }
