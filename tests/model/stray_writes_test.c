/* stray_writes_test.c: writes to free objects and past an object's end. Sanitizers see them by themselves,
 * LIDO_CHECKS=full finds them at the next alloc and free, and at no level do they harm Lido.
 */
#include "tests/support/objects.h"

enum { EACH = 6 };

#if defined(LIDO_ASAN)
#include <sanitizer/asan_interface.h>

TEST(stray_writes, are_seen_by_the_address_sanitizer) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 60});
  CHECK_NOT_NULL(pool);
  char *objects[EACH];
  CHECK_EQ(lido_pool_alloc_batch(pool, (void **)objects, EACH), EACH);
  for (size_t i = 0; i < EACH; i++) CHECK_NULL(__asan_region_is_poisoned(objects[i], 60));
  for (size_t i = 0; i < EACH; i++) CHECK(__asan_address_is_poisoned(objects[i] + 60));
  lido_pool_free(pool, objects[1]);
  for (size_t i = 0; i < 60; i++) CHECK(__asan_address_is_poisoned(objects[1] + i));
  CHECK(!__asan_address_is_poisoned(objects[2]));
  CHECK_EQ(lido_pool_destroy(pool), EACH - 1);
}

#elif defined(LIDO_MSAN)
#include <sanitizer/msan_interface.h>

TEST(stray_writes, reads_of_new_objects_are_seen_by_the_memory_sanitizer) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 60});
  CHECK_NOT_NULL(pool);
  for (int again = 0; again < 2; again++) {
    char *object = lido_pool_alloc(pool);
    CHECK_NOT_NULL(object);
    CHECK_EQ(__msan_test_shadow(object, 60), 0);
    memset(object, 1, 60);
    CHECK_EQ(__msan_test_shadow(object, 60), -1);
    lido_pool_free(pool, object);
  }
  CHECK_EQ(lido_pool_destroy(pool), 0);
}

#else

/* Nothing of Lido's is in a free object or behind a live one. */
TEST(stray_writes, do_no_harm_to_lido) {
  enum { MANY = 2000, STRIDE = 64 };
  static void *objects[MANY];
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 60});
  CHECK_NOT_NULL(pool);
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, MANY), MANY);
  for (size_t i = 0; i < MANY; i += 2) lido_pool_free(pool, objects[i]);
  for (size_t i = 0; i < MANY; i++) memset(objects[i], (int)i, STRIDE);
  misuse_log seen;
  misuse_log_start(&seen);
  object_list again = {0};
  for (size_t i = 0; i < MANY; i += 2) object_list_push(&again, lido_pool_alloc(pool));
  misuse_log_stop();
  CHECK_EQ(seen.count, LIDO_CHECKS == LIDO_CHECKS_FULL ? MANY / 2 : 0);
  for (size_t i = 1; i < MANY; i += 2) object_list_push(&again, objects[i]);
  CHECK(objects_are_distinct(&again));
  CHECK_SOUND(pool);
  object_list_end(&again);
  CHECK_EQ(lido_pool_destroy(pool), MANY);
}

#if LIDO_CHECKS == LIDO_CHECKS_FULL

static misuse_log seen;

/* A write is no call that could be without effect: the alloc and the free that find it do their work. */
static void write_wrongly(lido_pool *pool) {
  void *objects[EACH];
  CHECK_EQ(lido_pool_alloc_batch(pool, objects, EACH), EACH);
  ((unsigned char *)objects[2])[60] ^= 1;
  misuse_log_start(&seen);
  lido_pool_free(pool, objects[2]);
  misuse_log_stop();
  CHECK_EQ(seen.count, 1);
  CHECK_EQ(seen.last.kind, LIDO_MISUSE_OVERFLOW);
  CHECK_SAME(seen.last.address, objects[2]);
  CHECK_EQ(objects_stats(pool).live, EACH - 1);
  CHECK_SOUND(pool);

  ((unsigned char *)objects[2])[0] ^= 1;
  misuse_log_start(&seen);
  void *again = lido_pool_alloc(pool);
  CHECK_SAME(again, objects[2]);
  misuse_log_stop();
  CHECK_EQ(seen.count, 1);
  CHECK_EQ(seen.last.kind, LIDO_MISUSE_WRITE_AFTER_FREE);
  CHECK_SAME(seen.last.address, objects[2]);
  CHECK_EQ(objects_stats(pool).live, EACH);
  CHECK_SOUND(pool);

  misuse_log_start(&seen);
  lido_pool_free(pool, again); /* its padding is whole again */
  again = lido_pool_alloc(pool);
  lido_pool_free(pool, again);
  misuse_log_stop();
  CHECK_EQ(seen.count, 0);
  lido_pool_destroy(pool);
}

TEST(stray_writes, are_found) {
  write_wrongly(lido_pool_create(&(lido_pool_options){.object_size = 60}));
  write_wrongly(lido_pool_create(&(lido_pool_options){.object_size = 60, .max_objects = 6}));
}

#endif
#endif
