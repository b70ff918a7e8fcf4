/* occupancy_test.c: how full slabs are, against a count by hand. */
#include "pools/pool_core.h"
#include "tests/support/objects.h"
#include "tests/support/random.h"

enum { BYTES = 2000, MOST = 4000, SLABS_MOST = 400 };

static void *objects[MOST];
static lido_slab_use map[SLABS_MOST];

static lido_pool *direct_pool(void) {
  lido_pool *pool =
      lido_pool_create(&(lido_pool_options){.object_size = BYTES, .cache_bytes = SIZE_MAX, .retain_bytes = SIZE_MAX});
  CHECK_NOT_NULL(pool);
  return pool;
}

TEST(occupancy, of_a_pool_without_slabs_is_nothing) {
  lido_pool *pool = direct_pool();
  uint64_t bins[LIDO_OCCUPANCY_BINS];
  CHECK_EQ(lido_pool_occupancy(pool, map, SLABS_MOST), 0);
  CHECK_EQ(lido_pool_occupancy(pool, NULL, 0), 0);
  lido_pool_occupancy_histogram(pool, bins);
  for (size_t bin = 0; bin < LIDO_OCCUPANCY_BINS; bin++) CHECK_EQ(bins[bin], 0);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(occupancy, slabs_come_in_the_order_of_their_age) {
  lido_pool *pool = direct_pool();
  size_t each = lido_core_of(pool)->geometry.slab_objects;
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, 100 * each), 100 * each);
  for (size_t slab = 0; slab < 100; slab++) { /* direct pools fill one slab after the other */
    for (size_t i = 0; i < slab % each; i++) lido_pool_free(pool, objects[slab * each + i]);
  }
  CHECK_EQ(lido_pool_occupancy(pool, map, SLABS_MOST), 100);
  for (size_t slab = 0; slab < 100; slab++) {
    CHECK_EQ(map[slab].objects, each);
    CHECK_EQ(map[slab].used, each - slab % each);
  }
  memset(map, 0, sizeof map);
  CHECK_EQ(lido_pool_occupancy(pool, map, 7), 100);
  CHECK_EQ(map[6].used, each - 6);
  CHECK_EQ(map[7].objects, 0);
  CHECK_EQ(lido_pool_occupancy(pool, NULL, 0), 100);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_core_of(pool)->slabs.walkers, 0);
  lido_pool_destroy(pool);
}

static size_t bin_of(lido_slab_use use) {
  if (use.used == 0) return 0;
  if (use.used == use.objects) return LIDO_OCCUPANCY_BINS - 1;
  size_t bin = 1;
  while (use.used * 4 > use.objects * bin) bin++;
  return bin;
}

static void check_histogram(lido_pool *pool) {
  uint64_t bins[LIDO_OCCUPANCY_BINS];
  uint64_t by_hand[LIDO_OCCUPANCY_BINS] = {0};
  size_t slabs = lido_pool_occupancy(pool, map, SLABS_MOST);
  CHECK_LE(slabs, SLABS_MOST);
  for (size_t slab = 0; slab < slabs; slab++) by_hand[bin_of(map[slab])]++;
  lido_pool_occupancy_histogram(pool, bins);
  for (size_t bin = 0; bin < LIDO_OCCUPANCY_BINS; bin++) CHECK_EQ(bins[bin], by_hand[bin]);
}

TEST(occupancy, the_histogram_counts_the_slabs_of_the_map) {
  testing_random random = {testing_seed()};
  lido_pool *pool = direct_pool();
  size_t live = 0;
  for (int round = 0; round < 200; round++) {
    live += lido_pool_alloc_batch(pool, objects + live, testing_below(&random, MOST - live + 1));
    for (size_t n = testing_below(&random, live + 1); n > 0; n--) {
      size_t i = testing_below(&random, live);
      lido_pool_free(pool, objects[i]);
      objects[i] = objects[--live];
    }
    check_histogram(pool);
    if (round % 20 == 0) lido_pool_trim(pool);
    check_histogram(pool);
  }
  lido_pool_free_batch(pool, objects, live);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}
