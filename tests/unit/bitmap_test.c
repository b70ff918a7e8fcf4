/* bitmap_test.c: runs of bits, against an array of bools. */
#include "lib/base/bitmap.h"
#include "tests/support/random.h"
#include "tests/support/testing.h"

enum { MOST_BITS = 400, WORDS = (MOST_BITS + 63) / 64 };

typedef struct model {
  size_t bits;
  bool is_set[MOST_BITS];
  uint64_t words[WORDS];
} model;

static size_t slow_find(const model *m, size_t count) {
  for (size_t first = 0; first + count <= m->bits; first++) {
    size_t run = 0;
    while (run < count && m->is_set[first + run]) run++;
    if (run == count) return first;
  }
  return LIDO_NO_BIT;
}

static void check_equal(const model *m) {
  size_t count = 0;
  for (size_t bit = 0; bit < m->bits; bit++) {
    CHECK_EQ(lido_bitmap_get(m->words, bit), m->is_set[bit]);
    count += m->is_set[bit];
  }
  CHECK_EQ(lido_bitmap_count(m->words, m->bits), count);
  for (size_t run = 1; run <= m->bits; run += 1 + run / 8)
    CHECK_EQ(lido_bitmap_find_run(m->words, m->bits, run), slow_find(m, run));
}

static void change(model *m, testing_random *random) {
  size_t first = testing_below(random, m->bits);
  size_t count = 1 + testing_below(random, m->bits - first);
  if (testing_next(random) % 3 == 0) count = 1;
  bool set = testing_next(random) % 2 == 0;
  for (size_t bit = first; bit < first + count; bit++) m->is_set[bit] = set;
  if (count == 1 && set) {
    lido_bitmap_set(m->words, first);
  } else if (count == 1) {
    lido_bitmap_clear(m->words, first);
  } else if (set) {
    lido_bitmap_set_run(m->words, first, count);
  } else {
    lido_bitmap_clear_run(m->words, first, count);
  }
}

TEST(bitmap, is_an_array_of_bools) {
  static const size_t sizes[] = {1, 2, 31, 32, 63, 64, 65, 127, 128, 129, 191, 192, 193, 252, 256, 399, MOST_BITS};
  testing_random random = {testing_seed()};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    model m = {.bits = sizes[i]};
    check_equal(&m);
    for (int round = 0; round < 150; round++) {
      change(&m, &random);
      check_equal(&m);
    }
  }
}

TEST(bitmap, a_run_is_found_across_words_and_not_beyond_the_end) {
  uint64_t words[3] = {UINT64_C(1) << 63, UINT64_MAX, 1};
  CHECK_EQ(lido_bitmap_find_run(words, 192, 66), 63);
  CHECK_EQ(lido_bitmap_find_run(words, 192, 67), LIDO_NO_BIT);
  CHECK_EQ(lido_bitmap_find_run(words, 128, 66), LIDO_NO_BIT);
  CHECK_EQ(lido_bitmap_find_run(words, 128, 65), 63);
  CHECK_EQ(lido_bitmap_find_run(words, 63, 1), LIDO_NO_BIT);
  CHECK_EQ(lido_bitmap_find_run(words, 0, 1), LIDO_NO_BIT);
}

TEST(bitmap, words_are_counted_up) {
  CHECK_EQ(lido_bitmap_words(0), 0);
  CHECK_EQ(lido_bitmap_words(1), 1);
  CHECK_EQ(lido_bitmap_words(64), 1);
  CHECK_EQ(lido_bitmap_words(65), 2);
}
