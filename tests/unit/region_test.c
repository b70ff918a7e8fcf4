/* region_test.c: units of regions taken and given, against a plain set of ranges. */
#include <stdlib.h>

#include "lib/mem/region.h"
#include "tests/support/objects.h"
#include "tests/support/random.h"

enum { HELD = 60, REGION = 1 << 20, BUFFER = 1 << 18 };

typedef struct range {
  lido_region *region;
  uintptr_t start;
  size_t units;
} range;

static void *get(size_t bytes, size_t align, void *context) {
  ++*(size_t *)context;
  return aligned_alloc(align, bytes);
}

static void put(void *block, size_t bytes, void *context) {
  (void)bytes;
  --*(size_t *)context;
  free(block);
}

static lido_backing *counted_backing(size_t *blocks) {
  return lido_backing_create(
      &(lido_backing_functions){.allocate = get, .release = put, .context = blocks, .region_bytes = REGION});
}

/* As a slab does it: the units are of `user` from here to give(). */
static lido_region *take(lido_backing *backing, unsigned shift, bool huge, size_t units, void *user, uintptr_t *start) {
  lido_region *region = lido_region_take(backing, shift, huge, units, start);
  if (region == NULL) return NULL;
  CHECK_NULL(lido_region_user(region, *start));
  lido_region_set_user(region, *start, units, user);
  return region;
}

static void give(lido_region *region, uintptr_t start, size_t units) {
  lido_region_set_user(region, start, units, NULL);
  lido_region_give(region, start, units);
}

static void check_apart(const range *held, size_t count, unsigned unit_shift) {
  for (size_t i = 0; i < count; i++) {
    for (size_t k = 0; k < i; k++) {
      bool before = held[i].start + (held[i].units << unit_shift) <= held[k].start;
      bool after = held[k].start + (held[k].units << unit_shift) <= held[i].start;
      CHECK(before || after);
    }
  }
}

/* Every address of each range leads to its region, its user, and a state byte of its own granule. */
static void check_places(const lido_backing *backing, const lido_region_geometry *g, const range *held, size_t count) {
  for (size_t i = 0; i < count; i++) {
    uintptr_t end = held[i].start + (held[i].units << g->unit_shift);
    for (uintptr_t address = held[i].start; address < end; address += 1000) {
      CHECK_SAME(lido_region_of(backing, g->mask, address), held[i].region);
      CHECK(lido_region_contains(held[i].region, address));
      CHECK_SAME(lido_region_user(held[i].region, address), &held[i]);
    }
  }
}

static void churn(lido_backing *backing, unsigned shift, size_t largest, size_t rounds) {
  lido_region_geometry g;
  CHECK_EQ(lido_region_geometry_get(backing, shift, &g), 0);
  static range held[HELD];
  bool used[HELD] = {false};
  testing_random random = {testing_seed()};
  for (size_t round = 0; round < rounds; round++) {
    size_t place = testing_below(&random, HELD);
    if (used[place]) {
      give(held[place].region, held[place].start, held[place].units);
      used[place] = false;
    } else {
      held[place].units = 1 + testing_below(&random, largest);
      held[place].region = take(backing, shift, false, held[place].units, &held[place], &held[place].start);
      used[place] = held[place].region != NULL;
      if (used[place]) memset((void *)held[place].start, 0x3c, held[place].units << g.unit_shift);
    }
    if (round % 50 != 0) continue;
    range live[HELD];
    size_t count = 0;
    for (size_t i = 0; i < HELD; i++) {
      if (used[i]) live[count++] = held[i];
    }
    check_apart(live, count, g.unit_shift);
    for (size_t i = 0; i < HELD; i++) {
      if (used[i]) check_places(backing, &g, &held[i], 1);
    }
    CHECK_NULL(lido_region_check(backing));
    if (round % 200 == 0) lido_region_release_empty(backing, 0);
  }
  for (size_t i = 0; i < HELD; i++) {
    if (used[i]) give(held[i].region, held[i].start, held[i].units);
  }
  CHECK_NULL(lido_region_check(backing));
}

TEST(region, units_are_taken_and_given) {
  size_t blocks = 0;
  lido_backing *backing = counted_backing(&blocks);
  CHECK_NOT_NULL(backing);
  for (unsigned shift = 0; shift <= LIDO_SHIFT_MAX; shift++) churn(backing, shift, 5, testing_scaled(1500));
  CHECK_GT(blocks, 0);
  CHECK_GE(lido_region_release_empty(backing, 0), blocks > 0 ? (size_t)REGION : 0);
  CHECK_EQ(blocks, 0);
  CHECK_EQ(lido_backing_destroy(backing), 0);
}

TEST(region, units_of_a_buffer_are_taken_and_given) {
  static char memory[BUFFER];
  lido_backing *backing = lido_backing_create_buffer(memory + 5, BUFFER - 5);
  CHECK_NOT_NULL(backing);
  churn(backing, 3, 3, testing_scaled(3000));
  CHECK_EQ(lido_backing_destroy(backing), 0);
}

TEST(region, no_more_units_are_adjacent_than_a_region_has) {
  size_t blocks = 0;
  lido_backing *backing = counted_backing(&blocks);
  CHECK_NOT_NULL(backing);
  lido_region_geometry g;
  CHECK_EQ(lido_region_geometry_get(backing, LIDO_SHIFT_MAX, &g), 0);
  CHECK_GE(g.units, 14); /* 16 units of 64 KiB but for the header and the states */
  CHECK_LE(g.units, 15);
  uintptr_t start = 0;
  lido_region *whole = take(backing, LIDO_SHIFT_MAX, false, g.units, &blocks, &start);
  CHECK_NOT_NULL(whole);
  CHECK_EQ(blocks, 1);
  uintptr_t other = 0;
  lido_region *second = take(backing, LIDO_SHIFT_MAX, false, 1, &blocks, &other);
  CHECK_NOT_NULL(second);
  CHECK(second != whole);
  CHECK_EQ(blocks, 2);
  give(second, other, 1);
  give(whole, start, g.units);
  lido_region_release_empty(backing, 0);
  CHECK_EQ(blocks, 0);
  CHECK_EQ(lido_backing_destroy(backing), 0);
}

TEST(region, classes_do_not_share_regions) {
  size_t blocks = 0;
  lido_backing *backing = counted_backing(&blocks);
  CHECK_NOT_NULL(backing);
  range taken[LIDO_REGION_CLASSES];
  for (unsigned i = 0; i < LIDO_REGION_CLASSES; i++) {
    taken[i].units = 1;
    taken[i].region = take(backing, i % (LIDO_SHIFT_MAX + 1), i > LIDO_SHIFT_MAX, 1, &taken[i], &taken[i].start);
    CHECK_NOT_NULL(taken[i].region);
    for (unsigned k = 0; k < i; k++) CHECK(taken[k].region != taken[i].region);
  }
  CHECK_EQ(blocks, LIDO_REGION_CLASSES);
  for (unsigned i = 0; i < LIDO_REGION_CLASSES; i++) give(taken[i].region, taken[i].start, 1);
  CHECK_EQ(lido_region_release_empty(backing, 0), (size_t)LIDO_REGION_CLASSES * REGION);
  CHECK_EQ(blocks, 0);
  CHECK_EQ(lido_backing_destroy(backing), 0);
}

TEST(region, a_region_in_use_is_not_released) {
  size_t blocks = 0;
  lido_backing *backing = counted_backing(&blocks);
  CHECK_NOT_NULL(backing);
  uintptr_t start = 0;
  lido_region *region = take(backing, 3, false, 2, &blocks, &start);
  CHECK_NOT_NULL(region);
  CHECK_EQ(lido_region_release_empty(backing, 0), 0);
  CHECK_EQ(blocks, 1);
  give(region, start, 2);
  CHECK_EQ(lido_region_release_empty(backing, 0), REGION);
  CHECK_EQ(blocks, 0);
  CHECK_EQ(lido_backing_destroy(backing), 0);
}

TEST(region, the_header_is_in_no_unit) {
  size_t blocks = 0;
  lido_backing *backing = counted_backing(&blocks);
  CHECK_NOT_NULL(backing);
  uintptr_t start = 0;
  lido_region *region = take(backing, 3, false, 1, &blocks, &start);
  CHECK_NOT_NULL(region);
  uintptr_t base = (uintptr_t)region;
  CHECK(!lido_region_contains(region, base));
  CHECK(!lido_region_contains(region, base + 4096));
  CHECK(!lido_region_contains(region, base - 1));
  CHECK(!lido_region_contains(region, base + REGION));
  CHECK(!lido_region_contains(region, 0));
  CHECK(!lido_region_contains(region, UINTPTR_MAX));
  CHECK(lido_region_contains(region, start));
  CHECK(lido_region_contains(region, base + REGION - 1));
  give(region, start, 1);
  CHECK_EQ(lido_backing_destroy(backing), 0);
}
