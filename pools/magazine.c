/* magazine.c: see magazine.h. */
#include "pools/magazine.h"

#include "lib/base/assertion.h"
#include "lib/base/bits.h"
#include "pools/pool_core.h"

lido_magazine *lido_magazine_create(lido_pool_core *core, uint32_t capacity) {
  LIDO_ASSERT(capacity > 0);
  size_t storage = lido_power_of_two_above(sizeof(lido_magazine) + capacity * sizeof(void *));
  lido_magazine *magazine = lido_metadata_alloc(lido_core_metadata(core), storage);
  if (magazine == NULL) return NULL;
  magazine->core = core;
  magazine->capacity = capacity;
  magazine->storage = (uint32_t)storage;
  return magazine;
}

void lido_magazine_destroy(lido_magazine *magazine) {
  if (magazine == NULL) return;
  lido_metadata_free(lido_core_metadata(magazine->core), magazine, magazine->storage);
}

size_t lido_magazine_count(const lido_magazine *magazine) { return magazine->count; }
