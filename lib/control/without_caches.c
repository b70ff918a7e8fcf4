/* without_caches.c: what stands for caches in a build without them. */
#include <errno.h>

#include "lib/control/manager_core.h"

size_t lido_kind_end_cache(void *object) {
  (void)object;
  return 0;
}

size_t lido_managed_cache_evict(void *object, size_t count) {
  (void)object;
  (void)count;
  return 0;
}

size_t lido_managed_cache_trim(void *object) {
  (void)object;
  return 0;
}

void lido_managed_cache_stats(const void *object, lido_cache_stats *out) {
  (void)object;
  *out = (lido_cache_stats){0};
}

lido_cache *lido_manager_cache(lido_manager *manager, const lido_cache_options *options) {
  (void)manager;
  (void)options;
  errno = ENOTSUP;
  return NULL;
}

lido_cache *lido_manager_cache_find(lido_manager *manager, const char *name) {
  (void)manager;
  (void)name;
  return NULL;
}

int lido_manager_cache_end(lido_manager *manager, lido_cache *cache) {
  (void)manager;
  (void)cache;
  return ENOENT;
}
