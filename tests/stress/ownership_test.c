/* ownership_test.c: threads alloc, free and hand objects to each other, in pools of every kind; nobody ever
 * gets an object that somebody else holds.
 */
#include "tests/stress/crew.h"

enum { SLOTS = 32, HELD = 200, ERRNO_MARK = 4711, BUFFER_BYTES = 4 << 20 };

typedef struct market {
  lido_pool *pool;
  size_t bytes;
  size_t rounds;
  bool zeroed;
  bool limited; /* an alloc may give NULL */
  void *slots[SLOTS];
} market;

typedef struct hands {
  crew_member *me;
  market *market;
  void *objects[HELD];
  size_t count;
  uint64_t serial;
} hands;

static void take_one(hands *h) {
  market *m = h->market;
  if (h->count == HELD) return;
  errno = ERRNO_MARK;
  void *object = lido_pool_alloc(m->pool);
  if (object == NULL) {
    CREW_HOLDS(h->me->crew, m->limited && errno == ENOMEM);
    return;
  }
  CREW_HOLDS(h->me->crew, errno == ERRNO_MARK);
  if (m->zeroed) CREW_HOLDS(h->me->crew, objects_are_all(object, m->bytes, 0));
  stamp_put(object, m->bytes, h->me->index + 1, ++h->serial);
  h->objects[h->count++] = object;
}

static void give_one_back(hands *h) {
  if (h->count == 0) return;
  size_t chosen = testing_below(&h->me->random, h->count);
  void *object = h->objects[chosen];
  h->objects[chosen] = h->objects[--h->count];
  CREW_HOLDS(h->me->crew, stamp_is_of(object, h->market->bytes, h->me->index + 1));
  errno = ERRNO_MARK;
  lido_pool_free(h->market->pool, object);
  CREW_HOLDS(h->me->crew, errno == ERRNO_MARK);
}

static void hand_one_over(hands *h) {
  market *m = h->market;
  void *mine = h->count != 0 ? h->objects[--h->count] : NULL;
  if (mine != NULL) CREW_HOLDS(h->me->crew, stamp_is_of(mine, m->bytes, h->me->index + 1));
  void *other = slot_exchange(&m->slots[testing_below(&h->me->random, SLOTS)], mine);
  if (other == NULL) return;
  CREW_HOLDS(h->me->crew, stamp_is_whole(other, m->bytes));
  stamp_put(other, m->bytes, h->me->index + 1, ++h->serial);
  h->objects[h->count++] = other;
}

/* The pattern of the hot slot: back and at once out again. */
static void turn_over(hands *h) {
  size_t turns = testing_below(&h->me->random, 8);
  for (size_t i = 0; i < turns; i++) {
    give_one_back(h);
    take_one(h);
  }
}

static void trade(crew_member *me) {
  hands h = {.me = me, .market = me->shared};
  for (size_t round = 0; round < h.market->rounds && crew_goes_on(me->crew); round++) {
    size_t what = testing_below(&me->random, 1000);
    if (what < 400) {
      take_one(&h);
    } else if (what < 700) {
      give_one_back(&h);
    } else if (what < 900) {
      hand_one_over(&h);
    } else if (what < 990) {
      turn_over(&h);
    } else if (what < 998) {
      while (h.count > HELD / 2) give_one_back(&h);
    } else {
      lido_thread_flush();
    }
  }
  while (h.count != 0) give_one_back(&h);
}

static void clear_slots(market *m) {
  for (size_t i = 0; i < SLOTS; i++) {
    void *object = slot_exchange(&m->slots[i], NULL);
    if (object == NULL) continue;
    CHECK(stamp_is_whole(object, m->bytes));
    lido_pool_free(m->pool, object);
  }
}

static void trade_in(lido_pool_options options, size_t threads, size_t rounds) {
  static crew team;
  market m = {.bytes = options.object_size, .zeroed = (options.flags & LIDO_POOL_ZERO) != 0};
  m.limited = options.max_objects != 0 && options.on_exhausted == LIDO_EXHAUSTED_FAIL;
  m.rounds = testing_scaled(rounds);
  m.pool = lido_pool_create(&options);
  CHECK_NOT_NULL(m.pool);
  crew_start(&team, threads, testing_seed(), trade, &m);
  CHECK_CREW(&team);
  clear_slots(&m);
  CHECK_EQ(objects_stats(m.pool).live, 0);
  CHECK_SOUND(m.pool);
  CHECK_EQ(lido_pool_destroy(m.pool), 0);
}

TEST(ownership, two_threads) { trade_in((lido_pool_options){.object_size = 64}, 2, 2400000); }
TEST(ownership, four_threads) { trade_in((lido_pool_options){.object_size = 64}, 4, 1200000); }
TEST(ownership, sixteen_threads) { trade_in((lido_pool_options){.object_size = 64}, 16, 240000); }

TEST(ownership, small_objects_that_share_cache_lines) {
  trade_in((lido_pool_options){.object_size = 24, .align = 8}, 4, 1200000);
}

TEST(ownership, with_spread_states) {
  trade_in((lido_pool_options){.object_size = 256, .flags = LIDO_POOL_SPREAD}, 4, 600000);
}

TEST(ownership, zeroed_objects) {
  trade_in((lido_pool_options){.object_size = 80, .flags = LIDO_POOL_ZERO}, 4, 600000);
}

TEST(ownership, small_caches_that_visit_the_depot_often) {
  trade_in((lido_pool_options){.object_size = 64, .cache_bytes = 1024}, 4, 1200000);
}

TEST(ownership, slabs_that_go_back_at_once) {
  trade_in((lido_pool_options){.object_size = 512, .cache_bytes = 4096, .retain_bytes = 1}, 4, 600000);
}

TEST(ownership, without_caches) {
  trade_in((lido_pool_options){.object_size = 64, .cache_bytes = SIZE_MAX}, 4, 360000);
}

TEST(ownership, a_limited_pool) { trade_in((lido_pool_options){.object_size = 64, .max_objects = 300}, 4, 600000); }

TEST(ownership, a_limited_pool_of_few_objects) {
  trade_in((lido_pool_options){.object_size = 64, .max_objects = 20}, 4, 360000);
}

TEST(ownership, a_limited_pool_that_falls_back) {
  trade_in((lido_pool_options){.object_size = 64, .max_objects = 100, .on_exhausted = LIDO_EXHAUSTED_FALLBACK}, 4,
           360000);
}

TEST(ownership, objects_of_malloc) {
  trade_in((lido_pool_options){.object_size = 64, .flags = LIDO_POOL_PASSTHROUGH}, 4, 360000);
}

TEST(ownership, in_a_buffer) {
  void *buffer = malloc(BUFFER_BYTES);
  CHECK_NOT_NULL(buffer);
  lido_backing *backing = lido_backing_create_buffer(buffer, BUFFER_BYTES);
  CHECK_NOT_NULL(backing);
  trade_in((lido_pool_options){.object_size = 64, .backing = backing}, 4, 360000);
  CHECK_EQ(lido_backing_destroy(backing), 0);
  free(buffer);
}

TEST(ownership, on_pages) {
  trade_in((lido_pool_options){.object_size = 192, .backing = lido_backing_pages(), .retain_bytes = 1}, 4, 600000);
}

/* ---- Built objects ---- */

enum { BUILT = 0x5ca1ab1e };

typedef struct built {
  stamp stamp;
  uint64_t mark;
} built;

static int64_t built_objects;

static int build(void *object, void *context) {
  ((built *)object)->mark = BUILT;
  __atomic_fetch_add((int64_t *)context, 1, __ATOMIC_RELAXED);
  return 0;
}

static void unbuild(void *object, void *context) {
  if (((built *)object)->mark == BUILT) __atomic_fetch_sub((int64_t *)context, 1, __ATOMIC_RELAXED);
}

TEST(ownership, built_objects_stay_built) {
  built_objects = 0;
  /* The stamp's last byte falls into the mark, so the pool is told of a shorter object by the caller only. */
  static crew team;
  market m = {.bytes = sizeof(stamp), .rounds = testing_scaled(360000)};
  m.pool = lido_pool_create(&(lido_pool_options){.object_size = sizeof(built),
                                                 .construct = build,
                                                 .destroy = unbuild,
                                                 .context = &built_objects,
                                                 .retain_bytes = 1,
                                                 .cache_bytes = 4096});
  CHECK_NOT_NULL(m.pool);
  crew_start(&team, 4, testing_seed(), trade, &m);
  CHECK_CREW(&team);
  clear_slots(&m);
  CHECK_EQ(built_objects, objects_stats(m.pool).objects);
  CHECK_EQ(lido_pool_destroy(m.pool), 0);
  CHECK_EQ(built_objects, 0);
}
