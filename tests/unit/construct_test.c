/* construct_test.c: construct once for each object of a slab, destroy once for each that goes. */
#include "tests/support/objects.h"

enum { OBJECT_BYTES = 512, BUILT = 0x600d };

typedef struct building {
  size_t constructed;
  size_t destroyed;
  size_t fail_at; /* the construction that fails, from 1; 0 = none */
  int fail_with;
  size_t wrong; /* destroyed without being built, built twice */
} building;

typedef struct part {
  uint32_t state;
  uint32_t user; /* what the program writes */
  building *by;
} part;

static int build(void *object, void *context) {
  building *by = context;
  part *built = object;
  if (by->fail_at != 0 && by->constructed + 1 == by->fail_at) return by->fail_with;
  by->constructed++;
  built->state = BUILT;
  built->user = 0;
  built->by = by;
  return 0;
}

static void tear_down(void *object, void *context) {
  building *by = context;
  part *built = object;
  by->destroyed++;
  by->wrong += built->state != BUILT || built->by != by;
  built->state = 0;
}

static lido_pool *make_pool(building *by) {
  return lido_pool_create(&(lido_pool_options){
      .object_size = OBJECT_BYTES, .construct = build, .destroy = tear_down, .context = by, .retain_bytes = 1});
}

TEST(construct, each_object_of_a_slab_is_built_once) {
  building by = {0};
  lido_pool *pool = make_pool(&by);
  CHECK_NOT_NULL(pool);
  CHECK_EQ(by.constructed, 0);
  object_list taken = {0};
  objects_take_slabs(pool, &taken, 1);
  CHECK_EQ(by.constructed, taken.count);
  objects_take_slabs(pool, &taken, 3);
  CHECK_EQ(by.constructed, taken.count);
  CHECK_EQ(by.destroyed, 0);
  for (size_t i = 0; i < taken.count; i++) CHECK_EQ(((part *)taken.items[i])->state, BUILT);
  objects_free_all(pool, &taken);
  lido_pool_destroy(pool);
  CHECK_EQ(by.destroyed, by.constructed);
  CHECK_EQ(by.wrong, 0);
  object_list_end(&taken);
}

TEST(construct, all_are_built_before_the_first_is_handed_out) {
  building by = {0};
  lido_pool *pool = make_pool(&by);
  CHECK_NOT_NULL(pool);
  void *object = lido_pool_alloc(pool);
  CHECK_NOT_NULL(object);
  CHECK_EQ(by.constructed, objects_stats(pool).objects);
  lido_pool_free(pool, object);
  lido_pool_destroy(pool);
  CHECK_EQ(by.destroyed, by.constructed);
}

TEST(construct, what_it_built_survives_free_and_alloc) {
  building by = {0};
  lido_pool *pool = lido_pool_create(
      &(lido_pool_options){.object_size = OBJECT_BYTES, .construct = build, .destroy = tear_down, .context = &by});
  CHECK_NOT_NULL(pool);
  object_list taken = {0};
  objects_take_slabs(pool, &taken, 2);
  size_t constructed = by.constructed;
  for (size_t i = 0; i < taken.count; i++) ((part *)taken.items[i])->user = 77;
  for (int round = 0; round < 4; round++) {
    objects_free_all(pool, &taken);
    if (round == 2) lido_thread_flush();
    objects_take_slabs(pool, &taken, 2);
    CHECK_EQ(by.constructed, constructed); /* two slabs are less than a pool keeps */
    CHECK_EQ(by.destroyed, 0);
    for (size_t i = 0; i < taken.count; i++) CHECK_EQ(((part *)taken.items[i])->user, 77);
  }
  objects_free_all(pool, &taken);
  lido_pool_destroy(pool);
  CHECK_EQ(by.wrong, 0);
  object_list_end(&taken);
}

TEST(construct, a_pair_on_one_object_builds_nothing_anew) {
  building by = {0};
  lido_pool *pool = lido_pool_create(
      &(lido_pool_options){.object_size = OBJECT_BYTES, .construct = build, .destroy = tear_down, .context = &by});
  CHECK_NOT_NULL(pool);
  part *first = lido_pool_alloc(pool);
  CHECK_NOT_NULL(first);
  size_t constructed = by.constructed;
  first->user = 123;
  lido_pool_free(pool, first);
  for (int i = 0; i < 1000; i++) {
    part *again = lido_pool_alloc(pool);
    CHECK_EQ(again->state, BUILT);
    lido_pool_free(pool, again);
  }
  CHECK_EQ(by.constructed, constructed);
  CHECK_EQ(by.destroyed, 0);
  lido_pool_destroy(pool);
}

TEST(construct, a_failure_destroys_what_was_built_and_is_what_alloc_reports) {
  building count = {0};
  lido_pool *pool = make_pool(&count);
  CHECK_NOT_NULL(lido_pool_alloc(pool));
  size_t slab_objects = objects_stats(pool).objects;
  lido_pool_destroy(pool);
  CHECK_GT(slab_objects, 8);
  const size_t places[] = {1, 2, slab_objects / 2, slab_objects - 1, slab_objects};
  const int errors[] = {ECONNREFUSED, EMFILE, ENOMEM, EINVAL, 4711};
  for (size_t i = 0; i < 5; i++) {
    building by = {.fail_at = places[i], .fail_with = errors[i]};
    pool = make_pool(&by);
    CHECK_NOT_NULL(pool);
    CHECK_FAILS(lido_pool_alloc(pool), errors[i]);
    CHECK_EQ(by.constructed, places[i] - 1);
    CHECK_EQ(by.destroyed, places[i] - 1);
    CHECK_EQ(by.wrong, 0);
    CHECK_EQ(objects_stats(pool).objects, 0);
    CHECK_EQ(objects_stats(pool).live, 0);
    CHECK_SOUND(pool);
    by.fail_at = 0;
    void *object = lido_pool_alloc(pool);
    CHECK_NOT_NULL(object);
    CHECK_EQ(by.constructed - by.destroyed, slab_objects);
    lido_pool_free(pool, object);
    CHECK_EQ(lido_pool_destroy(pool), 0);
    CHECK_EQ(by.constructed, by.destroyed);
    CHECK_EQ(by.wrong, 0);
  }
}

TEST(construct, a_failure_in_the_second_slab_leaves_the_first_alone) {
  building by = {0};
  lido_pool *pool = make_pool(&by);
  CHECK_NOT_NULL(pool);
  object_list taken = {0};
  objects_take_slabs(pool, &taken, 1);
  by.fail_at = by.constructed + 5;
  by.fail_with = EPERM;
  CHECK_FAILS(lido_pool_alloc(pool), EPERM);
  CHECK_EQ(by.destroyed, 4);
  CHECK_EQ(objects_stats(pool).slabs, 1);
  for (size_t i = 0; i < taken.count; i++) CHECK_EQ(((part *)taken.items[i])->state, BUILT);
  void *last = object_list_pop(&taken);
  lido_pool_free(pool, last);
  CHECK_SAME(lido_pool_alloc(pool), last); /* what there is is still handed out */
  object_list_push(&taken, last);
  void *more[10];
  by.fail_at = by.constructed + 1;
  errno = 0;
  CHECK_EQ(lido_pool_alloc_batch(pool, more, 10), 0);
  CHECK_EQ(errno, EPERM);
  objects_free_all(pool, &taken);
  lido_pool_destroy(pool);
  CHECK_EQ(by.constructed, by.destroyed);
  CHECK_EQ(by.wrong, 0);
  object_list_end(&taken);
}

TEST(construct, a_failure_while_preallocating_is_what_create_reports) {
  building by = {.fail_at = 7, .fail_with = EACCES};
  CHECK_FAILS(
      lido_pool_create(&(lido_pool_options){
          .object_size = OBJECT_BYTES, .construct = build, .destroy = tear_down, .context = &by, .prealloc = 10}),
      EACCES);
  CHECK_EQ(by.constructed, 6);
  CHECK_EQ(by.destroyed, 6);
  CHECK_EQ(by.wrong, 0);
}

TEST(construct, destroy_runs_when_a_slab_goes_back) {
  building by = {0};
  lido_pool *pool = make_pool(&by);
  CHECK_NOT_NULL(pool);
  object_list taken = {0};
  objects_take_slabs(pool, &taken, 4);
  objects_free_all(pool, &taken);
  lido_pool_trim(pool);
  lido_pool_stats stats = objects_stats(pool);
  CHECK_EQ(by.constructed - by.destroyed, stats.objects);
  CHECK_GE(stats.slabs_released, 3);
  CHECK_EQ(by.wrong, 0);
  void *object = lido_pool_alloc(pool);
  CHECK_EQ(((part *)object)->state, BUILT);
  lido_pool_free(pool, object);
  lido_pool_destroy(pool);
  CHECK_EQ(by.constructed, by.destroyed);
  CHECK_EQ(by.wrong, 0);
  object_list_end(&taken);
}

TEST(construct, destroy_runs_for_live_objects_too_when_the_pool_ends) {
  building by = {0};
  lido_pool *pool = make_pool(&by);
  CHECK_NOT_NULL(pool);
  for (int i = 0; i < 10; i++) CHECK_NOT_NULL(lido_pool_alloc(pool));
  CHECK_EQ(lido_pool_destroy(pool), 10);
  CHECK_EQ(by.constructed, by.destroyed);
  CHECK_EQ(by.wrong, 0);
}

static void count_destroyed(void *object, void *context) {
  (void)object;
  ((building *)context)->destroyed++;
}

TEST(construct, either_function_may_stand_alone) {
  building by = {0};
  lido_pool *pool =
      lido_pool_create(&(lido_pool_options){.object_size = OBJECT_BYTES, .construct = build, .context = &by});
  CHECK_NOT_NULL(pool);
  lido_pool_free(pool, lido_pool_alloc(pool));
  lido_pool_destroy(pool);
  CHECK_GT(by.constructed, 0);
  CHECK_EQ(by.destroyed, 0);
  size_t constructed = by.constructed;
  by = (building){0};
  pool =
      lido_pool_create(&(lido_pool_options){.object_size = OBJECT_BYTES, .destroy = count_destroyed, .context = &by});
  CHECK_NOT_NULL(pool);
  lido_pool_free(pool, lido_pool_alloc(pool));
  lido_pool_destroy(pool);
  CHECK_EQ(by.destroyed, constructed);
}

/* Both functions use another pool, and even the same one (below), while the pool works: no lock is held. */
typedef struct nested {
  lido_pool *other;
  size_t built;
} nested;

static int build_with_pool(void *object, void *context) {
  nested *n = context;
  *(void **)object = lido_pool_alloc(n->other);
  n->built++;
  return *(void **)object == NULL ? ENOMEM : 0;
}

static void tear_down_with_pool(void *object, void *context) {
  nested *n = context;
  lido_pool_free(n->other, *(void **)object);
  n->built--;
}

TEST(construct, both_functions_may_call_lido) {
  nested n = {.other = lido_pool_create(&(lido_pool_options){.object_size = 100})};
  CHECK_NOT_NULL(n.other);
  lido_pool *pool = lido_pool_create(&(lido_pool_options){.object_size = 2000,
                                                          .align = 8,
                                                          .construct = build_with_pool,
                                                          .destroy = tear_down_with_pool,
                                                          .context = &n,
                                                          .retain_bytes = 1});
  CHECK_NOT_NULL(pool);
  object_list taken = {0};
  objects_take_slabs(pool, &taken, 3);
  CHECK_EQ(objects_stats(n.other).live, n.built);
  objects_free_all(pool, &taken);
  lido_pool_trim(pool);
  CHECK_EQ(objects_stats(n.other).live, n.built);
  lido_pool_destroy(pool);
  CHECK_EQ(n.built, 0);
  CHECK_EQ(lido_pool_destroy(n.other), 0);
  object_list_end(&taken);
}

typedef struct family {
  lido_pool *pool;
  void *children[64];
  size_t count;
  size_t wanted; /* children that construct allocs */
  bool inside;
} family;

static int alloc_a_child(void *object, void *context) {
  family *f = context;
  (void)object;
  if (f->inside || f->count == f->wanted) return 0;
  f->inside = true;
  void *child = lido_pool_alloc(f->pool);
  f->inside = false;
  if (child == NULL) return errno;
  f->children[f->count++] = child;
  return 0;
}

static void free_a_child(void *object, void *context) {
  family *f = context;
  (void)object;
  if (f->count != 0) lido_pool_free(f->pool, f->children[--f->count]);
}

static void check_family(size_t wanted) {
  enum { MANY = 5000 };
  static void *objects[MANY];
  family f = {.wanted = wanted};
  f.pool = lido_pool_create(&(lido_pool_options){.object_size = 64, .construct = alloc_a_child, .context = &f});
  CHECK_NOT_NULL(f.pool);
  for (size_t taken = 1; taken <= MANY; taken++) {
    CHECK_NOT_NULL(objects[taken - 1] = lido_pool_alloc(f.pool));
    if (taken % 100 != 1) continue;
    CHECK_EQ(objects_stats(f.pool).live, taken + f.count);
    CHECK_SOUND(f.pool);
  }
  CHECK_EQ(f.count, wanted);
  lido_pool_free_batch(f.pool, objects, MANY);
  lido_pool_free_batch(f.pool, f.children, f.count);
  CHECK_SOUND(f.pool);
  CHECK_EQ(lido_pool_destroy(f.pool), 0);
}

TEST(construct, it_may_alloc_from_the_pool_that_grows) {
  check_family(1);
  check_family(3);
  check_family(64);
}

TEST(construct, destroy_may_free_to_the_pool_that_shrinks) {
  enum { MANY = 20000 };
  static void *objects[MANY];
  family f = {.count = 0};
  f.pool = lido_pool_create(&(lido_pool_options){
      .object_size = 64, .cache_bytes = 1000000, .retain_bytes = 65536, .destroy = free_a_child, .context = &f});
  CHECK_NOT_NULL(f.pool);
  void *children[64];
  CHECK_EQ(lido_pool_alloc_batch(f.pool, children, 64), 64);
  CHECK_EQ(lido_pool_alloc_batch(f.pool, objects, MANY), MANY);
  memcpy(f.children, children, sizeof children);
  f.count = 64;
  for (size_t i = 0; i < MANY; i++) {
    size_t children_left = f.count;
    lido_pool_free(f.pool, objects[i]);
    if (f.count != children_left) CHECK_SOUND(f.pool);
    if (i % 1000 == 0) CHECK_EQ(objects_stats(f.pool).live, MANY - 1 - i + f.count);
  }
  CHECK_LT(f.count, 64);
  CHECK_EQ(objects_stats(f.pool).live, f.count);
  f.count = 0; /* when the pool itself ends, nothing may use it any more */
  lido_pool_destroy(f.pool);
}
