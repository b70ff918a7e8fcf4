/* pprof_without_memory_test.c: every request of malloc fails, once and for ever: ENOMEM, and nothing is lost. */
#include <lido/pool.h>
#include <lido/pprof.h>
#include <stdlib.h>

#include "tests/support/failing_malloc.h"
#include "tests/support/testing.h"

enum { OBJECTS = 300 };

static int drop(const void *bytes, size_t count, void *context) {
  (void)bytes;
  (void)context;
  return count == 0;
}

static size_t capture(void **frames, size_t count, void *context) {
  static uintptr_t number;
  (void)context;
  CHECK_GE(count, 3);
  number++;
  frames[0] = (void *)(number * 64);
  frames[1] = (void *)(number * 64 + 7);
  frames[2] = (char *)(uintptr_t)bsearch + 5;
  return 3;
}

static void fail_each(bool for_ever) {
  size_t failures = 0;
  for (;; failures++) {
    long live = failing_malloc_live();
    failing_malloc_begin(failures, for_ever);
    int error = lido_pprof_write(drop, NULL, NULL);
    bool refused = failing_malloc_end();
    CHECK_EQ(failing_malloc_live(), live);
    if (!refused) {
      CHECK_EQ(error, 0);
      break;
    }
    CHECK_EQ(error, ENOMEM);
  }
  /* The writer, zlib's, modules, tables. */
  CHECK_GT(failures, 20);
}

TEST(pprof_without_memory, every_failure_is_an_error_and_nothing_is_lost) {
  static void *objects[OBJECTS];
  (void)lido_heap_profile_start(
      &(lido_heap_profile_options){.mean_bytes = 1, .cost_permille = 1000, .capture = capture});
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.name = "conns", .object_size = 64});
  CHECK_NOT_NULL(pool);
  for (int i = 0; i < OBJECTS; i++) objects[i] = lido_pool_alloc(pool);
  lido_heap_profile_stop();
  CHECK_EQ(lido_pprof_write(drop, NULL, NULL), 0);
  fail_each(false);
  fail_each(true);
  for (int i = 0; i < OBJECTS; i++) lido_pool_free(pool, objects[i]);
  lido_pool_destroy(pool);
}
