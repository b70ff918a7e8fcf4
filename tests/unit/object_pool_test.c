/* object_pool_test.c: pools of the program's own objects, used by one thread. */
#include <stdlib.h>

#include "lib/mem/metadata.h"
#include "tests/support/workshop.h"

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

/* However large they say they are. */
TEST(object_pool, sums_of_sizes_do_not_wrap) {
  enum { MANY = 200 }; /* more than a store has room for: the shelves, too */
  static thing *things[MANY];
  const size_t bounds[] = {SIZE_MAX, SIZE_MAX / 4, ((size_t)1 << 44) + 1};
  for (size_t b = 0; b < sizeof bounds / sizeof *bounds; b++) {
    lido_object_pool *pool = open_shop((lido_object_pool_options){.size = thing_size, .keep_bytes = bounds[b]});
    get_many(pool, things, MANY);
    for (size_t i = 0; i < MANY; i++) things[i]->bytes = SIZE_MAX - i;
    put_many(pool, things, MANY);
    check_sound(pool);
    CHECK_EQ(stats_of(pool).kept, MANY);
    CHECK_EQ(stats_of(pool).kept_bytes, (uint64_t)MANY << 44);
    close_shop(pool, 0);
  }
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

/* ---- Many pools ---- */

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

/* ---- Memory ---- */

static void *get_and_put(void *pool) {
  keep_many(pool, 60);
  return NULL;
}

TEST(object_pool, nothing_of_lidos_is_left_behind) {
  size_t held = 0;
  for (int round = 0; round < 5; round++) {
    lido_object_pool *pool = open_shop((lido_object_pool_options){0});
    keep_many(pool, 300);
    objects_in_thread(get_and_put, pool);
    lido_object_pool_trim(pool);
    keep_many(pool, 30);
    close_shop(pool, 0);
    if (round != 0) CHECK_EQ(lido_metadata_used_bytes(lido_metadata_system()), held);
    held = lido_metadata_used_bytes(lido_metadata_system());
  }
}
