/* caches_managed.c: find or create, for caches. A build without caches has without_caches.c instead. */
#include "lib/caches/cache_core.h"
#include "lib/control/manager_core.h"

size_t lido_kind_end_cache(void *object) {
  lido_cache_destroy(object); /* entries are no objects of anybody's */
  return 0;
}

size_t lido_managed_cache_evict(void *object, size_t count) { return lido_cache_evict(object, count); }
size_t lido_managed_cache_trim(void *object) { return lido_cache_trim(object); }
void lido_managed_cache_stats(const void *object, lido_cache_stats *out) { lido_cache_stats_get(object, out); }

static lido_cache *cache_or_error(lido_cache *cache, const lido_cache_options *wanted) {
  const lido_cache_options *o = &cache->options;
  if (o->hash == wanted->hash && o->equal == wanted->equal && o->weight == wanted->weight &&
      o->on_evict == wanted->on_evict && o->now == wanted->now && o->context == wanted->context) {
    return cache;
  }
  return lido_kind_fail(EEXIST);
}

lido_cache *lido_manager_cache(lido_manager *manager, const lido_cache_options *options) {
  if (options == NULL || !lido_kind_is_name(options->name)) return lido_kind_fail(EINVAL);
  lido_cache *cache = lido_members_object(manager, LIDO_KIND_CACHE, options->name);
  if (cache != NULL) return cache_or_error(cache, options);
  lido_cache_options wanted = *options;
  if (wanted.budget == NULL) wanted.budget = manager->budget;
  cache = lido_cache_create(&wanted);
  if (cache == NULL) return NULL;
  cache = lido_kind_enter(manager, LIDO_KIND_CACHE, options->name, cache, lido_kind_end_cache);
  return cache != NULL ? cache_or_error(cache, options) : NULL;
}

lido_cache *lido_manager_cache_find(lido_manager *manager, const char *name) {
  return lido_members_object(manager, LIDO_KIND_CACHE, name);
}

int lido_manager_cache_end(lido_manager *manager, lido_cache *cache) {
  int error = lido_members_remove(manager, LIDO_KIND_CACHE, cache, false);
  if (error == 0) lido_cache_destroy(cache);
  return error;
}
