/* generations_test.c: slots whose generations are used up, in a library whose slots have 7 of them.
 *
 * A slot starts with generation 1, or where an earlier pool left it, and each death of an object that was counted takes
 * one. With the last one the slot retires, and with it the object: its memory is lost until its slab goes, and its
 * slots are never used again. So a life is cheap here, and what takes 2^32 deaths elsewhere happens all the time.
 */
#include <sys/wait.h>

#include "lib/base/assertion.h"
#include "lib/refs/slots.h"
#include "tests/stress/crew.h"

LIDO_STATIC_ASSERT(LIDO_GENERATION_BITS == 3, "this suite is about few generations");

enum { LIVES = 7, BYTES = 64, LARGE = 1 << 20 };

static lido_weak_stats weak_stats(void) {
  lido_weak_stats stats;
  lido_weak_stats_get(&stats);
  return stats;
}

static lido_pool *pool_with(lido_pool_options options) {
  if (options.object_size == 0) options.object_size = BYTES;
  options.flags |= LIDO_POOL_HANDLES;
  lido_pool *pool = lido_pool_create(&options);
  CHECK_NOT_NULL(pool);
  return pool;
}

static void check_end(lido_pool *pool, size_t live) {
  CHECK_SOUND(pool);
  CHECK_EQ(lido_pool_destroy(pool), live);
  CHECK_NULL(lido_weak_check());
}

static void check_dead(lido_weak weak) {
  CHECK_NULL(lido_weak_get(weak));
  CHECK_NULL(lido_weak_acquire(weak));
  CHECK(!lido_weak_kill(weak));
  CHECK_EQ(lido_weak_state_get(weak), LIDO_WEAK_STALE);
}

/* One life with a handle. */
static lido_weak live_and_die(lido_pool *pool) {
  void *object = lido_pool_alloc(pool);
  CHECK_NOT_NULL(object);
  lido_weak weak = lido_weak_make(object);
  CHECK_SAME(lido_weak_get(weak), object);
  lido_release(object);
  check_dead(weak);
  return weak;
}

static uint64_t generation_of(lido_weak weak) { return weak.bits >> LIDO_GENERATION_SHIFT; }

/* An object in the last life of its slot; nobody has a handle yet. */
static void *alloc_in_last_life(lido_pool *pool) {
  void *object = lido_pool_alloc(pool);
  CHECK_NOT_NULL(object);
  while (generation_of(lido_weak_reserve(object)) < LIVES) {
    lido_release(object);
    CHECK_SAME(lido_pool_alloc(pool), object); /* what was freed last comes first */
  }
  return object;
}

/* -> where the object was. */
static void *use_up(lido_pool *pool) {
  void *object = alloc_in_last_life(pool);
  lido_weak_make(object);
  lido_release(object);
  return object;
}

/* ---- The end of a slot ---- */

TEST(generations, a_slot_lasts_for_seven_lives) {
  lido_weak old[LIVES + 1];
  lido_pool *pool = pool_with((lido_pool_options){0});
  uint64_t retired = weak_stats().slots_retired;
  void *object = lido_pool_alloc(pool);
  uint64_t first = generation_of(lido_weak_reserve(object));
  CHECK_GE(first, 1);
  for (uint64_t life = first; life <= LIVES; life++) {
    CHECK_EQ(objects_stats(pool).retired, 0);
    old[life] = lido_weak_make(object);
    CHECK_EQ(generation_of(old[life]), life);
    CHECK_EQ((uint32_t)old[life].bits, (uint32_t)old[first].bits);
    lido_release(object);
    for (uint64_t i = first; i <= life; i++) check_dead(old[i]);
    void *next = lido_pool_alloc(pool);
    CHECK(life < LIVES ? next == object : next != object);
    if (life == LIVES) lido_pool_free(pool, next);
  }
  CHECK_EQ(objects_stats(pool).retired, 1);
  CHECK_EQ(objects_stats(pool).live, 0);
  CHECK_EQ(objects_stats(pool).allocs, objects_stats(pool).frees);
  CHECK_EQ(weak_stats().slots_retired, retired + 1);
  CHECK(!lido_pool_owns(pool, object));
  check_end(pool, 0);
}

/* Whatever ends the last life. */
TEST(generations, every_way_to_die_retires) {
  lido_pool *pool = pool_with((lido_pool_options){0});
  for (size_t way = 0; way < 7; way++) {
    void *object = alloc_in_last_life(pool);
    lido_weak weak = lido_weak_reserve(object);
    if (way != 0) lido_weak_publish(object);
    if (way == 1) lido_pool_free(pool, object);
    if (way == 2) lido_weak_release(weak);
    if (way == 3) lido_release_n(lido_retain_n(object, 4), 5);
    if (way == 4) CHECK(lido_weak_kill(weak));
    if (way == 5) lido_release(lido_weak_acquire(weak));
    if (way == 6) lido_pool_free_batch(pool, &object, 1);
    if (way == 0 || way == 4 || way == 5) lido_release(object);
    check_dead(weak);
    CHECK_EQ(objects_stats(pool).retired, way + 1);
  }
  check_end(pool, 0);
}

TEST(generations, a_count_without_a_handle_uses_them_up_too) {
  lido_pool *pool = pool_with((lido_pool_options){0});
  void *object = lido_pool_alloc(pool);
  for (int life = 0; objects_stats(pool).retired == 0; life++) {
    CHECK_LT(life, LIVES);
    lido_release_n(lido_retain(object), 2);
    if (objects_stats(pool).retired == 0) CHECK_SAME(lido_pool_alloc(pool), object);
  }
  check_end(pool, 0);
}

TEST(generations, nobody_asking_uses_up_none) {
  lido_pool *pool = pool_with((lido_pool_options){0});
  for (int i = 0; i < 100; i++) lido_pool_free(pool, lido_pool_alloc(pool));
  CHECK_EQ(objects_stats(pool).retired, 0);
  check_end(pool, 0);
}

/* ---- No handle comes back, no retired object does ---- */

enum { TABLE = 1 << 18, OBJECTS = 500 };

static lido_weak every_handle[TABLE / 2];
static uint64_t known[TABLE]; /* bits; 0: none */

/* -> whether it is the first time. */
static bool note_handle(lido_weak weak) {
  size_t at = weak.bits * UINT64_C(0x9e3779b97f4a7c15) >> 46;
  while (known[at] != 0 && known[at] != weak.bits) at = (at + 1) % TABLE;
  bool first = known[at] == 0;
  known[at] = weak.bits;
  return first;
}

static void live_many_lives(lido_pool_options options, size_t lives) {
  static void *objects[OBJECTS];
  static lido_weak weaks[OBJECTS];
  testing_random random = {testing_seed()};
  lido_pool *pool = pool_with(options);
  size_t limit = options.max_objects != 0 ? options.max_objects : OBJECTS;
  size_t made = 0;
  memset(known, 0, sizeof known);
  memset(objects, 0, sizeof objects);
  lives = testing_scaled(lives);
  while (made < lives) {
    size_t i = testing_below(&random, limit);
    if (objects[i] == NULL) {
      objects[i] = lido_pool_alloc(pool);
      CHECK_NOT_NULL(objects[i]);
      weaks[i] = lido_weak_make(objects[i]);
      CHECK(note_handle(weaks[i]));
      every_handle[made++] = weaks[i];
    } else {
      CHECK_SAME(lido_weak_get(weaks[i]), objects[i]);
      lido_release(objects[i]);
      objects[i] = NULL;
      check_dead(weaks[i]);
    }
    if (testing_below(&random, 3000) == 0) lido_pool_trim(pool);
    if (testing_below(&random, 3000) == 0) CHECK_SOUND(pool);
  }
  size_t live = 0;
  for (size_t i = 0; i < limit; i++) live += objects[i] != NULL;
  size_t found = 0;
  for (size_t i = 0; i < made; i++) found += lido_weak_get(every_handle[i]) != NULL;
  CHECK_EQ(found, live);
  CHECK_EQ(objects_stats(pool).live, live);
  check_end(pool, live);
  for (size_t i = 0; i < made; i++) CHECK_EQ(lido_weak_state_get(every_handle[i]), LIDO_WEAK_STALE);
}

TEST(generations, no_handle_comes_back) { live_many_lives((lido_pool_options){0}, 100000); }
TEST(generations, nor_without_caches) { live_many_lives((lido_pool_options){.cache_bytes = SIZE_MAX}, 100000); }
TEST(generations, nor_of_zeroed_objects) { live_many_lives((lido_pool_options){.flags = LIDO_POOL_ZERO}, 100000); }
TEST(generations, nor_of_handles_as_numbers) {
  live_many_lives((lido_pool_options){.flags = LIDO_POOL_HANDLES_53}, 100000);
}
TEST(generations, nor_in_slabs_of_few_objects) {
  live_many_lives((lido_pool_options){.object_size = 20000, .retain_bytes = 1}, 20000);
}
TEST(generations, nor_in_a_pool_of_one_thread) {
  live_many_lives((lido_pool_options){.flags = LIDO_POOL_SINGLE_THREAD}, 100000);
}
/* However many have retired, as many live at once as was promised. */
TEST(generations, max_objects_counts_no_retired_ones) {
  live_many_lives((lido_pool_options){.max_objects = 10}, 50000);
}

TEST(generations, a_retired_object_is_not_handed_out) {
  lido_pool *pool = pool_with((lido_pool_options){0});
  void *keeper = lido_pool_alloc(pool); /* keeps the slab */
  void *gone[100];
  object_list rest = {0};
  for (size_t i = 0; i < 100; i++) gone[i] = use_up(pool);
  CHECK_EQ(objects_stats(pool).retired, 100);
  lido_pool_trim(pool);
  objects_take_slabs(pool, &rest, 1);
  CHECK_EQ(objects_stats(pool).live, objects_stats(pool).objects - 100);
  for (size_t i = 0; i < 100; i++) object_list_push(&rest, gone[i]);
  CHECK(objects_are_distinct(&rest));
  for (size_t i = 0; i < rest.count; i++) {
    if (lido_pool_owns(pool, rest.items[i])) lido_pool_free(pool, rest.items[i]);
  }
  object_list_end(&rest);
  lido_pool_free(pool, keeper);
  check_end(pool, 0);
}

static bool count_visits(void *object, void *argument) {
  (void)object;
  ++*(size_t *)argument;
  return true;
}

TEST(generations, a_walk_leaves_retired_objects_out) {
  lido_pool *pool = pool_with((lido_pool_options){0});
  void *keeper = lido_pool_alloc(pool);
  void *gone = use_up(pool);
  size_t visits = 0;
  CHECK_EQ(lido_pool_for_each(pool, count_visits, &visits), 1);
  CHECK_EQ(visits, 1);
  CHECK(lido_pool_owns(pool, keeper));
  CHECK(!lido_pool_owns(pool, gone));
  check_end(pool, 1);
}

/* ---- Slabs and runs ---- */

TEST(generations, a_slab_with_retired_objects_goes_back) {
  lido_pool *pool = pool_with((lido_pool_options){0});
  void *keeper = lido_pool_alloc(pool);
  for (size_t i = 0; i < 10; i++) use_up(pool);
  CHECK_EQ(lido_pool_trim(pool), 0);
  lido_pool_free(pool, keeper);
  CHECK_GT(lido_pool_trim(pool), 0);
  CHECK_EQ(objects_stats(pool).slabs, 0);
  CHECK_EQ(objects_stats(pool).retired, 0);
  check_end(pool, 0);
}

TEST(generations, a_slab_of_nothing_but_retired_objects_goes_back) {
  lido_pool *pool = pool_with((lido_pool_options){0});
  object_list list = {0};
  uint64_t retired = weak_stats().slots_retired;
  void *keeper = lido_pool_alloc(pool);
  while (objects_stats(pool).retired + 1 < objects_stats(pool).objects) object_list_push(&list, use_up(pool));
  CHECK(objects_are_distinct(&list));
  lido_pool_free(pool, keeper);
  use_up(pool); /* the keeper's own slot is the last */
  CHECK_EQ(objects_stats(pool).slabs_made, 1);
  lido_pool_trim(pool);
  CHECK_EQ(objects_stats(pool).slabs, 0);
  CHECK_EQ(objects_stats(pool).retired, 0);
  CHECK_GE(weak_stats().slots_retired, retired + list.count);
  object_list_end(&list);
  check_end(pool, 0);
}

/* One object a slab: each that retires would keep a mebibyte. */
TEST(generations, large_objects_that_retire_do_not_pile_up) {
  lido_pool *pool = pool_with((lido_pool_options){.object_size = LARGE});
  for (size_t i = 0; i < 100 * LIVES; i++) {
    live_and_die(pool);
    CHECK_LE(objects_stats(pool).slabs, 8);
  }
  CHECK_GE(weak_stats().slots_retired, 100);
  check_end(pool, 0);
}

TEST(generations, slabs_whose_last_object_retires_do_not_pile_up) {
  lido_pool *pool = pool_with((lido_pool_options){.object_size = LARGE / 4, .retain_bytes = 1});
  for (size_t i = 0; i < 100 * LIVES; i++) {
    live_and_die(pool);
    CHECK_LE(objects_stats(pool).slabs, 8);
  }
  check_end(pool, 0);
}

TEST(generations, a_run_with_a_retired_slot_is_not_used_again) {
  lido_pool *pool = pool_with((lido_pool_options){0});
  lido_weak first = lido_weak_make(lido_pool_alloc(pool));
  use_up(pool);
  size_t objects = objects_stats(pool).objects;
  uint64_t in_use = weak_stats().slots_in_use;
  check_end(pool, 1);
  CHECK_EQ(weak_stats().slots_in_use, in_use - objects);
  uint32_t start = (uint32_t)first.bits / (uint32_t)objects * (uint32_t)objects;
  for (int again = 0; again < 3; again++) {
    pool = pool_with((lido_pool_options){0});
    object_list list = {0};
    objects_take_slabs(pool, &list, 2);
    for (size_t i = 0; i < list.count; i++) {
      uint32_t slot = (uint32_t)lido_weak_make(list.items[i]).bits;
      CHECK(slot < start || slot >= start + objects);
    }
    objects_free_all(pool, &list);
    object_list_end(&list);
    check_end(pool, 0);
  }
}

TEST(generations, a_run_without_one_serves_until_its_last_generation) {
  uint64_t slots = 0;
  uint64_t last = 0;
  do {
    lido_pool *pool = pool_with((lido_pool_options){.object_size = 5000});
    uint64_t generation = generation_of(live_and_die(pool));
    if (last != 0) CHECK_EQ(generation, last + 1);
    if (last != 0) CHECK_EQ(weak_stats().slots, slots);
    last = generation;
    slots = weak_stats().slots;
    check_end(pool, 0);
  } while (last != LIVES);
  lido_pool *pool = pool_with((lido_pool_options){.object_size = 5000});
  CHECK_LE(generation_of(live_and_die(pool)), LIVES);
  CHECK_GE(weak_stats().slots, slots);
  check_end(pool, 0);
}

/* ---- The end of pools ---- */

static void count_death(void *object, void *context) {
  (void)object;
  ++*(size_t *)context;
}

TEST(generations, the_destructor_runs_once_for_each_life) {
  size_t deaths = 0;
  lido_pool *pool = pool_with((lido_pool_options){.destroy = count_death, .context = &deaths});
  for (size_t i = 0; i < 20 * LIVES; i++) live_and_die(pool);
  CHECK_EQ(deaths, 20 * LIVES);
  CHECK_GE(objects_stats(pool).retired, 20);
  lido_pool_alloc(pool);
  lido_weak_make(lido_pool_alloc(pool));
  check_end(pool, 2);
  CHECK_EQ(deaths, 20 * LIVES + 2);
}

/* The force at the end of a pool takes the last generation, too. */
TEST(generations, a_pool_ends_with_objects_in_their_last_life) {
  for (int retained = 0; retained < 2; retained++) {
    lido_pool *pool = pool_with((lido_pool_options){0});
    uint64_t retired = weak_stats().slots_retired;
    for (size_t i = 0; i < 2000; i++) {
      void *object = alloc_in_last_life(pool);
      lido_weak_make(retained ? lido_retain(object) : object);
    }
    check_end(pool, 2000);
    CHECK_EQ(weak_stats().slots_retired, retired + 2000);
  }
}

/* ---- Who waits ---- */

typedef struct waiter {
  lido_pool *pool;
  void *object;
} waiter;

static void *wait_for_one(void *argument) {
  waiter *w = argument;
  w->object = lido_pool_alloc(w->pool);
  return NULL;
}

TEST(generations, a_waiter_gets_an_object_when_another_retires) {
  lido_pool_options options = {.max_objects = 1, .on_exhausted = LIDO_EXHAUSTED_WAIT, .wait_ns = UINT64_MAX};
  lido_pool *pool = pool_with(options);
  void *last = alloc_in_last_life(pool);
  waiter w = {.pool = pool};
  pthread_t thread;
  watchdog_on(20);
  CHECK_EQ(pthread_create(&thread, NULL, wait_for_one, &w), 0);
  while (objects_stats(pool).waits == 0) sched_yield();
  lido_release(last);
  pthread_join(thread, NULL);
  watchdog_off();
  CHECK_NOT_NULL(w.object);
  CHECK(w.object != last);
  CHECK_EQ(objects_stats(pool).retired, 1);
  check_end(pool, 1);
}

/* ---- Misuse of what has retired ---- */

#if LIDO_CHECKS != LIDO_CHECKS_NONE
TEST(generations, misuse_of_a_retired_object_changes_nothing) {
  misuse_log log;
  lido_pool *pool = pool_with((lido_pool_options){.name = "conn"});
  void *keeper = lido_pool_alloc(pool);
  void *gone = alloc_in_last_life(pool);
  lido_weak weak = lido_weak_make(gone);
  lido_release(gone);
  lido_pool_stats before = objects_stats(pool);
  for (int what = 0; what < 9; what++) {
    misuse_log_start(&log);
    if (what == 0) CHECK_NULL(lido_retain(gone));
    if (what == 1) CHECK_EQ(lido_weak_make(gone).bits, 0);
    if (what == 2) CHECK_EQ(lido_weak_reserve(gone).bits, 0);
    if (what == 3) lido_weak_publish(gone);
    if (what == 4) lido_release(gone);
    if (what == 5) lido_release_n(gone, 2);
    if (what == 6) lido_pool_free(pool, gone);
    if (what == 7) lido_weak_release(weak);
    if (what == 8) lido_reference_count(gone);
    misuse_log_stop();
    if (what < 8) CHECK_EQ(log.count, 1);
    if (what < 8) CHECK_TEXT(log.pool, "conn");
    if (what < 8) CHECK_SAME(log.last.address, gone);
    lido_pool_stats after = objects_stats(pool);
    CHECK_EQ(memcmp(&before, &after, sizeof after), 0);
    CHECK_SOUND(pool);
    check_dead(weak);
  }
  lido_pool_free(pool, keeper);
  CHECK_GT(lido_pool_trim(pool), 0);
  check_end(pool, 0); /* and the run counts as used up */
}
#endif

/* ---- Forks ---- */

TEST(generations, a_child_leaves_retired_objects_alone) {
  lido_pool *pool = pool_with((lido_pool_options){0});
  void *keeper = lido_pool_alloc(pool);
  void *gone = use_up(pool);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    bool fine = lido_pool_check(pool) == NULL && objects_stats(pool).retired == 1;
    for (int i = 0; i < 3000; i++) fine &= lido_pool_alloc(pool) != gone;
    _exit(fine && lido_pool_destroy(pool) == 3001 && lido_weak_check() == NULL ? 0 : 1);
  }
  int status = -1;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0);
  lido_pool_free(pool, keeper);
  check_end(pool, 0);
}

/* ---- Threads ---- */

enum { SLOTS = 64 };

typedef struct market {
  lido_pool *pool;
  size_t rounds;
  uint64_t weaks[SLOTS]; /* atomic */
  uint64_t deaths;       /* atomic: counted by the destructor */
  uint64_t births;       /* atomic */
} market;

static void count_in_market(void *object, void *context) {
  stamp *s = object;
  s->owner = 0;
  __atomic_fetch_add(&((market *)context)->deaths, 1, __ATOMIC_RELAXED);
}

/* Handles go round; who finds one may get the object, or not, but never another. */
static void trade(crew_member *me) {
  market *m = me->shared;
  for (size_t round = 0; round < m->rounds && crew_goes_on(me->crew); round++) {
    uint64_t *place = &m->weaks[testing_below(&me->random, SLOTS)];
    lido_weak found = lido_weak_from_u64(__atomic_load_n(place, __ATOMIC_RELAXED));
    stamp *object = lido_weak_acquire(found);
    if (object != NULL) {
      CREW_HOLDS(me->crew, object->owner == 1 && object->serial == found.bits && stamp_is_whole(object, sizeof(stamp)));
      if (testing_below(&me->random, 4) == 0 && lido_weak_kill(found)) lido_release(object); /* the birth's */
      lido_weak_release(found);
      continue;
    }
    object = lido_pool_alloc(m->pool);
    if (!CREW_HOLDS(me->crew, object != NULL)) return;
    lido_weak weak = lido_weak_reserve(object);
    stamp_put(object, sizeof(stamp), 1, weak.bits);
    lido_weak_publish(object);
    __atomic_fetch_add(&m->births, 1, __ATOMIC_RELAXED);
    uint64_t old = found.bits;
    bool mine = __atomic_compare_exchange_n(place, &old, weak.bits, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    if (!mine) lido_release(object);
    if (testing_below(&me->random, 2000) == 0) lido_pool_trim(m->pool);
  }
}

static void trade_in(lido_pool_options options) {
  static crew team;
  static market m;
  m = (market){.rounds = testing_scaled(200000)};
  options.destroy = count_in_market;
  options.context = &m;
  m.pool = pool_with(options);
  crew_start(&team, 4, testing_seed(), trade, &m);
  CHECK_CREW(&team);
  for (size_t i = 0; i < SLOTS; i++) {
    if (lido_weak_kill(lido_weak_from_u64(m.weaks[i]))) lido_weak_release(lido_weak_from_u64(m.weaks[i]));
  }
  CHECK_EQ(objects_stats(m.pool).live, 0);
  CHECK_EQ(m.births, m.deaths);
  check_end(m.pool, 0);
}

TEST(generations, threads_use_them_up) { trade_in((lido_pool_options){0}); }
TEST(generations, threads_use_them_up_without_caches) { trade_in((lido_pool_options){.cache_bytes = SIZE_MAX}); }
TEST(generations, threads_use_them_up_in_small_slabs) {
  trade_in((lido_pool_options){.object_size = 20000, .retain_bytes = 1});
}
