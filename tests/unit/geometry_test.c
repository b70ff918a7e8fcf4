/* geometry_test.c: every size with every alignment: objects are aligned and keep their bytes to themselves. */
#include "tests/support/objects.h"

static const size_t sizes[] = {1,  2,  3,   7,   8,   9,   15,   16,   17,   24,   31,    32,    33,     63,
                               64, 65, 100, 255, 256, 257, 1000, 4095, 4096, 4097, 40000, 65536, 1048576};
enum { SIZES = sizeof sizes / sizeof sizes[0], SLABS = 3, FILLED_AT_MOST = 400 };

/* Objects whose whole contents are written and compared: enough to see every neighbour of a slab's ends. */
static size_t filling_step(size_t count) { return count <= FILLED_AT_MOST ? 1 : count / FILLED_AT_MOST; }

static void check_contents(const object_list *taken, size_t size) {
  size_t step = filling_step(taken->count);
  for (size_t i = 0; i < taken->count; i++) memset(taken->items[i], 0xee, size < 16 ? size : 16);
  for (size_t i = 0; i < taken->count; i += step) objects_fill(taken->items[i], size, i);
  for (size_t i = 0; i < taken->count; i += step) CHECK(objects_hold(taken->items[i], size, i));
}

/* In the order of the addresses each object begins after the one before has ended. */
static void check_places(object_list *taken, size_t size, size_t align) {
  object_list_sort(taken);
  for (size_t i = 0; i < taken->count; i++) {
    uintptr_t start = (uintptr_t)taken->items[i];
    if (start % align != 0) TESTING_FAIL("object at %p is not aligned to %zu", taken->items[i], align);
    if (i > 0 && start - (uintptr_t)taken->items[i - 1] < size) {
      TESTING_FAIL("objects at %p and %p of %zu bytes overlap", taken->items[i - 1], taken->items[i], size);
    }
  }
}

static void check_pair(size_t size, size_t align) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = size, .align = align});
  if (pool == NULL) TESTING_FAIL("no pool for size %zu, align %zu: errno %d", size, align, errno);
  object_list taken = {0};
  objects_take_slabs(pool, &taken, SLABS);
  lido_pool_stats stats = objects_stats(pool);
  CHECK_EQ(stats.slabs, SLABS);
  CHECK_EQ(stats.objects, taken.count);
  CHECK_EQ(stats.live, taken.count);
  CHECK_EQ(taken.count % SLABS, 0); /* slabs of one pool are alike */
  CHECK_EQ(stats.bytes_live, taken.count * objects_stride(size, align));
  check_places(&taken, size, align);
  check_contents(&taken, size);
  CHECK_SOUND(pool);
  objects_free_all(pool, &taken);
  CHECK_SOUND(pool);
  CHECK_EQ(objects_stats(pool).live, 0);
  CHECK_EQ(lido_pool_destroy(pool), 0);
  object_list_end(&taken);
}

TEST(geometry, every_size_with_every_alignment_keeps_objects_apart) {
  for (size_t i = 0; i < SIZES; i++) {
    for (size_t align = 1; align <= 4096; align *= 2) check_pair(sizes[i], align);
  }
}

TEST(geometry, every_size_up_to_600_bytes_keeps_objects_apart) {
  for (size_t size = 1; size <= 600; size += 1 + size / 97) check_pair(size, 1);
}

TEST(geometry, a_slab_wastes_at_most_an_eighth) {
  for (size_t i = 0; i < SIZES; i++) {
    lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = sizes[i], .align = 8});
    CHECK_NOT_NULL(pool);
    object_list taken = {0};
    objects_take_slabs(pool, &taken, 2);
    lido_pool_stats stats = objects_stats(pool);
    uint64_t used = stats.objects * objects_stride(sizes[i], 8);
    uint64_t slab_bytes = stats.bytes_reserved - stats.bytes_metadata;
    CHECK_LE(used, slab_bytes);
    CHECK_GE(used * 8, slab_bytes * 7);
    objects_free_all(pool, &taken);
    lido_pool_destroy(pool);
    object_list_end(&taken);
  }
}

TEST(geometry, an_object_of_one_byte_takes_no_cache_line_if_none_is_asked_for) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 1, .align = 1});
  CHECK_NOT_NULL(pool);
  object_list taken = {0};
  objects_take_slabs(pool, &taken, 1);
  CHECK_EQ(objects_stats(pool).bytes_live, taken.count * 8);
  objects_free_all(pool, &taken);
  lido_pool_destroy(pool);
  object_list_end(&taken);
}
