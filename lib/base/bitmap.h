/* bitmap.h: runs of bits over several words.
 *
 * A set bit means "free" everywhere in Lido. The slabs' bitmaps are read word by word where they are
 * used (pools/slab.c); here is what regions and claims need besides: set, clear and find a run.
 */
#ifndef LIDO_LIB_BASE_BITMAP_H
#define LIDO_LIB_BASE_BITMAP_H

#include "lib/base/bits.h"

#define LIDO_NO_BIT SIZE_MAX

static inline size_t lido_bitmap_words(size_t bits) { return (bits + 63) / 64; }

static inline bool lido_bitmap_get(const uint64_t *words, size_t bit) {
  return (words[bit / 64] >> (bit % 64) & 1) != 0;
}

static inline void lido_bitmap_set(uint64_t *words, size_t bit) { words[bit / 64] |= UINT64_C(1) << (bit % 64); }

static inline void lido_bitmap_clear(uint64_t *words, size_t bit) { words[bit / 64] &= ~(UINT64_C(1) << (bit % 64)); }

static inline void lido_bitmap_set_run(uint64_t *words, size_t first, size_t count) {
  for (size_t bit = first; bit < first + count; bit++) lido_bitmap_set(words, bit);
}

static inline void lido_bitmap_clear_run(uint64_t *words, size_t first, size_t count) {
  for (size_t bit = first; bit < first + count; bit++) lido_bitmap_clear(words, bit);
}

static inline size_t lido_bitmap_count(const uint64_t *words, size_t bits) {
  size_t count = 0;
  for (size_t word = 0; word < lido_bitmap_words(bits); word++) count += lido_bit_count(words[word]);
  return count;
}

/* The first of `count` adjacent set bits, the lowest there are, or LIDO_NO_BIT. */
static inline size_t lido_bitmap_find_run(const uint64_t *words, size_t bits, size_t count) {
  size_t run = 0;
  for (size_t bit = 0; bit < bits; bit++) {
    if (bit % 64 == 0 && words[bit / 64] == 0) { /* skip a word without a set bit */
      run = 0;
      bit += 63;
      continue;
    }
    run = lido_bitmap_get(words, bit) ? run + 1 : 0;
    if (run == count) return bit + 1 - count;
  }
  return LIDO_NO_BIT;
}

#endif
