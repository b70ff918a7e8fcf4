/* sized_pools.c: see sized_pools.h. */
#include "lib/caches/sized_pools.h"

#include <errno.h>

#include "lib/base/atomic.h"
#include "lib/base/bits.h"
#include "pools/pool_core.h"

/* The first place whose objects are large enough. pre: bytes <= LIDO_SIZED_MOST. */
static size_t place_for(size_t bytes) {
  if (bytes <= LIDO_SIZED_LEAST) return 0;
  size_t place = 2 * (lido_log2(bytes - 1) - 6); /* of the largest power of two below */
  while (lido_sized_bytes(place) < bytes) place++;
  return place;
}

void lido_sized_init(lido_sized_pools *sized, const char *name, lido_sized_unlist unlist, void *context) {
  *sized = (lido_sized_pools){.name = name, .context = context, .unlist = unlist};
}

size_t lido_sized_end(lido_sized_pools *sized) {
  size_t live = 0;
  for (size_t place = 0; place < LIDO_SIZED_PLACES; place++) {
    if (sized->pools[place] != NULL) live += lido_pool_destroy(sized->pools[place]);
    sized->pools[place] = NULL;
  }
  return live;
}

/* With a function to call at their end, even one that does nothing, objects end by way of the guard, whoever drops the
 * last reference and whether or not they were ever counted. */
static void end_object(void *object, void *context) {
  (void)object;
  (void)context;
}

/* Two threads may make it at once; one of them is first, and the other's was never used. */
static LIDO_SLOW lido_pool *make_pool(lido_sized_pools *sized, size_t place) {
  size_t bytes = lido_sized_bytes(place);
  lido_pool_options options = {.name = sized->name,
                               .object_size = bytes,
                               .align = lido_min(lido_granule_of(bytes), LIDO_SIZED_LEAST),
                               .flags = LIDO_POOL_HANDLES | LIDO_POOL_GUARDED,
                               .destroy = end_object,
                               .context = sized->context,
                               .budget = sized->budget};
  lido_pool *made = lido_pool_create(&options);
  if (made == NULL) return NULL;
  lido_core_of(made)->refs.unlist = sized->unlist;
  lido_core_of(made)->refs.quiet = true;
  lido_pool *none = NULL;
  /* RELEASE sized.pool: it is complete before it can be found. */
  if (lido_cas_release(&sized->pools[place], &none, made)) return made;
  lido_pool_destroy(made);
  /* ACQUIRE sized.pool: the other's. */
  return lido_load_acquire(&sized->pools[place]);
}

void *lido_sized_alloc(lido_sized_pools *sized, size_t bytes) {
  if (LIDO_UNLIKELY(bytes > LIDO_SIZED_MOST)) {
    errno = EMSGSIZE;
    return NULL;
  }
  size_t place = place_for(bytes);
  /* ACQUIRE sized.pool: it is seen complete. */
  lido_pool *pool = lido_load_acquire(&sized->pools[place]);
  if (LIDO_UNLIKELY(pool == NULL)) pool = make_pool(sized, place);
  return pool != NULL ? lido_pool_alloc(pool) : NULL;
}

size_t lido_sized_trim(lido_sized_pools *sized) {
  size_t bytes = 0;
  for (size_t place = 0; place < LIDO_SIZED_PLACES; place++) {
    /* ACQUIRE sized.pool: as above. */
    lido_pool *pool = lido_load_acquire(&sized->pools[place]);
    if (pool != NULL) bytes += lido_pool_trim(pool);
  }
  return bytes;
}

size_t lido_sized_reserved_bytes(const lido_sized_pools *sized) {
  size_t bytes = 0;
  for (size_t place = 0; place < LIDO_SIZED_PLACES; place++) {
    /* ACQUIRE sized.pool: as above. */
    const lido_pool *pool = lido_load_acquire(&sized->pools[place]);
    if (pool == NULL) continue;
    lido_pool_stats stats;
    lido_pool_stats_get(pool, &stats);
    bytes += stats.bytes_reserved;
  }
  return bytes;
}

const char *lido_sized_check(const lido_sized_pools *sized) {
  for (size_t place = 0; place < LIDO_SIZED_PLACES; place++) {
    lido_pool *pool = sized->pools[place];
    const char *broken = pool != NULL ? lido_pool_check(pool) : NULL;
    if (broken != NULL) return broken;
  }
  return NULL;
}
