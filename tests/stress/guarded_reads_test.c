/* guarded_reads_test.c: some threads read objects inside guards while others replace them. No reader ever sees an
 * object that is half another one, wiped or used again, and in the end every death is finished.
 */
#include "lido/lido.h"
#include "tests/stress/crew.h"

enum { PLACES = 16, OBJECT_BYTES = 96, WRITERS = 2, READERS = 2, MOST_READS = 20 };

typedef struct board {
  lido_pool *pool;
  size_t rounds;
  size_t destroyed; /* atomic */
  size_t made;      /* atomic */
  uint64_t places[PLACES];
} board;

/* What dies is wiped in its destructor, so that a reader who is still there would see it. */
static void wipe(void *object, void *context) {
  memset(object, 0xdd, OBJECT_BYTES);
  __atomic_fetch_add(&((board *)context)->destroyed, 1, __ATOMIC_RELAXED);
}

static void replace(crew_member *me, board *b, uint64_t serial) {
  void *object = lido_pool_alloc(b->pool);
  if (!CREW_HOLDS(me->crew, object != NULL)) return;
  stamp_put(object, OBJECT_BYTES, me->index, serial);
  __atomic_fetch_add(&b->made, 1, __ATOMIC_RELAXED);
  uint64_t *place = &b->places[testing_below(&me->random, PLACES)];
  uint64_t old = __atomic_exchange_n(place, lido_weak_to_u64(lido_weak_make(object)), __ATOMIC_ACQ_REL);
  lido_guard_enter(); /* whose handle was here is whose reference goes */
  void *replaced = lido_weak_get(lido_weak_from_u64(old));
  if (replaced != NULL) lido_release(replaced);
  lido_guard_leave();
}

static void read_some(crew_member *me, board *b) {
  lido_guard_enter();
  size_t reads = testing_below(&me->random, MOST_READS);
  for (size_t i = 0; i < reads; i++) {
    uint64_t bits = __atomic_load_n(&b->places[testing_below(&me->random, PLACES)], __ATOMIC_ACQUIRE);
    const void *object = lido_weak_get(lido_weak_from_u64(bits));
    if (object != NULL) CREW_HOLDS(me->crew, stamp_is_whole(object, OBJECT_BYTES));
  }
  lido_guard_leave();
}

static void work(crew_member *me) {
  board *b = me->shared;
  for (size_t round = 0; round < b->rounds && crew_goes_on(me->crew); round++) {
    if (me->index < WRITERS) {
      replace(me, b, round);
    } else {
      read_some(me, b);
    }
    if (round % 1024 == 0 && me->index == 0) lido_pool_trim(b->pool);
  }
}

static void run(unsigned flags) {
  static crew team;
  board b = {.rounds = testing_scaled(100000)};
  b.pool = lido_pool_create(&(lido_pool_options){.name = "guarded",
                                                 .object_size = OBJECT_BYTES,
                                                 .flags = LIDO_POOL_HANDLES | LIDO_POOL_GUARDED | flags,
                                                 .destroy = wipe,
                                                 .context = &b});
  CHECK_NOT_NULL(b.pool);
  watchdog_on(120);
  crew_start(&team, WRITERS + READERS, testing_seed(), work, &b);
  CHECK_CREW(&team);
  for (size_t i = 0; i < PLACES; i++) {
    void *left = lido_weak_acquire(lido_weak_from_u64(b.places[i]));
    if (left != NULL) lido_release_n(left, 2);
  }
  CHECK_EQ(lido_guard_synchronize(), 0);
  watchdog_off();
  CHECK_EQ(b.destroyed, b.made);
  CHECK_SOUND(b.pool);
  CHECK_NULL(lido_weak_check());
  CHECK_EQ(lido_pool_destroy(b.pool), 0);
}

TEST(guarded_reads, of_objects_that_are_replaced) { run(0); }

TEST(guarded_reads, of_objects_that_come_zeroed) { run(LIDO_POOL_ZERO); }
