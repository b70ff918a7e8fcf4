/* ephemeron_threads_test.c: threads attach, replace, detach and find values of shared keys, which die on whichever
 * thread lets go last. Every value ends once.
 */
#include "tests/stress/crew.h"

enum { PLACES = 8, BYTES = 64 };

typedef struct desk {
  lido_pool *keys;
  lido_pool *values;
  lido_ephemerons *map;
  size_t rounds;
  void *places[PLACES]; /* keys, a reference each */
  uint64_t serial;      /* atomic, as all below */
  uint64_t attached;
  uint64_t ended;
  uint64_t detached;
  uint64_t bad;
} desk;

static desk the_desk;

static uint64_t add_one(uint64_t *counter) { return __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED); }

/* A key's number is the serial of its stamp, a value's owner is its key's number. */
static uint64_t number_of(const void *key) { return ((const stamp *)key)->serial; }

static void *make_key(void) {
  void *key = lido_pool_alloc(the_desk.keys);
  if (key != NULL) stamp_put(key, BYTES, 1, 1 + add_one(&the_desk.serial));
  return key;
}

static void on_death(void *object, void *context) {
  (void)context;
  memset(object, 0, BYTES);
}

static void end_value(void *value, void *context) {
  (void)context;
  if (!stamp_is_whole(value, BYTES)) add_one(&the_desk.bad);
  add_one(&the_desk.ended);
}

/* ---- What the threads do with a key of which they hold a reference ---- */

static void attach(crew_member *me, lido_ephemerons *map, void *key) {
  void *value = lido_pool_alloc(the_desk.values);
  if (!CREW_HOLDS(me->crew, value != NULL)) return;
  stamp_put(value, BYTES, number_of(key), 0);
  CREW_HOLDS(me->crew, lido_ephemerons_set(map, key, value) == 0);
  add_one(&the_desk.attached);
  lido_release(value);
}

static void find(crew_member *me, lido_ephemerons *map, const void *key) {
  void *value = lido_ephemerons_acquire(map, key);
  if (value == NULL) return;
  CREW_HOLDS(me->crew, stamp_is_of(value, BYTES, number_of(key)));
  lido_release(value);
}

static void detach(crew_member *me, lido_ephemerons *map, const void *key) {
  void *value = lido_ephemerons_detach(map, key);
  if (value == NULL) return;
  CREW_HOLDS(me->crew, stamp_is_of(value, BYTES, number_of(key)));
  add_one(&the_desk.detached);
  lido_release(value);
}

/* The key comes from a place, and goes to one: so others have references too. */
static void handle(crew_member *me, lido_ephemerons *map) {
  size_t place = testing_below(&me->random, PLACES);
  void *key = slot_exchange(&the_desk.places[place], NULL);
  if (key == NULL) key = make_key();
  if (!CREW_HOLDS(me->crew, key != NULL)) return;
  void *same = slot_exchange(&the_desk.places[testing_below(&me->random, PLACES)], lido_retain(key));
  lido_release(same);
  for (size_t i = testing_below(&me->random, 6); i > 0; i--) {
    size_t what = testing_below(&me->random, 10);
    if (what < 4) attach(me, map, key);
    if (what >= 4 && what < 9) find(me, map, key);
    if (what == 9) detach(me, map, key);
  }
  CREW_HOLDS(me->crew, stamp_is_of(key, BYTES, 1));
  lido_release(key);
}

static void work(crew_member *me) {
  for (size_t round = 0; round < the_desk.rounds && crew_goes_on(me->crew); round++) {
    handle(me, the_desk.map);
    if (testing_below(&me->random, 2000) == 0) lido_ephemerons_trim(the_desk.map);
  }
}

static void make_and_end_maps(crew_member *me) {
  for (size_t round = 0; round < the_desk.rounds && crew_goes_on(me->crew); round++) {
    lido_ephemerons *own = lido_ephemerons_create(&(lido_ephemerons_options){.objects = true, .end = end_value});
    if (!CREW_HOLDS(me->crew, own != NULL)) return;
    for (size_t i = 0; i < 20; i++) handle(me, i % 4 == 0 ? the_desk.map : own);
    lido_ephemerons_destroy(own);
  }
}

/* ---- The runs ---- */

static lido_pool *make_pool(unsigned flags) {
  lido_pool *pool = lido_pool_create(
      &(lido_pool_options){.object_size = BYTES, .flags = LIDO_POOL_HANDLES | flags, .destroy = on_death});
  CHECK_NOT_NULL(pool);
  return pool;
}

static void clear_desk(void) {
  for (size_t i = 0; i < PLACES; i++) lido_release(the_desk.places[i]);
  lido_guard_synchronize();
  const char *broken = lido_ephemerons_check(the_desk.map);
  CHECK_TEXT(broken != NULL ? broken : "", "");
  CHECK_EQ(lido_ephemerons_destroy(the_desk.map), 0); /* all keys are dead */
  CHECK_EQ(the_desk.attached, the_desk.ended + the_desk.detached);
  CHECK_EQ(the_desk.bad, 0);
  CHECK_EQ(lido_pool_destroy(the_desk.keys), 0);
  lido_guard_synchronize();
  CHECK_EQ(lido_pool_destroy(the_desk.values), 0);
  lido_guard_synchronize();
  CHECK_NULL(lido_weak_check());
}

static void run(void (*body)(crew_member *me), unsigned flags, size_t threads, size_t rounds) {
  static crew team;
  the_desk = (desk){.keys = make_pool(flags), .values = make_pool(flags)};
  the_desk.map = lido_ephemerons_create(&(lido_ephemerons_options){.objects = true, .end = end_value});
  CHECK_NOT_NULL(the_desk.map);
  /* With full checks every set looks for cycles, in a table of its own. */
  the_desk.rounds = testing_scaled(LIDO_CHECKS == LIDO_CHECKS_FULL ? rounds / 20 : rounds);
  crew_start(&team, threads, testing_seed(), body, NULL);
  CHECK_CREW(&team);
  clear_desk();
}

TEST(ephemeron_threads, two_threads) { run(work, 0, 2, 100000); }
TEST(ephemeron_threads, eight_threads) { run(work, 0, 8, 25000); }
TEST(ephemeron_threads, guarded_keys_and_values) { run(work, LIDO_POOL_GUARDED, 4, 25000); }
TEST(ephemeron_threads, maps_end_while_their_keys_die_elsewhere) { run(make_and_end_maps, 0, 4, 1500); }
