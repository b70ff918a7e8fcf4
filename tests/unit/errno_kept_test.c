/* errno_kept_test.c: what succeeds leaves errno alone, and so does every call that returns nothing. */
#include <stdlib.h>

#include "tests/support/objects.h"

enum { BYTES = 3000, MANY = 700, POISON = 4242 };

static void *objects[MANY];

/* Run `call` with a strange errno and see it again. */
#define KEEPS(call)                                                                      \
  do {                                                                                   \
    errno = POISON;                                                                      \
    call;                                                                                \
    int testing_errno = errno;                                                           \
    if (testing_errno != POISON) TESTING_FAIL("%s left errno %d", #call, testing_errno); \
  } while (0)

static bool visit(void *object, void *arg) {
  (void)object;
  (void)arg;
  return true;
}

static void use_everything(const lido_pool_options *options) {
  lido_pool *pool = NULL;
  KEEPS(pool = lido_pool_create(options));
  CHECK_NOT_NULL(pool);
  for (int round = 0; round < 3; round++) {
    for (size_t i = 0; i < MANY; i++) KEEPS(objects[i] = lido_pool_alloc(pool));
    for (size_t i = 0; i < MANY; i++) CHECK_NOT_NULL(objects[i]);
    KEEPS(lido_pool_owns(pool, objects[3]));
    KEEPS(lido_pool_owns(pool, &pool));
    KEEPS(lido_pool_of(objects[3]));
    KEEPS(lido_pool_for_each(pool, visit, NULL));
    KEEPS(objects_stats(pool));
    KEEPS(lido_pool_check(pool));
    for (size_t i = 0; i < MANY; i++) KEEPS(lido_pool_free(pool, objects[i]));
    KEEPS(lido_thread_flush());
    KEEPS(lido_pool_alloc_batch(pool, objects, MANY));
    KEEPS(lido_pool_free_batch(pool, objects, MANY));
    KEEPS(lido_pool_free(pool, NULL));
    KEEPS(lido_pool_trim(pool));
    lido_reserve *reserve = NULL;
    if (!(options->flags & LIDO_POOL_PASSTHROUGH)) {
      KEEPS(reserve = lido_reserve_create(pool, options->max_objects != 0 ? 2 : 50));
      CHECK_NOT_NULL(reserve);
      KEEPS(objects[0] = lido_reserve_alloc(reserve));
      KEEPS(lido_reserve_refill(reserve));
      KEEPS(lido_reserve_destroy(reserve));
      KEEPS(lido_pool_free(pool, objects[0]));
      lido_magazine *magazine = NULL;
      KEEPS(magazine = lido_pool_magazine_detach(pool));
      KEEPS(lido_pool_magazine_attach(pool, magazine));
    }
  }
  KEEPS(lido_pool_destroy(pool));
}

TEST(errno_kept, by_every_call_that_succeeds) {
  use_everything(&(lido_pool_options){.object_size = BYTES});
  use_everything(&(lido_pool_options){.object_size = BYTES, .retain_bytes = 1});
  use_everything(&(lido_pool_options){.object_size = BYTES, .backing = lido_backing_pages(), .retain_bytes = 1});
  use_everything(&(lido_pool_options){.object_size = BYTES, .flags = LIDO_POOL_ZERO});
  use_everything(&(lido_pool_options){.object_size = BYTES, .flags = LIDO_POOL_HUGE_PAGES});
  use_everything(&(lido_pool_options){.object_size = BYTES, .flags = LIDO_POOL_SPREAD});
  use_everything(&(lido_pool_options){.object_size = BYTES, .flags = LIDO_POOL_SINGLE_THREAD});
  use_everything(&(lido_pool_options){.object_size = BYTES, .flags = LIDO_POOL_PASSTHROUGH});
  use_everything(&(lido_pool_options){.object_size = BYTES, .cache_bytes = SIZE_MAX, .retain_bytes = 1});
  use_everything(&(lido_pool_options){.object_size = BYTES, .growth_factor = 4});
  use_everything(&(lido_pool_options){.object_size = BYTES, .max_objects = 5, .on_exhausted = LIDO_EXHAUSTED_FALLBACK});
}

/* Functions of the program's that leave an errno behind although they succeed. */
static int build_with_noise(void *object, void *context) {
  (void)context;
  memset(object, 1, BYTES);
  errno = EBADF;
  return 0;
}

static void tear_down_with_noise(void *object, void *context) {
  (void)object;
  (void)context;
  errno = EBADF;
}

TEST(errno_kept, whatever_construct_and_destroy_leave_in_it) {
  use_everything(&(lido_pool_options){
      .object_size = BYTES, .construct = build_with_noise, .destroy = tear_down_with_noise, .retain_bytes = 1});
  use_everything(&(lido_pool_options){.object_size = BYTES,
                                      .construct = build_with_noise,
                                      .destroy = tear_down_with_noise,
                                      .retain_bytes = 1,
                                      .cache_bytes = SIZE_MAX});
  use_everything(&(lido_pool_options){.object_size = BYTES,
                                      .construct = build_with_noise,
                                      .destroy = tear_down_with_noise,
                                      .flags = LIDO_POOL_PASSTHROUGH});
}

static void *noisy_allocate(size_t bytes, size_t align, void *context) {
  void *block = lido_backing_pages() != NULL ? aligned_alloc(align, bytes) : NULL;
  (void)context;
  errno = ENOTTY;
  return block;
}

static void noisy_release(void *block, size_t bytes, void *context) {
  (void)bytes;
  (void)context;
  free(block);
  errno = ENOTTY;
}

static void noisy_purge(void *range, size_t bytes, void *context) {
  (void)range;
  (void)bytes;
  (void)context;
  errno = ENOTTY;
}

static void noisy_collect(void *context) {
  (void)context;
  errno = ENOTTY;
}

TEST(errno_kept, whatever_a_backings_functions_leave_in_it) {
  lido_backing *backing = NULL;
  KEEPS(backing = lido_backing_create(&(lido_backing_functions){.allocate = noisy_allocate,
                                                                .release = noisy_release,
                                                                .purge = noisy_purge,
                                                                .collect = noisy_collect,
                                                                .region_bytes = 1 << 20}));
  CHECK_NOT_NULL(backing);
  use_everything(&(lido_pool_options){.object_size = BYTES, .backing = backing, .retain_bytes = 1});
  KEEPS(lido_backing_destroy(backing));
}

TEST(errno_kept, by_the_plain_questions) {
  KEEPS(lido_version());
  KEEPS(lido_backing_default());
  KEEPS(lido_backing_pages());
  KEEPS(lido_backing_bytes(lido_backing_pages()));
  KEEPS(lido_pool_destroy(NULL));
  KEEPS(lido_backing_destroy(NULL));
  KEEPS(lido_misuse_handler_set(NULL, NULL));
  KEEPS(lido_pool_passthrough_set(false));
}

#if LIDO_CHECKS != LIDO_CHECKS_NONE
static void noisy_handler(const lido_misuse *misuse, void *context) {
  (void)misuse;
  (void)context;
  errno = EXDEV;
}

TEST(errno_kept, by_a_misuse_whose_handler_returns) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 64});
  CHECK_NOT_NULL(pool);
  void *object = lido_pool_alloc(pool);
  lido_pool_free(pool, object);
  lido_misuse_handler_set(noisy_handler, NULL);
  KEEPS(lido_pool_free(pool, object));
  KEEPS(lido_pool_free(pool, &pool));
  lido_misuse_handler_set(NULL, NULL);
  CHECK_EQ(lido_pool_destroy(pool), 0);
}
#endif
