/* pages_posix.c: pages by mmap. */
#include "lib/os/os.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/base/assertion.h"
#include "lib/base/atomic.h"
#include "lib/base/bits.h"
#include "lib/base/fault.h"

size_t lido_os_page_bytes(void) {
  long bytes = sysconf(_SC_PAGESIZE);
  return bytes > 0 ? (size_t)bytes : 4096;
}

static void *map(size_t bytes) {
  void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return pages == MAP_FAILED ? NULL : pages;
}

/* Map more than is wanted and give the ends back. */
static void *map_aligned(size_t bytes, size_t align) {
  if (bytes > SIZE_MAX - align) return NULL;
  char *all = map(bytes + align);
  if (all == NULL) return NULL;
  char *aligned = (char *)lido_round_up((uintptr_t)all, align);
  size_t before = (size_t)(aligned - all);
  if (before != 0) munmap(all, before);
  if (before != align) munmap(aligned + bytes, align - before);
  return aligned;
}

void *lido_os_pages_map(size_t bytes, size_t align) {
  void *pages = NULL;
  if (!lido_fault_here()) pages = align <= lido_os_page_bytes() ? map(bytes) : map_aligned(bytes, align);
  if (pages == NULL) {
    errno = ENOMEM;
    return NULL;
  }
  lido_fault_account((int64_t)bytes);
  return pages;
}

void lido_os_pages_unmap(void *pages, size_t bytes) {
  int error = munmap(pages, bytes);
  LIDO_ASSERT(error == 0);
  (void)error;
  lido_fault_account(-(int64_t)bytes);
}

void lido_os_pages_purge(void *pages, size_t bytes) {
  int saved_errno = errno;
  (void)madvise(pages, bytes, MADV_DONTNEED); /* refused for locked pages: they stay */
  errno = saved_errno;
}

void lido_os_pages_purge_lazily(void *pages, size_t bytes) {
  int saved_errno = errno;
  if (madvise(pages, bytes, MADV_FREE) != 0) lido_os_pages_purge(pages, bytes); /* before Linux 4.5 */
  errno = saved_errno;
}

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

/* A write of nothing, atomic, so that no write of another thread's is lost. Sanitizers would object: objects may be
 * closed, and others use them. RELAXED: nothing is read. */
__attribute__((no_sanitize("address", "thread"))) static void touch(char *pages, size_t bytes) {
  size_t page = lido_os_page_bytes();
  for (size_t at = 0; at < bytes; at += page) (void)lido_or_relaxed(pages + at, 0);
}

bool lido_os_pages_populate(void *range, size_t bytes) {
  if (lido_fault_here()) return false;
  int saved_errno = errno;
  size_t page = lido_os_page_bytes();
  char *pages = (char *)((uintptr_t)range & ~(page - 1));
  size_t whole = lido_round_up((uintptr_t)range + bytes, page) - (uintptr_t)pages;
  int refused = madvise(pages, whole, MADV_POPULATE_WRITE) != 0 ? errno : 0;
  if (refused == EINVAL) touch(pages, whole);
  errno = saved_errno;
  return refused == 0 || refused == EINVAL;
}

void *lido_os_pages_reserve(size_t bytes) {
  void *pages = MAP_FAILED;
  if (!lido_fault_here()) pages = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pages == MAP_FAILED) {
    errno = ENOMEM;
    return NULL;
  }
  lido_fault_account((int64_t)bytes);
  return pages;
}

size_t lido_os_address_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return SIZE_MAX;
  return limit.rlim_cur < SIZE_MAX ? (size_t)limit.rlim_cur : SIZE_MAX;
}

int lido_os_pages_commit(void *pages, size_t bytes) {
  int saved_errno = errno;
  int error = lido_fault_here() || mprotect(pages, bytes, PROT_READ | PROT_WRITE) != 0 ? ENOMEM : 0;
  errno = saved_errno;
  return error;
}

/* Mapped anew: what the system counts as committed goes down too. */
void lido_os_pages_decommit(void *pages, size_t bytes) {
  int saved_errno = errno;
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
  if (mmap(pages, bytes, PROT_NONE, flags, -1, 0) == MAP_FAILED) (void)madvise(pages, bytes, MADV_DONTNEED);
  errno = saved_errno;
}

void lido_os_pages_want_huge(void *pages, size_t bytes) {
  int saved_errno = errno;
  (void)madvise(pages, bytes, MADV_HUGEPAGE); /* refused by kernels without them */
  errno = saved_errno;
}
