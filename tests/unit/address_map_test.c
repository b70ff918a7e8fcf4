/* address_map_test.c: which pool owns an address. The map is one for the process, so the tests use addresses that no
 * system gives out: far up in the lower half.
 */
#include "lib/mem/address_map.h"
#include "lib/base/fault.h"
#include "tests/support/testing.h"

#define UNIT ((uintptr_t)1 << LIDO_MAP_UNIT_SHIFT)
#define LEAF ((uintptr_t)1 << LIDO_MAP_LEAF_SHIFT)
#define FAR_UP ((uintptr_t)0x0f00 << LIDO_MAP_LEAF_SHIFT)

static void check_range(uintptr_t start, size_t bytes, uint32_t owner) {
  for (uintptr_t address = start; address < start + bytes; address += UNIT / 2)
    CHECK_EQ(lido_map_owner(address), owner);
  CHECK_EQ(lido_map_owner(start + bytes - 1), owner);
  CHECK_EQ(lido_map_owner(start - 1), LIDO_OWNER_NONE);
  CHECK_EQ(lido_map_owner(start + bytes), LIDO_OWNER_NONE);
}

TEST(address_map, knows_what_was_noted_and_nothing_beside_it) {
  uintptr_t start = FAR_UP + 5 * UNIT;
  CHECK_EQ(lido_map_owner(start), LIDO_OWNER_NONE);
  CHECK_EQ(lido_map_set(start, 3 * UNIT, 77), 0);
  check_range(start, 3 * UNIT, 77);
  CHECK_EQ(lido_map_set(start, 3 * UNIT, UINT32_MAX - 1), 0);
  check_range(start, 3 * UNIT, UINT32_MAX - 1);
  CHECK_EQ(lido_map_set(start, 3 * UNIT, LIDO_OWNER_NONE), 0);
  for (uintptr_t unit = 0; unit < 10; unit++) CHECK_EQ(lido_map_owner(FAR_UP + unit * UNIT), LIDO_OWNER_NONE);
}

TEST(address_map, a_range_may_cross_leaves) {
  uintptr_t start = FAR_UP + 3 * LEAF - 2 * UNIT;
  CHECK_EQ(lido_map_set(start, 4 * UNIT, 5), 0);
  check_range(start, 4 * UNIT, 5);
  CHECK_EQ(lido_map_set(start, 4 * UNIT, LIDO_OWNER_NONE), 0);
}

TEST(address_map, neighbours_have_their_own_owners) {
  uintptr_t start = FAR_UP + 100 * UNIT;
  for (uint32_t i = 0; i < 200; i++) CHECK_EQ(lido_map_set(start + i * UNIT, UNIT, i + 1), 0);
  for (uint32_t i = 0; i < 200; i++) {
    CHECK_EQ(lido_map_owner(start + i * UNIT), i + 1);
    CHECK_EQ(lido_map_owner(start + i * UNIT + UNIT - 1), i + 1);
  }
  CHECK_EQ(lido_map_set(start, 200 * UNIT, LIDO_OWNER_NONE), 0);
}

TEST(address_map, any_address_may_be_asked_for) {
  static const uintptr_t strange[] = {0,
                                      1,
                                      UINT64_C(0x7fffffffffff),
                                      UINT64_C(0x800000000000),
                                      UINT64_C(0xffffffffffff),
                                      UINT64_C(0x1000000000000),
                                      UINT64_C(0x1234567812345678),
                                      UINT64_C(0xffff888000000000),
                                      UINTPTR_MAX};
  for (size_t i = 0; i < sizeof strange / sizeof strange[0]; i++) CHECK_EQ(lido_map_owner(strange[i]), LIDO_OWNER_NONE);
}

TEST(address_map, addresses_beyond_48_bits_can_not_be_noted) {
  CHECK_EQ(lido_map_set((uintptr_t)1 << 48, UNIT, 5), ENOMEM);
  CHECK_EQ(lido_map_set(((uintptr_t)1 << 48) - UNIT, 2 * UNIT, 5), ENOMEM);
  CHECK_EQ(lido_map_owner(((uintptr_t)1 << 48) - UNIT), LIDO_OWNER_NONE);
}

TEST(address_map, without_memory_for_a_leaf_nothing_is_noted) {
  uintptr_t start = FAR_UP + 10 * LEAF - UNIT; /* one unit in each of two new leaves */
  for (uint64_t nth = 1; nth <= 2; nth++) {
    lido_fault_arm(nth, true);
    int error = lido_map_set(start, 2 * UNIT, 9);
    CHECK_EQ(lido_fault_disarm(), 1);
    CHECK_EQ(error, ENOMEM);
    CHECK_EQ(lido_map_owner(start), LIDO_OWNER_NONE);
    CHECK_EQ(lido_map_owner(start + UNIT), LIDO_OWNER_NONE);
  }
  CHECK_EQ(lido_map_set(start, 2 * UNIT, 9), 0);
  lido_fault_arm(1, true);
  CHECK_EQ(lido_map_set(start, 2 * UNIT, LIDO_OWNER_NONE), 0); /* where an owner was, it can't fail */
  CHECK_EQ(lido_fault_disarm(), 0);
}
