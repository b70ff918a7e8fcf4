/* descriptors_most.h: a limit of the process's descriptors, for tests of what happens when it may not have more. */
#ifndef LIDO_TESTS_SUPPORT_DESCRIPTORS_MOST_H
#define LIDO_TESTS_SUPPORT_DESCRIPTORS_MOST_H

#include <sys/resource.h>

#include "tests/support/testing.h"

static inline void set_descriptors_most(rlim_t most) {
  struct rlimit limit;
  CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = most;
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

#endif
