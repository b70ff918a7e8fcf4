/* typed_pool_in_cxx.cpp: the public face used from C++17. */
#include "tests/unit/typed_pools.h"

namespace {

struct alignas(128) Wide {
  double values[20];
};

} // namespace

LIDO_POOL_DEFINE(cxx_wide, Wide, .max_objects = 100, .flags = LIDO_POOL_ZERO)
LIDO_POOL_DEFINE(cxx_plain, int)

#define EXPECT(condition) \
  if (!(condition)) return __LINE__

extern "C" int cxx_use_shared_pool(void) {
  shared_part *part = shared_part_alloc();
  EXPECT(part != nullptr);
  part->number = 7;
  EXPECT(lido_pool_owns(shared_part_pool(), part));
  EXPECT(shared_part_pool() == elsewhere_pool());
  elsewhere_free(part);
  part = elsewhere_alloc(8);
  EXPECT(part != nullptr && part->number == 8);
  shared_part_free(part);
  return 0;
}

extern "C" int cxx_use_own_pool(void) {
  Wide *wide[100];
  for (int i = 0; i < 100; i++) {
    wide[i] = cxx_wide_alloc();
    EXPECT(wide[i] != nullptr);
    EXPECT(reinterpret_cast<uintptr_t>(wide[i]) % 128 == 0);
    for (double value : wide[i]->values) EXPECT(value == 0);
    wide[i]->values[3] = i;
  }
  EXPECT(cxx_wide_alloc() == nullptr);
  for (int i = 0; i < 100; i++) {
    EXPECT(wide[i]->values[3] == i);
    cxx_wide_free(wide[i]);
  }
  int *number = cxx_plain_alloc();
  EXPECT(number != nullptr);
  *number = 5;
  cxx_plain_free(number);
  lido_pool_options options = {};
  options.object_size = 40;
  lido_pool *pool = lido_pool_create(&options);
  EXPECT(pool != nullptr);
  void *object = lido_pool_alloc(pool);
  EXPECT(object != nullptr);
  lido_pool_free(pool, object);
  EXPECT(lido_pool_destroy(pool) == 0);
  EXPECT(lido_pool_destroy(cxx_wide_pool()) == 0);
  EXPECT(lido_pool_destroy(cxx_plain_pool()) == 0);
  return 0;
}
