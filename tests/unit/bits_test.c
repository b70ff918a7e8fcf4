/* bits_test.c: single words, against loops that are plainly right. */
#include "lib/base/bits.h"
#include "tests/support/random.h"
#include "tests/support/testing.h"

enum { ROUNDS = 2000 };

static unsigned slow_lowest(uint64_t word) {
  unsigned bit = 0;
  while ((word >> bit & 1) == 0) bit++;
  return bit;
}

static unsigned slow_count(uint64_t word) {
  unsigned count = 0;
  for (unsigned bit = 0; bit < 64; bit++) count += (unsigned)(word >> bit & 1);
  return count;
}

static unsigned slow_log2(uint64_t value) {
  unsigned log = 0;
  while ((value >>= 1) != 0) log++;
  return log;
}

static void check_word(uint64_t word) {
  CHECK_EQ(lido_bit_count(word), slow_count(word));
  CHECK_EQ(lido_is_power_of_two(word), slow_count(word) == 1);
  if (word == 0) return;
  CHECK_EQ(lido_bit_lowest(word), slow_lowest(word));
  CHECK_EQ(lido_log2(word), slow_log2(word));
  CHECK_EQ(lido_granule_of(word), UINT64_C(1) << slow_lowest(word));
}

TEST(bits, single_words_are_as_a_loop_sees_them) {
  check_word(0);
  check_word(UINT64_MAX);
  for (unsigned bit = 0; bit < 64; bit++) {
    check_word(UINT64_C(1) << bit);
    check_word((UINT64_C(1) << bit) - 1);
    check_word(~(UINT64_C(1) << bit));
  }
  testing_random random = {testing_seed()};
  for (int i = 0; i < ROUNDS; i++) check_word(testing_next(&random) >> testing_below(&random, 64));
}

TEST(bits, rounding_up_gives_the_next_multiple) {
  for (size_t align = 1; align <= 4096; align *= 2) {
    for (size_t value = 0; value < 10000; value += 7) {
      size_t rounded = lido_round_up(value, align);
      CHECK_EQ(rounded % align, 0);
      CHECK_GE(rounded, value);
      CHECK_LT(rounded - value, align);
    }
  }
  CHECK_EQ(lido_round_up(SIZE_MAX - 63, 64), SIZE_MAX - 63);
}

TEST(bits, the_power_of_two_above_is_the_smallest) {
  for (size_t value = 1; value <= 70000; value++) {
    size_t power = lido_power_of_two_above(value);
    if (!lido_is_power_of_two(power) || power < value || (power > 1 && power / 2 >= value)) {
      TESTING_FAIL("%zu above %zu", power, value);
    }
  }
  CHECK_EQ(lido_power_of_two_above((size_t)1 << 63), (size_t)1 << 63);
  CHECK_EQ(lido_power_of_two_above(((size_t)1 << 62) + 1), (size_t)1 << 63);
}

TEST(bits, the_smaller_and_the_larger) {
  CHECK_EQ(lido_min(3, 5), 3);
  CHECK_EQ(lido_min(5, 3), 3);
  CHECK_EQ(lido_max(3, 5), 5);
  CHECK_EQ(lido_max(5, 3), 5);
  CHECK(lido_max(0, SIZE_MAX) == SIZE_MAX && lido_min(0, SIZE_MAX) == 0);
}
