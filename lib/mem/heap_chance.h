/* heap_chance.h: numbers by chance, and the two functions that exponential gaps need.
 *
 * Method: xorshift64* (Marsaglia 2003, Vigna 2016); -log(u) of a uniform u is exponential. Both functions are within
 * 1e-7 of the true ones, which is far below what a sample can tell; so the library needs no libm.
 * Threads: a generator belongs to one.
 */
#ifndef LIDO_LIB_MEM_HEAP_CHANCE_H
#define LIDO_LIB_MEM_HEAP_CHANCE_H

#include <stdint.h>

typedef struct lido_chance {
  uint64_t state; /* never 0 */
} lido_chance;

static inline void lido_chance_begin(lido_chance *chance, uint64_t seed) {
  uint64_t z = seed + UINT64_C(0x9e3779b97f4a7c15); /* SplitMix64: seeds that follow each other give unlike states */
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  chance->state = (z ^ z >> 31) | 1;
}

static inline uint64_t lido_chance_next(lido_chance *chance) {
  uint64_t x = chance->state;
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  chance->state = x;
  return x * UINT64_C(0x2545f4914f6cdd1d);
}

/* -log(x) for 0 < x <= 1: halvings, then the series of the inverse hyperbolic tangent. */
static inline double lido_minus_log(double x) {
  const double log_2 = 0.69314718055994530942;
  double halvings = 0;
  while (x < 0.5) {
    x *= 2;
    halvings++;
  }
  double s = (1 - x) / (1 + x); /* 0 to 1/3 */
  double square = s * s;
  double sum = 0;
  for (int term = 15; term > 0; term -= 2) sum = sum * square + 1.0 / term;
  return halvings * log_2 + 2 * s * sum;
}

/* 1 - exp(-x) for x >= 0, without loss for small x. */
static inline double lido_one_minus_exp(double x) {
  if (x > 40) return 1;
  int doublings = 0;
  while (x > 0.125) {
    x /= 2;
    doublings++;
  }
  double sum = 1;
  for (int term = 8; term > 1; term--) sum = 1 - x / term * sum;
  double result = x * sum;
  for (; doublings > 0; doublings--) result = result * (2 - result);
  return result;
}

/* Mean 1. */
static inline double lido_chance_exponential(lido_chance *chance) {
  return lido_minus_log(((double)(lido_chance_next(chance) >> 11) + 1) * 0x1p-53);
}

#endif
