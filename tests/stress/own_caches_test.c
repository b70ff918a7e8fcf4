/* own_caches_test.c: explicit caches in many threads, beside the threads' own, and passed from thread to
 * thread.
 */
#include "tests/stress/crew.h"

enum { BYTES = 72, THREADS = 4, SLOTS = 16, HELD = 100 };

typedef struct desk {
  lido_pool *pool;
  size_t rounds;
  void *objects[SLOTS];
  void *caches[SLOTS];
} desk;

typedef struct clerk {
  crew_member *me;
  desk *desk;
  lido_pool_cache *cache;
  void *objects[HELD];
  size_t count;
} clerk;

static void fetch(clerk *c) {
  if (c->count == HELD) return;
  bool own = testing_below(&c->me->random, 3) != 0;
  void *object = own ? lido_pool_cache_alloc(c->cache) : lido_pool_alloc(c->desk->pool);
  if (!CREW_HOLDS(c->me->crew, object != NULL)) return;
  stamp_put(object, BYTES, c->me->index, c->count);
  c->objects[c->count++] = object;
}

static void put_away(clerk *c) {
  if (c->count == 0) return;
  void *object = c->objects[--c->count];
  CREW_HOLDS(c->me->crew, stamp_is_of(object, BYTES, c->me->index));
  if (testing_below(&c->me->random, 3) != 0) {
    lido_pool_cache_free(c->cache, object);
  } else {
    lido_pool_free(c->desk->pool, object);
  }
}

static void swap_object(clerk *c) {
  if (c->count == 0) return;
  void **slot = &c->desk->objects[testing_below(&c->me->random, SLOTS)];
  void *other = slot_exchange(slot, c->objects[--c->count]);
  if (other == NULL) return;
  CREW_HOLDS(c->me->crew, stamp_is_whole(other, BYTES));
  stamp_put(other, BYTES, c->me->index, c->count);
  c->objects[c->count++] = other;
}

static void swap_cache(clerk *c) {
  void **slot = &c->desk->caches[testing_below(&c->me->random, SLOTS)];
  lido_pool_cache *other = slot_exchange(slot, c->cache);
  c->cache = other != NULL ? other : lido_pool_cache_create(c->desk->pool);
}

static void renew_cache(clerk *c) {
  lido_pool_cache_destroy(c->cache);
  c->cache = lido_pool_cache_create(c->desk->pool);
}

static void work_with_caches(crew_member *me) {
  clerk c = {.me = me, .desk = me->shared};
  c.cache = lido_pool_cache_create(c.desk->pool);
  for (size_t round = 0; round < c.desk->rounds && crew_goes_on(me->crew); round++) {
    if (!CREW_HOLDS(me->crew, c.cache != NULL)) return;
    size_t what = testing_below(&me->random, 1000);
    if (what < 450) fetch(&c);
    if (what >= 450 && what < 860) put_away(&c);
    if (what >= 860 && what < 950) swap_object(&c);
    if (what >= 950 && what < 980) swap_cache(&c);
    if (what >= 980 && what < 990) renew_cache(&c);
    if (what >= 990 && what < 998) lido_pool_cache_flush(c.cache);
    if (what >= 998) lido_pool_trim(c.desk->pool);
  }
  while (c.count != 0) put_away(&c);
  lido_pool_cache_destroy(c.cache);
}

static void work_at_the_desk(lido_pool_options options) {
  static crew team;
  desk d = {.rounds = testing_scaled(600000), .pool = lido_pool_create(&options)};
  CHECK_NOT_NULL(d.pool);
  crew_start(&team, THREADS, testing_seed(), work_with_caches, &d);
  CHECK_CREW(&team);
  CHECK_SOUND(d.pool);
  for (size_t i = 0; i < SLOTS; i++) {
    lido_pool_free(d.pool, d.objects[i]);
    lido_pool_cache_destroy(d.caches[i]);
  }
  CHECK_LE(objects_stats(d.pool).thread_caches, 1);
  CHECK_EQ(objects_stats(d.pool).live, 0);
  CHECK_SOUND(d.pool);
  CHECK_EQ(lido_pool_destroy(d.pool), 0);
}

TEST(own_caches, wander_with_their_objects) { work_at_the_desk((lido_pool_options){.object_size = BYTES}); }

TEST(own_caches, of_small_size) {
  work_at_the_desk((lido_pool_options){.object_size = BYTES, .cache_bytes = 1024, .retain_bytes = 4096});
}

TEST(own_caches, of_zeroed_objects) {
  work_at_the_desk((lido_pool_options){.object_size = BYTES, .flags = LIDO_POOL_ZERO, .cache_bytes = 4096});
}
