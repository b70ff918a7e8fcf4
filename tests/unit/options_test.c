/* options_test.c: what lido_pool_create() takes and what it refuses. */
#include <math.h>

#include "tests/support/objects.h"

enum { MIB = 1 << 20 };

static int no_construct(void *object, void *context) {
  (void)object;
  (void)context;
  return 0;
}

/* A pool with these options can be made, used and ended. */
static void check_usable(const lido_pool_options *options) {
  lido_pool *pool = lido_pool_create(options);
  CHECK_NOT_NULL(pool);
  unsigned char *object = lido_pool_alloc(pool);
  CHECK_NOT_NULL(object);
  memset(object, 0x5a, options->object_size);
  CHECK(lido_pool_owns(pool, object));
  lido_pool_free(pool, object);
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(options, none_at_all_are_refused) { CHECK_FAILS(lido_pool_create(NULL), EINVAL); }

TEST(options, an_object_has_one_byte_to_one_mebibyte) {
  static const size_t bad[] = {0,       MIB + 1, 2 * MIB, SIZE_MAX / 2, SIZE_MAX - 4096, SIZE_MAX - 63, SIZE_MAX - 1,
                               SIZE_MAX};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    CHECK_FAILS(lido_pool_create(&(lido_pool_options){.object_size = bad[i]}), EINVAL);
    CHECK_FAILS(lido_pool_create(&(lido_pool_options){.object_size = bad[i], .align = 1}), EINVAL);
    CHECK_FAILS(lido_pool_create(&(lido_pool_options){.object_size = bad[i], .align = 4096}), EINVAL);
  }
  static const size_t good[] = {1, 2, MIB - 1, MIB};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) check_usable(&(lido_pool_options){.object_size = good[i]});
}

TEST(options, an_alignment_is_a_power_of_two_up_to_a_page) {
  static const size_t bad[] = {3,       5, 6, 7, 24, 63, 65, 96, 4095, 4097, 8192, MIB, SIZE_MAX / 2 + 1, SIZE_MAX - 1,
                               SIZE_MAX};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    CHECK_FAILS(lido_pool_create(&(lido_pool_options){.object_size = 64, .align = bad[i]}), EINVAL);
  }
  for (size_t align = 1; align <= 4096; align *= 2)
    check_usable(&(lido_pool_options){.object_size = 64, .align = align});
}

TEST(options, without_an_alignment_an_object_starts_on_a_cache_line) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 1});
  CHECK_NOT_NULL(pool);
  for (size_t i = 0; i < 200; i++) {
    void *object = lido_pool_alloc(pool);
    CHECK_NOT_NULL(object);
    CHECK_EQ((uintptr_t)object % 64, 0);
  }
  CHECK_EQ(lido_pool_destroy(pool), 200);
}

TEST(options, a_growth_factor_is_zero_or_from_1_to_16) {
  const double bad[] = {-1, -0.001, 0.001, 0.5, 0.999999, 16.001, 17, 1e9, 1e300, INFINITY, -INFINITY, NAN, -NAN};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    CHECK_FAILS(lido_pool_create(&(lido_pool_options){.object_size = 64, .growth_factor = bad[i]}), EINVAL);
  }
  const double good[] = {0, -0.0, 1, 1.5, 2, 15.999, 16};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    check_usable(&(lido_pool_options){.object_size = 64, .growth_factor = good[i]});
  }
}

TEST(options, a_pool_grows_to_the_factor_by_whole_slabs) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 4096, .growth_factor = 2});
  CHECK_NOT_NULL(pool);
  object_list taken = {0};
  size_t slabs[6] = {0};
  for (size_t step = 0; step < 6; step++) {
    /* One object more than there are. */
    do {
      object_list_push(&taken, lido_pool_alloc(pool));
      CHECK_NOT_NULL(taken.items[taken.count - 1]);
    } while (objects_stats(pool).slabs == (step == 0 ? 0 : slabs[step - 1]));
    slabs[step] = objects_stats(pool).slabs;
    if (step > 0) CHECK_EQ(slabs[step], 2 * slabs[step - 1]);
  }
  objects_free_all(pool, &taken);
  CHECK_SOUND(pool);
  lido_pool_destroy(pool);
  object_list_end(&taken);
}

TEST(options, without_a_growth_factor_a_pool_grows_by_one_slab) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 4096});
  CHECK_NOT_NULL(pool);
  object_list taken = {0};
  size_t slabs = 0;
  for (size_t i = 0; i < 400; i++) {
    object_list_push(&taken, lido_pool_alloc(pool));
    size_t now = objects_stats(pool).slabs;
    CHECK_LE(now, slabs + 1);
    slabs = now;
  }
  CHECK_GT(slabs, 5);
  objects_free_all(pool, &taken);
  lido_pool_destroy(pool);
  object_list_end(&taken);
}

TEST(options, unknown_flags_are_refused) {
  for (unsigned bit = 6; bit < 32; bit++) {
    if (1u << bit == LIDO_POOL_POPULATE) continue;
    CHECK_FAILS(lido_pool_create(&(lido_pool_options){.object_size = 64, .flags = 1u << bit}), EINVAL);
  }
  CHECK_FAILS(lido_pool_create(&(lido_pool_options){.object_size = 64, .flags = UINT32_MAX}), EINVAL);
}

TEST(options, zeroed_objects_are_not_constructed) {
  CHECK_FAILS(
      lido_pool_create(&(lido_pool_options){.object_size = 64, .flags = LIDO_POOL_ZERO, .construct = no_construct}),
      EINVAL);
}

TEST(options, an_unknown_exhaustion_policy_is_refused) {
  CHECK_FAILS(
      lido_pool_create(&(lido_pool_options){.object_size = 64, .max_objects = 5, .on_exhausted = (lido_exhausted)3}),
      EINVAL);
  CHECK_FAILS(lido_pool_create(&(lido_pool_options){.object_size = 64, .on_exhausted = (lido_exhausted)-1}), EINVAL);
}

TEST(options, no_more_than_max_objects_can_be_preallocated) {
  CHECK_FAILS(lido_pool_create(&(lido_pool_options){.object_size = 64, .max_objects = 10, .prealloc = 11}), EINVAL);
  CHECK_FAILS(lido_pool_create(&(lido_pool_options){.object_size = 64, .max_objects = 1, .prealloc = SIZE_MAX}),
              EINVAL);
  check_usable(&(lido_pool_options){.object_size = 64, .max_objects = 10, .prealloc = 10});
  check_usable(&(lido_pool_options){.object_size = 64, .max_objects = 10, .prealloc = 9});
}

TEST(options, preallocating_more_than_can_be_fails_cleanly) {
  static const size_t counts[] = {SIZE_MAX, SIZE_MAX / 64, SIZE_MAX / 64 + 1, SIZE_MAX / 2, (size_t)1 << 50};
  for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
    for (int limited = 0; limited < 2; limited++) {
      errno = 0;
      CHECK_NULL(lido_pool_create(
          &(lido_pool_options){.object_size = 64, .prealloc = counts[i], .max_objects = limited ? SIZE_MAX : 0}));
      CHECK(errno == EINVAL || errno == ENOMEM);
    }
  }
}

TEST(options, preallocating_more_than_a_buffer_holds_fails_cleanly) {
  static _Alignas(64) char memory[1 << 16];
  lido_backing *buffer = lido_backing_create_buffer(memory, sizeof memory);
  CHECK_NOT_NULL(buffer);
  CHECK_FAILS(lido_pool_create(&(lido_pool_options){.object_size = 64, .prealloc = 1025, .backing = buffer}), ENOMEM);
  CHECK_EQ(lido_backing_destroy(buffer), 0); /* nothing stands on it */
}

TEST(options, one_thread_alone_can_not_wait_for_another) {
  CHECK_FAILS(
      lido_pool_create(&(lido_pool_options){
          .object_size = 64, .max_objects = 5, .flags = LIDO_POOL_SINGLE_THREAD, .on_exhausted = LIDO_EXHAUSTED_WAIT}),
      EINVAL);
}

TEST(options, limits_near_the_end_of_size_t_are_no_limits) {
  check_usable(&(lido_pool_options){.object_size = 64, .max_objects = SIZE_MAX});
  check_usable(&(lido_pool_options){.object_size = 64, .max_objects = SIZE_MAX - 1, .growth_factor = 16});
  check_usable(&(lido_pool_options){.object_size = 64, .cache_bytes = SIZE_MAX});
  check_usable(&(lido_pool_options){.object_size = 64, .cache_bytes = SIZE_MAX - 1});
  check_usable(&(lido_pool_options){.object_size = 64, .cache_bytes = 1});
  check_usable(&(lido_pool_options){.object_size = 64, .retain_bytes = SIZE_MAX});
  check_usable(&(lido_pool_options){.object_size = 64, .retain_bytes = 1});
}

TEST(options, a_refused_pool_leaves_nothing_behind) {
  lido_pool_options bad = {.object_size = 64, .align = 3};
  CHECK_FAILS(lido_pool_create(&bad), EINVAL);
  int64_t before = objects_bytes_held();
  for (int i = 0; i < 100; i++) CHECK_FAILS(lido_pool_create(&bad), EINVAL);
  CHECK_EQ(objects_bytes_held(), before);
}

TEST(options, the_name_is_copied) {
  char name[] = "connections";
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 64, .name = name});
  CHECK_NOT_NULL(pool);
  memset(name, 'x', sizeof name - 1);
  CHECK_TEXT(lido_pool_name(pool), "connections");
  lido_pool_destroy(pool);
}

TEST(options, a_pool_without_a_name_is_called_pool) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 64});
  CHECK_NOT_NULL(pool);
  CHECK_TEXT(lido_pool_name(pool), "pool");
  lido_pool_destroy(pool);
}

TEST(options, a_name_may_be_empty_or_long) {
  char name[2000];
  memset(name, 'n', sizeof name);
  name[sizeof name - 1] = '\0';
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 64, .name = name});
  CHECK_NOT_NULL(pool);
  CHECK_TEXT(lido_pool_name(pool), name);
  lido_pool_destroy(pool);
  pool = lido_pool_create(&(lido_pool_options){.object_size = 64, .name = ""});
  CHECK_NOT_NULL(pool);
  CHECK_TEXT(lido_pool_name(pool), "");
  lido_pool_destroy(pool);
}

TEST(options, the_options_may_change_after_create) {
  lido_pool_options options = {.object_size = 100, .max_objects = 3};
  lido_pool *pool = lido_pool_create(&options);
  CHECK_NOT_NULL(pool);
  memset(&options, 0xff, sizeof options);
  void *objects[4];
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, 4), 3);
  lido_pool_free_batch(pool, objects, 3);
  CHECK_SOUND(pool);
  lido_pool_destroy(pool);
}

TEST(options, destroying_no_pool_is_allowed) { CHECK_EQ(lido_pool_destroy(NULL), 0); }

TEST(options, destroy_tells_how_many_objects_were_live) {
  for (size_t live = 0; live < 300; live += 23) {
    lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 48});
    CHECK_NOT_NULL(pool);
    for (size_t i = 0; i < live; i++) CHECK_NOT_NULL(lido_pool_alloc(pool));
    for (size_t i = 0; i < 100; i++) lido_pool_free(pool, lido_pool_alloc(pool)); /* cached ones do not count */
    CHECK_EQ(lido_pool_destroy(pool), live);
  }
}

TEST(options, freeing_null_does_nothing) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 64});
  CHECK_NOT_NULL(pool);
  misuse_log log;
  misuse_log_start(&log);
  lido_pool_free(pool, NULL);
  void *object = lido_pool_alloc(pool);
  lido_pool_free(pool, object);
  lido_pool_free(pool, NULL);
  lido_pool_free_call(pool, NULL);
  misuse_log_stop();
  CHECK_EQ(log.count, 0);
  CHECK_EQ(objects_stats(pool).frees, 1);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

TEST(options, the_plain_functions_do_what_the_inline_ones_do) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 64, .max_objects = 2});
  CHECK_NOT_NULL(pool);
  void *first = lido_pool_alloc_call(pool);
  void *second = lido_pool_alloc(pool);
  CHECK_NOT_NULL(first);
  CHECK_NOT_NULL(second);
  CHECK_FAILS(lido_pool_alloc_call(pool), ENOMEM);
  lido_pool_free(pool, first);
  lido_pool_free_call(pool, second);
  CHECK_EQ(objects_stats(pool).live, 0);
  CHECK_EQ(objects_stats(pool).frees, 2);
  lido_pool_destroy(pool);
}
