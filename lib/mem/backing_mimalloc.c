/* backing_mimalloc.c: see backing_mimalloc.h. */
#include "lib/mem/backing_mimalloc.h"

#ifdef LIDO_MIMALLOC

#include <mimalloc.h>

#include "lib/base/fault.h"

void *lido_mimalloc_allocate(size_t bytes, size_t align, void *context) {
  (void)context;
  void *block = lido_fault_here() ? NULL : mi_malloc_aligned_at(bytes, align, 0);
  if (block != NULL) lido_fault_account((int64_t)bytes);
  return block;
}

void lido_mimalloc_release(void *block, size_t bytes, void *context) {
  (void)context;
  mi_free(block);
  lido_fault_account(-(int64_t)bytes);
}

void lido_mimalloc_collect(void *context) {
  (void)context;
  mi_collect(true);
}

#else
typedef int lido_mimalloc_is_off; /* a translation unit may not be empty */
#endif
