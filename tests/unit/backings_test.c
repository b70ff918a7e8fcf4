/* backings_test.c: where pools get their memory: functions of the caller's, pages, mimalloc. */
#include <stdlib.h>

#include "tests/support/objects.h"

/* ---- Functions that count and verify ---- */

enum { BLOCKS_MOST = 64, REGION = 1 << 20 };

typedef struct source {
  struct {
    void *block;
    size_t bytes;
  } blocks[BLOCKS_MOST];
  size_t count;
  size_t bytes;
  size_t calls;
  size_t purged;     /* bytes */
  size_t collected;  /* calls */
  size_t wrong;      /* releases of what was never given, sizes that differ, purges outside */
  size_t fail_after; /* calls that still succeed; SIZE_MAX = all */
  bool misaligned;   /* give addresses 64 bytes off */
} source;

static void *source_allocate(size_t bytes, size_t align, void *context) {
  source *s = context;
  s->calls++;
  s->wrong += align == 0 || (align & (align - 1)) != 0 || bytes == 0;
  if (s->fail_after != SIZE_MAX && s->fail_after-- == 0) {
    s->fail_after = 0;
    return NULL;
  }
  if (s->count == BLOCKS_MOST) return NULL;
  char *block =
      aligned_alloc(align < 64 ? 64 : align, (bytes + align - 1) / align * align + (s->misaligned ? align : 0));
  if (block == NULL) return NULL;
  memset(block, 0xb7, bytes); /* contents may be anything */
  if (s->misaligned) block += 32;
  s->blocks[s->count].block = block;
  s->blocks[s->count++].bytes = bytes;
  s->bytes += bytes;
  return block;
}

static void source_release(void *block, size_t bytes, void *context) {
  source *s = context;
  for (size_t i = 0; i < s->count; i++) {
    if (s->blocks[i].block != block) continue;
    s->wrong += s->blocks[i].bytes != bytes;
    s->bytes -= bytes;
    s->blocks[i] = s->blocks[--s->count];
    free((char *)block - (s->misaligned ? 32 : 0));
    return;
  }
  s->wrong++;
}

static void source_purge(void *range, size_t bytes, void *context) {
  source *s = context;
  s->purged += bytes;
  s->wrong += (uintptr_t)range % 4096 != 0 || bytes % 4096 != 0;
  for (size_t i = 0; i < s->count; i++) {
    char *block = s->blocks[i].block;
    if ((char *)range >= block && (char *)range + bytes <= block + s->blocks[i].bytes) {
      memset(range, 0x99, bytes); /* contents may be lost */
      return;
    }
  }
  s->wrong++;
}

static void source_collect(void *context) { ((source *)context)->collected++; }

static lido_backing *source_backing(source *s) {
  return lido_backing_create(&(lido_backing_functions){.allocate = source_allocate,
                                                       .release = source_release,
                                                       .purge = source_purge,
                                                       .collect = source_collect,
                                                       .context = s,
                                                       .region_bytes = REGION});
}

static void *objects[4000];

/* Use the pool up to `count` objects, whatever it takes. */
static void exercise(lido_pool *pool, size_t bytes, size_t count) {
  for (int round = 0; round < 3; round++) {
    CHECK_EQ(lido_pool_alloc_batch(pool, objects, count), count);
    for (size_t i = 0; i < count; i++) objects_fill(objects[i], bytes, i);
    for (size_t i = 0; i < count; i++) CHECK(objects_hold(objects[i], bytes, i));
    lido_pool_free_batch(pool, objects, count);
    CHECK_SOUND(pool);
    lido_pool_trim(pool);
  }
}

TEST(backings, everything_is_released_when_the_last_pool_ends) {
  source s = {.fail_after = SIZE_MAX};
  lido_backing *backing = source_backing(&s);
  CHECK_NOT_NULL(backing);
  for (int round = 0; round < 3; round++) {
    lido_pool *first = lido_pool_create(&(lido_pool_options){.object_size = 1000, .backing = backing});
    lido_pool *second = lido_pool_create(&(lido_pool_options){.object_size = 24, .align = 8, .backing = backing});
    CHECK_NOT_NULL(first);
    CHECK_NOT_NULL(second);
    exercise(first, 1000, 4000);
    exercise(second, 24, 4000);
    CHECK_GT(s.bytes, 0);
    CHECK_EQ(lido_backing_bytes(backing), s.bytes);
    CHECK_EQ(lido_backing_destroy(backing), EBUSY);
    CHECK_EQ(lido_pool_destroy(first), 0);
    CHECK_EQ(lido_backing_destroy(backing), EBUSY);
    CHECK_NOT_NULL(lido_pool_alloc(second));
    CHECK_EQ(lido_pool_destroy(second), 1);
    CHECK_EQ(s.bytes, 0);
    CHECK_EQ(s.count, 0);
    CHECK_EQ(lido_backing_bytes(backing), 0);
  }
  CHECK_EQ(lido_backing_destroy(backing), 0);
  CHECK_EQ(s.count, 0);
  CHECK_EQ(s.wrong, 0);
  CHECK_GT(s.purged, 0);
  CHECK_GT(s.collected, 0);
}

TEST(backings, objects_lie_in_the_blocks_that_were_given) {
  source s = {.fail_after = SIZE_MAX};
  lido_backing *backing = source_backing(&s);
  CHECK_NOT_NULL(backing);
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 500, .backing = backing});
  CHECK_NOT_NULL(pool);
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, 4000), 4000);
  for (size_t i = 0; i < 4000; i++) {
    size_t inside = 0;
    for (size_t b = 0; b < s.count; b++) {
      char *block = s.blocks[b].block;
      inside += (char *)objects[i] >= block && (char *)objects[i] + 500 <= block + s.blocks[b].bytes;
    }
    CHECK_EQ(inside, 1);
  }
  CHECK_EQ(lido_pool_destroy(pool), 4000);
  CHECK_EQ(lido_backing_destroy(backing), 0);
  CHECK_EQ(s.wrong, 0);
}

TEST(backings, purge_and_collect_may_be_missing) {
  source s = {.fail_after = SIZE_MAX};
  lido_backing *backing = lido_backing_create(
      &(lido_backing_functions){.allocate = source_allocate, .release = source_release, .context = &s});
  CHECK_NOT_NULL(backing);
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 300, .backing = backing});
  CHECK_NOT_NULL(pool);
  exercise(pool, 300, 1000);
  CHECK_EQ(lido_pool_destroy(pool), 0);
  CHECK_EQ(lido_backing_destroy(backing), 0);
  CHECK_EQ(s.count, 0);
  CHECK_EQ(s.wrong, 0);
}

TEST(backings, the_functions_are_copied) {
  source s = {.fail_after = SIZE_MAX};
  lido_backing_functions functions = {.allocate = source_allocate, .release = source_release, .context = &s};
  lido_backing *backing = lido_backing_create(&functions);
  CHECK_NOT_NULL(backing);
  memset(&functions, 0xff, sizeof functions);
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 300, .backing = backing});
  CHECK_NOT_NULL(pool);
  exercise(pool, 300, 100);
  CHECK_EQ(lido_pool_destroy(pool), 0);
  CHECK_EQ(lido_backing_destroy(backing), 0);
  CHECK_EQ(s.count, 0);
}

TEST(backings, no_memory_from_the_functions_is_no_memory_from_the_pool) {
  for (size_t allowed = 0;; allowed++) {
    source s = {.fail_after = allowed};
    lido_backing *backing = source_backing(&s);
    CHECK_NOT_NULL(backing);
    errno = 0;
    lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 5000, .backing = backing});
    size_t got = 0;
    if (pool == NULL) {
      CHECK_EQ(errno, ENOMEM);
    } else {
      errno = 0;
      got = lido_pool_alloc_batch(pool, objects, 500);
      CHECK_EQ(errno, got == 500 ? 0 : ENOMEM);
      for (size_t i = 0; i < got; i++) objects_fill(objects[i], 5000, i);
      for (size_t i = 0; i < got; i++) CHECK(objects_hold(objects[i], 5000, i));
      CHECK_SOUND(pool);
      s.fail_after = SIZE_MAX; /* memory is back: so is the pool */
      CHECK_EQ(lido_pool_alloc_batch(pool, objects + got, 10), 10);
      CHECK_EQ(lido_pool_destroy(pool), got + 10);
    }
    CHECK_EQ(s.count, 0);
    CHECK_EQ(s.wrong, 0);
    CHECK_EQ(lido_backing_destroy(backing), 0);
    if (got == 500) break;
    CHECK_LT(allowed, BLOCKS_MOST);
  }
}

TEST(backings, a_misaligned_block_is_an_error_and_goes_back) {
  source s = {.fail_after = SIZE_MAX, .misaligned = true};
  lido_backing *backing = source_backing(&s);
  CHECK_NOT_NULL(backing);
  CHECK_FAILS(lido_pool_create(&(lido_pool_options){.object_size = 64, .prealloc = 1, .backing = backing}), ENOMEM);
  CHECK_GT(s.calls, 0);
  CHECK_EQ(s.count, 0);
  CHECK_EQ(s.wrong, 0);
  CHECK_EQ(lido_backing_destroy(backing), 0);
}

TEST(backings, bad_functions_are_refused) {
  CHECK_FAILS(lido_backing_create(NULL), EINVAL);
  CHECK_FAILS(lido_backing_create(&(lido_backing_functions){0}), EINVAL);
  CHECK_FAILS(lido_backing_create(&(lido_backing_functions){.allocate = source_allocate}), EINVAL);
  CHECK_FAILS(lido_backing_create(&(lido_backing_functions){.release = source_release}), EINVAL);
  static const size_t bad[] = {1,
                               4096,
                               1 << 19,
                               (1 << 20) - 1,
                               (1 << 20) + 1,
                               3 * (1 << 20),
                               (1u << 30) + 1,
                               (size_t)1 << 31,
                               SIZE_MAX,
                               SIZE_MAX / 2 + 1};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    CHECK_FAILS(lido_backing_create(&(lido_backing_functions){
                    .allocate = source_allocate, .release = source_release, .region_bytes = bad[i]}),
                EINVAL);
  }
}

TEST(backings, regions_are_of_the_size_asked_for_and_aligned_to_it) {
  size_t largest = (size_t)1 << (testing_on_valgrind() ? 24 : 26); /* Valgrind's malloc aligns to no more */
  for (size_t region = 1 << 20; region <= largest; region *= 2) {
    source s = {.fail_after = SIZE_MAX};
    lido_backing *backing = lido_backing_create(&(lido_backing_functions){
        .allocate = source_allocate, .release = source_release, .context = &s, .region_bytes = region});
    CHECK_NOT_NULL(backing);
    lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 8000, .backing = backing});
    CHECK_NOT_NULL(pool);
    exercise(pool, 8000, 200);
    CHECK_EQ(lido_pool_alloc_batch(pool, objects, 5), 5);
    size_t regions = 0;
    for (size_t i = 0; i < s.count; i++) {
      if (s.blocks[i].bytes == region && (uintptr_t)s.blocks[i].block % region == 0) regions++;
    }
    CHECK_GE(regions, 1);
    CHECK_EQ(lido_pool_destroy(pool), 5);
    CHECK_EQ(lido_backing_destroy(backing), 0);
    CHECK_EQ(s.count, 0);
    CHECK_EQ(s.wrong, 0);
  }
}

TEST(backings, objects_of_more_than_a_quarter_of_a_region_are_refused) {
  for (size_t region = 1 << 20; region <= 1 << 21; region *= 2) {
    source s = {.fail_after = SIZE_MAX};
    lido_backing *backing = lido_backing_create(&(lido_backing_functions){
        .allocate = source_allocate, .release = source_release, .context = &s, .region_bytes = region});
    CHECK_NOT_NULL(backing);
    CHECK_FAILS(lido_pool_create(&(lido_pool_options){.object_size = region / 4 + 1, .backing = backing}), EINVAL);
    lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = region / 4, .backing = backing});
    CHECK_NOT_NULL(pool);
    CHECK_NOT_NULL(lido_pool_alloc(pool));
    CHECK_EQ(lido_pool_destroy(pool), 1);
    CHECK_EQ(lido_backing_destroy(backing), 0);
  }
}

TEST(backings, objects_up_to_a_quarter_of_a_region_fit) {
  source s = {.fail_after = SIZE_MAX};
  lido_backing *backing = source_backing(&s);
  CHECK_NOT_NULL(backing);
  static const size_t fit[] = {1, 100000, REGION / 4 - 1, REGION / 4};
  for (size_t i = 0; i < sizeof fit / sizeof fit[0]; i++) {
    lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = fit[i], .backing = backing});
    CHECK_NOT_NULL(pool);
    exercise(pool, fit[i], 6);
    CHECK_EQ(lido_pool_destroy(pool), 0);
  }
  CHECK_FAILS(lido_pool_create(&(lido_pool_options){.object_size = REGION, .backing = backing}), EINVAL);
  CHECK_EQ(lido_backing_destroy(backing), 0);
  CHECK_EQ(s.count, 0);
  CHECK_EQ(s.wrong, 0);
}

TEST(backings, destroying_none_is_allowed_and_the_built_in_ones_stay) {
  CHECK_EQ(lido_backing_destroy(NULL), 0);
  CHECK_EQ(lido_backing_destroy(lido_backing_default()), EINVAL);
  CHECK_EQ(lido_backing_destroy(lido_backing_pages()), EINVAL);
}

TEST(backings, a_thousand_can_be_made_and_ended) {
  int64_t before = 0;
  for (int i = 0; i < 1000; i++) {
    source s = {.fail_after = SIZE_MAX};
    lido_backing *backing = source_backing(&s);
    CHECK_NOT_NULL(backing);
    if (i % 10 == 0) {
      lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 64, .backing = backing});
      CHECK_NOT_NULL(pool);
      CHECK_NOT_NULL(lido_pool_alloc(pool));
      lido_pool_destroy(pool);
    }
    CHECK_EQ(lido_backing_destroy(backing), 0);
    CHECK_EQ(s.count, 0);
    if (i == 100) before = objects_bytes_held();
  }
  CHECK_EQ(objects_bytes_held(), before);
}

/* ---- The built-in ones ---- */

static void check_built_in(lido_backing *backing) {
  int64_t before = 0;
  for (int round = 0; round < 4; round++) {
    lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 5000, .backing = backing});
    CHECK_NOT_NULL(pool);
    exercise(pool, 5000, 4000);
    CHECK_EQ(lido_pool_alloc_batch(pool, objects, 4000), 4000);
    CHECK_GE(lido_backing_bytes(backing), 4000u * 5000u);
    CHECK_EQ(lido_pool_destroy(pool), 4000);
    if (round == 1) before = objects_bytes_held();
  }
  CHECK_EQ(objects_bytes_held(), before);
}

TEST(backings, pages_serve_pools) { check_built_in(lido_backing_pages()); }

TEST(backings, the_default_is_never_missing) {
  CHECK_NOT_NULL(lido_backing_default());
  CHECK_SAME(lido_backing_default(), lido_backing_default());
  check_built_in(lido_backing_default());
}

TEST(backings, mimalloc_serves_pools_or_is_not_built_in) {
  errno = 0;
  lido_backing *backing = lido_backing_mimalloc();
  if (backing == NULL) {
    CHECK_EQ(errno, ENOTSUP);
    CHECK_SAME(lido_backing_default(), lido_backing_pages());
  } else {
    CHECK_SAME(lido_backing_default(), backing);
    CHECK_EQ(lido_backing_destroy(backing), EINVAL);
    check_built_in(backing);
  }
}

TEST(backings, pools_on_one_backing_stay_apart) {
  enum { POOLS = 12 };
  static const size_t sizes[POOLS] = {1, 8, 16, 24, 40, 64, 100, 256, 1000, 4096, 9000, 60000};
  lido_pool *pools[POOLS];
  object_list lists[POOLS];
  memset(lists, 0, sizeof lists);
  for (size_t i = 0; i < POOLS; i++) {
    pools[i] =
        lido_pool_create(&(lido_pool_options){.object_size = sizes[i], .align = 8, .backing = lido_backing_pages()});
    CHECK_NOT_NULL(pools[i]);
  }
  for (size_t n = 0; n < 200; n++) {
    for (size_t i = 0; i < POOLS; i++) {
      void *object = lido_pool_alloc(pools[i]);
      CHECK_NOT_NULL(object);
      objects_fill(object, sizes[i], n * POOLS + i);
      object_list_push(&lists[i], object);
    }
  }
  for (size_t i = 0; i < POOLS; i++) {
    for (size_t n = 0; n < 200; n++) {
      CHECK(objects_hold(lists[i].items[n], sizes[i], n * POOLS + i));
      CHECK_SAME(lido_pool_of(lists[i].items[n]), pools[i]);
    }
    CHECK_SOUND(pools[i]);
  }
  for (size_t i = 0; i < POOLS; i++) {
    objects_free_all(pools[i], &lists[i]);
    CHECK_EQ(lido_pool_destroy(pools[i]), 0);
    object_list_end(&lists[i]);
  }
}
