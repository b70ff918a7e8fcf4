/* workshop.h: objects for object pools that say what happened to them, and a pool of these. */
#ifndef LIDO_TESTS_SUPPORT_WORKSHOP_H
#define LIDO_TESTS_SUPPORT_WORKSHOP_H

#include "tests/support/objects.h"

typedef struct thing {
  size_t bytes;   /* what size says */
  unsigned puts;  /* resets */
  bool destroyed; /* memory stays with the workshop */
} thing;

enum { THINGS_MOST = 20000 };

typedef struct workshop {
  thing things[THINGS_MOST];
  size_t created;
  size_t destroyed;
  size_t twice; /* destroyed again */
  int fails;    /* errno of create */
} workshop;

static workshop shop;

static inline void *thing_new(void *context) {
  workshop *w = context;
  if (w->fails != 0) errno = w->fails;
  return w->fails == 0 && w->created < THINGS_MOST ? &w->things[w->created++] : NULL;
}

static inline void thing_reset(void *object, void *context) {
  (void)context;
  ((thing *)object)->puts++;
}

static inline void thing_end(void *object, void *context) {
  workshop *w = context;
  w->twice += ((thing *)object)->destroyed;
  ((thing *)object)->destroyed = true;
  w->destroyed++;
  errno = EBADF; /* nobody may see it */
}

static inline size_t thing_size(const void *object, void *context) {
  (void)context;
  return ((const thing *)object)->bytes;
}

static inline lido_object_pool *open_shop(lido_object_pool_options options) {
  memset(&shop, 0, sizeof shop);
  options.create = thing_new;
  options.destroy = thing_end;
  options.context = &shop;
  lido_object_pool *pool = lido_object_pool_create(&options);
  CHECK_NOT_NULL(pool);
  return pool;
}

static inline lido_object_pool_stats stats_of(const lido_object_pool *pool) {
  lido_object_pool_stats stats;
  lido_object_pool_stats_get(pool, &stats);
  return stats;
}

static inline void check_sound(lido_object_pool *pool) {
  const char *broken = lido_object_pool_check(pool);
  if (broken != NULL) TESTING_FAIL("%s", broken);
}

/* All that was created and is not out has been destroyed, once. */
static inline void close_shop(lido_object_pool *pool, size_t out) {
  check_sound(pool);
  CHECK_EQ(lido_object_pool_destroy(pool), out);
  CHECK_EQ(shop.destroyed, shop.created - out);
  CHECK_EQ(shop.twice, 0);
}

static inline void get_many(lido_object_pool *pool, thing **things, size_t count) {
  for (size_t i = 0; i < count; i++) {
    things[i] = lido_object_pool_get(pool);
    CHECK_NOT_NULL(things[i]);
    CHECK(!things[i]->destroyed);
  }
}

static inline void put_many(lido_object_pool *pool, thing **things, size_t count) {
  for (size_t i = 0; i < count; i++) lido_object_pool_put(pool, things[i]);
}

/* Get and put so many; that many are kept if the bounds allow. */
static inline void keep_many(lido_object_pool *pool, size_t count) {
  static thing *things[THINGS_MOST];
  get_many(pool, things, count);
  put_many(pool, things, count);
}

#endif
