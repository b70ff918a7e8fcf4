/* observers_in_cxx_test.c: what C++ code does with observers. */
#include "tests/unit/observers_in_cxx.h"
#include "tests/support/objects.h"

#ifdef LIDO_TEST_CXX

TEST(observers_in_cxx, typed_twins) {
  lido_pool *listeners = lido_pool_create(&(lido_pool_options){.object_size = 64, .flags = LIDO_POOL_HANDLES});
  CHECK_NOT_NULL(listeners);
  CHECK_EQ(cxx_observe(listeners), 0);
  CHECK_EQ(lido_pool_destroy(listeners), 0);
}

#else

TEST(observers_in_cxx, there_is_no_compiler_for_it) { CHECK_EQ(lido_subject_next(NULL, NULL), 0); }

#endif
