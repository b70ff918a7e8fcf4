/* churn_test.c: a server's life: threads replace objects at random, end, and leave what they hold to their
 * successors; and short threads by the thousand.
 */
#include <limits.h>

#include "lib/base/fault.h"
#include "tests/stress/crew.h"

/* ---- Generations ---- */

enum { WORKERS = 4, PLACES = 800, BYTES = 96 };

typedef struct town {
  lido_pool *pool;
  size_t rounds;
  size_t generation;
  void *places[WORKERS][PLACES];
} town;

/* Whoever works at these places now is not who worked there before. */
static void replace_at_random(crew_member *me) {
  town *t = me->shared;
  void **places = t->places[(me->index + t->generation) % WORKERS];
  for (size_t round = 0; round < t->rounds && crew_goes_on(me->crew); round++) {
    void **place = &places[testing_below(&me->random, PLACES)];
    if (*place != NULL) {
      CREW_HOLDS(me->crew, stamp_is_whole(*place, BYTES));
      lido_pool_free(t->pool, *place);
    }
    *place = lido_pool_alloc(t->pool);
    if (!CREW_HOLDS(me->crew, *place != NULL)) return;
    stamp_put(*place, BYTES, me->index, round);
  }
}

static size_t count_places(const town *t) {
  size_t count = 0;
  for (size_t w = 0; w < WORKERS; w++) {
    for (size_t p = 0; p < PLACES; p++) count += t->places[w][p] != NULL;
  }
  return count;
}

TEST(churn, threads_leave_their_objects_to_their_successors) {
  static crew team;
  static town t;
  t = (town){.rounds = testing_scaled(60000)};
  t.pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
  CHECK_NOT_NULL(t.pool);
  uint64_t seed = testing_seed();
  for (t.generation = 0; t.generation < 12; t.generation++) {
    crew_start(&team, WORKERS, seed + t.generation, replace_at_random, &t);
    CHECK_CREW(&team);
    lido_pool_stats stats = objects_stats(t.pool);
    CHECK_EQ(stats.live, count_places(&t));
    CHECK_LE(stats.thread_caches, 1);
    CHECK_SOUND(t.pool);
  }
  for (size_t w = 0; w < WORKERS; w++) lido_pool_free_batch(t.pool, t.places[w], PLACES);
  CHECK_EQ(objects_stats(t.pool).live, 0);
  CHECK_EQ(lido_pool_destroy(t.pool), 0);
}

/* ---- Short threads ---- */

typedef struct street {
  lido_pool *pool;
  void *slot;
  int broken;
} street;

static void *pass_by(void *argument) {
  street *s = argument;
  void *objects[5];
  for (size_t i = 0; i < 5; i++) {
    objects[i] = lido_pool_alloc(s->pool);
    if (objects[i] == NULL) flag_set(&s->broken, 1);
    if (objects[i] != NULL) stamp_put(objects[i], BYTES, i, i);
  }
  lido_pool_free(s->pool, objects[4]); /* into the hot slot, and left there */
  lido_pool_free(s->pool, objects[3]);
  void *left = slot_exchange(&s->slot, objects[0]);
  if (left != NULL && !stamp_is_whole(left, BYTES)) flag_set(&s->broken, 1);
  lido_pool_free(s->pool, left);
  lido_pool_free(s->pool, objects[1]);
  lido_pool_free(s->pool, objects[2]);
  return NULL;
}

enum { ABREAST = 4 };

static void let_pass(street *s, size_t threads) {
  pthread_t passing[ABREAST];
  for (size_t done = 0; done < threads; done += ABREAST) {
    for (size_t i = 0; i < ABREAST; i++) CHECK_EQ(pthread_create(&passing[i], NULL, pass_by, s), 0);
    for (size_t i = 0; i < ABREAST; i++) CHECK_EQ(pthread_join(passing[i], NULL), 0);
  }
}

/* -> bytes held after all of it. */
static int64_t a_day_in_the_street(size_t threads) {
  street s = {.pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES})};
  CHECK_NOT_NULL(s.pool);
  let_pass(&s, threads);
  CHECK_EQ(flag_get(&s.broken), 0);
  CHECK_LE(objects_stats(s.pool).thread_caches, 1);
  CHECK_LE(objects_stats(s.pool).slabs, ABREAST); /* threads that find the pool dry at once may each add one */
  lido_pool_free(s.pool, slot_exchange(&s.slot, NULL));
  CHECK_EQ(objects_stats(s.pool).live, 0);
  CHECK_SOUND(s.pool);
  CHECK_EQ(lido_pool_destroy(s.pool), 0);
  return objects_bytes_held();
}

TEST(churn, ten_thousand_short_threads_leave_nothing_behind) {
  int64_t baseline = a_day_in_the_street(16);
  CHECK_EQ(a_day_in_the_street(testing_scaled(10000)), baseline);
}

/* ---- Many caches on one pool ---- */

enum { CROWD = 300 }; /* a state byte has room for 252 claims */

typedef struct hall {
  lido_pool *pool;
  pthread_barrier_t barrier; /* of the crowd and the test */
  void *slots[CROWD];
} hall;

static void stand_in_the_hall(crew_member *me) {
  hall *h = me->shared;
  void *mine[8];
  for (size_t round = 0; round < 3; round++) {
    for (size_t i = 0; i < 8; i++) {
      mine[i] = lido_pool_alloc(h->pool);
      if (CREW_HOLDS(me->crew, mine[i] != NULL)) stamp_put(mine[i], BYTES, me->index, i);
    }
    for (size_t i = 1; i < 8; i++) {
      CREW_HOLDS(me->crew, stamp_is_of(mine[i], BYTES, me->index));
      lido_pool_free(h->pool, mine[i]);
    }
    slot_exchange(&h->slots[me->index], mine[0]);
    pthread_barrier_wait(&h->barrier); /* the test looks */
    pthread_barrier_wait(&h->barrier);
    void *other = slot_exchange(&h->slots[(me->index + round) % CROWD], NULL);
    CREW_HOLDS(me->crew, stamp_is_of(other, BYTES, (me->index + round) % CROWD));
    lido_pool_free(h->pool, other);
    for (size_t i = 0; i < 200; i++) lido_pool_free(h->pool, lido_pool_alloc(h->pool));
    pthread_barrier_wait(&h->barrier);
    pthread_barrier_wait(&h->barrier);
  }
}

static void look_at_the_hall(hall *h, size_t live) {
  pthread_barrier_wait(&h->barrier);
  lido_pool_stats stats = objects_stats(h->pool);
  const char *broken = lido_pool_check(h->pool);
  if (live == 0) lido_pool_trim(h->pool); /* all are asked for a flush while they stand */
  pthread_barrier_wait(&h->barrier);
  CHECK_EQ(stats.live, live);
  CHECK_LE(stats.thread_caches, CROWD + 1);
  if (!testing_on_valgrind()) CHECK_GE(stats.thread_caches, CROWD);
  CHECK(broken == NULL);
}

TEST(churn, more_threads_than_a_state_byte_has_claims) {
  static crew team;
  static hall h;
  h = (hall){.pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES})};
  CHECK_NOT_NULL(h.pool);
  pthread_barrier_init(&h.barrier, NULL, CROWD + 1);
  for (size_t again = 0; again < 2; again++) { /* the second crowd gets the claims of the first */
    crew_start_on(&team, CROWD, (size_t)256 << 10, testing_seed(), stand_in_the_hall, &h);
    for (size_t round = 0; round < 3; round++) {
      look_at_the_hall(&h, CROWD);
      look_at_the_hall(&h, 0);
    }
    CHECK_CREW(&team);
    CHECK_SOUND(h.pool);
  }
  pthread_barrier_destroy(&h.barrier);
  CHECK_EQ(lido_pool_destroy(h.pool), 0);
}

/* ---- Small stacks ---- */

static void live_on_a_small_stack(crew_member *me) {
  lido_pool *shared = me->shared;
  lido_pool *own = lido_pool_create(&(lido_pool_options){.object_size = 200, .name = "small"});
  if (!CREW_HOLDS(me->crew, own != NULL)) return;
  void *objects[64];
  for (size_t round = 0; round < 20; round++) {
    CREW_HOLDS(me->crew, lido_pool_alloc_batch(shared, objects, 32) == 32);
    CREW_HOLDS(me->crew, lido_pool_alloc_batch(own, objects + 32, 32) == 32);
    for (size_t i = 0; i < 64; i++) stamp_put(objects[i], BYTES, me->index, i);
    lido_pool_free_batch(shared, objects, 32);
    lido_pool_free_batch(own, objects + 32, 32);
    lido_thread_flush();
    lido_pool_trim(own);
    CREW_HOLDS(me->crew, objects_stats(own).live == 0);
  }
  CREW_HOLDS(me->crew, lido_pool_check(own) == NULL);
  CREW_HOLDS(me->crew, lido_pool_destroy(own) == 0);
}

TEST(churn, sixteen_kib_of_stack_are_enough) {
  static crew team;
  size_t least = (size_t)PTHREAD_STACK_MIN > 16384 ? (size_t)PTHREAD_STACK_MIN : 16384;
  if (CREW_SANITIZED) least = (size_t)256 << 10; /* the sanitizer's own frames */
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = BYTES});
  CHECK_NOT_NULL(pool);
  for (size_t round = 0; round < 5; round++) {
    crew_start_on(&team, 8, least, testing_seed(), live_on_a_small_stack, pool);
    CHECK_CREW(&team);
  }
  CHECK_EQ(lido_pool_destroy(pool), 0);
}
