/* geometry_rules_test.c: the arithmetic of strides, slabs and magazines, for every size. */
#include "pools/geometry.h"
#include "tests/support/objects.h"

static void check(const lido_pool_options *options, lido_backing *backing) {
  lido_geometry g;
  int error = lido_geometry_make(options, backing, &g);
  if (error != 0) TESTING_FAIL("size %zu, align %zu: %d", options->object_size, options->align, error);
  const char *broken = lido_geometry_check(&g);
  if (broken != NULL) TESTING_FAIL("size %zu, align %zu: %s", options->object_size, options->align, broken);
  size_t align = options->align == 0 ? 64 : options->align;
  CHECK_EQ(g.stride, objects_stride(options->object_size, align));
  CHECK_GE(g.slab_objects, 1);
  CHECK_LE(g.slab_objects * g.stride, g.slab_bytes);
  CHECK_LE(g.slab_units, g.region.units);
  CHECK_EQ(g.slab_bytes, g.slab_units << g.region.unit_shift);
  CHECK_LE(g.shift, LIDO_SHIFT_MAX);
  CHECK_GE(g.magazine_limit, 1);
  CHECK_GE(g.magazine_target, 1);
  CHECK_LE(g.magazine_target, g.magazine_limit);
  CHECK_LE(g.magazine_limit, LIDO_MAGAZINE_MAX);
}

TEST(geometry_rules, hold_for_every_size_and_alignment) {
  for (size_t size = 1; size <= LIDO_OBJECT_BYTES_MAX; size += 1 + size / 23) {
    for (size_t align = 1; align <= 4096; align *= 4) {
      check(&(lido_pool_options){.object_size = size, .align = align}, lido_backing_pages());
      check(&(lido_pool_options){.object_size = size, .align = align, .flags = LIDO_POOL_SPREAD}, lido_backing_pages());
    }
  }
  for (size_t size = 1; size <= 3000; size++)
    check(&(lido_pool_options){.object_size = size, .align = 1}, lido_backing_pages());
  check(&(lido_pool_options){.object_size = LIDO_OBJECT_BYTES_MAX, .align = 4096}, lido_backing_pages());
}

TEST(geometry_rules, the_reciprocal_divides_exactly) {
  for (size_t size = 8; size <= 100000; size += 8 * (1 + size / 200)) {
    lido_geometry g;
    CHECK_EQ(lido_geometry_make(&(lido_pool_options){.object_size = size, .align = 8}, lido_backing_pages(), &g), 0);
    for (size_t index = 0; index < g.slab_objects; index++) {
      if (lido_geometry_index(&g, index * g.stride) != index) TESTING_FAIL("size %zu, object %zu", size, index);
    }
  }
}

TEST(geometry_rules, small_pools_and_large_objects_have_no_caches) {
  lido_geometry g;
  const lido_pool_options without[] = {{.object_size = 64, .max_objects = 1},
                                       {.object_size = 64, .max_objects = 63},
                                       {.object_size = 64, .cache_bytes = SIZE_MAX},
                                       {.object_size = 64, .cache_bytes = 1},
                                       {.object_size = 64, .max_objects = 1000, .on_exhausted = LIDO_EXHAUSTED_WAIT},
                                       {.object_size = 1 << 20}};
  for (size_t i = 0; i < sizeof without / sizeof without[0]; i++) {
    CHECK_EQ(lido_geometry_make(&without[i], lido_backing_pages(), &g), 0);
    CHECK(!g.cached);
  }
  const lido_pool_options with[] = {
      {.object_size = 64}, {.object_size = 64, .max_objects = 64}, {.object_size = 60000}};
  for (size_t i = 0; i < sizeof with / sizeof with[0]; i++) {
    CHECK_EQ(lido_geometry_make(&with[i], lido_backing_pages(), &g), 0);
    CHECK(g.cached);
  }
}

TEST(geometry_rules, the_caches_of_a_limited_pool_hold_a_share_of_it) {
  for (size_t max = 64; max < 5000; max += 31) {
    lido_geometry g;
    CHECK_EQ(lido_geometry_make(&(lido_pool_options){.object_size = 64, .max_objects = max}, lido_backing_pages(), &g),
             0);
    CHECK_LE(g.magazine_limit * 8, max); /* two magazines and the hot one: a quarter and one */
  }
}
