/* object_pool_test.c: pools of the program's own objects, used by one thread at a time. */
#include <pthread.h>
#include <stdlib.h>

#include "lib/mem/metadata.h"
#include "tests/support/child.h"
#include "tests/support/objects.h"
#include "tests/unit/object_pool_in_cxx.h"

/* ---- Objects that say what happened to them ---- */

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

static void *thing_new(void *context) {
  workshop *w = context;
  if (w->fails != 0) errno = w->fails;
  return w->fails == 0 && w->created < THINGS_MOST ? &w->things[w->created++] : NULL;
}

static void thing_reset(void *object, void *context) {
  (void)context;
  ((thing *)object)->puts++;
}

static void thing_end(void *object, void *context) {
  workshop *w = context;
  w->twice += ((thing *)object)->destroyed;
  ((thing *)object)->destroyed = true;
  w->destroyed++;
  errno = EBADF; /* nobody may see it */
}

static size_t thing_size(const void *object, void *context) {
  (void)context;
  return ((const thing *)object)->bytes;
}

static lido_object_pool *open_shop(lido_object_pool_options options) {
  memset(&shop, 0, sizeof shop);
  options.create = thing_new;
  options.destroy = thing_end;
  options.context = &shop;
  lido_object_pool *pool = lido_object_pool_create(&options);
  CHECK_NOT_NULL(pool);
  return pool;
}

static lido_object_pool_stats stats_of(const lido_object_pool *pool) {
  lido_object_pool_stats stats;
  lido_object_pool_stats_get(pool, &stats);
  return stats;
}

static void check_sound(lido_object_pool *pool) {
  const char *broken = lido_object_pool_check(pool);
  if (broken != NULL) TESTING_FAIL("%s", broken);
}

/* All that was created and is not out has been destroyed, once. */
static void close_shop(lido_object_pool *pool, size_t out) {
  check_sound(pool);
  CHECK_EQ(lido_object_pool_destroy(pool), out);
  CHECK_EQ(shop.destroyed, shop.created - out);
  CHECK_EQ(shop.twice, 0);
}

static void get_many(lido_object_pool *pool, thing **things, size_t count) {
  for (size_t i = 0; i < count; i++) {
    things[i] = lido_object_pool_get(pool);
    CHECK_NOT_NULL(things[i]);
    CHECK(!things[i]->destroyed);
  }
}

static void put_many(lido_object_pool *pool, thing **things, size_t count) {
  for (size_t i = 0; i < count; i++) lido_object_pool_put(pool, things[i]);
}

/* Get and put so many; that many are kept if the bounds allow. */
static void keep_many(lido_object_pool *pool, size_t count) {
  static thing *things[THINGS_MOST];
  get_many(pool, things, count);
  put_many(pool, things, count);
}

/* ---- Options ---- */

TEST(object_pool, options_are_checked) {
  CHECK_FAILS(lido_object_pool_create(NULL), EINVAL);
  CHECK_FAILS(lido_object_pool_create(&(lido_object_pool_options){0}), EINVAL);
  CHECK_FAILS(lido_object_pool_create(&(lido_object_pool_options){.create = thing_new, .keep_bytes = 1}), EINVAL);
  CHECK_FAILS(lido_object_pool_create(&(lido_object_pool_options){.create = thing_new, .keep_bytes_each = 1}), EINVAL);
  CHECK_EQ(lido_object_pool_destroy(NULL), 0);
}

TEST(object_pool, has_a_name) {
  char name[] = "buffers";
  lido_object_pool *pool = open_shop((lido_object_pool_options){.name = name});
  name[0] = 'X';
  CHECK_TEXT(lido_object_pool_name(pool), "buffers");
  close_shop(pool, 0);
  pool = open_shop((lido_object_pool_options){0});
  CHECK_TEXT(lido_object_pool_name(pool), "objects");
  close_shop(pool, 0);
}

/* ---- Get and put ---- */

TEST(object_pool, what_was_put_last_is_got_first) {
  lido_object_pool *pool = open_shop((lido_object_pool_options){0});
  thing *things[3];
  get_many(pool, things, 3);
  put_many(pool, things, 3);
  for (size_t i = 3; i-- > 0;) CHECK_SAME(lido_object_pool_get(pool), things[i]);
  CHECK_EQ(shop.created, 3);
  put_many(pool, things, 3);
  close_shop(pool, 0);
}

TEST(object_pool, every_object_is_in_one_place_however_many_there_are) {
  static thing *things[2000];
  lido_object_pool *pool = open_shop((lido_object_pool_options){0});
  for (size_t count = 1; count <= 2000; count = count * 3 / 2 + 1) {
    get_many(pool, things, count);
    for (size_t i = 0; i < count; i++) things[i]->bytes = i;
    for (size_t i = 0; i < count; i++) CHECK_EQ(things[i]->bytes, i); /* nobody has it twice */
    CHECK_EQ(stats_of(pool).out, count);
    put_many(pool, things, count);
    check_sound(pool);
    CHECK_EQ(stats_of(pool).kept, shop.created);
  }
  CHECK_EQ(shop.destroyed, 0);
  CHECK_LE(shop.created, 2000);
  close_shop(pool, 0);
}

TEST(object_pool, reset_runs_at_each_put_and_not_at_get) {
  lido_object_pool *pool = open_shop((lido_object_pool_options){.reset = thing_reset});
  thing *t = lido_object_pool_get(pool);
  CHECK_EQ(t->puts, 0);
  for (unsigned i = 1; i <= 100; i++) {
    lido_object_pool_put(pool, t);
    CHECK_EQ(t->puts, i);
    CHECK_SAME(lido_object_pool_get(pool), t);
    CHECK_EQ(t->puts, i);
  }
  lido_object_pool_put(pool, t);
  close_shop(pool, 0);
}

TEST(object_pool, null_is_ignored) {
  lido_object_pool *pool = open_shop((lido_object_pool_options){.reset = thing_reset});
  lido_object_pool_put(pool, NULL);
  keep_many(pool, 1);
  lido_object_pool_put(pool, NULL);
  close_shop(pool, 0);
  pool = open_shop((lido_object_pool_options){0});
  lido_object_pool_put(pool, NULL);
  keep_many(pool, 1);
  lido_object_pool_put(pool, NULL);
  close_shop(pool, 0);
}

TEST(object_pool, a_create_that_fails_says_why) {
  lido_object_pool *pool = open_shop((lido_object_pool_options){0});
  keep_many(pool, 1);
  shop.fails = EMFILE;
  thing *t = lido_object_pool_get(pool);
  CHECK_NOT_NULL(t);
  CHECK_FAILS(lido_object_pool_get(pool), EMFILE);
  CHECK_FAILS(lido_object_pool_get_call(pool), EMFILE);
  shop.fails = 0;
  CHECK_EQ(stats_of(pool).gets, 2);
  CHECK_EQ(stats_of(pool).created, 1);
  lido_object_pool_put_call(pool, t);
  close_shop(pool, 0);
}

TEST(object_pool, errno_is_kept) {
  lido_object_pool *pool = open_shop((lido_object_pool_options){.reset = thing_reset, .keep_objects = 1});
  thing *things[3];
  errno = E2BIG;
  for (size_t i = 0; i < 3; i++) things[i] = lido_object_pool_get(pool);
  for (size_t i = 0; i < 3; i++) lido_object_pool_put(pool, things[i]);
  lido_object_pool_trim(pool);
  lido_object_pool_trim(pool);
  lido_thread_flush();
  CHECK_EQ(errno, E2BIG);
  CHECK_EQ(shop.destroyed, 3);
  lido_object_pool_destroy(pool);
  CHECK_EQ(errno, E2BIG);
}

TEST(object_pool, objects_that_it_did_not_create_are_welcome) {
  static thing own;
  lido_object_pool *pool = open_shop((lido_object_pool_options){0});
  lido_object_pool_put(pool, &own);
  CHECK_SAME(lido_object_pool_get(pool), &own);
  CHECK_EQ(stats_of(pool).reuses, 1);
  CHECK_EQ(stats_of(pool).out, 0);
  check_sound(pool);
  CHECK_EQ(lido_object_pool_destroy(pool), 0);
}

TEST(object_pool, its_end_tells_how_many_are_out) {
  lido_object_pool *pool = open_shop((lido_object_pool_options){0});
  thing *things[100];
  get_many(pool, things, 100);
  put_many(pool, things, 58);
  close_shop(pool, 42);
}

/* ---- Bounds ---- */

TEST(object_pool, no_more_are_kept_than_keep_objects) {
  for (size_t bound = 1; bound < 150; bound += bound < 30 ? 1 : 37) {
    lido_object_pool *pool = open_shop((lido_object_pool_options){.keep_objects = bound});
    keep_many(pool, 200);
    CHECK_EQ(stats_of(pool).kept, bound);
    CHECK_EQ(stats_of(pool).destroyed_bound, 200 - bound);
    CHECK_EQ(shop.destroyed, 200 - bound);
    keep_many(pool, bound);
    CHECK_EQ(shop.created, 200);
    close_shop(pool, 0);
  }
}

TEST(object_pool, a_large_object_is_destroyed_at_its_put) {
  lido_object_pool *pool =
      open_shop((lido_object_pool_options){.size = thing_size, .keep_bytes_each = 1000, .keep_bytes = SIZE_MAX});
  thing *t = lido_object_pool_get(pool);
  t->bytes = 1000;
  lido_object_pool_put(pool, t);
  CHECK(!t->destroyed);
  CHECK_EQ(stats_of(pool).kept_bytes, 1000);
  CHECK_SAME(lido_object_pool_get(pool), t);
  CHECK_EQ(stats_of(pool).kept_bytes, 0);
  t->bytes = 1001;
  lido_object_pool_put(pool, t);
  CHECK(t->destroyed);
  CHECK_EQ(stats_of(pool).destroyed_large, 1);
  CHECK_EQ(stats_of(pool).kept, 0);
  close_shop(pool, 0);
}

TEST(object_pool, no_more_bytes_are_kept_than_keep_bytes) {
  static thing *things[500];
  lido_object_pool *pool = open_shop((lido_object_pool_options){.size = thing_size, .keep_bytes = 10000});
  uint64_t seed = 12345;
  for (int round = 0; round < 200; round++) {
    size_t count = (seed = seed * 6364136223846793005u + 1442695040888963407u) >> 56;
    get_many(pool, things, count);
    for (size_t i = 0; i < count; i++) things[i]->bytes = (i * 37 + (size_t)round * 11) % 400;
    put_many(pool, things, count);
    check_sound(pool);
    CHECK_LE(stats_of(pool).kept_bytes, 10000);
    if (shop.created > THINGS_MOST - 1000) break;
  }
  CHECK_GT(stats_of(pool).destroyed_bound, 0);
  CHECK_GT(stats_of(pool).kept_bytes, 5000);
  close_shop(pool, 0);
}

TEST(object_pool, an_object_larger_than_keep_bytes_is_too_large) {
  lido_object_pool *pool = open_shop((lido_object_pool_options){.size = thing_size, .keep_bytes = 100});
  thing *t = lido_object_pool_get(pool);
  t->bytes = SIZE_MAX;
  lido_object_pool_put(pool, t);
  CHECK_EQ(stats_of(pool).destroyed_large, 1);
  close_shop(pool, 0);
}

/* ---- Trims ---- */

TEST(object_pool, a_second_trim_destroys_what_the_first_found) {
  lido_object_pool *pool = open_shop((lido_object_pool_options){0});
  keep_many(pool, 100);
  CHECK_EQ(lido_object_pool_trim(pool), 0);
  CHECK_EQ(stats_of(pool).victims, 100);
  CHECK_EQ(stats_of(pool).kept, 100);
  check_sound(pool);
  CHECK_EQ(lido_object_pool_trim(pool), 100);
  CHECK_EQ(stats_of(pool).kept, 0);
  CHECK_EQ(stats_of(pool).destroyed_trimmed, 100);
  CHECK_EQ(stats_of(pool).trims, 2);
  CHECK_EQ(lido_object_pool_trim(pool), 0);
  close_shop(pool, 0);
}

TEST(object_pool, victims_that_are_used_survive_and_no_others) {
  lido_object_pool *pool = open_shop((lido_object_pool_options){.reset = thing_reset});
  keep_many(pool, 100);
  for (int round = 0; round < 10; round++) {
    lido_object_pool_trim(pool);
    keep_many(pool, 7);
    check_sound(pool);
  }
  CHECK_EQ(shop.created, 100);
  CHECK_EQ(stats_of(pool).kept, 7);
  CHECK_EQ(stats_of(pool).destroyed_trimmed, 93);
  close_shop(pool, 0);
}

TEST(object_pool, a_trim_between_any_two_calls_loses_nothing) {
  thing *things[40];
  for (int sized = 0; sized < 2; sized++) {
    lido_object_pool *pool =
        open_shop((lido_object_pool_options){.size = sized ? thing_size : NULL, .keep_bytes = sized ? SIZE_MAX : 0});
    for (size_t round = 0; round < 40; round++) {
      for (size_t i = 0; i < 40; i++) {
        get_many(pool, things + i, 1);
        if (i == round) lido_object_pool_trim(pool);
      }
      for (size_t i = 0; i < 40; i++) {
        things[i]->bytes = i;
        lido_object_pool_put(pool, things[i]);
        if (i == round) lido_object_pool_trim(pool);
      }
      check_sound(pool);
      CHECK_EQ(stats_of(pool).kept + shop.destroyed, shop.created);
    }
    close_shop(pool, 0);
  }
}

/* An address that the program gets again from elsewhere while the store still remembers it. */
TEST(object_pool, an_address_that_comes_back_after_a_trim_is_a_new_object) {
  for (int calls = 0; calls < 2; calls++) {
    lido_object_pool *pool = open_shop((lido_object_pool_options){.reset = calls ? thing_reset : NULL});
    keep_many(pool, 1);
    thing *t = &shop.things[0];
    lido_object_pool_trim(pool);
    CHECK_EQ(lido_object_pool_trim(pool), 1);
    CHECK(t->destroyed);
    *t = (thing){0};
    shop.destroyed = 0;
    lido_object_pool_put(pool, t); /* no second put: it is another object */
    CHECK_EQ(stats_of(pool).kept, 1);
    CHECK_SAME(lido_object_pool_get(pool), t);
    lido_object_pool_put(pool, t);
    check_sound(pool);
    lido_object_pool_destroy(pool);
    CHECK_EQ(shop.destroyed, 1);
  }
}

/* ---- Threads ---- */

typedef struct visit {
  lido_object_pool *pool;
  size_t count;
  pthread_barrier_t *meet; /* twice: when it has kept them, and before it ends */
} visit;

static void *visit_pool(void *argument) {
  const visit *v = argument;
  thing *things[64];
  for (size_t i = 0; i < v->count; i++) things[i] = lido_object_pool_get(v->pool);
  for (size_t i = 0; i < v->count; i++) lido_object_pool_put(v->pool, things[i]);
  for (int i = 0; i < 2 && v->meet != NULL; i++) pthread_barrier_wait(v->meet);
  return NULL;
}

TEST(object_pool, an_exiting_thread_leaves_all_it_kept_to_others) {
  for (size_t count = 1; count < 64; count += 5) {
    lido_object_pool *pool = open_shop((lido_object_pool_options){0});
    objects_in_thread(visit_pool, &(visit){.pool = pool, .count = count});
    CHECK_EQ(stats_of(pool).kept, count);
    CHECK_EQ(stats_of(pool).stores, 0);
    CHECK_EQ(stats_of(pool).gets, count);
    keep_many(pool, count);
    CHECK_EQ(shop.created, count);
    close_shop(pool, 0);
  }
}

/* ---- After a thread's stores have gone ---- */

enum { LATE_ROUNDS = 3 };

static pthread_key_t late_key;

typedef struct late {
  lido_object_pool *pool;
  int rounds;
  size_t got;
} late;

/* Destructors come again as long as they set their key; Lido's has run by the second time. */
static void use_late(void *argument) {
  late *l = argument;
  void *objects[20];
  for (size_t i = 0; i < 20; i++) objects[i] = lido_object_pool_get(l->pool);
  for (size_t i = 0; i < 20; i++) l->got += objects[i] != NULL;
  for (size_t i = 0; i < 20; i++) lido_object_pool_put(l->pool, objects[i]);
  if (++l->rounds < LATE_ROUNDS) pthread_setspecific(late_key, l);
}

static void *exit_late(void *argument) {
  pthread_setspecific(late_key, argument);
  return NULL;
}

TEST(object_pool, destructors_of_thread_locals_may_use_it_when_the_stores_have_gone) {
  lido_object_pool *pool = open_shop((lido_object_pool_options){.reset = thing_reset});
  late l = {.pool = pool};
  CHECK_EQ(pthread_key_create(&late_key, use_late), 0);
  objects_in_thread(exit_late, &l);
  pthread_key_delete(late_key);
  CHECK_EQ(l.rounds, LATE_ROUNDS);
  CHECK_EQ(l.got, 20 * LATE_ROUNDS);
  CHECK_EQ(shop.created, 20);
  CHECK_EQ(stats_of(pool).gets, l.got);
  CHECK_EQ(stats_of(pool).kept, 20);
  CHECK_EQ(stats_of(pool).stores, 0);
  close_shop(pool, 0);
}

static void beside_an_idle_thread(void (*act)(lido_object_pool *pool), lido_object_pool *pool, size_t count) {
  pthread_t thread;
  pthread_barrier_t meet;
  visit v = {.pool = pool, .count = count, .meet = &meet};
  pthread_barrier_init(&meet, NULL, 2);
  CHECK_EQ(pthread_create(&thread, NULL, visit_pool, &v), 0);
  pthread_barrier_wait(&meet);
  act(pool);
  pthread_barrier_wait(&meet);
  pthread_join(thread, NULL);
  pthread_barrier_destroy(&meet);
}

static void trim_twice(lido_object_pool *pool) {
  CHECK_EQ(lido_object_pool_trim(pool), 0);
  CHECK_EQ(stats_of(pool).victims, 20);
  CHECK_EQ(lido_object_pool_trim(pool), 20);
  check_sound(pool);
}

TEST(object_pool, trims_reach_the_store_of_an_idle_thread) {
  for (int sized = 0; sized < 2; sized++) {
    lido_object_pool *pool =
        open_shop((lido_object_pool_options){.size = sized ? thing_size : NULL, .keep_bytes = sized ? SIZE_MAX : 0});
    beside_an_idle_thread(trim_twice, pool, 20);
    CHECK_EQ(shop.destroyed, 20);
    close_shop(pool, 0);
  }
}

static void use_victims(lido_object_pool *pool) {
  lido_object_pool_trim(pool);
  keep_many(pool, 20);
  CHECK_EQ(shop.created, 20);
}

TEST(object_pool, what_an_idle_thread_kept_can_be_used_by_others_after_a_trim) {
  lido_object_pool *pool = open_shop((lido_object_pool_options){0});
  beside_an_idle_thread(use_victims, pool, 20);
  close_shop(pool, 0);
}

static void end_pool(lido_object_pool *pool) { lido_object_pool_destroy(pool); }

TEST(object_pool, its_end_reaches_the_stores_of_all_threads) {
  lido_object_pool *pool = open_shop((lido_object_pool_options){0});
  beside_an_idle_thread(end_pool, pool, 20);
  CHECK_EQ(shop.destroyed, 20);
}

TEST(object_pool, a_flush_lets_others_have_them) {
  lido_object_pool *pool = open_shop((lido_object_pool_options){0});
  keep_many(pool, 20);
  lido_thread_flush();
  check_sound(pool);
  objects_in_thread(visit_pool, &(visit){.pool = pool, .count = 20});
  CHECK_EQ(shop.created, 20);
  close_shop(pool, 0);
}

/* ---- Callbacks that use the pool ---- */

typedef struct nest {
  lido_object_pool *pool;
  size_t created;
  size_t destroyed;
  size_t depth;
} nest;

static nest nested;

static void *nest_new(void *context) {
  nest *n = context;
  char *object = malloc(16);
  if (n->depth < 3) {
    n->depth++;
    lido_object_pool_put(n->pool, lido_object_pool_get(n->pool));
    n->depth--;
  }
  n->created++;
  return object;
}

static void nest_reset(void *object, void *context) {
  nest *n = context;
  (void)object;
  if (n->depth >= 3) return;
  n->depth++;
  void *other = lido_object_pool_get(n->pool);
  lido_object_pool_put(n->pool, other);
  n->depth--;
}

static void nest_end(void *object, void *context) {
  nest *n = context;
  n->destroyed++;
  free(object);
  if (n->depth >= 3) return;
  n->depth++;
  lido_object_pool_put(n->pool, lido_object_pool_get(n->pool));
  n->depth--;
}

TEST(object_pool, callbacks_may_use_the_same_pool) {
  nested = (nest){0};
  nested.pool = lido_object_pool_create(&(lido_object_pool_options){
      .create = nest_new, .reset = nest_reset, .destroy = nest_end, .context = &nested, .keep_objects = 30});
  CHECK_NOT_NULL(nested.pool);
  void *objects[100];
  for (int round = 0; round < 5; round++) {
    for (size_t i = 0; i < 100; i++) objects[i] = lido_object_pool_get(nested.pool);
    for (size_t i = 0; i < 100; i++) lido_object_pool_put(nested.pool, objects[i]);
    check_sound(nested.pool);
    lido_object_pool_trim(nested.pool);
  }
  CHECK_EQ(lido_object_pool_destroy(nested.pool), 0);
  CHECK_EQ(nested.created, nested.destroyed);
}

/* ---- Statistics ---- */

TEST(object_pool, statistics_add_up) {
  lido_object_pool *pool = open_shop((lido_object_pool_options){0});
  lido_object_pool_stats stats = stats_of(pool);
  CHECK_EQ(lido_object_pool_reuse_rate(&stats) * 100, 0);
  thing *things[10];
  get_many(pool, things, 10);
  put_many(pool, things, 10);
  for (int i = 0; i < 3; i++) keep_many(pool, 10);
  get_many(pool, things, 4);
  stats = stats_of(pool);
  CHECK_EQ(stats.gets, 44);
  CHECK_EQ(stats.reuses, 34);
  CHECK_EQ(stats.created, 10);
  CHECK_EQ(stats.out, 4);
  CHECK_EQ(stats.kept, 6);
  CHECK_EQ(stats.kept_bytes, 0);
  CHECK_EQ(stats.stores, 1);
  CHECK_EQ(lido_object_pool_reuse_rate(&stats) * 1000, 772);
  put_many(pool, things, 4);
  close_shop(pool, 0);
}

/* ---- Misuse ---- */

TEST(object_pool, a_second_put_in_a_row_is_reported_and_has_no_effect) {
  misuse_log log;
  for (int calls = 0; calls < 3; calls++) {
    lido_object_pool *pool = open_shop((lido_object_pool_options){
        .name = "twice", .reset = calls == 1 ? thing_reset : NULL, .size = calls == 2 ? thing_size : NULL});
    thing *t = lido_object_pool_get(pool);
    lido_object_pool_put(pool, t);
    misuse_log_start(&log);
    lido_object_pool_put(pool, t);
    misuse_log_stop();
    CHECK_EQ(log.count, 1);
    CHECK_EQ(log.last.kind, LIDO_MISUSE_DOUBLE_FREE);
    CHECK_SAME(log.last.address, t);
    CHECK_TEXT(log.pool, "twice");
    CHECK_EQ(t->puts, calls == 1);
    CHECK_EQ(stats_of(pool).kept, 1);
    close_shop(pool, 0);
  }
}

/* ---- Many pools, typed pools ---- */

TEST(object_pool, numbers_beyond_the_first_ones_work_alike) {
  enum { POOLS = 100 };
  lido_object_pool *pools[POOLS];
  memset(&shop, 0, sizeof shop);
  for (int round = 0; round < 3; round++) {
    for (size_t i = 0; i < POOLS; i++) {
      pools[i] = lido_object_pool_create(
          &(lido_object_pool_options){.create = thing_new, .destroy = thing_end, .context = &shop});
      CHECK_NOT_NULL(pools[i]);
    }
    for (size_t i = 0; i < POOLS; i++) keep_many(pools[i], i % 40);
    for (size_t i = 0; i < POOLS; i++) CHECK_EQ(stats_of(pools[i]).kept, i % 40);
    for (size_t i = 0; i < POOLS; i++) check_sound(pools[i]);
    for (size_t i = 0; i < POOLS; i++) CHECK_EQ(lido_object_pool_destroy(pools[i]), 0);
    CHECK_EQ(shop.created, shop.destroyed);
  }
}

static workshop typed_shop;

static void *typed_new(void *context) { return thing_new(context); }

LIDO_OBJECT_POOL_DEFINE(widget, thing, .create = typed_new, .reset = thing_reset, .destroy = thing_end,
                        .context = &typed_shop)
LIDO_OBJECT_POOL_DEFINE(gadget, thing, .create = typed_new, .destroy = thing_end, .context = &typed_shop)

static void *use_widgets(void *unused) {
  thing *things[30];
  for (size_t i = 0; i < 30; i++) things[i] = widget_get();
  for (size_t i = 0; i < 30; i++) widget_put(things[i]);
  return unused;
}

TEST(object_pool, typed_pools_are_made_at_their_first_use_and_again_after_their_end) {
  memset(&typed_shop, 0, sizeof typed_shop);
  for (int round = 0; round < 3; round++) {
    thing *w = widget_get();
    thing *g = gadget_get();
    CHECK_NOT_NULL(w);
    CHECK_TEXT(lido_object_pool_name(widget_objects()), "widget");
    gadget_put(g);
    CHECK_SAME(gadget_get(), g);
    CHECK(lido_object_pool_get(widget_objects()) != w); /* w is out; this one stays out */
    widget_put(w);
    CHECK_SAME(lido_object_pool_get(widget_objects()), w); /* but the same store */
    lido_object_pool_put(widget_objects(), w);
    objects_in_thread(use_widgets, NULL);
    check_sound(widget_objects());
    CHECK_EQ(lido_object_pool_trim(widget_objects()), 0);
    CHECK_GT(lido_object_pool_trim(widget_objects()), 0);
    CHECK_EQ(lido_object_pool_destroy(widget_objects()), 1);
    CHECK_EQ(lido_object_pool_destroy(gadget_objects()), 1);
  }
}

TEST(object_pool, a_put_before_the_first_get_of_a_typed_pool) {
  static thing own;
  memset(&typed_shop, 0, sizeof typed_shop);
  widget_put(NULL);
  widget_put(&own);
  CHECK_SAME(widget_get(), &own);
  widget_put(&own);
  lido_object_pool_destroy(widget_objects());
  CHECK(own.destroyed);
}

#ifdef LIDO_TEST_CXX
TEST(object_pool, in_cxx) { CHECK_EQ(cxx_use_object_pool(), 0); }
#endif

LIDO_OBJECT_POOL_DECLARE(shared_widget, thing)

/* Declared as in a header, the options are not known to the calls. */
static void use_shared_widgets(void) {
  thing *t = shared_widget_get();
  CHECK_EQ(t->puts, 0);
  t->bytes = 101;
  shared_widget_put(t);
  CHECK_EQ(t->puts, 1);
  CHECK(t->destroyed);
  t = shared_widget_get();
  t->bytes = 100;
  shared_widget_put(t);
  CHECK_SAME(shared_widget_get(), t);
  shared_widget_put(t);
}

LIDO_OBJECT_POOL_IMPLEMENT(shared_widget, thing, .create = typed_new, .reset = thing_reset, .destroy = thing_end,
                           .size = thing_size, .context = &typed_shop, .keep_bytes_each = 100)

TEST(object_pool, a_typed_pool_that_files_share) {
  memset(&typed_shop, 0, sizeof typed_shop);
  use_shared_widgets();
  CHECK_EQ(stats_of(shared_widget_objects()).destroyed_large, 1);
  check_sound(shared_widget_objects());
  CHECK_EQ(lido_object_pool_destroy(shared_widget_objects()), 0);
  CHECK_EQ(typed_shop.destroyed, 2);
}

LIDO_OBJECT_POOL_DEFINE(small, thing, .create = typed_new, .reset = thing_reset, .destroy = thing_end,
                        .size = thing_size, .context = &typed_shop, .keep_bytes_each = 100)

TEST(object_pool, a_typed_pool_with_a_bound_for_each) {
  memset(&typed_shop, 0, sizeof typed_shop);
  for (size_t round = 0; round < 3; round++) {
    thing *t = small_get();
    t->bytes = 101;
    errno = E2BIG;
    small_put(t);
    CHECK_EQ(errno, E2BIG);
    CHECK(t->destroyed);
    t = small_get();
    t->bytes = 100;
    small_put(t);
    CHECK(!t->destroyed);
    CHECK_SAME(small_get(), t);
    t->bytes = 101;
    small_put(t);
  }
  CHECK_EQ(stats_of(small_objects()).destroyed_large, 6);
  CHECK_EQ(stats_of(small_objects()).kept_bytes, 0);
  CHECK_EQ(lido_object_pool_destroy(small_objects()), 0);
}

/* A reset that puts away what the store holds, in the middle of a put. */
static void reset_and_flush(void *object, void *context) {
  thing_reset(object, context);
  lido_thread_flush();
}

LIDO_OBJECT_POOL_DEFINE(flushed, thing, .create = typed_new, .reset = reset_and_flush, .destroy = thing_end,
                        .context = &typed_shop)

TEST(object_pool, a_reset_that_flushes_the_thread) {
  thing *things[10];
  memset(&typed_shop, 0, sizeof typed_shop);
  for (size_t round = 0; round < 3; round++) {
    for (size_t i = 0; i < 10; i++) things[i] = flushed_get();
    for (size_t i = 0; i < 10; i++) flushed_put(things[i]);
    check_sound(flushed_objects());
    CHECK_EQ(stats_of(flushed_objects()).kept, 10);
  }
  CHECK_EQ(lido_object_pool_destroy(flushed_objects()), 0);
  CHECK_EQ(typed_shop.created, 10);
}

/* ---- Fork ---- */

static void live_as_a_child(void *scene) {
  lido_object_pool *pool = scene;
  IN_CHILD(lido_object_pool_check(pool) == NULL);
  IN_CHILD(stats_of(pool).kept == 30);
  IN_CHILD(stats_of(pool).stores == 1);
  thing *things[30];
  for (size_t i = 0; i < 30; i++) IN_CHILD((things[i] = lido_object_pool_get(pool)) != NULL);
  IN_CHILD(shop.created == 30);
  for (size_t i = 0; i < 30; i++) lido_object_pool_put(pool, things[i]);
  IN_CHILD(lido_object_pool_trim(pool) == 0);
  IN_CHILD(lido_object_pool_trim(pool) == 30);
  IN_CHILD(lido_object_pool_check(pool) == NULL);
  IN_CHILD(lido_object_pool_destroy(pool) == 0);
  IN_CHILD(shop.destroyed == 30);
}

static void fork_with(lido_object_pool *pool) {
  thing *things[30];
  get_many(pool, things, 10);
  put_many(pool, things, 10);
  check_child(live_as_a_child, pool);
}

TEST(object_pool, the_child_of_a_fork_has_what_other_threads_kept) {
  lido_object_pool *pool = open_shop((lido_object_pool_options){0});
  beside_an_idle_thread(fork_with, pool, 20);
  close_shop(pool, 0);
}

/* ---- Memory ---- */

TEST(object_pool, nothing_of_lidos_is_left_behind) {
  size_t held = 0;
  for (int round = 0; round < 5; round++) {
    lido_object_pool *pool = open_shop((lido_object_pool_options){0});
    keep_many(pool, 300);
    objects_in_thread(visit_pool, &(visit){.pool = pool, .count = 60});
    lido_object_pool_trim(pool);
    keep_many(pool, 30);
    close_shop(pool, 0);
    if (round != 0) CHECK_EQ(lido_metadata_used_bytes(lido_metadata_system()), held);
    held = lido_metadata_used_bytes(lido_metadata_system());
  }
}
