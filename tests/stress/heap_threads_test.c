/* heap_threads_test.c: threads alloc, free, hold and hand over objects of several pools, and grow arenas, while others
 * start and stop the profile, nudge, read, and check what they read. At the end no sample is left.
 */
#include "lib/mem/heap_samples.h"
#include "tests/stress/crew.h"
#include "tests/support/site_sums.h"

#if LIDO_CHECKS != LIDO_CHECKS_NONE

enum { WORKERS = 4, HELD = 200, HANDED = 32, POOLS = 4 };

typedef struct world {
  lido_pool *pools[POOLS];
  lido_arena_class *cls;
  void *handed[POOLS][HANDED]; /* atomic: objects on their way from one thread to another */
  size_t rounds;
  uint64_t finished; /* atomic: workers */
} world;

typedef struct hands {
  crew_member *me;
  world *world;
  void *objects[POOLS][HELD];
  size_t counts[POOLS];
} hands;

static void drop(hands *h, size_t pool, void *object) {
  CREW_HOLDS(h->me->crew, stamp_is_whole(object, sizeof(stamp)));
  lido_pool_free(h->world->pools[pool], object);
}

static void get_one(hands *h, size_t pool) {
  void *object = lido_pool_alloc(h->world->pools[pool]);
  if (!CREW_HOLDS(h->me->crew, object != NULL)) return;
  stamp_put(object, sizeof(stamp), (uint32_t)h->me->index, testing_next(&h->me->random));
  if (pool == 1 && testing_below(&h->me->random, 3) == 0)
    lido_release(lido_retain(object)); /* it is held from now on */
  h->objects[pool][h->counts[pool]++] = object;
}

static void hand_over(hands *h, size_t pool) {
  void *mine = h->objects[pool][--h->counts[pool]];
  void **place = &h->world->handed[pool][testing_below(&h->me->random, HANDED)];
  void *theirs = __atomic_exchange_n(place, mine, __ATOMIC_ACQ_REL);
  if (theirs != NULL) drop(h, pool, theirs);
}

static void grow_arena(hands *h) {
  lido_arena *arena = lido_arena_acquire(h->world->cls);
  if (!CREW_HOLDS(h->me->crew, arena != NULL)) return;
  for (size_t i = testing_below(&h->me->random, 20); i > 0; i--) {
    void *piece = lido_arena_alloc(arena, 1 + testing_below(&h->me->random, 5000));
    CREW_HOLDS(h->me->crew, piece != NULL);
  }
  lido_arena_release(arena);
}

static void step(hands *h) {
  size_t pool = testing_below(&h->me->random, POOLS);
  size_t chance = testing_below(&h->me->random, 100);
  if (chance == 0) grow_arena(h);
  if (chance == 1 && testing_below(&h->me->random, 50) == 0) lido_pool_trim(h->world->pools[pool]);
  if (chance < 50 && h->counts[pool] < HELD) get_one(h, pool);
  if (chance >= 50 && chance < 90 && h->counts[pool] != 0) drop(h, pool, h->objects[pool][--h->counts[pool]]);
  if (chance >= 90 && h->counts[pool] != 0) hand_over(h, pool);
}

static void work(hands *h) {
  for (size_t i = 0; i < h->world->rounds && crew_goes_on(h->me->crew); i++) step(h);
  for (size_t pool = 0; pool < POOLS; pool++) {
    while (h->counts[pool] != 0) drop(h, pool, h->objects[pool][--h->counts[pool]]);
  }
  __atomic_fetch_add(&h->world->finished, 1, __ATOMIC_RELEASE);
}

static bool is_sane(const lido_heap_site *site, void *arg) {
  crew *team = arg;
  CREW_HOLDS(team, strcmp(site->kind, "pool") == 0 || strcmp(site->kind, "arena") == 0);
  CREW_HOLDS(team, site->frame_count <= LIDO_HEAP_FRAMES_MAX && site->live_bytes < (uint64_t)1 << 40);
  return true;
}

static void watch(crew_member *me, world *w) {
  while (__atomic_load_n(&w->finished, __ATOMIC_ACQUIRE) != WORKERS && crew_goes_on(me->crew)) {
    size_t chance = testing_below(&me->random, 20);
    lido_heap_profile_options options = {.mean_bytes = (size_t)1 << testing_below(&me->random, 16),
                                         .cost_permille = 1000};
    if (chance == 0) lido_heap_profile_stop();
    if (chance <= 1) lido_heap_profile_start(&options);
    if (chance > 1 && chance < 6) CREW_HOLDS(me->crew, lido_heap_profile_read(is_sane, me->crew) == 0);
    if (chance == 6) CREW_HOLDS(me->crew, lido_heap_profile_check() == NULL);
    lido_heap_profile_nudge();
    sched_yield();
  }
}

static void work_or_watch(crew_member *me) {
  world *w = me->shared;
  if (me->index == WORKERS) {
    watch(me, w);
  } else {
    hands *h = calloc(1, sizeof *h);
    if (!CREW_HOLDS(me->crew, h != NULL)) return;
    h->me = me;
    h->world = w;
    work(h);
    free(h);
  }
}

static void begin(world *w) {
  const lido_pool_options options[POOLS] = {
      {.name = "plain", .object_size = 64},
      {.name = "handles", .object_size = 64, .flags = LIDO_POOL_HANDLES},
      {.name = "zeroed", .object_size = 200, .flags = LIDO_POOL_ZERO},
      {.name = "direct", .object_size = 100, .cache_bytes = SIZE_MAX},
  };
  for (size_t i = 0; i < POOLS; i++) CHECK_NOT_NULL(w->pools[i] = lido_pool_create(&options[i]));
  CHECK_NOT_NULL(w->cls = lido_arena_class_create(&(lido_arena_options){.name = "request"}));
}

static void finish(world *w) {
  for (size_t pool = 0; pool < POOLS; pool++) {
    for (size_t i = 0; i < HANDED; i++) lido_pool_free(w->pools[pool], w->handed[pool][i]);
    CHECK_SOUND(w->pools[pool]);
    CHECK_EQ(objects_stats(w->pools[pool]).live, 0);
  }
  CHECK_HEAP_SOUND();
  CHECK_EQ(heap_stats().live, 0);
  for (size_t pool = 0; pool < POOLS; pool++) CHECK_EQ(lido_pool_destroy(w->pools[pool]), 0);
  CHECK_EQ(lido_arena_class_destroy(w->cls), 0);
  lido_heap_profile_stop();
  lido_heap_samples_clear();
}

TEST(heap_threads, threads_are_watched_while_they_work) {
  static crew team;
  world w = {.rounds = testing_scaled(1000000)};
  begin(&w);
  CHECK_EQ(lido_heap_profile_start(&(lido_heap_profile_options){.mean_bytes = 1000, .cost_permille = 1000}), 0);
  crew_start(&team, WORKERS + 1, testing_seed(), work_or_watch, &w);
  CHECK_CREW(&team);
  finish(&w);
}

/* ---- A thread that never leaves its hot slot ---- */

typedef struct spin {
  lido_pool *pool;
  int over; /* atomic */
} spin;

/* What is in the hot slot goes out and in, and nothing else ever happens in this thread. */
static void spin_or_nudge(crew_member *me) {
  enum { SEEN = 5 };
  spin *s = me->shared;
  if (me->index == 0) {
    while (!flag_get(&s->over)) lido_pool_free(s->pool, lido_pool_alloc(s->pool));
    return;
  }
  while (heap_stats().samples < SEEN) {
    lido_heap_profile_nudge();
    sched_yield();
  }
  flag_set(&s->over, 1);
}

TEST(heap_threads, a_loop_of_pairs_is_seen_by_another_thread_s_nudges) {
  static crew team;
  spin s = {.pool = lido_pool_create(&(lido_pool_options){.name = "spinning", .object_size = 64})};
  CHECK_NOT_NULL(s.pool);
  CHECK_EQ(lido_heap_profile_start(&(lido_heap_profile_options){.mean_bytes = 1000, .cost_permille = 1000}), 0);
  watchdog_on(100);
  crew_start(&team, 2, testing_seed(), spin_or_nudge, &s);
  CHECK_CREW(&team);
  watchdog_off();
  CHECK_HEAP_SOUND();
  CHECK_EQ(heap_stats().live, 0);
  CHECK_SOUND(s.pool);
  CHECK_EQ(lido_pool_destroy(s.pool), 0);
  lido_heap_profile_stop();
  lido_heap_samples_clear();
}

#endif
