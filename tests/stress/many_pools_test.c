/* many_pools_test.c: pools that come and go while threads work on others: numbers are used again, tables
 * grow, typed pools are made by whoever comes first.
 */
#include "tests/stress/crew.h"

enum { BYTES = 64, STABLE = 2 };

/* ---- Some stay, some come and go ---- */

typedef struct harbour {
  lido_pool *stable[STABLE];
  size_t rounds;
  bool flushes;
} harbour;

static void visit_pool(crew_member *me, lido_pool *pool, size_t count) {
  void *objects[64];
  CREW_HOLDS(me->crew, lido_pool_alloc_batch(pool, objects, count) == count);
  for (size_t i = 0; i < count; i++) stamp_put(objects[i], BYTES, me->index, i);
  for (size_t i = 0; i < count; i++) CREW_HOLDS(me->crew, stamp_is_of(objects[i], BYTES, me->index));
  lido_pool_free_batch(pool, objects, count);
}

static void make_and_end_pools(crew_member *me) {
  harbour *h = me->shared;
  for (size_t round = 0; round < h->rounds && crew_goes_on(me->crew); round++) {
    lido_pool *own[5];
    size_t count = 1 + testing_below(&me->random, 5);
    for (size_t i = 0; i < count; i++) {
      own[i] = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .name = "brief"});
      if (!CREW_HOLDS(me->crew, own[i] != NULL)) return;
      visit_pool(me, own[i], 1 + testing_below(&me->random, 40));
    }
    for (size_t i = 0; i < STABLE; i++) visit_pool(me, h->stable[i], 10);
    for (size_t i = count; i-- > 0;) {
      CREW_HOLDS(me->crew, lido_pool_alloc(own[i]) != NULL); /* goes with its pool */
      CREW_HOLDS(me->crew, lido_pool_check(own[i]) == NULL);
      CREW_HOLDS(me->crew, lido_pool_destroy(own[i]) == 1);
    }
    if (h->flushes && round % 4 == 0) lido_thread_flush();
  }
}

TEST(many_pools, come_and_go_beside_others_that_stay) {
  static crew team;
  harbour h = {.rounds = testing_scaled(1500), .flushes = true};
  for (size_t i = 0; i < STABLE; i++) {
    h.stable[i] = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
    CHECK_NOT_NULL(h.stable[i]);
  }
  crew_start(&team, 4, testing_seed(), make_and_end_pools, &h);
  CHECK_CREW(&team);
  for (size_t i = 0; i < STABLE; i++) {
    CHECK_SOUND(h.stable[i]);
    CHECK_EQ(lido_pool_destroy(h.stable[i]), 0);
  }
}

/* ---- One after the other, and all at once ---- */

static int64_t pools_one_after_the_other(size_t count) {
  for (size_t i = 0; i < count; i++) {
    lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES + i % 7 * 8, .align = 8});
    CHECK_NOT_NULL(pool);
    lido_pool_free(pool, lido_pool_alloc(pool));
    CHECK_EQ(lido_pool_destroy(pool), 0);
  }
  return objects_bytes_held();
}

TEST(many_pools, ten_thousand_one_after_the_other_leave_nothing_behind) {
  int64_t baseline = pools_one_after_the_other(20);
  CHECK_EQ(pools_one_after_the_other(testing_scaled(10000)), baseline);
}

enum { AT_ONCE = 300 }; /* more than a thread-local has places for */

typedef struct fleet {
  lido_pool *pools[AT_ONCE];
  pthread_barrier_t barrier; /* of the crew and the test */
  size_t rounds;
} fleet;

static void visit_all_pools(crew_member *me) {
  fleet *f = me->shared;
  for (size_t round = 0; round < f->rounds; round++) {
    pthread_barrier_wait(&f->barrier); /* the test has made them */
    for (size_t i = 0; i < AT_ONCE; i++) visit_pool(me, f->pools[(i + me->index * 17) % AT_ONCE], 12);
    pthread_barrier_wait(&f->barrier); /* the test ends them, while all these threads live */
  }
  pthread_barrier_wait(&f->barrier);
}

static int64_t fleets(size_t rounds) {
  static crew team;
  static fleet f;
  f = (fleet){.rounds = rounds};
  pthread_barrier_init(&f.barrier, NULL, 3 + 1);
  crew_start(&team, 3, testing_seed(), visit_all_pools, &f);
  for (size_t round = 0; round < f.rounds; round++) {
    for (size_t i = 0; i < AT_ONCE; i++) {
      f.pools[i] = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
      CHECK_NOT_NULL(f.pools[i]);
    }
    pthread_barrier_wait(&f.barrier);
    pthread_barrier_wait(&f.barrier);
    for (size_t i = 0; i < AT_ONCE; i++) {
      size_t chosen = (i * 7 + round) % AT_ONCE;
      CHECK_LE(objects_stats(f.pools[chosen]).thread_caches, 3);
      CHECK_SOUND(f.pools[chosen]);
      CHECK_EQ(lido_pool_destroy(f.pools[chosen]), 0);
    }
  }
  pthread_barrier_wait(&f.barrier);
  CHECK_CREW(&team);
  pthread_barrier_destroy(&f.barrier);
  return objects_bytes_held();
}

TEST(many_pools, three_hundred_at_once_and_again) {
  int64_t baseline = fleets(1);
  CHECK_EQ(fleets(testing_scaled(8)), baseline);
}

/* ---- Typed pools ---- */

typedef struct parcel {
  stamp stamp;
  char rest[BYTES - sizeof(stamp)];
} parcel;

LIDO_POOL_DEFINE(parcel, parcel)

static void come_first(crew_member *me) {
  fleet *f = me->shared;
  for (size_t round = 0; round < f->rounds; round++) {
    parcel *parcels[16];
    pthread_barrier_wait(&f->barrier); /* there is no pool */
    for (size_t i = 0; i < 16; i++) {
      parcels[i] = parcel_alloc();
      if (CREW_HOLDS(me->crew, parcels[i] != NULL)) stamp_put(parcels[i], BYTES, me->index, i);
    }
    CREW_HOLDS(me->crew, lido_pool_of(parcels[0]) == parcel_pool());
    for (size_t i = 0; i < 16; i++) {
      CREW_HOLDS(me->crew, stamp_is_of(parcels[i], BYTES, me->index));
      parcel_free(parcels[i]);
    }
    pthread_barrier_wait(&f->barrier); /* the test ends it */
  }
}

TEST(many_pools, a_typed_pool_is_made_once_by_whoever_comes_first) {
  static crew team;
  static fleet f;
  enum { FIRST = 4 };
  f = (fleet){.rounds = testing_scaled(1000)};
  pthread_barrier_init(&f.barrier, NULL, FIRST + 1);
  crew_start(&team, FIRST, testing_seed(), come_first, &f);
  for (size_t round = 0; round < f.rounds; round++) {
    pthread_barrier_wait(&f.barrier);
    pthread_barrier_wait(&f.barrier);
    lido_pool_stats stats = objects_stats(parcel_pool());
    CHECK_EQ(stats.live, 0);
    CHECK_EQ(stats.allocs, 16 * FIRST);
    CHECK_EQ(lido_pool_destroy(parcel_pool()), 0);
  }
  CHECK_CREW(&team);
  pthread_barrier_destroy(&f.barrier);
}

/* ---- A flush of all pools, while some of them end ---- */

typedef struct pier {
  lido_pool *leaving; /* atomic */
  int used;           /* atomic: threads that have used it and will not again */
  int over;           /* atomic */
} pier;

enum { FLUSHERS = 3 };

static void use_and_flush(crew_member *me) {
  pier *p = me->shared;
  lido_pool *last = NULL;
  while (!flag_get(&p->over) && crew_goes_on(me->crew)) {
    lido_pool *leaving = __atomic_load_n(&p->leaving, __ATOMIC_ACQUIRE);
    if (leaving != last && leaving != NULL) {
      visit_pool(me, leaving, 8);
      __atomic_fetch_add(&p->used, 1, __ATOMIC_ACQ_REL);
      last = leaving;
    }
    for (size_t i = 0; i < 10; i++)
      lido_thread_flush(); /* of whatever pools there are: the test ends one of them now */
    sched_yield();         /* a lock that is taken without pause keeps the test out */
  }
}

TEST(many_pools, threads_flush_while_a_pool_they_have_used_ends) {
  static crew team;
  static pier p;
  p = (pier){0};
  crew_start(&team, FLUSHERS, testing_seed(), use_and_flush, &p);
  /* Two pools in turn, so that a thread never takes a new one for the last. */
  lido_pool *previous = NULL;
  for (size_t round = 0; round < testing_scaled(2000) && crew_goes_on(&team); round++) {
    lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
    CHECK_NOT_NULL(pool);
    __atomic_store_n(&p.used, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&p.leaving, pool, __ATOMIC_RELEASE);
    while (flag_get(&p.used) != FLUSHERS && crew_goes_on(&team)) sched_yield();
    CHECK_EQ(lido_pool_destroy(previous), 0);
    previous = pool;
  }
  flag_set(&p.over, 1);
  CHECK_CREW(&team);
  CHECK_EQ(lido_pool_destroy(previous), 0);
}

/* ---- Misuses, while pools come and go ---- */

static uint64_t foreign_seen;

static void count_foreign(const lido_misuse *misuse, void *context) {
  (void)context;
  if (misuse->kind == LIDO_MISUSE_FOREIGN) __atomic_fetch_add(&foreign_seen, 1, __ATOMIC_RELAXED);
}

static void free_what_is_no_pools(crew_member *me) {
  harbour *h = me->shared;
  if (me->index != 0) {
    make_and_end_pools(me);
    return;
  }
  long no_object[16];
  for (size_t round = 0; round < 8 * h->rounds; round++) lido_pool_free(h->stable[0], &no_object[round % 16]);
}

TEST(many_pools, foreign_pointers_are_found_while_pools_come_and_go) {
  if (LIDO_CHECKS == LIDO_CHECKS_NONE) return; /* nothing is found then */
  static crew team;
  harbour h = {.rounds = testing_scaled(1000)};
  for (size_t i = 0; i < STABLE; i++) h.stable[i] = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
  CHECK_NOT_NULL(h.stable[0]);
  CHECK_NOT_NULL(h.stable[1]);
  foreign_seen = 0;
  lido_misuse_handler_set(count_foreign, NULL);
  crew_start(&team, 3, testing_seed(), free_what_is_no_pools, &h);
  const char *complaint = crew_end(&team);
  lido_misuse_handler_set(NULL, NULL);
  if (complaint != NULL) TESTING_FAIL("%s", complaint);
  CHECK_EQ(foreign_seen, 8 * h.rounds);
  for (size_t i = 0; i < STABLE; i++) CHECK_EQ(lido_pool_destroy(h.stable[i]), 0);
}

/* ---- In one buffer ---- */

/* Each would settle the buffer's granule for itself, and forget it with the last pool that ends. */
static void make_and_end_in_a_buffer(crew_member *me) {
  static const size_t sizes[] = {64, 8, 64, 16};
  lido_pool_options options = {.object_size = sizes[me->index], .align = 8, .backing = me->shared};
  for (size_t round = 0; round < testing_scaled(100000) && crew_goes_on(me->crew); round++) {
    lido_pool *pool = lido_pool_create(&options);
    if (pool == NULL) {
      CREW_HOLDS(me->crew, errno == EINVAL || errno == ENOMEM);
      continue;
    }
    CREW_HOLDS(me->crew, round % 64 != 0 || lido_pool_check(pool) == NULL);
    CREW_HOLDS(me->crew, lido_pool_destroy(pool) == 0);
  }
}

TEST(many_pools, come_and_go_in_one_buffer) {
  static crew team;
  static _Alignas(64) char memory[1 << 16];
  lido_backing *buffer = lido_backing_create_buffer(memory, sizeof memory);
  CHECK_NOT_NULL(buffer);
  crew_start(&team, 4, testing_seed(), make_and_end_in_a_buffer, buffer);
  CHECK_CREW(&team);
  CHECK_EQ(lido_backing_destroy(buffer), 0);
}
