/* resident.h: which pages are there, by mincore(2). */
#ifndef LIDO_TESTS_SUPPORT_RESIDENT_H
#define LIDO_TESTS_SUPPORT_RESIDENT_H

#include <sys/mman.h>

#include "lib/os/os.h"
#include "tests/support/testing.h"

enum { RESIDENT_PAGES_MOST = 4096 };

static inline size_t pages_in(size_t bytes) { return bytes / lido_os_page_bytes(); }

/* Pages of the range that are there. */
static inline size_t pages_resident(uintptr_t start, size_t bytes) {
  static unsigned char pages[RESIDENT_PAGES_MOST];
  CHECK_LE(pages_in(bytes), RESIDENT_PAGES_MOST);
  CHECK_EQ(mincore((void *)start, bytes, pages), 0);
  size_t count = 0;
  for (size_t i = 0; i < pages_in(bytes); i++) count += pages[i] & 1;
  return count;
}

#endif
