/* buffer_test.c: pools inside one buffer of the caller's. */
#include <stdlib.h>

#include "tests/support/objects.h"

enum { GUARD = 4096, GUARD_BYTE = 0x6b, MOST = 1 << 20, SMALLEST = 4096 };

static _Alignas(4096) unsigned char arena[GUARD + MOST + 64 + GUARD];

static unsigned char *guarded(size_t offset, size_t bytes) {
  memset(arena, GUARD_BYTE, sizeof arena);
  memset(arena + GUARD + offset, 0xb7, bytes);
  return arena + GUARD + offset;
}

static void check_guards(size_t offset, size_t bytes) {
  size_t end = GUARD + offset + bytes;
  CHECK(objects_are_all(arena, GUARD + offset, GUARD_BYTE));
  CHECK(objects_are_all(arena + end, sizeof arena - end, GUARD_BYTE));
}

/* Fill the pool until it has no more, verify, free all. -> how many there were. */
static size_t fill_and_empty(lido_pool *pool, size_t size, size_t align, const unsigned char *memory, size_t bytes) {
  object_list taken = {0};
  void *object = NULL;
  errno = 0;
  while ((object = lido_pool_alloc(pool)) != NULL) {
    CHECK_EQ((uintptr_t)object % align, 0);
    CHECK((unsigned char *)object >= memory && (unsigned char *)object + size <= memory + bytes);
    objects_fill(object, size, taken.count);
    object_list_push(&taken, object);
  }
  CHECK_EQ(errno, ENOMEM);
  for (size_t i = 0; i < taken.count; i++) CHECK(objects_hold(taken.items[i], size, i));
  CHECK_SOUND(pool);
  size_t count = taken.count;
  objects_free_all(pool, &taken);
  CHECK_SOUND(pool);
  object_list_end(&taken);
  return count;
}

static size_t check_buffer(size_t offset, size_t bytes, size_t size, size_t align) {
  unsigned char *memory = guarded(offset, bytes);
  lido_backing *backing = lido_backing_create_buffer(memory, bytes);
  CHECK_NOT_NULL(backing);
  errno = 0;
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = size, .align = align, .backing = backing});
  size_t count = 0;
  if (pool == NULL) {
    CHECK_EQ(errno, ENOMEM); /* too small for that */
  } else {
    /* Magazines lie in the buffer too, so the first rounds may find room that later ones do not; then no more is
     * lost. */
    size_t first = fill_and_empty(pool, size, align, memory, bytes);
    enum { WARM = 6, ROUNDS = 10 };
    for (int round = 0; round < ROUNDS; round++) {
      lido_pool_trim(pool);
      size_t now = fill_and_empty(pool, size, align, memory, bytes);
      if (round < WARM) count = now;
      CHECK_EQ(now, count);
    }
    CHECK_LE(count, first);
    CHECK_GE(count, first * 3 / 4);
    CHECK_EQ(lido_backing_destroy(backing), EBUSY);
    CHECK_EQ(lido_pool_destroy(pool), 0);
  }
  CHECK_EQ(lido_backing_destroy(backing), 0);
  check_guards(offset, bytes);
  return count;
}

TEST(buffer, may_start_anywhere_and_nothing_outside_is_touched) {
  for (size_t offset = 0; offset < 64; offset++) {
    CHECK_GT(check_buffer(offset, 1 << 16, 64, 64), 400);
    CHECK_GT(check_buffer(offset, (1 << 16) + 13, 100, 4), 300);
  }
}

TEST(buffer, of_any_size_holds_what_fits) {
  static const size_t sizes[] = {8, 24, 64, 256, 1000, 4096};
  for (size_t bytes = SMALLEST; bytes <= MOST; bytes = bytes * 3 / 2 + 7) {
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
      size_t count = check_buffer(bytes % 64, bytes, sizes[i], 8);
      CHECK_LE(count * sizes[i], bytes);
      if (bytes >= 64 * sizes[i] && bytes >= 65536) CHECK_GE(count * sizes[i], bytes / 2);
    }
  }
}

TEST(buffer, aligns_objects_whatever_its_own_alignment) {
  for (size_t align = 1; align <= 4096; align *= 2) {
    for (size_t offset = 0; offset < 64; offset += 13) CHECK_GT(check_buffer(offset, 1 << 18, 48, align), 10);
  }
}

TEST(buffer, of_four_kibibytes_serves_small_objects) { CHECK_GE(check_buffer(0, SMALLEST, 16, 16), 16); }

TEST(buffer, too_small_or_missing_is_refused) {
  CHECK_FAILS(lido_backing_create_buffer(NULL, 1 << 20), EINVAL);
  CHECK_FAILS(lido_backing_create_buffer(arena, 0), EINVAL);
  CHECK_FAILS(lido_backing_create_buffer(arena, SMALLEST - 1), EINVAL);
  CHECK_FAILS(lido_backing_create_buffer(NULL, 0), EINVAL);
  CHECK_FAILS(lido_backing_create_buffer(arena, SIZE_MAX), EINVAL);
  CHECK_FAILS(lido_backing_create_buffer(arena, SIZE_MAX / 2 + 1), EINVAL);
}

TEST(buffer, an_object_larger_than_it_is_refused) {
  lido_backing *backing = lido_backing_create_buffer(arena, SMALLEST);
  CHECK_NOT_NULL(backing);
  static const size_t large[] = {SMALLEST, SMALLEST + 1, 65536, 1 << 20};
  for (size_t i = 0; i < sizeof large / sizeof large[0]; i++) {
    errno = 0;
    lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = large[i], .backing = backing});
    if (pool != NULL) { /* then at least not one is handed out */
      CHECK_FAILS(lido_pool_alloc(pool), ENOMEM);
      lido_pool_destroy(pool);
    } else {
      CHECK(errno == ENOMEM || errno == EINVAL);
    }
  }
  CHECK_EQ(lido_backing_destroy(backing), 0);
}

/* With every other request failing, pools in the buffer work: their metadata lies in it too. The thread's own record
 * does not, so the thread may have to work without a cache. */
TEST(buffer, holds_all_of_its_pools) {
  lido_backing *backing = lido_backing_create_buffer(arena, 1 << 18);
  CHECK_NOT_NULL(backing);
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 100, .backing = backing});
  CHECK_NOT_NULL(pool);
  int64_t held = objects_bytes_held();
  object_list taken = {0};
  for (int i = 0; i < 1000; i++) {
    void *object = lido_pool_alloc(pool);
    CHECK_NOT_NULL(object);
    object_list_push(&taken, object);
  }
  CHECK_LE(objects_bytes_held(), held + 65536); /* the record, if this thread had none */
  objects_free_all(pool, &taken);
  CHECK_EQ(lido_pool_destroy(pool), 0);
  CHECK_EQ(lido_backing_destroy(backing), 0);
  object_list_end(&taken);
}

TEST(buffer, several_pools_share_it) {
  lido_backing *backing = lido_backing_create_buffer(arena, 1 << 18);
  CHECK_NOT_NULL(backing);
  lido_pool *fine = lido_pool_create(&(lido_pool_options){.object_size = 24, .align = 8, .backing = backing});
  lido_pool *coarse = lido_pool_create(&(lido_pool_options){.object_size = 256, .backing = backing});
  CHECK_NOT_NULL(fine);
  CHECK_NOT_NULL(coarse);
  object_list of_fine = {0};
  object_list of_coarse = {0};
  for (size_t i = 0; i < 100; i++) {
    object_list_push(&of_fine, lido_pool_alloc(fine));
    object_list_push(&of_coarse, lido_pool_alloc(coarse));
    CHECK_NOT_NULL(of_fine.items[i]);
    CHECK_NOT_NULL(of_coarse.items[i]);
    objects_fill(of_fine.items[i], 24, i);
    objects_fill(of_coarse.items[i], 256, i);
  }
  for (size_t i = 0; i < 100; i++) {
    CHECK(objects_hold(of_fine.items[i], 24, i));
    CHECK(objects_hold(of_coarse.items[i], 256, i));
    CHECK(lido_pool_owns(fine, of_fine.items[i]));
    CHECK(!lido_pool_owns(coarse, of_fine.items[i]));
  }
#if LIDO_CHECKS != LIDO_CHECKS_NONE
  misuse_log log;
  misuse_log_start(&log);
  lido_pool_free(coarse, of_fine.items[0]);
  misuse_log_stop();
  CHECK_EQ(log.count, 1);
  CHECK_EQ(log.last.kind, LIDO_MISUSE_WRONG_POOL);
#endif
  objects_free_all(fine, &of_fine);
  objects_free_all(coarse, &of_coarse);
  CHECK_SOUND(fine);
  CHECK_SOUND(coarse);
  CHECK_EQ(lido_pool_destroy(fine), 0);
  CHECK_EQ(lido_backing_destroy(backing), EBUSY);
  CHECK_EQ(lido_pool_destroy(coarse), 0);
  CHECK_EQ(lido_backing_destroy(backing), 0);
  object_list_end(&of_fine);
  object_list_end(&of_coarse);
}

TEST(buffer, the_first_pool_settles_the_granule_until_all_are_gone) {
  lido_backing *backing = lido_backing_create_buffer(arena, 1 << 18);
  CHECK_NOT_NULL(backing);
  for (int round = 0; round < 3; round++) {
    lido_pool *coarse = lido_pool_create(&(lido_pool_options){.object_size = 64, .backing = backing});
    CHECK_NOT_NULL(coarse);
    CHECK_FAILS(lido_pool_create(&(lido_pool_options){.object_size = 24, .align = 8, .backing = backing}), EINVAL);
    CHECK_SOUND(coarse);
    CHECK_EQ(lido_pool_destroy(coarse), 0);
    lido_pool *fine = lido_pool_create(&(lido_pool_options){.object_size = 24, .align = 8, .backing = backing});
    CHECK_NOT_NULL(fine);
    CHECK_EQ(lido_pool_destroy(fine), 0);
  }
  CHECK_EQ(lido_backing_destroy(backing), 0);
}

TEST(buffer, a_pool_that_could_not_be_made_settles_nothing) {
  lido_backing *backing = lido_backing_create_buffer(arena, SMALLEST);
  CHECK_NOT_NULL(backing);
  errno = 0;
  CHECK_NULL(lido_pool_create(&(lido_pool_options){.object_size = 64, .prealloc = 10000, .backing = backing}));
  lido_pool *fine = lido_pool_create(&(lido_pool_options){.object_size = 8, .align = 8, .backing = backing});
  CHECK_NOT_NULL(fine);
  CHECK_EQ(lido_pool_destroy(fine), 0);
  CHECK_EQ(lido_backing_destroy(backing), 0);
}

TEST(buffer, its_memory_is_the_callers_again_at_the_end) {
  for (int round = 0; round < 50; round++) {
    size_t bytes = 1 << 16;
    unsigned char *memory = malloc(bytes); /* a sanitizer sees use after free */
    CHECK_NOT_NULL(memory);
    lido_backing *backing = lido_backing_create_buffer(memory, bytes);
    CHECK_NOT_NULL(backing);
    lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 100, .backing = backing});
    CHECK_NOT_NULL(pool);
    for (int i = 0; i < 100; i++) CHECK_NOT_NULL(lido_pool_alloc(pool));
    CHECK_EQ(lido_pool_destroy(pool), 100);
    CHECK_EQ(lido_backing_destroy(backing), 0);
    memset(memory, 0, bytes); /* nothing of it is poisoned */
    free(memory);
  }
}

TEST(buffer, bytes_tell_its_size) {
  lido_backing *backing = lido_backing_create_buffer(arena, 12345);
  CHECK_NOT_NULL(backing);
  CHECK_EQ(lido_backing_bytes(backing), 12345);
  CHECK_EQ(lido_backing_destroy(backing), 0);
}

TEST(buffer, pools_with_limits_zeroing_and_waiting_work_in_it) {
  const lido_pool_options kinds[] = {{.object_size = 64, .max_objects = 20},
                                     {.object_size = 64, .max_objects = 5, .on_exhausted = LIDO_EXHAUSTED_FALLBACK},
                                     {.object_size = 64, .max_objects = 20, .on_exhausted = LIDO_EXHAUSTED_WAIT},
                                     {.object_size = 64, .flags = LIDO_POOL_ZERO},
                                     {.object_size = 64, .flags = LIDO_POOL_SPREAD},
                                     {.object_size = 64, .flags = LIDO_POOL_HUGE_PAGES},
                                     {.object_size = 64, .prealloc = 100}};
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    guarded(0, 1 << 17);
    lido_pool_options options = kinds[i];
    options.backing = lido_backing_create_buffer(arena + GUARD, 1 << 17);
    CHECK_NOT_NULL(options.backing);
    lido_pool *pool = lido_pool_create(&options);
    CHECK_NOT_NULL(pool);
    for (int round = 0; round < 3; round++) {
      void *objects[20];
      CHECK_EQ(lido_pool_alloc_batch(pool, objects, 20), 20);
      if (options.flags & LIDO_POOL_ZERO) CHECK(objects_are_all(objects[3], 64, 0));
      for (int n = 0; n < 20; n++) memset(objects[n], 0x55, 64);
      lido_pool_free_batch(pool, objects, 20);
      CHECK_SOUND(pool);
    }
    CHECK_EQ(lido_pool_destroy(pool), 0);
    CHECK_EQ(lido_backing_destroy(options.backing), 0);
    check_guards(0, 1 << 17);
  }
}
