/* all_sampled.c: any test can be run with objects being sampled: nothing that it sees may change (LIDO_TEST_HEAP_MEAN,
 * testing.h). */
#include <stdlib.h>

#include "lido/heap_profile.h"

__attribute__((constructor)) static void sample_if_wanted(void) {
  const char *text = getenv("LIDO_TEST_HEAP_MEAN");
  if (text == NULL) return;
  lido_heap_profile_options options = {.mean_bytes = strtoull(text, NULL, 0), .cost_permille = 1000};
  if (lido_heap_profile_start(&options) != 0) abort();
}
