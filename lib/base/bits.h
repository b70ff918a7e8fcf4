/* bits.h: single words: find, count, round. Every function is total unless it says otherwise. */
#ifndef LIDO_LIB_BASE_BITS_H
#define LIDO_LIB_BASE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Index of the lowest set bit. pre: word != 0. */
static inline unsigned lido_bit_lowest(uint64_t word) { return (unsigned)__builtin_ctzll(word); }

static inline unsigned lido_bit_count(uint64_t word) { return (unsigned)__builtin_popcountll(word); }

/* Floor of the binary logarithm. pre: value != 0. */
static inline unsigned lido_log2(size_t value) { return 63u - (unsigned)__builtin_clzll((uint64_t)value); }

static inline bool lido_is_power_of_two(size_t value) { return value != 0 && (value & (value - 1)) == 0; }

/* The largest power of two that divides value. pre: value != 0. */
static inline size_t lido_granule_of(size_t value) { return value & (~value + 1); }

static inline size_t lido_min(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t lido_max(size_t a, size_t b) { return a > b ? a : b; }

/* a - b, or 0 where numbers that were read one after the other would make it less. */
static inline uint64_t lido_less(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

/* Up to the next multiple of `align`, a power of two. pre: the result is representable. */
static inline size_t lido_round_up(size_t value, size_t align) { return (value + align - 1) & ~(align - 1); }

/* The smallest power of two that is at least value. pre: 1 <= value <= 2^63. */
static inline size_t lido_power_of_two_above(size_t value) {
  return value <= 1 ? 1 : (size_t)1 << (lido_log2(value - 1) + 1);
}

#endif
