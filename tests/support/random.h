/* random.h: numbers that look random and come again from the same seed. One generator per thread. */
#ifndef LIDO_TESTS_SUPPORT_RANDOM_H
#define LIDO_TESTS_SUPPORT_RANDOM_H

#include <stddef.h>
#include <stdint.h>

typedef struct testing_random {
  uint64_t state;
} testing_random;

/* SplitMix64: any seed is a good one, also 0. */
static inline uint64_t testing_next(testing_random *random) {
  uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

/* 0 to bound - 1. pre: bound != 0. */
static inline size_t testing_below(testing_random *random, size_t bound) {
  return (size_t)(testing_next(random) % bound);
}

#endif
