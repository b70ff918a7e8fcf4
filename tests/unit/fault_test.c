/* fault_test.c: the instrument that the tests of faults trust in. */
#include "lib/base/fault.h"
#include "lib/os/os.h"
#include "tests/support/objects.h"

TEST(fault, the_nth_request_fails_and_the_failures_are_counted) {
  lido_fault_arm(3, false);
  CHECK(!lido_fault_here());
  CHECK(!lido_fault_here());
  CHECK(lido_fault_here());
  for (int i = 0; i < 10; i++) CHECK(!lido_fault_here());
  CHECK_EQ(lido_fault_disarm(), 1);
  lido_fault_arm(2, true);
  CHECK(!lido_fault_here());
  for (int i = 0; i < 10; i++) CHECK(lido_fault_here());
  CHECK_EQ(lido_fault_disarm(), 10);
  for (int i = 0; i < 10; i++) CHECK(!lido_fault_here());
}

TEST(fault, pages_are_refused_and_counted) {
  size_t page = lido_os_page_bytes();
  int64_t before = lido_fault_bytes();
  lido_fault_arm(1, false);
  CHECK_FAILS(lido_os_pages_map(page, page), ENOMEM);
  CHECK_EQ(lido_fault_disarm(), 1);
  CHECK_EQ(lido_fault_bytes(), before);
  void *pages = lido_os_pages_map(3 * page, page);
  CHECK_NOT_NULL(pages);
  CHECK_EQ(lido_fault_bytes(), before + 3 * (int64_t)page);
  lido_os_pages_unmap(pages, 3 * page);
  CHECK_EQ(lido_fault_bytes(), before);
}

TEST(fault, bytes_are_held_while_a_pool_lives) {
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 64});
  CHECK_NOT_NULL(pool);
  lido_pool_free(pool, lido_pool_alloc(pool));
  lido_pool_destroy(pool);
  int64_t before = objects_bytes_held();
  pool = lido_pool_create(&(lido_pool_options){.object_size = 64});
  CHECK_NOT_NULL(pool);
  CHECK_NOT_NULL(lido_pool_alloc(pool));
  CHECK_GE(lido_fault_bytes(), before + (1 << 20));
  lido_pool_destroy(pool);
  CHECK_EQ(objects_bytes_held(), before);
}
