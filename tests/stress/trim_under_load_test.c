/* trim_under_load_test.c: trims, statistics, walks and questions, while other threads alloc and free in the
 * same pool.
 */
#include "tests/stress/crew.h"

enum { BYTES = 256, HELD = 600, WORKERS = 3, FIXED = 100 };

typedef struct field {
  lido_pool *pool;
  size_t rounds;
  int working; /* atomic: workers still at it */
  pthread_barrier_t barrier;
  void *fixed[FIXED]; /* live objects that nobody touches meanwhile */
  void *glimpse;      /* atomic: an address that was an object once */
} field;

static uint64_t misuses;

/* Take many and give all back, so that slabs fill and empty. */
static void breathe(crew_member *me) {
  field *f = me->shared;
  void *objects[HELD];
  for (size_t round = 0; round < f->rounds && crew_goes_on(me->crew); round++) {
    size_t count = 1 + testing_below(&me->random, HELD);
    for (size_t i = 0; i < count; i++) {
      objects[i] = lido_pool_alloc(f->pool);
      if (!CREW_HOLDS(me->crew, objects[i] != NULL)) break;
      stamp_put(objects[i], BYTES, me->index, i);
    }
    __atomic_store_n(&f->glimpse, objects[testing_below(&me->random, count)], __ATOMIC_RELAXED);
    bool backwards = testing_below(&me->random, 2) != 0;
    for (size_t i = 0; i < count; i++) {
      void *object = objects[backwards ? count - 1 - i : i];
      CREW_HOLDS(me->crew, stamp_is_of(object, BYTES, me->index));
      lido_pool_free(f->pool, object);
      if (i % 16 == 0) lido_pool_free(f->pool, lido_pool_alloc(f->pool));
    }
  }
  __atomic_sub_fetch(&f->working, 1, __ATOMIC_ACQ_REL);
}

static void field_open(field *f, lido_pool_options options, size_t rounds) {
  *f = (field){.rounds = testing_scaled(rounds), .working = WORKERS};
  f->pool = lido_pool_create(&options);
  CHECK_NOT_NULL(f->pool);
  crew_misuses_begin(&misuses);
}

static void field_close(field *f) {
  CHECK_EQ(crew_misuses_end(&misuses), 0);
  CHECK_EQ(objects_stats(f->pool).live, 0);
  CHECK_SOUND(f->pool);
  CHECK_EQ(lido_pool_destroy(f->pool), 0);
}

/* ---- Trim ---- */

static void breathe_or_trim(crew_member *me) {
  field *f = me->shared;
  if (me->index < WORKERS) {
    breathe(me);
  } else {
    while (flag_get(&f->working) != 0) lido_pool_trim(f->pool);
  }
}

static void breathe_and_trim(lido_pool_options options, size_t trimmers, size_t rounds) {
  static crew team;
  static field f;
  field_open(&f, options, rounds);
  crew_start(&team, WORKERS + trimmers, testing_seed(), breathe_or_trim, &f);
  CHECK_CREW(&team);
  field_close(&f);
}

TEST(trim_under_load, one_trims) { breathe_and_trim((lido_pool_options){.object_size = BYTES}, 1, 8000); }

TEST(trim_under_load, two_trim) {
  breathe_and_trim((lido_pool_options){.object_size = BYTES, .cache_bytes = 8192}, 2, 6000);
}

TEST(trim_under_load, a_pool_that_keeps_nothing) {
  breathe_and_trim((lido_pool_options){.object_size = BYTES, .retain_bytes = 1, .cache_bytes = 4096}, 1, 5000);
}

TEST(trim_under_load, zeroed_objects) {
  breathe_and_trim((lido_pool_options){.object_size = BYTES, .flags = LIDO_POOL_ZERO}, 1, 4000);
}

/* ---- After the load, what is free can go back ---- */

static void breathe_and_stand(crew_member *me) {
  field *f = me->shared;
  if (me->index < WORKERS) {
    breathe(me);
    lido_thread_flush(); /* no cache remembers anything from here on */
  } else {
    while (flag_get(&f->working) != 0) lido_pool_trim(f->pool);
  }
  pthread_barrier_wait(
      &f->barrier); /* also the one who trims: in the middle of a trim it holds what was in the depot */
  pthread_barrier_wait(&f->barrier);
}

TEST(trim_under_load, afterwards_every_slab_can_go_back) {
  static crew team;
  static field f;
  for (size_t again = 0; again < 12; again++) {
    field_open(&f, (lido_pool_options){.object_size = 4096, .cache_bytes = 64 << 10}, 250);
    pthread_barrier_init(&f.barrier, NULL, WORKERS + 2);
    crew_start(&team, WORKERS + 1, testing_seed(), breathe_and_stand, &f);
    pthread_barrier_wait(&f.barrier);
    lido_pool_trim(f.pool);
    lido_pool_stats stats = objects_stats(f.pool);
    pthread_barrier_wait(&f.barrier);
    CHECK_CREW(&team);
    pthread_barrier_destroy(&f.barrier);
    CHECK_EQ(stats.live, 0);
    CHECK_EQ(stats.cached, 0);
    CHECK_EQ(stats.slabs, 0);
    field_close(&f);
  }
}

/* ---- Requests for a flush ---- */

/* Of a pool that is used up, each alloc in vain is a request to all others. So one half of the crew asks
 * without pause, and the other meets the requests at each of its slow paths. */
static void free_or_ask(crew_member *me) {
  enum { SOME = 40 };
  field *f = me->shared;
  void *objects[SOME];
  while (me->index == 0 ? f->rounds-- > 0 : flag_get(&f->working) != 0) {
    size_t got = lido_pool_alloc_batch(f->pool, objects, SOME);
    for (size_t i = 0; i < got; i++) stamp_put(objects[i], 64, me->index, i);
    for (size_t i = 0; got != SOME && i < 20; i++) {
      if (got < SOME && (objects[got] = lido_pool_alloc(f->pool)) != NULL) stamp_put(objects[got++], 64, me->index, i);
    }
    for (size_t i = 0; i < got; i++) CREW_HOLDS(me->crew, stamp_is_of(objects[i], 64, me->index));
    lido_pool_free_batch(f->pool, objects, got);
  }
  if (me->index == 0) flag_set(&f->working, 0);
}

TEST(trim_under_load, a_request_for_a_flush_never_breaks_a_free) {
  static crew team;
  static field f;
  field_open(&f, (lido_pool_options){.object_size = 64, .max_objects = 64, .cache_bytes = 512}, 60000);
  crew_start(&team, 3, testing_seed(), free_or_ask, &f);
  CHECK_CREW(&team);
  field_close(&f);
}

/* ---- Statistics, walks, questions ---- */

typedef struct found {
  const field *field;
  size_t fixed;
} found;

static bool find_fixed(void *object, void *argument) {
  found *where = argument;
  for (size_t i = 0; i < FIXED; i++) where->fixed += where->field->fixed[i] == object;
  return true;
}

static void look_around(crew_member *me, field *f) {
  found where = {.field = f};
  lido_pool_for_each(f->pool, find_fixed, &where);
  CREW_HOLDS(me->crew, where.fixed == FIXED);
  lido_pool_stats stats = objects_stats(f->pool);
  CREW_HOLDS(me->crew, stats.objects >= FIXED && stats.live <= stats.objects);
  CREW_HOLDS(me->crew, stats.slabs_made == stats.slabs + stats.slabs_released && stats.slabs_empty < stats.slabs);
  CREW_HOLDS(me->crew, stats.peak >= FIXED && stats.peak <= stats.slabs_made * 65536 / BYTES);
  CREW_HOLDS(me->crew, lido_pool_hit_rate(&stats) <= 1);
  for (size_t i = 0; i < FIXED; i++) {
    CREW_HOLDS(me->crew, lido_pool_owns(f->pool, f->fixed[i]));
    CREW_HOLDS(me->crew, lido_pool_of(f->fixed[i]) == f->pool);
  }
}

/* About objects that come and go there is nothing to expect but an answer. */
static void ask_of_strangers(field *f) {
  long no_object = 0;
  lido_pool_owns(f->pool, &no_object);
  lido_pool_of(&no_object);
  for (size_t i = 0; i < 400; i++) {
    char *address = __atomic_load_n(&f->glimpse, __ATOMIC_RELAXED);
    lido_pool_owns(f->pool, address);
    lido_pool_owns(f->pool, address + 8);
    lido_pool_of(address);
  }
}

static void breathe_or_look(crew_member *me) {
  field *f = me->shared;
  if (me->index < WORKERS) {
    breathe(me);
    return;
  }
  while (flag_get(&f->working) != 0 && crew_goes_on(me->crew)) {
    look_around(me, f);
    ask_of_strangers(f);
    if (me->index > WORKERS) lido_pool_trim(f->pool);
  }
}

static void breathe_and_look(size_t lookers, size_t rounds) {
  if (LIDO_CHECKS == LIDO_CHECKS_NONE) return; /* only a pool that nobody uses can answer then */
  static crew team;
  static field f;
  field_open(&f, (lido_pool_options){.object_size = BYTES, .retain_bytes = 1}, rounds);
  CHECK_EQ(lido_pool_alloc_batch(f.pool, f.fixed, FIXED), FIXED);
  crew_start(&team, WORKERS + lookers, testing_seed(), breathe_or_look, &f);
  CHECK_CREW(&team);
  lido_pool_free_batch(f.pool, f.fixed, FIXED);
  field_close(&f);
}

TEST(trim_under_load, one_looks) { breathe_and_look(1, 5000); }
TEST(trim_under_load, one_looks_and_another_trims) { breathe_and_look(2, 4000); }

/* ---- A question about an address whose slab goes back at this moment ---- */

typedef struct sand {
  lido_pool *pool;
  size_t rounds;
  void *address; /* atomic */
  int over;      /* atomic */
} sand;

static void build_on_sand(crew_member *me) {
  sand *s = me->shared;
  if (me->index == 0) {
    while (!flag_get(&s->over)) {
      const char *address = __atomic_load_n(&s->address, __ATOMIC_RELAXED);
      for (size_t i = 0; i < 20; i++) lido_pool_owns(s->pool, address);
    }
    return;
  }
  for (size_t round = 0; round < s->rounds; round++) {
    void *object = lido_pool_alloc(s->pool);
    if (!CREW_HOLDS(me->crew, object != NULL)) break;
    __atomic_store_n(&s->address, object, __ATOMIC_RELAXED);
    lido_pool_free(s->pool, object);
    lido_pool_trim(s->pool); /* its slab, and with it the region */
  }
  flag_set(&s->over, 1);
}

TEST(trim_under_load, a_question_about_memory_that_goes_back) {
  if (LIDO_CHECKS == LIDO_CHECKS_NONE) return; /* as above */
  static crew team;
  sand s = {.rounds = testing_scaled(16000)};
  s.pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES, .backing = lido_backing_pages()});
  CHECK_NOT_NULL(s.pool);
  crew_start(&team, 2, testing_seed(), build_on_sand, &s);
  CHECK_CREW(&team);
  CHECK_SOUND(s.pool);
  CHECK_EQ(lido_pool_destroy(s.pool), 0);
}
