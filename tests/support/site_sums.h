/* site_sums.h: what tests of the heap profile ask of its sites. */
#ifndef LIDO_TESTS_SUPPORT_SITE_SUMS_H
#define LIDO_TESTS_SUPPORT_SITE_SUMS_H

#include "lido/heap_profile.h"
#include "tests/support/testing.h"

/* The sums over the sites of one owner, and of those of them that have `frame_in` to `frame_in + frame_bytes` among
 * their frames. */
typedef struct heap_sum {
  const char *kind;
  const char *name;
  const void *function; /* NULL: any stack */
  size_t sites;
  uint64_t alloc_objects;
  uint64_t alloc_bytes;
  uint64_t live_objects;
  uint64_t live_bytes;
} heap_sum;

/* A function's code is taken to be at most so long; it is to be aligned to as much. */
enum { HEAP_FUNCTION_BYTES = 1024 };

static inline bool heap_site_is_from(const lido_heap_site *site, const void *function) {
  for (size_t i = 0; i < site->frame_count; i++) {
    if ((uintptr_t)site->frames[i] - (uintptr_t)function < HEAP_FUNCTION_BYTES) return true;
  }
  return function == NULL;
}

static inline bool heap_sum_add(const lido_heap_site *site, void *arg) {
  heap_sum *sum = arg;
  if (strcmp(site->kind, sum->kind) != 0 || strcmp(site->name, sum->name) != 0) return true;
  if (!heap_site_is_from(site, sum->function)) return true;
  sum->sites++;
  sum->alloc_objects += site->alloc_objects;
  sum->alloc_bytes += site->alloc_bytes;
  sum->live_objects += site->live_objects;
  sum->live_bytes += site->live_bytes;
  return true;
}

static inline heap_sum heap_sum_of(const char *kind, const char *name, const void *function) {
  heap_sum sum = {.kind = kind, .name = name, .function = function};
  int error = lido_heap_profile_read(heap_sum_add, &sum);
  if (error != 0) TESTING_FAIL("the profile can't be read: %d", error);
  return sum;
}

static inline lido_heap_profile_stats heap_stats(void) {
  lido_heap_profile_stats stats;
  lido_heap_profile_stats_get(&stats);
  return stats;
}

#define CHECK_HEAP_SOUND()                                                \
  do {                                                                    \
    const char *testing_broken = lido_heap_profile_check();               \
    if (testing_broken != NULL) TESTING_FAIL("heap: %s", testing_broken); \
  } while (0)

#endif
