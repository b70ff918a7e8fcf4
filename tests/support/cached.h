/* cached.h: a pool of values and a cache for them, as the tests of caches need it. */
#ifndef LIDO_TESTS_SUPPORT_CACHED_H
#define LIDO_TESTS_SUPPORT_CACHED_H

#include "lido/lido.h"
#include "tests/support/objects.h"

typedef struct cached_value {
  uint64_t number;
} cached_value;

typedef struct cached_world {
  lido_pool *pool;
  lido_cache *cache;
} cached_world;

static inline cached_world cached_begin(const lido_cache_options *options) {
  cached_world world = {
      .pool = lido_pool_create(
          &(lido_pool_options){.name = "values", .object_size = sizeof(cached_value), .flags = LIDO_POOL_HANDLES}),
      .cache = lido_cache_create(options),
  };
  CHECK(world.pool != NULL);
  CHECK(world.cache != NULL);
  return world;
}

static inline cached_value *cached_make(const cached_world *world, uint64_t number) {
  cached_value *value = lido_pool_alloc(world->pool);
  if (value != NULL) value->number = number;
  return value;
}

static inline lido_cache_stats cached_stats(const lido_cache *cache) {
  lido_cache_stats stats;
  lido_cache_stats_get(cache, &stats);
  return stats;
}

/* The invariants hold. */
static inline void cached_check(lido_cache *cache) {
  const char *broken = lido_cache_check(cache);
  CHECK_TEXT(broken != NULL ? broken : "", "");
}

/* Nothing may be live. */
static inline void cached_end(cached_world *world) {
  if (world->cache != NULL) {
    cached_check(world->cache);
    lido_cache_destroy(world->cache);
  }
  if (world->pool != NULL) {
    CHECK_NULL(lido_pool_check(world->pool));
    CHECK_EQ(lido_pool_destroy(world->pool), 0);
  }
  lido_guard_synchronize();
  CHECK_NULL(lido_weak_check());
}

/* ThreadSanitizer ends a process that holds more than 64 locks at once; a cache has 33, and a fork takes all that there
 * are. */
#if defined(__SANITIZE_THREAD__) || defined(LIDO_TSAN)
#define CACHED_MAY_FORK 0
#else
#define CACHED_MAY_FORK 1
#endif

#endif
