/* tuning_without_memory_test.c: a pool is tuned and made ready while every request for memory fails, once and for
 * ever. */
#include "tests/faults/drill.h"

enum { MOST = 600 };

static void *objects[MOST];

static void tune(lido_pool *pool, uint32_t magazine, size_t ready) {
  lido_pool_tuning tuning = {.magazine_objects = magazine, .ready_bytes = ready};
  int error = -1;
  CALM(error = lido_pool_tune(pool, &tuning));
  CHECK_EQ(error, 0);
}

/* Without memory for magazines of another size, those that are there go on. */
static void other_magazines(drill_round *r) {
  lido_pool *pool = drill_pool(r, &(lido_pool_options){.object_size = 100});
  static const uint32_t sizes[] = {0, 50, 5, 200, 1};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    tune(pool, sizes[i], 0);
    drill_alloc(r, pool, 100, objects, MOST);
    drill_free(pool, 100, objects, MOST);
    CHECK_SOUND(pool);
  }
  drill_end(pool);
}

TEST(tuning_without_memory, magazines_of_other_sizes) { drill(other_magazines, 10); }

/* What could not be made ready says so, and can be made ready later. */
static void prepared(drill_round *r) {
  lido_pool *pool = drill_pool(r, &(lido_pool_options){.object_size = 4096});
  tune(pool, 0, 300 * 4096);
  size_t bytes = 0;
  errno = UNTOUCHED_ERRNO;
  bytes = lido_pool_prepare(pool);
  CHECK(errno == ENOMEM || errno == UNTOUCHED_ERRNO);
  CHECK(errno == ENOMEM || bytes >= 300 * 4096);
  if (errno == ENOMEM) {
    r->failed_calls++;
    drill_relief(r);
    CALM(bytes += lido_pool_prepare(pool));
    CHECK_GE(bytes, 300 * 4096);
    drill_go_on(r);
  }
  CHECK_SOUND(pool);
  drill_alloc(r, pool, 4096, objects, 300);
  drill_free(pool, 4096, objects, 300);
  CALM(lido_pool_trim_to(pool, 0));
  CALM(lido_backing_purge(lido_backing_default(), UINT64_MAX));
  drill_end(pool);
}

TEST(tuning_without_memory, slabs_made_ready) { drill(prepared, 3); }

static void populated(drill_round *r) {
  lido_pool *pool =
      drill_pool(r, &(lido_pool_options){.object_size = 4096, .prealloc = 100, .flags = LIDO_POOL_POPULATE});
  CHECK_GE(objects_stats(pool).slabs_ready, 6);
  drill_end(pool);
}

TEST(tuning_without_memory, a_populated_preallocation) { drill(populated, 3); }
